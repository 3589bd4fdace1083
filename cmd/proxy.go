package cmd

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/proxy"
	"github.com/tokencli/tokencli/internal/session"
)

// proxyFlags are the flags of `proxy` and of `exec --proxy`.
type proxyFlags struct {
	listen   []string
	envFile  fileFlag
	allow    []string
	readOnly bool
	audit    fileFlag
	// These are declared apart: minTTL is a flag of `exec` alone, and rotation counts there without --proxy as well.
	rotation rotation
	minTTL   minTTL
}

// fileFlag is the value of a flag that names a file. An empty one, such as that of a variable that is not set, is a
// mistake.
type fileFlag string

// Set is of pflag.Value.
func (f *fileFlag) Set(s string) error {
	if s == "" {
		return errors.New("expected the name of a file")
	}
	*f = fileFlag(s)
	return nil
}

func (f *fileFlag) String() string { return string(*f) }

// Type is of pflag.Value.
func (*fileFlag) Type() string { return "string" }

func (p *proxyFlags) declare(f *pflag.FlagSet) {
	f.StringArrayVar(&p.listen, "listen", nil, "listen on `ADDRESS` (127.0.0.1:PORT) instead of a free port; with several accounts, repeat it for each, in the same order")
	f.Var(&p.envFile, "env-file", "write the variables to the new `FILE` when the proxy listens, instead of printing them")
	f.StringArrayVar(&p.allow, "allow", nil, "forward only requests that match `RULE`, such as 'GET /v2/**'; may be repeated")
	f.BoolVar(&p.readOnly, "read-only", false, "forward only GET, HEAD and OPTIONS, and what --allow adds")
	f.Var(&p.audit, "audit", "append a JSON line for each request to `FILE`")
}

func (a *app) proxyCommand() *cobra.Command {
	var flags proxyFlags
	c := &cobra.Command{
		Use:   "proxy ACCOUNT...",
		Short: "Attach the token to the requests of programs that never see it",
		Long: `Listens on this machine and forwards requests to the API of each account, with the token attached. It
prints the variables for a program: the address (MOLLIE_API_URL), and a key for this run
(MOLLIE_ACCESS_TOKEN) that the program presents where the token would be. Without the key nothing is
forwarded. The token is refreshed as usual.

Only paths below the API's address are forwarded; --allow and --read-only limit them. A rule is a method
(or *) and a path: * matches one segment, and ** at the end matches the rest. Ctrl-C ends the proxy after the
requests in progress.`,
		Example: `  tokencli proxy monta --env-file proxy.env
  tokencli proxy monta moneybird --read-only --audit audit.jsonl
  tokencli proxy monta --allow 'GET /api/v1/**' --allow 'POST /api/v1/charge-points'`,
		ValidArgsFunction: a.completeAccounts,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.missingAccount(cmd)
			}
			_, err := parseAccounts(args)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := parseAccounts(args)
			if err != nil {
				return err
			}
			return a.proxy(cmd.Context(), names, flags)
		},
	}
	flags.declare(c.Flags())
	flags.rotation.declare(c.Flags())
	completeProxyFlags(c)
	return c
}

func completeProxyFlags(c *cobra.Command) {
	for _, flag := range []string{"listen", "allow"} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions)
	}
}

func (a *app) proxy(ctx context.Context, names []account.Name, flags proxyFlags) error {
	p, err := a.startProxies(ctx, names, flags)
	if err != nil {
		return err
	}
	defer p.stop()
	if flags.envFile == "" {
		if err := a.print(p.lines()); err != nil {
			return err
		}
	}
	a.say("the proxy listens; end it with Ctrl-C")
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.broken:
		return fail.New(fail.Internal, "the proxy stopped: %w", err)
	}
}

// variable is a line of the environment of a program that uses a proxy.
type variable struct{ name, value string }

type proxies struct {
	servers   []*http.Server
	variables []variable
	files     []string   // to delete at the end
	audit     *os.File   // nil: none
	broken    chan error // why a server stopped by itself
}

// stopTime bounds how long requests in progress are waited for at the end.
const stopTime = 30 * time.Second

func (p *proxies) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	var done sync.WaitGroup
	for _, server := range p.servers {
		done.Go(func() {
			if server.Shutdown(ctx) != nil {
				_ = server.Close()
			}
		})
	}
	done.Wait()
	for _, file := range p.files {
		_ = os.Remove(file)
	}
	if p.audit != nil {
		_ = p.audit.Close()
	}
}

// lines returns the variables in a form that a shell can source.
func (p *proxies) lines() string {
	var lines strings.Builder
	for _, v := range p.variables {
		value := v.value
		if strings.Trim(value, letters+digits+":/._-") != "" {
			value = shellQuote(value)
		}
		lines.WriteString(v.name + "=" + value + "\n")
	}
	return lines.String()
}

