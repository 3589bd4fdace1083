// Package cmd is the command line: it reads settings, calls package session and prints.
//
// The rules of output: stdout carries the answer and nothing else; messages go to stderr; secrets and
// answers to prompts are read from the terminal. A message is one line that starts with the program's name,
// in lower case and without a full stop. What the user can do follows on a line that starts with "hint:".
package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/coredump"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// app is what all commands share.
type app struct {
	version string
	stdin   *os.File
	stdout  io.Writer
	stderr  io.Writer
	getenv  func(string) string
	now     func() time.Time

	settings func() (*settings, error)                       // read at first use
	shared   *session.Session                                // of demo, whose commands share one in memory; nil: each opens its own
	browser  func(ctx context.Context, address string) error // of demo; nil: the user's
	indent   int                                             // cells by which demo indents what a command prints

	helpErr error // why the help could not be printed: cobra's help functions return nothing
}

// Main runs the command line of this process and returns the exit code.
func Main(version string) (code int) {
	coredump.Disable()
	a := newApp(version)
	// Everything on stderr passes a.stderr, which masks secrets. The standard library logs whole requests
	// under GODEBUG=http2debug=2.
	log.SetOutput(io.Discard)
	defer func() {
		if v := recover(); v != nil {
			// The value may hold a secret; the stack holds no contents.
			fmt.Fprintf(a.stderr, "tokencli: internal error\n%s", debug.Stack())
			code = int(fail.Internal)
		}
	}()
	signals := new(interruption)
	defer signals.stop()
	args := asHelper(os.Args)
	for _, quick := range []func(context.Context, []string) (int, bool){a.quickToken, a.quickHelper} {
		if code, done := quick(signals, args); done {
			return code
		}
	}
	return a.run(signals.listen(), args)
}

func newApp(version string) *app {
	a := &app{
		version: version,
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  newScrubbed(os.Stderr),
		getenv:  os.Getenv,
		now:     clock,
	}
	a.settings = sync.OnceValues(func() (*settings, error) { return readSettings(a.getenv) })
	return a
}

// scrubbed masks the secrets of the environment in everything written to stderr. It is the backstop behind the messages,
// which mask what they quote; the words of the messages themselves stay as they are (see redact.Composed).
type scrubbed struct {
	to      io.Writer
	secrets func() []string // looked up once
}

func newScrubbed(to io.Writer) *scrubbed {
	return &scrubbed{to: to, secrets: sync.OnceValue(func() []string { return account.SecretValues(os.Environ()) })}
}

func (s *scrubbed) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.to, redact.Composed(string(p), s.secrets()...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// traced returns a context in which requests to providers are written to stderr if TOKENCLI_DEBUG is http.
func (a *app) traced(ctx context.Context) (context.Context, error) {
	switch debug, err := account.CleanVar(account.Debug, a.getenv(account.Debug)); {
	case err != nil || debug == "":
		return ctx, err
	case debug != "http":
		return ctx, fail.New(fail.Usage, "%s has a value that is not known", account.Debug).Advise(fail.DoSetVariable, account.Debug+" to http, or unset it")
	}
	return oauth.WithTrace(ctx, a.stderr), nil
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	ctx, err := a.traced(ctx)
	if err == nil {
		err = cmp.Or(root.ExecuteContext(ctx), a.helpErr)
	}
	if err != nil {
		return a.report(err)
	}
	return 0
}

// report prints a failure and returns its exit code.
func (a *app) report(err error) int {
	var silent exitCode
	if errors.As(err, &silent) {
		return int(silent)
	}
	// Errors of Windows end with a full stop.
	fmt.Fprintf(a.stderr, "tokencli: %s\n", strings.TrimSuffix(oneLine(err.Error()), "."))
	if hint := hintOf(err); hint != "" {
		a.hint(hint)
	}
	return int(fail.KindOf(err))
}

func (a *app) hint(text string) { fmt.Fprintf(a.stderr, "hint: %s\n", oneLine(text)) }

func oneLine(s string) string { return strings.Join(strings.Fields(redact.Printable(s)), " ") }

// exitCode is the failure of a command that has reported it already.
type exitCode fail.Kind

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// reportAndContinue reports one of several failures and returns the failure of the command so far: the exit
// code of the first one.
func (a *app) reportAndContinue(first, err error) error {
	code := exitCode(a.report(err))
	if first != nil {
		return first
	}
	return code
}

func (a *app) say(text string) { fmt.Fprintf(a.stderr, "tokencli: %s\n", oneLine(text)) }

// print writes an answer. A closed pipe or a full disk is a failure: a script must not continue with half a
// token.
func (a *app) print(text string) error {
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return cannotPrint(err)
	}
	return nil
}

