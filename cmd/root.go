package cmd

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

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
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			e := usage("unknown command %q", redact.Scrub(args[0], 80)).WithHint("tokencli --help")
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				e.Hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return e
		},
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
	// Not by cobra's Version: with it, or with any template of one's own, text/template is linked, which
	// calls methods by name and so keeps the linker from leaving anything out (2.4 MiB).
	root.Flags().BoolVarP(&version, "version", "v", false, "print the version")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		e := usage("%s", redact.Scrub(withoutValue(err), 120)).WithHint("%s --help", cmd.CommandPath())
		for _, secret := range []string{"--client-secret", "--secret", "--token", "--access-token", "--refresh-token", "--password", "--passphrase"} {
			if strings.HasSuffix(e.Text, "unknown flag: "+secret) {
				e.Hint = "secrets are never taken from flags: enter them when you are asked, or see `tokencli help environment`"
			}
		}
		return e
	})
	root.CompletionOptions.DisableDefaultCmd = true
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
	add("use", a.tokenCommand(), a.execCommand(), a.apiCommand())
	add("more", a.providerCommand(), a.doctorCommand(), a.keepaliveCommand(), a.sandboxCommand(), a.demoCommand(), a.storeCommand(), a.completionCommand(), a.versionCommand())
	root.SetHelpCommandGroupID("more")
	root.AddCommand(exitCodesTopic(), environmentTopic(), a.openBrowserCommand())
	improveHelp(root)
	a.fitHelp(root)
	return root
}

// improveHelp makes `help` say so when it does not know what it is asked about.
func improveHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() != "help" {
			continue
		}
		c.Long = `Shows the help of a command, or one of the topics exit-codes and environment.`
		c.Example = `  tokencli help token
  tokencli help exit-codes`
		c.Args = func(_ *cobra.Command, args []string) error {
			if _, rest, err := root.Find(args); err != nil || len(rest) > 0 {
				return usage("there is no help about %q", redact.Scrub(strings.Join(args, " "), 80)).WithHint("tokencli --help")
			}
			return nil
		}
	}
}

// fitHelp breaks the lines of help where the screen ends and not within words.
func (a *app) fitHelp(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		to := a.screen()
		if !to.terminal {
			help(c, args)
			return
		}
		var text strings.Builder
		c.SetOut(&text)
		help(c, args)
		c.SetOut(nil)
		_ = a.print(reflow(text.String(), to.width)) // as the help itself does
	})
}

// withoutValue returns the text of a flag error less what was given as the flag's value: pflag quotes it,
// and it may be a secret that somebody tried to pass as a flag.
func withoutValue(err error) string {
	text := err.Error()
	var invalid interface {
		error
		GetValue() string
	}
	if errors.As(err, &invalid) {
		_, text, _ = strings.Cut(text, strconv.Quote(invalid.GetValue())+" for ")
		flag, _, _ := strings.Cut(text, " flag: ")
		cause := "not a value that it takes"
		for _, known := range []error{errDuration, errArgv} {
			if errors.Is(err, known) {
				cause = known.Error()
			}
		}
		return strings.Trim(flag, `"`) + ": " + cause
	}
	if before, _, ok := strings.Cut(text, " in -"); ok {
		return before
	}
	if strings.HasPrefix(text, "bad flag syntax") {
		return "bad flag syntax"
	}
	return text
}

// group returns a command that only holds others.
func group(use, short, long, example string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q", cmd.CommandPath()+" "+redact.Scrub(args[0], 80)).WithHint("%s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(children...)
	return c
}
