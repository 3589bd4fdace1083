package session

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/store"
)

// resourceServer serves a resource at /mcp, whose 401 asks for the scope files:read, and two issuers at /a and /b, of
// which it names the first.
func resourceServer(t *testing.T) string {
	t.Helper()
	var self string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch issuer, ok := strings.CutPrefix(r.URL.Path, "/.well-known/oauth-authorization-server"); {
		case ok:
			_, _ = fmt.Fprintf(w, `{"issuer":"%s%s","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token"}`, self, issuer)
		case r.URL.Path == "/mcp":
			w.Header().Set("WWW-Authenticate", `Bearer scope="files:read"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/.well-known/oauth-protected-resource/mcp":
			_, _ = fmt.Fprintf(w, `{"resource":"%s/mcp","authorization_servers":["%[1]s/a","%[1]s/b"]}`, self)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	self = server.URL
	return self
}

// asked remembers what it was asked, and answers the same to everything.
type asked struct {
	answer string
	labels []string
}

func (a *asked) Ask(label string) (string, error) {
	a.labels = append(a.labels, label)
	return a.answer, nil
}

func (a *asked) AskOr(label, _ string) (string, error) { return a.Ask(label) }

func (a *asked) AskSecret(label string) (string, error) { return a.Ask(label) }

func TestLoginToResourceIsConfirmed(t *testing.T) {
	self := resourceServer(t)
	name := account.Name{Provider: "acme"}
	stored := func(issuer, client string) *credential.Credential {
		return &credential.Credential{
			Account: name, Grant: credential.AuthorizationCode, Origin: self, Issuer: self + issuer, Resource: self + "/mcp",
			ClientID: client, AccessToken: "access", ObtainedAt: time.Now(), Generation: 1,
		}
	}
	for title, test := range map[string]struct {
		login  Login
		answer string // "": nobody can be asked
		stored *credential.Credential
		asks   bool
		issuer string // "": refused
		shows  string
	}{
		"nobody to ask":                 {},
		"--yes":                         {login: Login{Yes: true}, issuer: "/a"},
		"yes":                           {answer: "YES", asks: true, issuer: "/a", shows: self + "/mcp at " + self + "/a with the scopes files:read?"},
		"y, with scopes of the user":    {answer: "y", asks: true, issuer: "/a", login: Login{Scopes: []string{"x,y"}}, shows: "with the scopes x, y?"},
		"no":                            {answer: "no", asks: true},
		"anything else":                 {answer: "sure", asks: true},
		"confirmed before":              {stored: stored("/a", "registered"), issuer: "/a"},
		"confirmed before, the second":  {stored: stored("/b", "registered"), issuer: "/b"},
		"the same client":               {stored: stored("/a", "mine"), login: Login{ClientID: "mine"}, issuer: "/a"},
		"a client that it did not know": {stored: stored("/a", "registered"), login: Login{ClientID: "mine"}},
		"an issuer named no more":       {stored: stored("/c", "registered")},
	} {
		t.Run(title, func(t *testing.T) {
			w := newWorld(t)
			s := w.session()
			define(t, s, "resource: "+self+"/mcp")
			if test.stored != nil {
				w.put(test.stored)
			}
			q := &asked{answer: test.answer}
			if test.answer != "" {
				test.login.Ask = q
			}
			p, err := s.plan(t.Context(), name, test.login)
			switch {
			case test.issuer == "":
				mustFail(t, err, fail.Usage, "nothing was sent")
			case err != nil:
				t.Fatal(err)
			case p.definition.Issuer != self+test.issuer:
				t.Errorf("issuer %s", p.definition.Issuer)
			case test.login.Scopes == nil && !slices.Equal(p.scopes(), []string{"files:read"}):
				t.Errorf("scopes %v", p.scopes())
			}
			if (len(q.labels) == 1) != test.asks || test.shows != "" && !strings.Contains(strings.Join(q.labels, ""), test.shows) {
				t.Errorf("asked %q", q.labels)
			}
		})
	}
}

// A login that is not kept has nothing to compare with, so it is confirmed each time.
func TestHandOverToResourceIsConfirmed(t *testing.T) {
	w := newWorld(t)
	s := w.session()
	s.Store = store.Env{Getenv: w.getenv, Environ: w.environ}
	define(t, s, "resource: "+resourceServer(t)+"/mcp")
	login := Login{HandOver: []string{"true"}}
	_, err := s.plan(t.Context(), account.Name{Provider: "acme"}, login)
	mustFail(t, err, fail.Usage, "nobody has confirmed")
	login.Yes = true
	if _, err = s.plan(t.Context(), account.Name{Provider: "acme"}, login); err != nil {
		t.Error(err)
	}
}

func TestNewLoginKeepsTheClient(t *testing.T) {
	w := newWorld(t)
	issuer, _ := issuerServer(t)
	name := account.Name{Provider: "acme"}
	for title, test := range map[string]struct {
		old  credential.Credential
		want string
	}{
		"the same issuer":        {credential.Credential{Issuer: issuer}, "registered"},
		"no issuer known":        {credential.Credential{}, "registered"},
		"another issuer":         {credential.Credential{Issuer: issuer + "/other"}, ""},
		"a secret that is valid": {credential.Credential{Issuer: issuer, Registration: credential.Registration{SecretExpiresAt: w.now().Add(time.Hour)}}, "registered"},
		"an expired secret":      {credential.Credential{Issuer: issuer, Registration: credential.Registration{SecretExpiresAt: w.now()}}, ""},
	} {
		t.Run(title, func(t *testing.T) {
			c := test.old
			c.Account, c.Grant, c.Origin, c.Generation = name, credential.AuthorizationCode, issuer, 1
			c.ClientID, c.ClientSecret, c.AccessToken, c.ObtainedAt = "registered", "secret", "access", w.now()
			w.put(&c)
			s := w.session()
			define(t, s, "issuer: "+issuer)
			p, err := s.plan(t.Context(), name, Login{})
			if err != nil {
				t.Fatal(err)
			}
			if id := p.clientID(); id != test.want || (p.clientSecret("registered") != "") != (test.want != "") {
				t.Errorf("client %q, secret %q", id, p.clientSecret("registered"))
			}
		})
	}
}

// A client that was registered for one grant is not used with another, and none is registered if an assertion is enough.
func TestGrantDecidesAboutTheClient(t *testing.T) {
	w := newWorld(t)
	registrations := 0
	var self string
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/register" {
			registrations++
			_, _ = fmt.Fprint(rw, `{"client_id":"new"}`)
			return
		}
		_, _ = fmt.Fprintf(rw, `{"issuer":%q,"token_endpoint":"%[1]s/token","registration_endpoint":"%[1]s/register","token_endpoint_auth_methods_supported":["none"]}`, self)
	}))
	t.Cleanup(server.Close)
	self = server.URL
	name := account.Name{Provider: "acme"}
	old := &credential.Credential{
		Account: name, Grant: credential.AuthorizationCode, Origin: self, Issuer: self, ClientID: "old", AccessToken: "access", ObtainedAt: w.now(),
		Generation: 1, Registration: credential.Registration{RedirectURI: "http://127.0.0.1:1/callback"},
	}
	for _, test := range []struct {
		grant, given, want string
		registers          int
	}{
		{grant: "authorization_code", want: "old"},
		{grant: "client_credentials", want: "new", registers: 1},
		{grant: "client_credentials", given: "mine", want: "mine"},
		{grant: "jwt_bearer"},
	} {
		w.put(old)
		registrations = 0
		s := w.session()
		define(t, s, "issuer: "+self+"\ngrants: ["+test.grant+"]\nassertion: {from: env}\n")
		p, err := s.plan(t.Context(), name, Login{ClientID: test.given})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.register(t.Context(), "", nil); err != nil || p.registration.ID != test.want || registrations != test.registers {
			t.Errorf("%s, given %q: %v, client %q, %d registrations", test.grant, test.given, err, p.registration.ID, registrations)
		}
	}
}
