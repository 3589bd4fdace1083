package cmd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// What a shell answers for a command that it cannot run, and so do `env` and `nohup`.
const (
	cannotRun fail.Kind = 126
	notThere  fail.Kind = 127
)

type execOptions struct {
	names          []account.Name
	variables      []string // one for each account; nil: their own
	command        []string
	minTTL         time.Duration
	discardRotated bool
}

func (a *app) execCommand() *cobra.Command {
	var (
		o      execOptions
		minTTL duration
	)
	c := &cobra.Command{
		Use:   "exec ACCOUNT... -- CMD ARG...",
		Short: "Run a command with tokens in its environment",
		Long: `Runs a command with a valid access token of each account in its environment, as MOLLIE_ACCESS_TOKEN,
MOLONI_ON_ACCESS_TOKEN or, for the account mollie/shop-b, MOLLIE_SHOP_B_ACCESS_TOKEN; --env chooses another
name. The secrets of tokencli itself (TOKENCLI_*_CLIENT_SECRET and the like) are taken out.

The command takes the place of tokencli: it gets the signals and the terminal, and its exit code is what
you see. A command that is not there is 127, one that cannot be run 126; the other codes of tokencli itself
mean that nothing was run. The tokens are as old as the command: for one that runs longer than they live,
ask for more life with --min-ttl, or let it call tokencli token.`,
		Example: `  tokencli exec mollie -- printenv MOLLIE_ACCESS_TOKEN
  tokencli exec mollie moneybird -- env
  tokencli exec monta --env API_TOKEN --min-ttl 10m -- sh -c 'test -n "$API_TOKEN"'`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if cmd.ArgsLenAtDash() >= 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return a.completeAccounts(cmd, args, word)
		},
		Args: func(cmd *cobra.Command, args []string) (err error) {
			dash := cmd.ArgsLenAtDash()
			switch {
			case dash < 0:
				return usage("-- is missing before the command").WithHint("tokencli exec ACCOUNT... -- CMD ARG...")
			case dash == 0:
				return usage("name the accounts whose tokens the command gets").WithHint("tokencli exec ACCOUNT... -- CMD ARG...")
			case dash == len(args):
				return usage("there is no command after --").WithHint("tokencli exec ACCOUNT... -- CMD ARG...")
			}
			o.command = args[dash:]
			o.names, err = parseAccounts(args[:dash])
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := a.settings()
			if err != nil {
				return err
			}
			o.minTTL = set.MinTTL
			if cmd.Flags().Changed("min-ttl") {
				o.minTTL = time.Duration(minTTL)
			}
			return a.exec(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.variables, "env", nil, "the variable for the token; with several accounts once for each, in their order")
	f.Var(&minTTL, "min-ttl", "renew when less than this is left (default 60s)")
	f.BoolVar(&o.discardRotated, "discard-rotated", false, "in the env store, renew even though the new refresh token is lost")
	return c
}

// exec runs the command. Whatever can be wrong with it is found before a token is asked for.
func (a *app) exec(ctx context.Context, o execOptions) error {
	variables, err := o.tokenVariables()
	if err != nil {
		return err
	}
	path, err := lookUp(o.command[0])
	if err != nil {
		return err
	}
	s, err := a.open(func(so *session.Options) { so.DiscardRotated = o.discardRotated })
	if err != nil {
		return err
	}
	environ := account.Environ(os.Environ())
	for i, name := range o.names {
		c, err := s.Token(ctx, name, o.minTTL)
		if unsaved := session.Unsaved(err); unsaved != nil {
			a.report(err) // before the command can hide it
			c = unsaved
		} else if err != nil {
			return err
		}
		environ = setVariable(environ, variables[i], c.AccessToken.Reveal())
	}
	if ctx.Err() != nil {
		return fail.New(fail.Interrupted, "interrupted; the command was not run")
	}
	return a.become(path, o.command, environ)
}

// tokenVariables returns the variable of each account.
func (o *execOptions) tokenVariables() ([]string, error) {
	variables := o.variables
	switch {
	case variables == nil:
		for _, name := range o.names {
			variables = append(variables, name.TokenVar())
		}
	case len(variables) != len(o.names):
		return nil, usage("--env is given %d times for %d accounts", len(variables), len(o.names)).
			WithHint("give it once for each account, in their order, or not at all")
	}
	for i, variable := range variables {
		if !validVariable(variable) {
			return nil, usage("%q is no name of an environment variable", redact.Scrub(variable, 80)).
				WithHint("letters, digits and _, not starting with a digit")
		}
		for j, other := range variables[:i] {
			if sameVariable(variable, other) {
				return nil, usage("%s and %s would both be in %s", o.names[j], o.names[i], variable).
					WithHint("name a variable for each with --env")
			}
		}
	}
	return variables, nil
}

func validVariable(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '_':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return name != ""
}

func sameVariable(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// setVariable gives a variable its only value in environ.
func setVariable(environ []string, name, value string) []string {
	kept := make([]string, 0, len(environ)+1)
	for _, entry := range environ {
		if there, _, _ := strings.Cut(entry, "="); !sameVariable(there, name) {
			kept = append(kept, entry)
		}
	}
	return append(kept, name+"="+value)
}

// lookUp finds the program of a command as a shell does.
func lookUp(command string) (string, error) {
	path, err := exec.LookPath(command)
	if err == nil {
		return path, nil
	}
	return "", cannotStart(command, err)
}

// cannotStart is the failure to find or to start a command.
func cannotStart(command string, err error) error {
	shown := redact.Scrub(command, 120)
	var inner *exec.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	switch {
	case errors.Is(err, exec.ErrDot):
		return fail.New(notThere, "%s is only found in the current folder, which is not trusted", shown).
			WithHint("write ./%s if that is meant", shown)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fail.New(notThere, "%s: command not found", shown)
	case errors.Is(err, fs.ErrPermission):
		return fail.New(cannotRun, "%s cannot be run: it is not executable", shown)
	}
	return fail.New(cannotRun, "%s cannot be run: %w", shown, err)
}
