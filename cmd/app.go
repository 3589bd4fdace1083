// Package cmd is the command line: it reads settings, calls package session and prints.
//
// The rules of output, to which every line here is held: stdout carries the answer and nothing else;
// everything that is said to a person goes to stderr; secrets and answers to prompts are read from the
// terminal. A message is one line that starts with the program's name, in lower case and without a full
// stop; advice follows on a line of its own that starts with "hint:".
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// app is what the commands have of their surroundings.
type app struct {
	version string
	stdin   *os.File
	stdout  io.Writer
	stderr  io.Writer
	getenv  func(string) string
	now     func() time.Time

	settings func() (*settings, error) // read at first use
}

// Main runs the command line of this process and returns the exit code.
func Main(version string) (code int) {
	coredump.Disable()
	a := newApp(version)
	defer func() {
		if v := recover(); v != nil {
			// The value may hold anything; the stack holds no contents.
			fmt.Fprintf(a.stderr, "tokencli: internal error\n%s", debug.Stack())
			code = int(fail.Internal)
		}
	}()
	signals := new(interruption)
	defer signals.stop()
	if code, done := a.quickToken(signals, os.Args[1:]); done {
		return code
	}
	return a.run(signals.listen(), os.Args[1:])
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
	to io.Writer
	// secrets are looked up once, before anything may take them out of the environment.
	secrets func() []string
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
func (a *app) traced(ctx context.Context) context.Context {
	if a.getenv("TOKENCLI_DEBUG") != "http" {
		return ctx
	}
	return oauth.WithTrace(ctx, a.stderr)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	if err := root.ExecuteContext(a.traced(ctx)); err != nil {
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
	// What Windows says ends with a full stop.
	fmt.Fprintf(a.stderr, "tokencli: %s\n", strings.TrimSuffix(oneLine(err.Error()), "."))
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", oneLine(hint))
	}
	return int(fail.KindOf(err))
}

func oneLine(s string) string { return strings.Join(strings.Fields(redact.Printable(s)), " ") }

// exitCode ends a command whose failure was reported already.
type exitCode fail.Kind

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// goOn reports one of several failures at once, in the order in which they happen, and returns what the
// command ends with: the exit code of the first.
func (a *app) goOn(first, err error) error {
	code := exitCode(a.report(err))
	if first != nil {
		return first
	}
	return code
}

// say prints a remark for the person.
func (a *app) say(text string) { fmt.Fprintf(a.stderr, "tokencli: %s\n", oneLine(text)) }

// print writes an answer. A reader that is gone, or a full disk, is a failure: a script must not go on
// with half a token.
func (a *app) print(text string) error {
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return cannotPrint(err)
	}
	return nil
}

// pipeClosed is the exit code that a shell shows for a program whose reader has gone.
const pipeClosed = exitCode(128 + 13)

// cannotPrint is the failure of an answer that cannot be written. A reader that wants no more, such as
// `head`, is no news.
func cannotPrint(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return pipeClosed
	}
	return fail.New(fail.Internal, "the answer cannot be written: %w", err)
}

// open returns a session with the settings as they are.
func (a *app) open(change ...func(*session.Options)) (*session.Session, error) {
	set, err := a.settings()
	if err != nil {
		return nil, err
	}
	o := a.sessionOptions(set)
	for _, f := range change {
		f(&o)
	}
	return session.Open(o)
}

// sessionOptions are the settings of a session.
func (a *app) sessionOptions(set *settings) session.Options {
	return session.Options{
		Store:         set.Store,
		StateDir:      set.StateDir,
		DefinitionDir: set.DefinitionDir,
		Getenv:        a.getenv,
		Environ:       os.Environ,
		Defaults:      set.defaults,
		Tell:          a.say,
		Now:           a.now,
		UserAgent:     "tokencli/" + a.versionName(),
		OnRotate:      set.OnRotate,
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// usage makes a failure of the command line itself.
func usage(format string, args ...any) *fail.Error { return fail.New(fail.Usage, format, args...) }

// oneAccount is the argument check of commands that take one account.
func oneAccount(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("name one account").WithHint("such as mollie or mollie/shop-b")
	}
	_, err := account.Parse(args[0])
	return err
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
		return usage("%s takes no argument, got %q", cmd.CommandPath(), redact.Scrub(args[0], 80))
	}
	return nil
}
