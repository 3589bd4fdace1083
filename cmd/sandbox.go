package cmd

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/loopback"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/sandbox"
	"github.com/tokencli/tokencli/internal/store"
	"github.com/tokencli/tokencli/internal/terminal"
)

type sandboxOptions struct {
	listen                            string
	providers, definitions            []string
	consent                           string
	accessLife, refreshLife, codeLife duration
	run                               bool     // run a command instead of serving until interrupted
	command                           []string // empty: the user's shell
}

func (a *app) sandboxCommand() *cobra.Command {
	var o sandboxOptions
	c := &cobra.Command{
		Use:   "sandbox [flags] [-- [CMD ARG...]]",
		Short: "Serve local stand-ins of the providers",
		Long: `Serves strict local stand-ins of the built-in providers until it is interrupted: to try tokencli out, and to
test your own code. stdout gets the lines that point tokencli to it. They also set a temporary store, state
and configuration, which are deleted at the end, so that no real login is touched. Each request, and why it
is refused, goes to stderr.

With --definition, it serves a stand-in made from a definition file: it accepts exactly the requests that the
definition describes, and says why it refuses others.

With --, it runs CMD (by default your shell) with these settings, and ends when CMD ends.`,
		Example: `  tokencli sandbox
  tokencli sandbox --provider mollie --access-life 90s --consent allow
  tokencli sandbox --definition ./acme.yaml -- ./test.sh
  tokencli sandbox --
  tokencli sandbox --consent allow -- sh -c 'tokencli login monta'`,
		Args: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			if o.run = dash >= 0; !o.run {
				return noArgs(cmd, args)
			}
			o.command = args[dash:]
			return noArgs(cmd, args[:dash])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sandbox(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "listen on `HOST:PORT` of this machine; port 0 picks a free one")
	f.StringArrayVar(&o.providers, "provider", nil, "serve `PROVIDER` only; may be repeated (default: all five)")
	f.StringArrayVar(&o.definitions, "definition", nil, "serve a stand-in made from `FILE`; may be repeated")
	f.StringVar(&o.consent, "consent", "ask", "have the consent page do `ACTION`: ask, allow or deny")
	f.Var(&o.accessLife, "access-life", "let access tokens expire after `DURATION` (default: as the provider documents it)")
	f.Var(&o.refreshLife, "refresh-life", "let refresh tokens expire after `DURATION` (default: as the provider documents it)")
	f.Var(&o.codeLife, "code-life", "let authorization codes expire after `DURATION` (default: as the provider documents it)")
	_ = c.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(sandbox.Providers(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("consent", cobra.FixedCompletions([]string{"ask", "allow", "deny"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) sandbox(ctx context.Context, o sandboxOptions) error {
	if err := loopbackOnly(o.listen); err != nil {
		return err
	}
	names, texts, err := readDefinitions(o.definitions)
	if err != nil {
		return err
	}
	server, err := sandbox.New(sandbox.Config{
		Providers:   o.providers,
		Definitions: texts,
		Consent:     o.consent,
		AccessLife:  time.Duration(o.accessLife),
		RefreshLife: time.Duration(o.refreshLife),
		CodeLife:    time.Duration(o.codeLife),
		Event:       func(e sandbox.Event) { fmt.Fprintln(a.stderr, describeEvent(e, 0)) },
	})
	if err != nil {
		return usage("%w", err)
	}
	listener, err := server.Listen(ctx, o.listen)
	if err != nil {
		return usage("the sandbox cannot listen on %s: %w", o.listen, err).WithHint("choose another address with --listen")
	}
	defer listener.Close()
	dir, err := os.MkdirTemp("", "tokencli-sandbox-")
	if err != nil {
		return fail.New(fail.Store, "cannot create a temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := writeDefinitions(filepath.Join(dir, "config", "providers"), names, texts); err != nil {
		return err
	}
	variables, err := sandboxSettings(server.Variables(listener.URL), listener.URL, dir)
	if err != nil {
		return err
	}
	if o.run {
		return a.runInSandbox(o.command, variables)
	}
	var lines strings.Builder
	for _, v := range variables {
		fmt.Fprintf(&lines, "export %s=%s\n", v.Name, shellQuote(v.Value))
	}
	if err := a.print(lines.String()); err != nil {
		return err
	}
	a.say("the sandbox serves at " + listener.URL + "; paste the lines above into another shell, end it with Ctrl-C")
	<-ctx.Done()
	return nil
}

// readDefinitions returns names and texts of definition files, with what they extend.
func readDefinitions(paths []string) (names []string, texts [][]byte, err error) {
	for _, path := range paths {
		name, text, err := provider.Catalog{}.Merged(path)
		switch {
		case err != nil:
			return nil, nil, err
		case slices.Contains(names, name):
			return nil, nil, usage("two of the definitions are called %s", name)
		}
		names, texts = append(names, name), append(texts, text)
	}
	return names, texts, nil
}

// writeDefinitions puts definitions where the settings of the sandbox find them.
func writeDefinitions(dir string, names []string, texts [][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail.New(fail.Store, "cannot create a temporary folder: %w", err)
	}
	for i, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), texts[i], 0o600); err != nil {
			return fail.New(fail.Store, "cannot write a temporary file: %w", err)
		}
	}
	return nil
}

// sandboxSettings returns the variables that point tokencli to the sandbox, and to a store of its own in dir.
func sandboxSettings(variables []sandbox.Variable, url, dir string) ([]sandbox.Variable, error) {
	key := filepath.Join(dir, "key.txt")
	if _, _, err := store.InitKeyFile(key); err != nil {
		return nil, err
	}
	return append(variables,
		sandbox.Variable{Name: account.Sandbox, Value: url},
		sandbox.Variable{Name: account.StoreVar, Value: "file"},
		sandbox.Variable{Name: account.FileKey, Value: key},
		sandbox.Variable{Name: account.StateDir, Value: filepath.Join(dir, "state")},
		sandbox.Variable{Name: account.ConfigDir, Value: filepath.Join(dir, "config")},
	), nil
}

// runInSandbox runs a command with the sandbox's variables in place of all of tokencli's.
func (a *app) runInSandbox(command []string, variables []sandbox.Variable) error {
	if len(command) == 0 {
		command = []string{userShell(a.getenv)}
		a.say("this shell uses the sandbox; try `tokencli login monta`, and end it with `exit`")
	}
	path, err := lookUp(command[0])
	if err != nil {
		return err
	}
	environ := slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "TOKENCLI_") })
	for _, v := range variables {
		environ = setVariable(environ, v.Name, v.Value)
	}
	return a.runChild(path, command, environ)
}

// userShell is the shell of the user, or that of every system.
func userShell(getenv func(string) string) string {
	if runtime.GOOS == "windows" {
		return cmp.Or(getenv("COMSPEC"), "cmd.exe")
	}
	return cmp.Or(getenv("SHELL"), "/bin/sh")
}

// loopbackOnly keeps the sandbox on this machine: it grants logins to everyone.
func loopbackOnly(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usage("--listen wants host:port").WithHint("such as 127.0.0.1:8977")
	}
	if !loopback.Is(host) {
		return usage("--listen takes only addresses of this machine").WithHint("such as 127.0.0.1:8977")
	}
	return nil
}

// describeEvent puts a request at the sandbox into one line, which is cut to a width in cells, its parameters first; 0: it is not
// cut. Its values are masked already.
func describeEvent(e sandbox.Event, width int) string {
	var parameters strings.Builder
	in := ""
	for _, p := range e.Parameters {
		if p.In != in {
			in = p.In
			fmt.Fprintf(&parameters, "  %s:", in)
		}
		fmt.Fprintf(&parameters, " %s=%s", p.Name, p.Value)
	}
	answer := fmt.Sprintf("  -> %d", e.Status)
	if e.Reason != "" {
		answer += " (" + e.Reason + ")"
	}
	head, middle, tail := redact.Printable(e.Method+" "+e.Path), redact.Printable(parameters.String()), redact.Printable(answer)
	if width == 0 {
		return head + middle + tail
	}
	middle = runewidth.Truncate(middle, max(0, width-terminal.Cells(head)-terminal.Cells(tail)), "…")
	return runewidth.Truncate(head+middle+tail, width, "…")
}
