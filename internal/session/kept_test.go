package session

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/provider"
)

// A provider may move a customer to another host: a refresh says so, and the login goes on there.
func TestARefreshMovesAKeptField(t *testing.T) {
	var replies atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := replies.Add(1)
		_, _ = fmt.Fprintf(w, `{"access_token":"access-%d","refresh_token":"refresh-%[1]d","instance_url":"https://host%[1]d.acme.example"}`, n)
	}))
	t.Cleanup(server.Close)
	w, name := newWorld(t), account.Name{Provider: "acme"}
	s := w.session()
	define(t, s, fmt.Sprintf(`{authorize: {url: "%s/authorize"}, token: {authorization_code: {url: "%[1]s/token"}, refresh: {url: "%[1]s/token"}},
		reply: {keep: [instance_url]}, api: {url: "{instance_url}/v2/"}, client: {secret: none}}`, server.URL))
	check := func(want string) {
		t.Helper()
		c := w.kept(name)
		d, err := s.definitionOf(t.Context(), c)
		if err != nil || d.API.URL != want+"/v2/" || c.Origins[credential.APIEndpoint] != want || s.mayUse(c, d) != nil {
			t.Errorf("want %s: kept %v, origins %v, %v", want, c.Kept, c.Origins, err)
		}
	}
	if _, err := s.Login(t.Context(), name, Login{ClientID: "client", RefreshToken: "refresh-0"}); err != nil {
		t.Fatal(err)
	}
	check("https://host1.acme.example")
	if _, err := s.Refresh(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	check("https://host2.acme.example")
}

// What a server at the base URL says of an issuer is not taken for what the issuer says.
func TestMetadataAtTheBaseURLIsKeptApart(t *testing.T) {
	w := newWorld(t)
	s := w.session()
	issuer, requests := issuerServer(t)
	var served atomic.Int32
	base := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":"%[1]s%s"}`, issuer, r.URL.Path)
	}))
	t.Cleanup(base.Close)
	define(t, s, "issuer: "+issuer)
	token := func(baseURL string) string {
		t.Helper()
		getenv := s.Getenv
		defer func() { s.Getenv = getenv }()
		s.Getenv = func(name string) string {
			if name == "TOKENCLI_ACME_BASE_URL" {
				return baseURL
			}
			return getenv(name)
		}
		client, err := s.clientOf(t.Context(), &credential.Credential{Account: account.Name{Provider: "acme"}})
		if err != nil {
			t.Fatal(err)
		}
		return client.Definition.Token[provider.Refresh].URL
	}
	if got, want := token(base.URL+"/acme"), base.URL+"/acme/acme/.well-known/openid-configuration"; got != want {
		t.Errorf("at the base URL: %s, want %s", got, want)
	}
	if got, want := token(""), issuer+"/token"; got != want {
		t.Errorf("at the issuer: %s, want %s", got, want)
	}
	if requests.Load() != 1 || served.Load() != 1 {
		t.Errorf("%d requests to the issuer, %d to the base URL", requests.Load(), served.Load())
	}
}
