package session

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/store"
)

// issuerServer serves metadata of itself and counts the requests.
func issuerServer(t *testing.T) (issuer string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token",
			"code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["none"]}`, server.URL)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// define writes the definition of acme.
func define(t *testing.T, s *Session, text string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "acme.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.DefinitionDir, s.Catalog.Dir = dir, dir
}

func TestReadingRequestsNoMetadata(t *testing.T) {
	w := newWorld(t)
	issuer, requests := issuerServer(t)
	read := func(s *Session) error {
		define(t, s, "issuer: "+issuer)
		_, err := s.Describe(t.Context(), "acme")
		if _, e := s.Definition(t.Context(), "acme"); (e == nil) != (err == nil) {
			t.Errorf("Describe: %v, Definition: %v", err, e)
		}
		return err
	}
	err := read(w.session())
	mustFail(t, err, fail.Usage, "not cached yet")
	if !advises(err, fail.DoLogIn, "acme") || requests.Load() != 0 {
		t.Errorf("%d requests, %v", requests.Load(), fail.Advice(err))
	}
	s := w.session()
	define(t, s, "issuer: "+issuer)
	if _, err := s.clientOf(t.Context(), &credential.Credential{Account: account.Name{Provider: "acme"}}); err != nil {
		t.Fatal(err)
	}
	w.pass(30 * 24 * time.Hour)
	if err := read(w.session()); err != nil || requests.Load() != 1 {
		t.Errorf("expired: %d requests, %v", requests.Load(), err)
	}
}

// Metadata comes from the base URL, like everything else of a provider, and is never taken for that of the issuer.
func TestMetadataAtBaseURL(t *testing.T) {
	w := newWorld(t)
	issuer, requests := issuerServer(t)
	var moved atomic.Int32
	base := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/acme/.well-known/openid-configuration" {
			t.Errorf("%s was requested", r.URL.Path)
		}
		moved.Add(1)
		_, _ = fmt.Fprintf(rw, `{"issuer":%q,"authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/another"}`, issuer)
	}))
	t.Cleanup(base.Close)
	at := func(url string) string {
		w.setenv("TOKENCLI_ACME_BASE_URL", url)
		s := w.session()
		define(t, s, "issuer: "+issuer)
		c, err := s.clientOf(t.Context(), &credential.Credential{Account: account.Name{Provider: "acme"}})
		if err != nil {
			t.Fatal(err)
		}
		return c.Definition.Token["authorization_code"].URL
	}
	for range 2 {
		if got, want := at(base.URL+"/acme"), base.URL+"/acme/another"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got, want := at(""), issuer+"/token"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if moved.Load() != 1 || requests.Load() != 1 {
		t.Errorf("%d and %d requests", moved.Load(), requests.Load())
	}
}

func TestEnvStoreRequestsMetadataOnce(t *testing.T) {
	w := newWorld(t)
	issuer, requests := issuerServer(t)
	s := w.session()
	s.Store = store.Env{Getenv: w.getenv, Environ: w.environ}
	define(t, s, "issuer: "+issuer)
	for range 3 {
		if _, err := s.clientOf(t.Context(), &credential.Credential{Account: account.Name{Provider: "acme"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Definition(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestCredentialStaysWithItsIssuer(t *testing.T) {
	w := newWorld(t)
	issuer, requests := issuerServer(t)
	name := account.Name{Provider: "acme"}
	for _, c := range []credential.Credential{
		{Issuer: "https://other.example"},
		{Issuer: issuer, Resource: "https://resource.example"},
	} {
		c.Account, c.Grant, c.Origin, c.ClientID, c.Generation = name, "authorization_code", issuer, "me", 1
		c.AccessToken, c.RefreshToken, c.ObtainedAt = "access", "refresh", w.now()
		w.put(&c)
		s := w.session()
		define(t, s, "issuer: "+issuer)
		_, err := s.Refresh(t.Context(), name)
		mustFail(t, err, fail.LoginNeeded, "nothing was sent")
		if requests.Load() != 0 {
			t.Errorf("%d requests", requests.Load())
		}
		if _, err := s.clientOf(t.Context(), &credential.Credential{Account: name}); err != nil { // caches the metadata
			t.Fatal(err)
		}
		resolved, err := s.Definition(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		requests.Store(0)
		if err := w.session().mayUse(&c, resolved); !fail.Is(err, fail.LoginNeeded) {
			t.Errorf("use: %v", err)
		}
	}
}