// pipeClosed is the exit code that a shell shows for a program that SIGPIPE ended.
const pipeClosed = exitCode(128 + 13)

// cannotPrint is the failure to write an answer. It is silent if the reader closed the pipe, as `head` does.
func cannotPrint(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return pipeClosed
	}
	return fail.New(fail.Internal, "cannot write to stdout: %w", err)
}

// open returns a session with the user's settings.
func (a *app) open(change ...func(*session.Options)) (*session.Session, error) {
	if a.shared != nil {
		return a.shared, nil
	}
	set, err := a.settings()
	if err != nil {
		return nil, err
	}
	o := a.sessionOptions(set)
	for _, f := range change {
		f(&o)
	}
	s, err := session.Open(o)
	if err == nil {
		a.now = s.Now
	}
	return s, err
}

func (a *app) sessionOptions(set *settings) session.Options {
	return session.Options{
		Store:         set.Store,
		StateDir:      set.StateDir,
		DefinitionDir: set.DefinitionDir,
		Getenv:        set.getenv(a.getenv),
		Environ:       os.Environ,
		Defaults:      set.defaults,
		Tell:          a.say,
		Now:           a.now,
		UserAgent:     a.userAgent(),
		OnRotate:      set.OnRotate,
	}
}

func (a *app) userAgent() string { return "tokencli/" + a.versionName() }

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// usage makes a failure of the command line itself.
func usage(format string, args ...any) *fail.Error { return fail.New(fail.Usage, format, args...) }

// chosen returns the account that a name means to the commands that use a token: TOKENCLI_<PROVIDER>_ACCOUNT
// says which one the bare name of the provider means.
func (a *app) chosen(given account.Name) (account.Name, error) {
	if given.Label != "" {
		return given, nil
	}
	variable := given.Var(account.Chosen)
	label, err := account.CleanVar(variable, a.getenv(variable))
	if label == "" || err != nil {
		return given, err
	}
	if !account.ValidPart(label) {
		return given, usage("%s is not the name of an account: %q", variable, redact.Scrub(label, 80)).
			WithHint("set it to the name alone, such as shop-b for %s/shop-b, or unset it", given.Provider)
	}
	return account.Name{Provider: given.Provider, Label: label}, nil
}

// openAccount returns a session and the account that an argument names.
func (a *app) openAccount(arg string) (*session.Session, account.Name, error) {
	name, err := account.Parse(arg)
	if err != nil {
		return nil, account.Name{}, err
	}
	s, err := a.open()
	return s, name, err
}

// oneAccount is the argument check of commands that take one account.
func (a *app) oneAccount(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return a.missingAccount(cmd)
	case 1:
		_, err := account.Parse(args[0])
		return err
	}
	return usage("%s takes one account, got %d", cmd.CommandPath(), len(args)).WithHint("%s --help", cmd.CommandPath())
}

// missingAccount is the failure of a command without its account. Its hint lists those that are logged in.
func (a *app) missingAccount(cmd *cobra.Command) error {
	e := usage("which account?").WithHint("e.g. %s mollie", cmd.CommandPath())
	s, err := a.open()
	if err != nil {
		return e
	}
	const most = 10
	names, err := s.Accounts(cmd.Context())
	if err != nil || len(names) == 0 {
		return e
	}
	var list []string
	for _, name := range names[:min(most, len(names))] {
		list = append(list, name.String())
	}
	if len(names) > most {
		list = append(list, "...")
	}
	return e.WithHint("logged in: %s; e.g. %s %s", strings.Join(list, ", "), cmd.CommandPath(), list[0])
}

func parseAccounts(args []string) ([]account.Name, error) {
	names := make([]account.Name, 0, len(args))
	for _, arg := range args {
		name, err := account.Parse(arg)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no arguments, got %q", cmd.CommandPath(), redact.Scrub(args[0], 80))
	}
	return nil
}
