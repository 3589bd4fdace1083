package session

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// answerWith makes the next refresh of an account be answered with this body.
func (w *world) answerWith(name account.Name, body string) {
	w.t.Helper()
	w.fault(sandbox.Fault{Provider: name.Provider, On: "refresh", Kind: "status", Status: 200, Body: body})
}

// What a reply does not say stays as the provider stated it last.
func TestSilenceIsNoStatement(t *testing.T) {
	for name, tt := range map[string]struct {
		body            string
		access, refresh time.Duration // from the refresh on; 0: no expiry
	}{
		"nothing": {`{"access_token":"new"}`, 2 * time.Hour, 47 * time.Hour},
		"a lifetime": {
			`{"access_token":"new","expires_in":60}`, time.Minute, 47 * time.Hour,
		},
		"a new refresh token": {
			`{"access_token":"new","refresh_token":"next"}`, 2 * time.Hour, 48 * time.Hour,
		},
		"a refresh expiry without a new refresh token": {
			`{"access_token":"new","refresh_expires_in":600}`, 2 * time.Hour, 10 * time.Minute,
		},
		"no refresh expiry from now on": {
			`{"access_token":"new","refresh_expires_in":0}`, 2 * time.Hour, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			acme := account.Name{Provider: "acme"}
			s := w.ownSession("acme", `{refresh_expires_in: refresh_expires_in}`, "")
			c := w.login(moneybird)
			c.Account = acme
			c.AccessLifetime, c.RefreshLifetime = 2*time.Hour, 48*time.Hour
			c.AccessExpiresAt, c.RefreshExpiresAt = w.now().Add(-time.Second), w.now().Add(47*time.Hour)
			w.put(c)
			w.answerWith(moneybird, tt.body)
			got, err := s.Refresh(t.Context(), acme)
			if err != nil {
				t.Fatal(err)
			}
			for what, e := range map[string]struct {
				at   time.Time
				want time.Duration
			}{"access": {got.AccessExpiresAt, tt.access}, "refresh": {got.RefreshExpiresAt, tt.refresh}} {
				switch {
				case e.want == 0 && !e.at.IsZero():
					t.Errorf("%s expires %s", what, e.at)
				case e.want > 0 && e.at.Sub(w.now()).Round(time.Minute) != e.want:
					t.Errorf("%s expires in %s, want %s", what, e.at.Sub(w.now()), e.want)
				}
			}
		})
	}
}

