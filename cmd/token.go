package cmd

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// outputs are the values of --output and what they print.
var outputs = [...]struct{ name, prints string }{
	{"raw", "the token"},
	{"header", "Authorization: Bearer TOKEN, or what the provider wants"},
	{"headers", "all headers of a request, as a JSON object"},
	{"query", "access_token=TOKEN, for a provider that takes it in the query"},
	{"json", "the token and what is known about it"},
	{"env", "export NAME='...', safe to eval"},
	{"curl", "a curl config line, so that the token is on no command line"},
	{"github", "masks the token and sets its variable in a GitHub Actions job"},
}

func outputNames() []string {
	var names []string
	for _, output := range outputs {
		names = append(names, output.name)
	}
	return names
}

func badOutput(s string) *fail.Error {
	return usage("unknown output format %q", redact.Scrub(s, 40)).WithHint("formats: %s", strings.Join(outputNames(), ", "))
}

// shells are the values of --shell. Without it the line works in POSIX shells and in fish.
var shells = [...]string{"fish", "powershell"}

// tokenFlags are the flags of `token`, declared once for both ways to run it.
type tokenFlags struct {
	output, shell  string
	minTTL         minTTL
	header, asJSON bool
	rotation       rotation
}

func (t *tokenFlags) declare(f *pflag.FlagSet) {
	f.StringVarP(&t.output, "output", "o", "", "print the token as `FORMAT` (default raw, or TOKENCLI_OUTPUT)")
	f.StringVar(&t.shell, "shell", "", "with --output env: write for `SHELL`, fish or powershell")
	f.BoolVar(&t.header, "header", false, "short for --output header")
	f.BoolVar(&t.asJSON, "json", false, "short for --output json")
	t.minTTL.declare(f)
	t.rotation.declare(f)
}

// tokenOptions are flags and settings together.
type tokenOptions struct {
	tokenFlags
	name  account.Name // the account
	given account.Name // as the user wrote it, which names the variable
	ttl   time.Duration
}

func (t *tokenFlags) options(a *app, given account.Name) (tokenOptions, error) {
	o := tokenOptions{tokenFlags: *t, given: given}
	set, err := a.settings()
	if err != nil {
		return o, err
	}
	if o.name, err = a.chosen(given); err != nil {
		return o, err
	}
	switch {
	case t.header && t.asJSON || t.output != "" && (t.header && t.output != "header" || t.asJSON && t.output != "json"):
		return o, usage("--output, --header and --json ask for different formats")
	case t.header:
		o.output = "header"
	case t.asJSON:
		o.output = "json"
	case t.output == "":
		o.output = cmp.Or(set.Output, "raw")
	}
	switch {
	case !validOutput(o.output):
		return o, badOutput(o.output)
	case o.shell != "" && o.output != "env":
		return o, usage("--shell needs --output env")
	case o.shell != "" && !slices.Contains(shells[:], o.shell):
		return o, usage("unknown shell %q", redact.Scrub(o.shell, 40)).WithHint("shells: %s", strings.Join(shells[:], ", "))
	case (o.output == "env" || o.output == "github") && !validVariable(given.TokenVar()):
		return o, badVariable(given.TokenVar())
	}
	o.ttl = t.minTTL.or(set.MinTTL)
	return o, nil
}

func validOutput(name string) bool { return slices.Contains(outputNames(), name) }

func (a *app) tokenCommand() *cobra.Command {
	var flags tokenFlags
	long := "Prints a valid access token, refreshing it first if it expires within --min-ttl.\n\nThe formats of --output are:\n"
	for _, output := range outputs {
		long += "  " + output.name + strings.Repeat(" ", 9-len(output.name)) + output.prints + "\n"
	}
	c := &cobra.Command{
		Use:        "token ACCOUNT",
		SuggestFor: []string{"get", "print", "access-token"},
		Short:      "Print a valid access token",
		Long:       strings.TrimSuffix(long, "\n"),
		Example: `  tokencli token mollie
  curl -H "$(tokencli token mollie --header)" https://api.mollie.com/v2/organizations/me
  curl "https://api.moloni.pt/v1/companies/getAll/?$(tokencli token moloni -o query)"
  curl -K <(tokencli token mollie -o curl) https://api.mollie.com/v2/organizations/me
  eval "$(tokencli token monta -o env)"`,
		Args:              a.oneAccount,
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := account.Parse(args[0])
			if err != nil {
				return err
			}
			o, err := flags.options(a, name)
			if err != nil {
				return err
			}
			return a.token(cmd.Context(), o)
		},
	}
	flags.declare(c.Flags())
	_ = c.RegisterFlagCompletionFunc("output", completeOutputs)
	_ = c.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions(shells[:], cobra.ShellCompDirectiveNoFileComp))
	return c
}

// quickToken is the short way of `token ACCOUNT`, which is used in prompts and loops: building the tree of
// commands would cost as much as the rest. done is false for everything that needs the tree, such as a wrong
// flag or --help.
func (a *app) quickToken(ctx context.Context, args []string) (code int, done bool) {
	if len(args) < 2 || args[0] != "token" {
		return 0, false
	}
	ctx, err := a.traced(ctx)
	if err != nil {
		return a.report(err), true
	}
	var flags tokenFlags
	f := pflag.NewFlagSet("token", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	flags.declare(f)
	if f.Parse(args[1:]) != nil || f.NArg() != 1 || cleanFlags(f) != nil {
		return 0, false
	}
	name, err := account.Parse(f.Arg(0))
	if err != nil {
		return 0, false
	}
	o, err := flags.options(a, name)
	if err == nil {
		err = a.token(ctx, o)
	}
	if err != nil {
		return a.report(err), true
	}
	return 0, true
}

func (a *app) token(ctx context.Context, o tokenOptions) error {
	githubEnv, err := a.githubEnv(o)
	if err != nil {
		return err
	}
	s, err := a.open(o.rotation.apply(a))
	if err != nil {
		return err
	}
	present, err := presentation(s, o)
	if err != nil {
		return err
	}
	c, err := s.Token(ctx, o.name, o.ttl)
	if unsaved := session.Unsaved(err); unsaved != nil {
		c = unsaved // its token is printed, and the failure is reported after it
	} else if err != nil {
		return err
	}
	if printErr := a.printToken(c, o, present, githubEnv); printErr != nil {
		return printErr
	}
	return err
}
