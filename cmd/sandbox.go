package cmd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/sandbox"
	"github.com/tokencli/tokencli/internal/session"
)

type sandboxOptions struct {
	listen                            string
	providers                         []string
	consent                           string
	accessLife, refreshLife, codeLife duration
}

func (a *app) sandboxCommand() *cobra.Command {
	var o sandboxOptions
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve local stand-ins of the providers",
		Long: `Serves strict local stand-ins of the built-in providers until it is interrupted: for trying tokencli out,
and for tests of your own code. stdout gets the lines that point tokencli to it; they also name a
throw-away store, state and configuration, which are deleted at the end, so that no real login is touched.
What is asked for, and why it is refused, goes to stderr.`,
		Example: `  tokencli sandbox
  tokencli sandbox --provider mollie --access-life 90s --consent allow`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sandbox(cmd.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of this machine to listen on; port 0 picks a free one")
	f.StringArrayVar(&o.providers, "provider", nil, "a provider to play; may be repeated (default all five)")
	f.StringVar(&o.consent, "consent", "ask", "what the consent page does: ask, allow or deny")
	f.Var(&o.accessLife, "access-life", "life of access tokens (default: as the provider documents it)")
	f.Var(&o.refreshLife, "refresh-life", "life of refresh tokens (default: as the provider documents it)")
	f.Var(&o.codeLife, "code-life", "life of authorization codes (default: as the provider documents it)")
	_ = c.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(sandbox.Providers(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("consent", cobra.FixedCompletions([]string{"ask", "allow", "deny"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) sandbox(ctx context.Context, o sandboxOptions) error {
	if err := loopbackOnly(o.listen); err != nil {
		return err
	}
	server, err := sandbox.New(sandbox.Config{
		Providers:   o.providers,
		Consent:     o.consent,
		AccessLife:  time.Duration(o.accessLife),
		RefreshLife: time.Duration(o.refreshLife),
		CodeLife:    time.Duration(o.codeLife),
		Event:       func(e sandbox.Event) { fmt.Fprintln(a.stderr, describeEvent(e)) },
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
		return fail.New(fail.Store, "no throw-away folder can be made: %w", err)
	}
	defer os.RemoveAll(dir)
	key := filepath.Join(dir, "key.txt")
	if _, _, err := session.InitKeyFile(key); err != nil {
		return err
	}
	variables := append(server.Variables(listener.URL),
		sandbox.Variable{Name: sandboxMarker, Value: listener.URL},
		sandbox.Variable{Name: "TOKENCLI_STORE", Value: "file"},
		sandbox.Variable{Name: "TOKENCLI_FILE_KEY", Value: key},
		sandbox.Variable{Name: "TOKENCLI_STATE_DIR", Value: filepath.Join(dir, "state")},
		sandbox.Variable{Name: "TOKENCLI_CONFIG_DIR", Value: filepath.Join(dir, "config")},
	)
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

// sandboxMarker is the variable that tells that the settings are a sandbox's and end with it.
const sandboxMarker = "TOKENCLI_SANDBOX"

// loopbackOnly keeps the sandbox on this machine: it hands out logins to everybody who asks.
func loopbackOnly(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usage("--listen wants host:port").WithHint("such as 127.0.0.1:8977")
	}
	addr, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return usage("the sandbox listens on addresses of this machine only").WithHint("such as 127.0.0.1:8977")
	}
	return nil
}

// describeEvent puts a request at the sandbox into one line. Its values are masked already.
func describeEvent(e sandbox.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Method, e.Path)
	in := ""
	for _, p := range e.Parameters {
		if p.In != in {
			in = p.In
			fmt.Fprintf(&b, "  %s:", in)
		}
		fmt.Fprintf(&b, " %s=%s", p.Name, p.Value)
	}
	fmt.Fprintf(&b, "  -> %d", e.Status)
	if e.Reason != "" {
		fmt.Fprintf(&b, " (%s)", e.Reason)
	}
	return redact.Printable(b.String())
}
