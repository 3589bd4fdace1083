package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
	"github.com/tokencli/tokencli/internal/provider"
)

// keyed returns a client at p that authenticates with its key, and that key.
func (p *peer) keyed(t *testing.T) (*Client, Registration) {
	t.Helper()
	c := &Client{HTTP: NewHTTP(), Config: written(t, p.URL, `
token:
  client_credentials: {url: https://acme.example/token, client_auth: private_key_jwt}
  jwt_bearer: {url: https://acme.example/bearer, client_auth: private_key_jwt, encoding: json}
assertion: {from: env}
revoke: {request: {url: https://acme.example/revoke, client_auth: private_key_jwt}}
`)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return c, Registration{ID: "me", Key: string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))}
}

// A client assertion names the client, the token endpoint and a time, also in a revocation, and each try of a request
// has its own.
func TestClientAssertion(t *testing.T) {
	p := newPeer(t, inTurn(replies(503, "{}", "Retry-After", "0"), replies(200, granted)))
	c, by := p.keyed(t)
	if _, err := c.Mint(t.Context(), provider.ClientCredentials, by, "", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Revoke(t.Context(), by, "planted-token", "access_token"); err != nil {
		t.Fatal(err)
	}
	requests := p.requests()
	if len(requests) != 3 {
		t.Fatalf("%d requests", len(requests))
	}
	seen := map[string]bool{}
	for _, r := range requests {
		form, err := url.ParseQuery(r.body)
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Iss, Sub, Aud, Jti string
			Iat, Exp           int64
		}
		if err := jwt.Claims(form.Get("client_assertion"), &claims); err != nil {
			t.Fatalf("%s: %v", r.path, err)
		}
		switch {
		case claims.Iss != "me", claims.Sub != "me", form.Get("client_id") != "me", form.Has("client_secret"), r.header.Get("Authorization") != "",
			claims.Aud != p.URL+"/token", claims.Exp-claims.Iat != 300, seen[claims.Jti],
			form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
			t.Errorf("%s: %+v, %s", r.path, claims, form)
		}
		seen[claims.Jti] = true
	}
}

// What a client proves itself with, and the assertion that it trades, is in no message, also if the server echoes it.
func TestAssertionsAreMasked(t *testing.T) {
	p := newPeer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, body)
	})
	c, by := p.keyed(t)
	var trace strings.Builder
	const assertion = "planted-assertion-header.planted-claims.planted-signature"
	_, err := c.Mint(WithTrace(t.Context(), &trace), provider.JWTBearer, by, assertion, nil)
	if !fail.Is(err, fail.Refused) {
		t.Fatal(err)
	}
	_, signed, _ := strings.Cut(p.one(t).body, `"client_assertion":"`)
	signed, _, _ = strings.Cut(signed, `"`)
	if jwt.Check(signed) != nil || !strings.Contains(p.one(t).body, assertion) {
		t.Fatalf("sent %q", p.one(t).body)
	}
	for where, text := range map[string]string{"the error": err.Error(), "the trace": trace.String()} {
		for _, secret := range []string{assertion, "planted-claims", signed, by.Key} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds a secret: %s", where, text)
			}
		}
	}
}

// A client without its key sends nothing.
func TestNoClientKey(t *testing.T) {
	p := newPeer(t, replies(200, granted))
	c, by := p.keyed(t)
	by.Key = "planted-key"
	_, err := c.Mint(t.Context(), provider.ClientCredentials, by, "", nil)
	if !fail.Is(err, fail.Usage) || strings.Contains(err.Error(), "planted") || len(p.requests()) != 0 {
		t.Errorf("%v, %d requests", err, len(p.requests()))
	}
}

// The ways that a server lists decide how a client authenticates.
func TestListedClientAuth(t *testing.T) {
	for list, want := range map[string]string{
		"": provider.Basic, "client_secret_basic private_key_jwt": provider.Basic, "client_secret_post private_key_jwt": provider.InParams,
		"private_key_jwt": provider.PrivateKeyJWT, "private_key_jwt tls_client_auth": provider.PrivateKeyJWT, "none private_key_jwt": provider.InParams,
	} {
		if got := (&Metadata{ClientAuth: strings.Fields(list)}).authentication(); got != want {
			t.Errorf("%q: %s, want %s", list, got, want)
		}
	}
}
