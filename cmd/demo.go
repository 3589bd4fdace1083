package cmd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/sandbox"
	"github.com/tokencli/tokencli/internal/session"
	"github.com/tokencli/tokencli/internal/terminal"
)

func (a *app) demoCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole life of a token, without an account",
		Long: `Runs login, status, token, whoami, refresh and revoke against the sandbox. Below each command it shows what
the command prints and the requests that it sends, with their secrets masked. With --all it runs them at every
built-in provider and shows in a table how their dialects of OAuth differ.
It needs no account, keychain, browser or network, and leaves nothing behind.`,
		Example: `  tokencli demo
  tokencli demo --all`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), all) },
	}
	c.Flags().BoolVar(&all, "all", false, "compare all built-in providers")
	return c
}

// demo is one run of the demonstration.
type demo struct {
	*app
	// user is the app whose commands are run: with the sandbox's environment, a session in memory and a browser of its own.
	user   *app
	env    map[string]string
	pasted io.Writer // the user's keyboard
	events []sandbox.Event
	to     screen
	pace   time.Duration // between two commands
	quiet  bool          // collects events and prints nothing
	err    error
}

func (a *app) demo(ctx context.Context, all bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d := &demo{app: a, to: a.screen(), env: map[string]string{}, quiet: all}
	if d.to.terminal && !all {
		d.pace = time.Second
	}
	server, err := sandbox.New(sandbox.Config{Consent: sandbox.ConsentAllow, Event: d.exchange})
	if err != nil {
		return err
	}
	listener, err := server.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return fail.New(fail.Internal, "the sandbox cannot listen on this machine: %w", err)
	}
	defer listener.Close()
	if err := checkLoopback(ctx, strings.TrimPrefix(listener.URL, "http://")); err != nil {
		return err
	}
	for _, v := range server.Variables(listener.URL) {
		d.env[v.Name] = v.Value
	}
	closeUser, err := d.makeUser()
	if err != nil {
		return err
	}
	defer closeUser()
	started := a.now()
	if all {
		err = d.compare(ctx)
	} else {
		err = d.walk(ctx, sandbox.Providers()[0])
	}
	if err != nil {
		return err
	}
	d.line("")
	d.line(fmt.Sprintf("Done in %.1f s. Nothing was left behind.", a.now().Sub(started).Seconds()))
	next := "tokencli sandbox --, tokencli login PROVIDER"
	if !all {
		next = "tokencli demo --all, " + next
	}
	d.line("Next: " + next)
	return d.err
}

// checkLoopback refuses a machine on which the demonstration could only wait for its own answers.
func checkLoopback(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fail.New(fail.Unavailable, "the demonstration needs connections within this machine, and %s does not answer", address).
			Because(err).WithHint("in a container or a network namespace, bring up its loopback interface")
	}
	return conn.Close()
}

// makeUser makes the app that the commands run in. The settings and logins of the real user do not apply to it.
func (d *demo) makeUser() (func(), error) {
	out := &indented{demo: d}
	d.user = &app{version: d.version, stdout: out, stderr: out, getenv: func(name string) string { return d.env[name] }, now: d.now, indent: 4}
	d.user.settings = sync.OnceValues(func() (*settings, error) { return settingsIn("", d.user.getenv) })
	d.user.browser = func(ctx context.Context, address string) error {
		// A browser loads its page to the end, also when the login has its code.
		landed, err := browse(context.WithoutCancel(ctx), address)
		if err == nil && landed != "" {
			d.note("the browser ends up at an address that is not on this machine, and the user pastes it")
			_, err = io.WriteString(d.pasted, landed+"\n")
		}
		return err
	}
	var err error
	if d.user.shared, err = session.Open(session.Options{
		Store: "memory", Getenv: d.user.getenv, Tell: d.user.say, UserAgent: d.userAgent(),
	}); err != nil {
		return nil, err
	}
	stdin, keyboard, err := os.Pipe()
	if err != nil {
		return nil, fail.New(fail.Internal, "no pipe: %w", err)
	}
	d.user.stdin, d.pasted = stdin, keyboard
	return func() { _, _ = stdin.Close(), keyboard.Close() }, nil
}

func (d *demo) line(text string) {
	d.write(text + "\n")
}

// write prints, and keeps the first failure: the command that is shown reports its own to the same place.
func (d *demo) write(text string) {
	if err := d.print(text); err != nil && d.err == nil {
		d.err = err
	}
}

// note explains what nobody sees.
func (d *demo) note(text string) {
	if !d.quiet {
		d.line(d.to.paint(faint, "    ("+text+")"))
	}
}

type indented struct {
	*demo
	inLine bool
}

func (w *indented) Write(p []byte) (int, error) {
	if w.quiet {
		return len(p), nil
	}
	for text := range strings.Lines(string(p)) {
		if !w.inLine {
			text = "    " + text
		}
		w.inLine = !strings.HasSuffix(text, "\n")
		if w.write(text); w.err != nil {
			return 0, w.err
		}
	}
	return len(p), nil
}

