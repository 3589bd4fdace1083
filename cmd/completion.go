package cmd

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/redact"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the completion script of a shell",
		Long: `Prints the completion script of a shell. Names of accounts and providers are completed from the list of
names and the definitions alone: no keychain is opened and no provider is asked.`,
		Example: `  mkdir -p ~/.local/share/bash-completion/completions
  tokencli completion bash > ~/.local/share/bash-completion/completions/tokencli
  tokencli completion zsh > "${fpath[1]}/_tokencli"
  mkdir -p ~/.config/fish/completions
  tokencli completion fish > ~/.config/fish/completions/tokencli.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("name one shell").WithHint("%s", strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return usage("there is no completion for %q", redact.Scrub(args[0], 40)).WithHint("%s", strings.Join(shells, ", "))
		},
	}
}

// completeAccounts offers the accounts that are logged in.
func (a *app) completeAccounts(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := a.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := s.Accounts(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	taken := make(map[string]bool)
	for _, arg := range given {
		taken[arg] = true
	}
	var offers []string
	for _, name := range names {
		if !taken[name.String()] {
			offers = append(offers, name.String())
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

// completeProviders offers the providers there are definitions of.
func (a *app) completeProviders(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := a.open()
	if err != nil || len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := s.Catalog.Names()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
