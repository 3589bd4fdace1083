package session

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/callback"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// browser is a person's browser at a sandbox that consents.
func (w *world) browser() callback.Options {
	return callback.Options{
		Open: func(ctx context.Context, address string) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
			if err != nil {
				return err
			}
			go func() {
				if resp, err := http.DefaultClient.Do(req.WithContext(context.Background())); err == nil {
					_ = resp.Body.Close()
				}
			}()
			return nil
		},
		OpenTerminal: func() (io.ReadCloser, error) { return nil, errors.New("there is none") },
	}
}

func consenting(change ...func(*sandbox.Config)) func(*sandbox.Config) {
	return func(c *sandbox.Config) {
		c.Consent = sandbox.ConsentAllow
		for _, f := range change {
			f(c)
		}
	}
}

// redirectTo sets a redirect URI on a port that is free.
func (w *world) redirectTo(name account.Name) {
	w.t.Helper()
	l, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	w.setenv(name.Var(account.RedirectURI), "http://"+l.Addr().String()+"/callback")
}

func TestLoginByCode(t *testing.T) {
	w := newWorld(t, consenting())
	for _, name := range []account.Name{moloniOn, moneybird} {
		w.redirectTo(name)
		c, err := w.session().Login(t.Context(), name, Login{Receive: w.browser(), Timeout: time.Minute})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !w.kept(name).Equal(c) {
			t.Errorf("%s: something else was kept", name)
		}
		w.works(name)
		// Once more over the first one: generations go on.
		again, err := w.session().Login(t.Context(), name, Login{Receive: w.browser(), Timeout: time.Minute})
		if err != nil || again.Generation <= c.Generation {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoginWithScopes(t *testing.T) {
	w := newWorld(t, consenting(func(c *sandbox.Config) {
		c.GrantScopes = map[string][]string{"moneybird": {"sales_invoices"}}
	}))
	w.redirectTo(moneybird)
	s := w.session()
	s.Defaults = func(account.Name) Defaults { return Defaults{Scopes: []string{"sales_invoices", "bank"}} }
	if _, err := s.Login(t.Context(), moneybird, Login{Receive: w.browser(), Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if !w.hasSaid("did not grant bank") {
		t.Errorf("said: %q", w.said)
	}
}

// The server lists only the scopes of the access token, whose refresh token shows that the other one was granted.
func TestLoginOffline(t *testing.T) {
	w := newWorld(t)
	asked := []string{"read", "offline_access"}
	for refreshToken, want := range map[credential.Secret]bool{"refresh": false, "": true} {
		w.said = nil
		p := &plan{lookup: &lookup{Session: w.session(), definition: &provider.Definition{Title: "Acme"}}}
		p.granted(credential.Credential{}, &oauth.Reply{AccessToken: "access", RefreshToken: refreshToken, Scopes: []string{"read"}}, asked)
		if w.hasSaid("did not grant offline_access") != want {
			t.Errorf("with the refresh token %q: said %q", refreshToken.Reveal(), w.said)
		}
	}
}

func TestLoginWithoutAStateNamesTheOwner(t *testing.T) {
	moloni := account.Name{Provider: "moloni"}
	w := newWorld(t, consenting(func(c *sandbox.Config) {
		c.OmitState = map[string]bool{"moloni": true}
		c.RedirectURIs = map[string][]string{"moloni": {"https://app.example.test/callback"}}
	}))
	s := w.session()
	options := w.browser()
	// The person pastes the address on which the browser landed.
	landed, said := io.Pipe()
	options.NoBrowser = true
	options.Stdin = landed
	options.Stderr = writer(func(text string) {
		start := strings.Index(text, w.getenv(moloni.Var(account.BaseURL)))
		if start < 0 {
			return
		}
		address, _, _ := strings.Cut(strings.TrimSpace(text[start:]), "\n")
		go func() {
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, strings.TrimSpace(address), nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			_, _ = io.WriteString(said, resp.Header.Get("Location")+"\n")
		}()
	})
	c, err := s.Login(t.Context(), moloni, Login{Receive: options, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if c == nil || !w.hasSaid("sent no state, so check whose login this is: ") {
		t.Errorf("said: %q", w.said)
	}
}

type writer func(string)

func (f writer) Write(p []byte) (int, error) {
	f(string(p))
	return len(p), nil
}

func TestLoginThatIsDenied(t *testing.T) {
	w := newWorld(t, func(c *sandbox.Config) { c.Consent = sandbox.ConsentDeny })
	w.redirectTo(moloniOn)
	_, err := w.session().Login(t.Context(), moloniOn, Login{Receive: w.browser(), Timeout: time.Minute})
	mustFail(t, err, fail.Refused, "")
	_, err = w.session().Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.NotLoggedIn, "")
}

func TestLoginWhoseCodeIsRefused(t *testing.T) {
	w := newWorld(t, consenting())
	w.redirectTo(moneybird)
	w.fault(sandbox.Fault{On: "token", Kind: "error", Error: "invalid_grant"})
	_, err := w.session().Login(t.Context(), moneybird, Login{Receive: w.browser(), Timeout: time.Minute})
	mustFail(t, err, fail.LoginNeeded, "")
	if !advises(err, fail.DoStartAgain, "moneybird") && !advises(err, fail.DoStartAgainWithin, "moneybird") {
		t.Errorf("advice: %v", fail.Advice(err))
	}
}

func TestLoginWhoseTimeIsUp(t *testing.T) {
	w := newWorld(t, consenting())
	w.redirectTo(moloniOn)
	options := w.browser()
	options.Open = func(context.Context, string) error { return nil }
	_, err := w.session().Login(t.Context(), moloniOn, Login{Receive: options, Timeout: 50 * time.Millisecond})
	mustFail(t, err, fail.LoginNeeded, "")
}

func TestLoginAsksForTheClient(t *testing.T) {
	w := newWorld(t, consenting())
	w.redirectTo(moloniOn)
	id, secret := w.getenv(moloniOn.Var(account.ClientID)), w.getenv(moloniOn.Var(account.ClientSecret))
	w.setenv(moloniOn.Var(account.ClientID), "")
	w.setenv(moloniOn.Var(account.ClientSecret), "")
	_, err := w.session().Login(t.Context(), moloniOn, Login{Receive: w.browser()})
	mustFail(t, err, fail.Usage, "TOKENCLI_MOLONI_ON_CLIENT_ID is not set")
	if !advises(err, fail.DoSetClientAndURI, "/callback") {
		t.Errorf("advice: %v", fail.Advice(err))
	}
	_, err = w.session().Login(t.Context(), moloniOn, Login{Receive: w.browser(), ClientID: id})
	mustFail(t, err, fail.Usage, "TOKENCLI_MOLONI_ON_CLIENT_SECRET is not set")
	_, err = w.session().Login(t.Context(), moloniOn, Login{Receive: w.browser(), Ask: &answers{}})
	mustFail(t, err, fail.Interrupted, "")
	asked := &answers{id, secret}
	if _, err = w.session().Login(t.Context(), moloniOn, Login{Receive: w.browser(), Ask: asked, Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if !w.hasSaid("Register this redirect URI exactly as shown: http://127.0.0.1:") {
		t.Errorf("said: %q", w.said)
	}
	w.works(moloniOn)
}

func TestLoginWarnsAboutTheRedirectURI(t *testing.T) {
	w := newWorld(t, consenting())
	for _, provider := range []string{"mollie", "moloni"} {
		name := account.Name{Provider: provider}
		w.redirectTo(name)
		options := w.browser()
		options.Open = func(context.Context, string) error { return nil }
		_, err := w.session().Login(t.Context(), name, Login{Receive: options, Timeout: 50 * time.Millisecond})
		mustFail(t, err, fail.LoginNeeded, "")
	}
	if !w.hasSaid("accepts only https redirect URIs") || !w.hasSaid("refuse redirect URIs on this machine") {
		t.Errorf("said: %q", w.said)
	}
	moloni := account.Name{Provider: "moloni"}
	w.setenv(moloni.Var(account.RedirectURI), "")
	_, err := w.session().Login(t.Context(), moloni, Login{})
	mustFail(t, err, fail.Usage, "TOKENCLI_MOLONI_REDIRECT_URI is not set")
	if !advises(err, fail.DoSetRedirectURIOrPassword, "") {
		t.Errorf("advice: %v", fail.Advice(err))
	}
}