// exchange shows a request and its answer in one line of the terminal.
func (d *demo) exchange(e sandbox.Event) {
	d.events = append(d.events, e)
	if d.quiet {
		return
	}
	width := 0
	if d.to.terminal {
		width = d.to.width - terminal.Cells("    → ")
	}
	d.line(d.to.paint(faint, "    → "+describeEvent(e, width)))
}

// walk runs the commands of the life of one account.
func (d *demo) walk(ctx context.Context, provider string) error {
	definition, err := d.user.shared.Catalog.Find(provider)
	if err != nil {
		return err
	}
	if err := d.chooseRedirect(ctx, provider, definition.Redirect.Default); err != nil {
		return err
	}
	for _, args := range [][]string{{"login", provider}, {"status"}, {"token", provider}, {"whoami", provider}, {"refresh", provider}, {"revoke", provider}} {
		select {
		case <-ctx.Done():
		case <-time.After(d.pace):
		}
		if !d.quiet {
			d.line("")
			d.line("$ " + d.to.paint(green, "tokencli "+strings.Join(args, " ")))
		}
		if code := d.user.run(ctx, args); code != 0 {
			return d.failed(ctx, args, code)
		}
	}
	return nil
}

// failed is the failure of a command, which reported it where the answers are printed.
func (d *demo) failed(ctx context.Context, args []string, code int) error {
	switch {
	case d.err != nil:
		return d.err
	case ctx.Err() != nil:
		return exitCode(code)
	}
	return fail.New(fail.Kind(code), "tokencli %s failed in the demonstration (exit code %d)", strings.Join(args, " "), code)
}

// chooseRedirect replaces the port of the redirect URI, which may be in use, by a free one. It is closed again before it
// is needed, which is good enough for a demonstration.
func (d *demo) chooseRedirect(ctx context.Context, provider, uri string) error {
	variable := account.Name{Provider: provider}.Var(account.RedirectURI)
	u, err := url.Parse(cmp.Or(d.env[variable], uri))
	if err != nil || u.Port() == "" {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	d.env[variable] = u.String()
	return nil
}

// compare runs the commands at every provider and shows what went over the wire in each place where they differ.
func (d *demo) compare(ctx context.Context) error {
	rows := [][]string{{"PROVIDER", "CODE", "REQUEST", "SECRET IN", "REFRESH TOKEN", "API TOKEN IN", "REVOKE"}}
	for _, provider := range sandbox.Providers() {
		d.events = nil
		if err := d.walk(ctx, provider); err != nil {
			return err
		}
		definition, err := d.user.shared.Catalog.Find(provider)
		if err != nil {
			return err
		}
		rows = append(rows, append([]string{definition.Title}, d.dialect()...))
	}
	fit(rows, d.to.width)
	lines := strings.SplitAfterN(table(rows), "\n", 2)
	return d.print(d.to.paint(faint, lines[0]) + lines[1] + `
CODE: how the authorization code arrives: at an http or https callback, or pasted
REQUEST: method and encoding of the token request
SECRET IN, API TOKEN IN: where the client secret and the access token are sent
REFRESH TOKEN: whether a refresh replaces it
REVOKE: method of the revocation request, if the provider takes one
`)
}

// dialect reads the cells of one provider from its requests.
func (d *demo) dialect() []string {
	code, request, secret, refresh, api, revoke := "-", "-", "-", "-", "-", "-"
	for _, e := range d.events {
		switch e.Operation {
		case "authorize":
			code = redirectKind(parameter(e, "redirect_uri", "redirectUri").Value)
		case "token":
			request = e.Method + " " + parameter(e, "grant_type", "grantType", "clientId").In
			secret = parameter(e, "client_secret", "clientSecret", "Basic").In
		case "refresh":
			refresh = "kept"
			if strings.Contains(e.Reason, "the old refresh token is spent") {
				refresh = "replaced"
			}
		case "api":
			api = parameter(e, "access_token", "Bearer").In
		case "revoke":
			revoke = e.Method
		}
	}
	return []string{code, request, secret, refresh, api, revoke}
}

// parameter returns the first parameter of a request that has one of the names.
func parameter(e sandbox.Event, names ...string) sandbox.Parameter {
	for _, p := range e.Parameters {
		if slices.Contains(names, p.Name) {
			return p
		}
	}
	return sandbox.Parameter{In: "-"}
}

func redirectKind(uri string) string {
	if u, err := url.Parse(uri); err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1") {
		return u.Scheme
	}
	return "pasted"
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fail.New(fail.Internal, "no port is free on this machine: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// browse follows an address the way a browser does, as long as that stays on this machine; else it
// returns the address on which a browser would land.
func browse(ctx context.Context, address string) (landed string, err error) {
	var elsewhere string
	client := &http.Client{
		Transport: &http.Transport{
			// The certificate of the callback was made a moment ago, for this login alone.
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // see above; only this machine is dialled
			DisableKeepAlives: true,
		},
		CheckRedirect: func(req *http.Request, _ []*http.Request) error {
			if host := req.URL.Hostname(); host != "127.0.0.1" && host != "localhost" {
				elsewhere = req.URL.String()
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", errors.New("the browser of the demonstration got no answer")
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return elsewhere, errors.Join(err, resp.Body.Close())
}
