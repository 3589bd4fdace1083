package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

func TestAuthorizeURL(t *testing.T) {
	const redirect = "http://127.0.0.1:8976/callback?x=a b&y=+"
	tests := []struct {
		provider string
		scopes   []string
		address  string
		params   map[string]string // state is added
	}{
		{"moloni-on", nil, "https://api.molonion.pt/v1/auth/authorize", map[string]string{"apiClientId": registration.ID, "redirectUri": redirect}},
		{"moloni-on", []string{"ignored"}, "https://api.molonion.pt/v1/auth/authorize", map[string]string{"apiClientId": registration.ID, "redirectUri": redirect}},
		{"moloni", nil, "https://api.moloni.pt/v1/authorize/", map[string]string{
			"response_type": "code", "client_id": registration.ID, "redirect_uri": redirect,
		}},
		{"mollie", []string{"organizations.read", "payments.write"}, "https://my.mollie.com/oauth2/authorize", map[string]string{
			"response_type": "code", "client_id": registration.ID, "redirect_uri": redirect, "scope": "organizations.read payments.write",
		}},
		{"moneybird", []string{"bank"}, "https://moneybird.com/oauth/authorize", map[string]string{
			"response_type": "code", "client_id": registration.ID, "redirect_uri": redirect, "scope": "bank",
		}},
		{"moneybird", nil, "https://moneybird.com/oauth/authorize", map[string]string{
			"response_type": "code", "client_id": registration.ID, "redirect_uri": redirect,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.provider, func(t *testing.T) {
			c := &Client{Config: definition(t, tt.provider, "")}
			a := c.NewAuthorization(redirect, tt.scopes)
			address, _, err := c.URL(t.Context(), registration, a)
			if err != nil {
				t.Fatal(err)
			}
			base, query, _ := strings.Cut(address, "?")
			if base != tt.address {
				t.Errorf("%s, want %s", base, tt.address)
			}
			// No plus sign: not every server reads it as a space.
			if strings.ContainsAny(query, "+ ") {
				t.Errorf("%s", query)
			}
			want := maps.Clone(tt.params)
			want["state"] = a.State
			if got := single(t, query); !maps.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			noSecretsIn(t, address)
		})
	}
}

func single(t *testing.T, query string) map[string]string {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for name, list := range values {
		if len(list) != 1 {
			t.Errorf("%s is there %d times", name, len(list))
		}
		got[name] = list[0]
	}
	return got
}

func TestPKCE(t *testing.T) {
	p := newPeer(t, replies(200, granted))
	c := p.standard(t)
	a := c.NewAuthorization("https://app.example/cb", []string{"a", "b"})
	if len(a.verifier) != 43 { // RFC 7636 4.1: 43 to 128 characters; 32 octets make 43
		t.Errorf("verifier of %d characters", len(a.verifier))
	}
	address, _, err := c.URL(t.Context(), registration, a)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(address, "?")
	got := single(t, query)
	sum := sha256.Sum256([]byte(a.verifier))
	want := map[string]string{
		"tenant": "a b", "response_type": "code", "client_id": registration.ID, "redirect_uri": "https://app.example/cb", "scope": "a b",
		"state": a.State, "code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if strings.Contains(address, a.verifier) {
		t.Error("the verifier goes through the browser")
	}
	if _, err := c.Exchange(context.Background(), registration, a, theCode); err != nil {
		t.Fatal(err)
	}
	form := single(t, p.one(t).body)
	if want := map[string]string{
		"grant_type": "authorization_code", "code": theCode, "redirect_uri": "https://app.example/cb", "code_verifier": a.verifier,
	}; !maps.Equal(form, want) {
		t.Errorf("%q, want %q", form, want)
	}
}

// The vector of RFC 7636 appendix B.
func TestPKCEVector(t *testing.T) {
	c := &Client{Config: standard(t, "")}
	a := &Authorization{RedirectURI: "https://app.example/cb", State: "s", verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
	address, _, err := c.URL(t.Context(), registration, a)
	if err != nil {
		t.Fatal(err)
	}
	if want := "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; !strings.Contains(address, want) {
		t.Errorf("%s, want %s", address, want)
	}
}

func TestStateAndVerifierAreNewEachTime(t *testing.T) {
	c := &Client{Config: standard(t, "")}
	seen := make(map[string]bool)
	for range 1000 {
		a := c.NewAuthorization("x", nil)
		for _, s := range []string{a.State, a.verifier} {
			if seen[s] || len(s) != 43 || strings.ContainsAny(s, "+/=") {
				t.Fatalf("%q", s)
			}
			seen[s] = true
		}
	}
	if a := (&Client{Config: definition(t, "mollie", "")}).NewAuthorization("x", nil); a.verifier != "" {
		t.Error("a verifier where the definition has no PKCE")
	}
}

func TestSendsRedirectURI(t *testing.T) {
	for name, want := range map[string]bool{"moloni-on": false, "moloni": true, "mollie": true, "moneybird": true} {
		if got := (&Client{Config: definition(t, name, "")}).SendsRedirectURI(); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Nobody is sent to a browser for a code that could not be exchanged.
func TestNoBrowserWithoutATokenEndpoint(t *testing.T) {
	for endpoint, says := range map[string]string{
		"":                       "neither the definition of acme nor the metadata of https://a.example has token.authorization_code.url",
		"https://a.example/{x}/": "token.authorization_code.url: {x} has no value",
	} {
		metadata := func(context.Context, *provider.Definition) (*Metadata, error) {
			return &Metadata{Issuer: "https://a.example", AuthorizationEndpoint: "https://a.example/a", TokenEndpoint: endpoint}, nil
		}
		d := &provider.Definition{Name: "acme", Issuer: "https://a.example", Grants: []string{provider.AuthorizationCode}}
		config, err := Resolve(t.Context(), d, nil, metadata, Base{})
		if err != nil {
			t.Fatal(err)
		}
		c := &Client{Config: config}
		_, _, err = c.URL(t.Context(), registration, c.NewAuthorization("http://127.0.0.1:0/", nil))
		if !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}