// ownSession is a session with a definition of the user's own for the sandbox's Moneybird.
func (w *world) ownSession(name, reply, more string) *Session {
	w.t.Helper()
	base := w.getenv(moneybird.Var(account.BaseURL))
	dir := filepath.Join(w.t.TempDir(), "providers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	text := "name: " + name + "\ngrants: [authorization_code]\nrotation: unknown\nreply: " + reply + `
authorize: {url: "` + base + `/oauth/authorize"}
token:
  authorization_code: {url: "` + base + `/oauth/token"}
  refresh: {url: "` + base + `/oauth/token", client_auth: params}
` + more
	if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	s := w.session()
	s.Catalog.Dir = dir
	return s
}

// Every endpoint to which something of a credential goes is compared with those of the login.
func TestEveryEndpointStaysWithItsOrigin(t *testing.T) {
	elsewhere := "https://elsewhere.example.test/"
	for what, more := range map[string]string{
		"api":    `api: {url: "` + elsewhere + `"}`,
		"whoami": `whoami: [{url: "` + elsewhere + `"}]`,
		"revoke": `revoke: {request: {url: "` + elsewhere + `"}}`,
	} {
		for _, older := range []bool{false, true} {
			w := newWorld(t)
			c := w.login(moneybird)
			c.Account = account.Name{Provider: "acme"}
			c.Origins = credential.Origins{credential.TokenEndpoint: c.Origin, credential.APIEndpoint: c.Origin, credential.WhoAmIEndpoint: c.Origin, credential.RevokeEndpoint: c.Origin}
			if older {
				c.Origins = nil
			}
			w.put(c)
			s := w.ownSession("acme", "{}", more)
			_, err := s.Refresh(t.Context(), c.Account)
			mustFail(t, err, fail.LoginNeeded, "its "+what+" endpoint at https://elsewhere.example.test; nothing was sent")
			st, err := s.Status(t.Context(), c.Account)
			if err != nil || st.Blocked == nil {
				t.Errorf("%s: status says that it can be refreshed: %v", what, err)
			}
			w.asked(moneybird, 0)
		}
	}
}

// An older record takes the origins it lacks from a built-in definition.
func TestOlderRecordOfABuiltInProvider(t *testing.T) {
	w := newWorld(t)
	c := w.login(moneybird)
	if c.Origins != nil {
		t.Fatal("not an older record")
	}
	w.works(moneybird)
}

// With id and secret at hand, any refusal of the refresh token means minting.
func TestMintAfterAnyRefusal(t *testing.T) {
	for _, status := range []int{200, 400, 401, 403, 404, 405, 409, 410, 415, 422, 423, 451} {
		w := newWorld(t)
		w.login(monta)
		w.fault(sandbox.Fault{Provider: "monta", On: "refresh", Kind: "status", Status: status, Body: `{"status":"x","errorCode":"NO","message":"no"}`})
		if _, err := w.session().Refresh(t.Context(), monta); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if n := w.server.Stats()["monta"].Mints; n != 1 {
			t.Errorf("%d: %d mints", status, n)
		}
	}
}

// What is no refusal of the refresh token leaves it alone.
func TestNoMintWithoutARefusal(t *testing.T) {
	for _, status := range []int{302, 407, 408, 425, 429, 500} {
		w := newWorld(t)
		w.login(monta)
		w.fault(sandbox.Fault{Provider: "monta", On: "refresh", Kind: "status", Status: status, Body: `{"status":"x","errorCode":"NO","message":"no"}`})
		if _, err := w.session().Refresh(t.Context(), monta); err == nil {
			t.Errorf("%d: no error", status)
		}
		if n := w.server.Stats()["monta"].Mints; n != 0 {
			t.Errorf("%d: %d mints", status, n)
		}
	}
}

// The provider is not asked before the time that its definition names, unless the user asks for it.
func TestRefreshNotBefore(t *testing.T) {
	w := newWorld(t)
	c := w.login(moneybird)
	c.Account = account.Name{Provider: "acme"}
	c.AccessExpiresAt = w.now().Add(time.Hour)
	w.put(c)
	s := w.ownSession("acme", "{}", "lifetimes: {access: 1h, refresh_not_before: 9m}")
	if got, err := s.Token(t.Context(), c.Account, 2*time.Hour); err != nil || got.AccessToken != c.AccessToken {
		t.Errorf("Token = %v, %v", got, err)
	}
	w.asked(moneybird, 0)
	if st, err := s.Status(t.Context(), c.Account); err != nil || !st.NotBefore.Equal(c.ObtainedAt.Add(9*time.Minute)) {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := s.Refresh(t.Context(), c.Account); err != nil {
		t.Error(err)
	}
	w.asked(moneybird, 1)
	w.pass(10 * time.Minute)
	if _, err := s.Token(t.Context(), c.Account, 2*time.Hour); err != nil {
		t.Error(err)
	}
	w.asked(moneybird, 2)
}

// A refresh because an API refused the token happens at most once a minute, across processes.
func TestRefusalsRefreshOnceAMinute(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	c, err := w.session().refreshRefused(t.Context(), w.kept(moloniOn))
	if err != nil {
		t.Fatal(err)
	}
	w.pass(59 * time.Second)
	_, err = w.session().refreshRefused(t.Context(), c)
	mustFail(t, err, fail.LoginNeeded, "less than a minute ago")
	w.asked(moloniOn, 1)
	w.pass(2 * time.Second)
	if _, err := w.session().refreshRefused(t.Context(), c); err != nil {
		t.Error(err)
	}
	w.asked(moloniOn, 2)
}

func TestScopesOfANewLogin(t *testing.T) {
	w := newWorld(t)
	s := w.session()
	d, err := s.Definition(t.Context(), "mollie")
	if err != nil {
		t.Fatal(err)
	}
	old := &credential.Credential{Scopes: []string{"payments.read", "orders.read"}}
	for _, tt := range []struct {
		flags Login
		want  []string
		drops bool
	}{
		{Login{}, old.Scopes, false},
		{Login{AddScopes: []string{"orders.read,profiles.read"}}, []string{"payments.read", "orders.read", "profiles.read"}, false},
		{Login{Scopes: []string{"payments.read"}}, []string{"payments.read"}, true},
		{Login{Scopes: []string{"payments.read"}, AddScopes: []string{"orders.read"}}, []string{"payments.read", "orders.read"}, false},
	} {
		w.forget()
		got := (&lookup{Session: s, flags: tt.flags, name: account.Name{Provider: "mollie"}, definition: d, old: old}).scopes()
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.flags, got, tt.want)
		}
		if w.hasSaid("orders.read") != tt.drops {
			t.Errorf("%+v: said %q", tt.flags, w.said)
		}
	}
}

func TestLoginOfAnotherTool(t *testing.T) {
	w := newWorld(t)
	pair, err := w.server.Mint("moloni-on", "", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.session().Login(t.Context(), moloniOn, Login{RefreshToken: Secret(pair.RefreshToken)})
	if err != nil || c.AccessToken == "" || c.RefreshToken.Reveal() == pair.RefreshToken || !w.kept(moloniOn).Equal(c) {
		t.Fatalf("Login = %v, %v", c, err)
	}
	w.works(moloniOn)
	_, err = w.session().Login(t.Context(), account.Name{Provider: "moloni-on", Label: "x"}, Login{RefreshToken: "spent-or-unknown"})
	mustFail(t, err, fail.LoginNeeded, "")
}

func TestHandOver(t *testing.T) {
	w := newCI(t, account.Name{Provider: "moloni"})
	login := Login{Grant: "password", HandOver: []string{os.Args[0], w.file}}
	if _, err := w.world.session().Login(context.Background(), w.name, login); err != nil {
		t.Fatal(err)
	}
	if all := w.received(); len(all) != 1 || all[0]["refresh_token"] == "" {
		t.Errorf("received %v", all)
	}
	if _, err := w.world.session().Store.Get(t.Context(), w.name); !absent(err) {
		t.Errorf("the login was kept: %v", err)
	}
	w.does("fail")
	_, err := w.world.session().Login(context.Background(), w.name, login)
	mustFail(t, err, fail.Store, "stays valid until")
	login.Grant = ""
	login.StaticToken = "x"
	_, err = w.world.session().Login(context.Background(), w.name, login)
	mustFail(t, err, fail.Usage, "no refresh token to hand over")
}
