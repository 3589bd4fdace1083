package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/sandbox"
	"github.com/tokencli/tokencli/internal/session"
)

func (a *app) demoCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole life of a token, without an account",
		Long: `Shows login, token, whoami, refresh and revoke against the sandbox, and the requests that each of them
sends, with secrets masked. It shows one provider at a readable pace on a terminal; --all shows every one.
It needs no account, keychain, browser or network, and leaves nothing behind.`,
		Example: `  tokencli demo
  tokencli demo --all`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context(), all) },
	}
	c.Flags().BoolVar(&all, "all", false, "show all built-in providers")
	return c
}

// demo is one run of the demonstration.
type demo struct {
	*app
	session *session.Session
	to      screen
	pace    time.Duration // between two steps
	err     error
}

func (a *app) demo(ctx context.Context, all bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d := &demo{app: a, to: a.screen()}
	if d.to.terminal && !all {
		d.pace = time.Second
	}
	server, err := sandbox.New(sandbox.Config{
		Consent: sandbox.ConsentAllow,
		Event:   func(e sandbox.Event) { d.line(d.to.paint(faint, "      "+describeEvent(e))) },
	})
	if err != nil {
		return err
	}
	listener, err := server.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return fail.New(fail.Internal, "the sandbox cannot listen on this machine: %w", err)
	}
	defer listener.Close()
	environment := make(map[string]string)
	for _, v := range server.Variables(listener.URL) {
		environment[v.Name] = v.Value
	}
	// The user's own settings do not apply: a demonstration must not touch a real login.
	d.session, err = session.Open(session.Options{
		Store:     "memory",
		Getenv:    func(name string) string { return environment[name] },
		Tell:      func(text string) { d.line("      " + oneLine(text)) },
		UserAgent: "github.com/tokencli/tokencli/" + a.versionName(),
	})
	if err != nil {
		return err
	}
	started := a.now()
	providers := sandbox.Providers()
	if !all {
		providers = providers[:1]
	}
	for _, name := range providers {
		if err := d.walk(ctx, account.Name{Provider: name}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	d.line("")
	d.line(fmt.Sprintf("Done in %.1f s. Nothing was left behind.", a.now().Sub(started).Seconds()))
	d.line("Next: tokencli demo --all, tokencli sandbox --, tokencli login PROVIDER")
	return d.err
}

// line prints at once.
func (d *demo) line(text string) {
	if err := d.print(text + "\n"); err != nil && d.err == nil {
		d.err = err
	}
}

// step shows the command whose work follows, after a pause to read what came before.
func (d *demo) step(ctx context.Context, text string) {
	select {
	case <-ctx.Done():
	case <-time.After(d.pace):
	}
	d.line("  $ " + d.to.paint(green, text))
}

// walk shows the life of one account.
func (d *demo) walk(ctx context.Context, name account.Name) error {
	definition, err := d.session.Definition(name.Provider)
	if err != nil {
		return err
	}
	d.line("")
	d.line(definition.Title)
	login, err := d.login(ctx, definition.Grants[0], definition.Redirect.Default)
	if err != nil {
		return err
	}
	d.step(ctx, "tokencli login "+name.String())
	if _, err := d.session.Login(ctx, name, login); err != nil {
		return err
	}
	c, err := d.session.Token(ctx, name, time.Minute)
	if err != nil {
		return err
	}
	d.step(ctx, "tokencli token "+name.String())
	d.line(fmt.Sprintf("      %s, valid: %s", masked(c.AccessToken), relative(c.AccessExpiresAt, d.now())))
	d.step(ctx, "tokencli whoami "+name.String())
	details, err := d.session.WhoAmI(ctx, name, time.Minute)
	if err != nil {
		return err
	}
	for _, detail := range details {
		d.line(fmt.Sprintf("      %s: %s", detail.Name, strings.Join(detail.Values, ", ")))
	}
	d.step(ctx, "tokencli refresh "+name.String())
	refreshed, err := d.session.Refresh(ctx, name)
	if err != nil {
		return err
	}
	replaced := "kept"
	if refreshed.RefreshToken != c.RefreshToken {
		replaced = "replaced"
	}
	d.line(fmt.Sprintf("      %s, refresh token %s", masked(refreshed.AccessToken), replaced))
	d.step(ctx, "tokencli revoke "+name.String())
	return d.session.Revoke(ctx, name, false)
}

// login makes a login in which this process acts as the browser and the user.
func (d *demo) login(ctx context.Context, grant, redirectURI string) (session.Login, error) {
	l := session.Login{Timeout: 30 * time.Second}
	if grant != session.GrantCode {
		return l, nil
	}
	if redirectURI != "" {
		// A free port, because the usual one may be in use. It is closed again before it is needed,
		// which is good enough for a demonstration.
		port, err := freePort(ctx)
		if err != nil {
			return l, err
		}
		u, err := url.Parse(redirectURI)
		if err != nil {
			return l, err
		}
		u.Host = net.JoinHostPort(u.Hostname(), port)
		l.RedirectURI = u.String()
	}
	person, stdin := io.Pipe()
	l.Receive.Stdin = person
	l.Receive.OpenTerminal = func() (io.ReadCloser, error) { return nil, errors.New("nobody is there") }
	l.Receive.Open = func(ctx context.Context, address string) error {
		landed, err := browse(ctx, address)
		if err == nil && landed != "" {
			d.line("      the browser lands elsewhere; the address is pasted")
			_, err = io.WriteString(stdin, landed+"\n")
		}
		return err
	}
	return l, nil
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

// masked shows enough of a token to tell two apart.
func masked(s session.Secret) string {
	text := s.Reveal()
	return text[:min(4, len(text))] + "…"
}