// startProxies starts a proxy for each account. Every mistake in the flags is found, and every token read,
// before anything listens.
func (a *app) startProxies(ctx context.Context, names []account.Name, flags proxyFlags) (*proxies, error) {
	rules, err := flags.rules()
	if err != nil {
		return nil, err
	}
	if len(flags.listen) > 0 && len(flags.listen) != len(names) {
		return nil, usage("got %d --listen for %d accounts", len(flags.listen), len(names)).
			WithHint("give --listen once for each account, in their order, or not at all")
	}
	for _, address := range flags.listen {
		if err := loopbackOnly(address); err != nil {
			return nil, err
		}
	}
	for i, name := range names {
		if !validVariable(name.TokenVar()) {
			return nil, badVariable(name.TokenVar())
		}
		for _, other := range names[:i] {
			if name.TokenVar() == other.TokenVar() {
				return nil, usage("%s and %s share the variable %s", other, name, name.TokenVar())
			}
		}
	}
	s, err := a.open(flags.rotation.apply(a))
	if err != nil {
		return nil, err
	}
	p := &proxies{broken: make(chan error, len(names))}
	audit, err := a.openAudit(p, string(flags.audit))
	if err == nil {
		err = a.serveProxies(ctx, p, s, names, flags, proxy.Proxy{Rules: rules, Audit: audit, Failed: a.reportOnce()})
	}
	if err == nil && flags.envFile != "" {
		err = p.writeEnv(string(flags.envFile))
	}
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *proxyFlags) rules() (proxy.Rules, error) {
	rules := proxy.Rules{ReadOnly: p.readOnly}
	for _, text := range p.allow {
		rule, err := proxy.ParseRule(text)
		if err != nil {
			return rules, err
		}
		rules.Allow = append(rules.Allow, rule)
	}
	return rules, nil
}

// serveProxies starts the servers; like holds what they have in common.
func (a *app) serveProxies(ctx context.Context, p *proxies, s *session.Session, names []account.Name, flags proxyFlags, like proxy.Proxy) error {
	set, err := a.settings()
	if err != nil {
		return err
	}
	for i, given := range names {
		name, err := a.chosen(given)
		if err != nil {
			return err
		}
		one := like
		one.Account, one.Key = name.String(), proxy.NewKey()
		if one.Transport, err = s.Transport(ctx, name, flags.minTTL.or(set.MinTTL)); err != nil {
			return err
		}
		server, err := one.Server()
		if err != nil {
			return err
		}
		if _, err := one.Transport.Tokens.Token(ctx); err != nil {
			return err
		}
		address := "127.0.0.1:0"
		if len(flags.listen) > 0 {
			address = flags.listen[i]
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return usage("the proxy cannot listen on %s: %w", address, err).WithHint("choose another address with --listen")
		}
		p.servers = append(p.servers, server)
		go func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				p.broken <- err
			}
		}()
		p.variables = append(p.variables,
			variable{given.APIVar(), "http://" + listener.Addr().String() + one.Path()},
			variable{given.TokenVar(), one.Key})
	}
	return nil
}

// reportOnce returns a function that reports failures, the same one only once in a row.
func (a *app) reportOnce() func(error) {
	var mu sync.Mutex
	var last string
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if text := err.Error(); text != last {
			last = text
			a.report(err)
		}
	}
}

func (a *app) openAudit(p *proxies, path string) (*proxy.Audit, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, usage("--audit: %w", err)
	}
	p.audit = file
	return proxy.NewAudit(file, func(err error) { a.say("warning: the audit file cannot be written: " + err.Error()) }), nil
}

// writeEnv writes the variables to a new file. Whoever finds it finds it complete.
func (p *proxies) writeEnv(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return usage("--env-file: %s exists already", path).WithHint("name a file that does not exist")
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".tokencli-*") // with mode 0600
	if err != nil {
		return usage("--env-file: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(p.lines())
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Link(file.Name(), path) // which replaces nothing
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return usage("--env-file: %s exists already", path).WithHint("name a file that does not exist")
	case err != nil:
		return usage("--env-file: %w", err)
	}
	p.files = append(p.files, path)
	return nil
}

// execByProxy runs a command with the variables of proxies that serve as long as it runs.
func (a *app) execByProxy(ctx context.Context, o execOptions) error {
	if o.variables != nil {
		return usage("--env cannot be used with --proxy")
	}
	path, err := lookUp(o.command[0])
	if err != nil {
		return err
	}
	o.proxy.minTTL = o.minTTL
	p, err := a.startProxies(ctx, o.names, o.proxy)
	if err != nil {
		return err
	}
	defer p.stop()
	environ := account.Environ(os.Environ())
	for _, v := range p.variables {
		environ = setVariable(environ, v.name, v.value)
	}
	return a.runChild(path, o.command, environ)
}
