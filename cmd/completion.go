package cmd

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the completion script of a shell",
		Long: `Prints the completion script of a shell. Nothing else has to be installed, not even bash-completion.
Accounts are completed with their state if the store tells it within 0.3 s. Completion never prompts, and
contacts no provider.`,
		Example: `  mkdir -p ~/.local/share/bash-completion/completions
  tokencli completion bash > ~/.local/share/bash-completion/completions/tokencli
  tokencli completion zsh > "${fpath[1]}/_tokencli"
  mkdir -p ~/.config/fish/completions
  tokencli completion fish > ~/.config/fish/completions/tokencli.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usage("which shell?").WithHint("shells: %s", strings.Join(shells, ", "))
			case !slices.Contains(shells, args[0]):
				return usage("unknown shell %q", redact.Scrub(args[0], 40)).WithHint("shells: %s", strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			script, err := completionScript(cmd.Root(), args[0])
			if err != nil {
				return err
			}
			return a.print(script)
		},
	}
}

func completionScript(root *cobra.Command, shell string) (string, error) {
	var script strings.Builder
	var err error
	switch shell {
	case "bash":
		script.WriteString(bashWords)
		err = root.GenBashCompletionV2(&script, true)
	case "zsh":
		err = root.GenZshCompletion(&script)
	case "fish":
		err = root.GenFishCompletion(&script, true)
	case "powershell":
		err = root.GenPowerShellCompletionWithDesc(&script)
	}
	if err != nil {
		return "", err
	}
	return script.String(), nil
}

// bashWords precedes the script for shells without bash-completion. It is the one function of that package that the
// script calls, and it is what _get_comp_words_by_ref does for `-n =: cur prev words cword`: it joins the words that
// bash split at '=' and ':'.
const bashWords = `# Without bash-completion, provide the function of it that this script calls.
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        local i word
        words=("${COMP_WORDS[0]}")
        cword=0
        for ((i = 1; i < ${#COMP_WORDS[@]}; i++)); do
            word=${COMP_WORDS[i]}
            if [[ $i -le $COMP_CWORD && ( $word == [=:]* || ${words[cword]} == *[=:] ) && $cword -gt 0 ]]; then
                words[cword]+=$word
            elif [[ $i -le $COMP_CWORD ]]; then
                cword=$((cword + 1))
                words[cword]=$word
            else
                words+=("$word")
            fi
        done
        cur=${words[cword]}
        prev=${words[cword - 1]}
    }
fi

`

// grants are the values of --grant.
var grants = []string{"authorization_code", "device_code", "password", "client_credentials", "jwt_bearer", "token_exchange"}

// completeAccount offers the accounts for a command that takes one.
func (a *app) completeAccount(cmd *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeAccounts(cmd, given, word)
}

// completeAccounts offers the accounts that are logged in and not given yet, each with its provider's title and its state.
func (a *app) completeAccounts(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := a.open(func(o *session.Options) { o.NoPrompt, o.Tell = true, nil })
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := s.Accounts(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names = slices.DeleteFunc(names, func(name account.Name) bool { return slices.Contains(given, name.String()) })
	states := statesInTime(cmd.Context(), s, names)
	var offers []string
	for _, name := range names {
		about := title(s, name.Provider)
		if state := states[name]; state != "" {
			about += ", " + string(state)
		}
		offers = append(offers, cobra.CompletionWithDesc(name.String(), strings.TrimPrefix(about, ", ")))
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

// statesTime bounds the look at the store while a shell waits.
const statesTime = 300 * time.Millisecond

// statesInTime returns the states that the store tells in time. One that is locked or silent tells none.
func statesInTime(ctx context.Context, s *session.Session, names []account.Name) map[account.Name]session.State {
	ctx, cancel := context.WithTimeout(ctx, statesTime)
	defer cancel()
	told := make(chan map[account.Name]session.State, 1)
	go func() {
		states := make(map[account.Name]session.State)
		for _, row := range readStatus(ctx, s, names) {
			if row.err == nil {
				states[row.Account] = row.State
			}
		}
		told <- states
	}()
	select {
	case states := <-told:
		return states
	case <-ctx.Done():
		return nil
	}
}

// title is the provider's title, empty if its definition cannot be used.
func title(s *session.Session, provider string) string {
	d, err := s.Catalog.Find(provider)
	if err != nil {
		return ""
	}
	return redact.Printable(d.Title)
}

func (a *app) completeProviders(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := a.open()
	if err != nil || len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := s.Catalog.Names()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for i, name := range names {
		names[i] = cobra.CompletionWithDesc(name, title(s, name))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeScopes offers the scopes of the provider that is named, after those in the same list.
func (a *app) completeScopes(_ *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
	d := a.definitionOf(given)
	if d == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	list := word[:strings.LastIndexAny(word, ", ")+1]
	var offers []string
	for _, scope := range d.Scopes.Default {
		if !slices.Contains(strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }), scope) {
			offers = append(offers, list+scope)
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (a *app) completeInputs(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	d := a.definitionOf(given)
	if d == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	for _, input := range d.Inputs {
		offers = append(offers, cobra.CompletionWithDesc(input.Name+"=", redact.Printable(input.Prompt)))
	}
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// definitionOf returns the definition of the account that is typed first, or nil.
func (a *app) definitionOf(given []string) *provider.Definition {
	if len(given) == 0 {
		return nil
	}
	s, err := a.open()
	if err != nil {
		return nil
	}
	name, err := account.Parse(given[0])
	if err != nil {
		return nil
	}
	d, err := s.Catalog.Find(name.Provider)
	if err != nil {
		return nil
	}
	return d
}

// completeExec offers accounts before -- and commands after it. Cobra adds a -- of its own where the user typed none.
func (a *app) completeExec(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	switch {
	case !slices.Contains(os.Args, "--"):
		return a.completeAccounts(cmd, args, word)
	case len(args) > cmd.ArgsLenAtDash() || strings.ContainsRune(word, filepath.Separator):
		return nil, cobra.ShellCompDirectiveDefault
	}
	return programs(a.getenv("PATH"), word), cobra.ShellCompDirectiveNoFileComp
}

// programs returns the names in PATH that begin with word.
func programs(path, word string) []string {
	var names []string
	for _, dir := range filepath.SplitList(path) {
		entries, _ := os.ReadDir(dir) // folders in PATH need not exist
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), word) && !entry.IsDir() {
				names = append(names, entry.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func completeOutputs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	for _, output := range outputs {
		offers = append(offers, cobra.CompletionWithDesc(output.name, output.prints))
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}
