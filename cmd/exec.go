package cmd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// The exit codes of shells, `env` and `nohup` for a command that they cannot run.
const (
	cannotRun fail.Kind = 126
	notFound  fail.Kind = 127
)

type execOptions struct {
	names     []account.Name // as the user wrote them, which names the variables
	variables []string       // one for each account; nil: the usual ones
	command   []string
	minTTL    minTTL
	byProxy   bool
	proxy     proxyFlags
}

func (a *app) execCommand() *cobra.Command {
	var o execOptions
	c := &cobra.Command{
		Use:   "exec ACCOUNT... [flags] -- CMD ARG...",
		Short: "Run a command with tokens in its environment",
		Long: `Runs a command with a valid access token of each account in its environment, as MOLLIE_ACCESS_TOKEN,
MOLONI_ON_ACCESS_TOKEN or, for the account mollie/shop-b, MOLLIE_SHOP_B_ACCESS_TOKEN; --env gives another
name. The secrets of tokencli itself (TOKENCLI_*_CLIENT_SECRET and the like) are removed.

The command replaces tokencli: it gets the signals and the terminal, and its exit code is returned. The exit
code is 127 if the command is not found and 126 if it cannot be run; with any other code of tokencli the
command was not run. A token is not refreshed while the command runs: for a long one, raise --min-ttl or let
it call tokencli token.

With --proxy the command gets a key instead of the token, as with tokencli proxy: MOLLIE_API_URL is the
address of a proxy that runs as long as the command, and MOLLIE_ACCESS_TOKEN the key for it.`,
		Example: `  tokencli exec mollie -- printenv MOLLIE_ACCESS_TOKEN
  tokencli exec mollie moneybird -- env
  tokencli exec monta --env API_TOKEN --min-ttl 10m -- sh -c 'test -n "$API_TOKEN"'
  tokencli exec --proxy monta --read-only -- printenv MONTA_API_URL`,
		ValidArgsFunction: a.completeExec,
		Args:              func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.byProxy {
				return a.execByProxy(cmd.Context(), o)
			}
			return a.exec(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.variables, "env", nil, "put the token into `VARIABLE`; with several accounts, repeat it for each, in the same order")
	o.minTTL.declare(f)
	f.BoolVar(&o.byProxy, "proxy", false, "give the command the address and key of a proxy instead of the token")
	o.proxy.declare(f)
	o.proxy.rotation.declare(f)
	completeProxyFlags(c)
	_ = c.RegisterFlagCompletionFunc("env", cobra.NoFileCompletions)
	return c
}

func (o *execOptions) parse(cmd *cobra.Command, args []string) (err error) {
	dash := cmd.ArgsLenAtDash()
	o.names, err = parseAccounts(args[:max(dash, 0)])
	problem := ""
	switch {
	case dash < 0:
		problem = "-- is missing before the command"
	case dash == 0:
		problem = "which accounts? their names come before --"
	case dash == len(args):
		problem = "which command? it comes after --"
	default:
		o.command = args[dash:]
		if err == nil && !o.byProxy {
			err = withoutProxy(cmd.Flags())
		}
		return err
	}
	return usage("%s", problem).WithHint("tokencli exec ACCOUNT... -- CMD ARG...")
}

// withoutProxy refuses the flags that only --proxy obeys: without it the command would get a token that they do not limit.
func withoutProxy(f *pflag.FlagSet) error {
	of := new(pflag.FlagSet)
	new(proxyFlags).declare(of)
	var err error
	of.VisitAll(func(flag *pflag.Flag) {
		if err == nil && f.Changed(flag.Name) {
			err = usage("--%s has an effect only with --proxy", flag.Name)
		}
	})
	return err
}

// exec runs the command. Every mistake in it is found before a token is fetched.
func (a *app) exec(ctx context.Context, o execOptions) error {
	set, err := a.settings()
	if err != nil {
		return err
	}
	variables, err := o.tokenVariables()
	if err != nil {
		return err
	}
	path, err := lookUp(o.command[0])
	if err != nil {
		return err
	}
	s, err := a.open(o.proxy.rotation.apply(a))
	if err != nil {
		return err
	}
	environ := account.Environ(os.Environ())
	for i, given := range o.names {
		name, err := a.chosen(given)
		if err != nil {
			return err
		}
		c, err := s.Token(ctx, name, o.minTTL.or(set.MinTTL))
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

func (o *execOptions) tokenVariables() ([]string, error) {
	variables := o.variables
	switch {
	case variables == nil:
		for _, name := range o.names {
			variables = append(variables, name.TokenVar())
		}
	case len(variables) != len(o.names):
		return nil, usage("got %d --env for %d accounts", len(variables), len(o.names)).
			WithHint("give --env once for each account, in their order, or not at all")
	}
	for i, variable := range variables {
		if !validVariable(variable) {
			return nil, badVariable(variable)
		}
		for j, other := range variables[:i] {
			if sameVariable(variable, other) {
				return nil, usage("%s and %s share the variable %s", o.names[j], o.names[i], variable).
					WithHint("give each its own variable with --env")
			}
		}
	}
	return variables, nil
}

func badVariable(name string) error {
	return usage("%q is not a valid variable name", redact.Scrub(name, 80)).
		WithHint("use letters, digits and _, and no digit at the start")
}

const (
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

func validVariable(name string) bool {
	return name != "" && strings.Trim(name, letters+digits+"_") == "" && !strings.ContainsAny(name[:1], digits)
}

func sameVariable(a, b string) bool {
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}

// setVariable returns environ with the variable set to the value, and to no other.
func setVariable(environ []string, name, value string) []string {
	others := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		set, _, _ := strings.Cut(entry, "=")
		return sameVariable(set, name)
	})
	return append(others, name+"="+value)
}

// lookUp finds the program of a command in PATH.
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
		return fail.New(notFound, "%s is only in the current folder, which is not searched", shown).
			WithHint("./%s", shown)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fail.New(notFound, "%s: command not found", shown)
	case errors.Is(err, fs.ErrPermission):
		return fail.New(cannotRun, "%s cannot be run: it is not executable", shown)
	}
	return fail.New(cannotRun, "%s cannot be run: %w", shown, err)
}
