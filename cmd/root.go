package cmd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

func (a *app) root() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "tokencli",
		Short: "Log in to an API once, get a fresh token everywhere",
		Long: `tokencli logs in to an API once, keeps the tokens in the operating system's keychain, and hands a
fresh one to a shell, a script or a program. An ACCOUNT is PROVIDER or PROVIDER/NAME: mollie is the
default account at Mollie, mollie/shop-b another one.`,
		Example: `  tokencli demo
  tokencli login moloni-on
  curl -H "$(tokencli token mollie --header)" https://api.mollie.com/v2/organizations/me`,
		Args:              unknownCommand,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return cleanFlags(cmd.Flags()) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return a.print("tokencli " + a.versionName() + "\n")
			}
			return cmd.Help()
		},
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	// Not cobra's Version: it links text/template, which calls methods by name, so that the linker can leave
	// nothing out (2.4 MiB).
	root.Flags().BoolVarP(&version, "version", "v", false, "print the version")
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	a.addCommands(root)
	a.addHelp(root)
	return root
}

func (a *app) addCommands(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: "login", Title: "Accounts:"},
		&cobra.Group{ID: "use", Title: "Tokens:"},
		&cobra.Group{ID: "more", Title: "More:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("login", a.loginCommand(), a.refreshCommand(), a.revokeCommand(), a.statusCommand(), a.whoamiCommand())
	add("use", a.tokenCommand(), a.execCommand(), a.apiCommand(), a.helperCommand(), a.proxyCommand())
	add("more", a.providerCommand(), a.doctorCommand(), a.keepaliveCommand(), a.sandboxCommand(), a.demoCommand(), a.storeCommand(),
		a.completionCommand(), a.versionCommand())
	root.AddCommand(exitCodesTopic(), environmentTopic(), a.openBrowserCommand())
}

// unknownCommand is the argument check of a command that only holds others.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	e := usage("unknown command %q", strings.TrimPrefix(cmd.CommandPath()+" ", "tokencli ")+redact.Scrub(args[0], 80))
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return e.WithHint("did you mean %s?", strings.Join(near, " or "))
	}
	return e.WithHint("%s --help", cmd.CommandPath())
}

// group returns a command that only holds others.
func group(use, short, long, example string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(children...)
	return c
}

// addHelp adds the help command, and prints all help so that a failure to print it is a failure.
func (a *app) addHelp(root *cobra.Command) {
	root.SetHelpCommandGroupID("more")
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			describeHelp(root, c)
		}
	}
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		var text strings.Builder
		c.SetOut(&text)
		help(c, args)
		c.SetOut(nil)
		if to := a.screen(); to.terminal {
			a.helpErr = a.print(reflow(text.String(), to.width))
		} else {
			a.helpErr = a.print(text.String())
		}
	})
}

func describeHelp(root, c *cobra.Command) {
	c.Long = `Shows the help of a command, or one of the topics exit-codes and environment.`
	c.Example = `  tokencli help token
  tokencli help exit-codes`
	c.Args = func(_ *cobra.Command, args []string) error {
		if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
			return usage("no help topic %q", redact.Scrub(strings.Join(args, " "), 80)).WithHint("tokencli --help")
		}
		return nil
	}
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		at, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var offers []string
		for _, child := range at.Commands() {
			if !child.Hidden && child != c {
				offers = append(offers, cobra.CompletionWithDesc(child.Name(), child.Short))
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

// secretFlags are flags that do not exist, and under which users look for secrets.
var secretFlags = [...]string{
	"--client-secret", "--secret", "--token", "--access-token", "--refresh-token", "--password", "--passphrase",
}

func flagError(cmd *cobra.Command, err error) error {
	e := usage("%s", redact.Scrub(withoutValue(err), 120)).WithHint("%s --help", cmd.CommandPath())
	if errors.Is(err, errShellSyntax) {
		return e.WithHint("%s", errShellSyntax.Hint)
	}
	for _, secret := range secretFlags {
		if strings.HasSuffix(e.Text, "unknown flag: "+secret) {
			return e.WithHint("secrets are never taken from flags: type them when asked, or see `tokencli help environment`")
		}
	}
	return e
}

// withoutValue returns the text of a flag error without the flag's value: pflag quotes it, and it may be a
// secret.
func withoutValue(err error) string {
	text := err.Error()
	var invalid interface {
		error
		GetValue() string
	}
	if errors.As(err, &invalid) {
		_, text, _ = strings.Cut(text, strconv.Quote(invalid.GetValue())+" for ")
		flag, _, _ := strings.Cut(text, " flag: ")
		cause := "invalid value"
		for _, known := range []error{errDuration, errArgv} {
			if errors.Is(err, known) {
				cause = known.Error()
			}
		}
		if own := fail.Advice(err); own != nil {
			cause = own.Text
		}
		return fmt.Sprintf("%s: %s", strings.Trim(flag, `"`), cause)
	}
	if before, _, ok := strings.Cut(text, " in -"); ok {
		return before
	}
	if strings.HasPrefix(text, "bad flag syntax") {
		return "bad flag syntax"
	}
	return text
}
