package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

const granted = `{"access_token":"access_NEW-t0ken~1","refresh_token":"refresh_NEW-t0ken~2","expires_in":3600,"token_type":"bearer",
	"accessToken":"access_NEW-t0ken~1","refreshToken":"refresh_NEW-t0ken~2"}`

// TestTheWireForm holds every request of every definition to the provider's page, byte for byte where a
// byte counts.
func TestTheWireForm(t *testing.T) {
	id, secret := registration.ID, registration.Secret
	const redirect = "https://app.example/cb?a=b c"
	ctx := context.Background()
	exchange := func(c *Client) error {
		_, err := c.Exchange(ctx, registration, c.NewAuthorization(redirect, nil), theCode)
		return err
	}
	refresh := func(c *Client) error {
		_, err := refresh(c)
		return err
	}
	refreshBare := func(c *Client) error {
		_, err := c.Refresh(ctx, registration, oldRefresh, "")
		return err
	}
	tests := []struct {
		name, provider string
		do             func(c *Client) error
		method, path   string
		encoding       string // query, form, json
		basic          bool
		params         map[string]string
	}{
		{"exchange", "moloni-on", exchange, "POST", "/v1/auth/grant", "form", false, map[string]string{
			"grantType": "authorization_code", "code": theCode, "apiClientId": id, "clientSecret": secret,
		}},
		{"refresh", "moloni-on", refresh, "POST", "/v1/auth/grant", "form", false, map[string]string{
			"grantType": "refresh_token", "refreshToken": oldRefresh, "apiClientId": id, "clientSecret": secret,
		}},
		{"exchange", "moloni", exchange, "GET", "/v1/grant/", "query", false, map[string]string{
			"grant_type": "authorization_code", "client_id": id, "client_secret": secret, "redirect_uri": redirect, "code": theCode,
		}},
		{"refresh", "moloni", refresh, "GET", "/v1/grant/", "query", false, map[string]string{
			"grant_type": "refresh_token", "client_id": id, "client_secret": secret, "refresh_token": oldRefresh,
		}},
		{"password", "moloni", func(c *Client) error {
			_, err := c.Password(ctx, registration, "user+1@example.com", theWord, []string{"ignored"})
			return err
		}, "GET", "/v1/grant/", "query", false, map[string]string{
			"grant_type": "password", "client_id": id, "client_secret": secret, "username": "user+1@example.com", "password": theWord,
		}},
		{"exchange", "mollie", exchange, "POST", "/oauth2/tokens", "form", true, map[string]string{
			"grant_type": "authorization_code", "code": theCode, "redirect_uri": redirect,
		}},
		{"refresh", "mollie", refresh, "POST", "/oauth2/tokens", "form", true, map[string]string{
			"grant_type": "refresh_token", "refresh_token": oldRefresh, "redirect_uri": redirect,
		}},
		{"refresh without a redirect URI", "mollie", refreshBare, "POST", "/oauth2/tokens", "form", true, map[string]string{
			"grant_type": "refresh_token", "refresh_token": oldRefresh,
		}},
		{"revoke", "mollie", func(c *Client) error {
			_, err := c.Revoke(ctx, registration, oldRefresh, "refresh_token")
			return err
		}, "DELETE", "/oauth2/tokens", "form", true, map[string]string{"token": oldRefresh, "token_type_hint": "refresh_token"}},
		{"exchange", "moneybird", exchange, "POST", "/oauth/token", "form", false, map[string]string{
			"grant_type": "authorization_code", "client_id": id, "client_secret": secret, "code": theCode, "redirect_uri": redirect,
		}},
		{"refresh", "moneybird", refresh, "POST", "/oauth/token", "form", false, map[string]string{
			"grant_type": "refresh_token", "client_id": id, "client_secret": secret, "refresh_token": oldRefresh,
		}},
		{"revoke", "moneybird", func(c *Client) error {
			_, err := c.Revoke(ctx, registration, oldRefresh, "refresh_token")
			return err
		}, "POST", "/oauth/revoke", "form", false, map[string]string{"client_id": id, "client_secret": secret, "token": oldRefresh}},
		{"mint", "monta", func(c *Client) error {
			_, err := c.Mint(ctx, provider.ClientCredentials, registration, "", nil)
			return err
		}, "POST", "/api/v1/auth/token", "json", false, map[string]string{"clientId": id, "clientSecret": secret}},
		{"refresh", "monta", refresh, "POST", "/api/v1/auth/refresh", "json", false, map[string]string{"refreshToken": oldRefresh}},
		{"mint with scopes", "acme", func(c *Client) error {
			_, err := c.Mint(ctx, provider.ClientCredentials, registration, "", []string{"a.read", "b.write"})
			return err
		}, "POST", "/token", "form", true, map[string]string{"grant_type": "client_credentials", "scope": "a.read b.write"}},
		{"public client", "acme", func(c *Client) error {
			_, err := c.Refresh(ctx, Registration{ID: id}, oldRefresh, "")
			return err
		}, "POST", "/token", "form", false, map[string]string{"grant_type": "refresh_token", "refresh_token": oldRefresh, "client_id": id}},
		{"public client with its credentials among the parameters", "moneybird", func(c *Client) error {
			_, err := c.Refresh(ctx, Registration{ID: id}, oldRefresh, "")
			return err
		}, "POST", "/oauth/token", "form", false, map[string]string{"grant_type": "refresh_token", "refresh_token": oldRefresh, "client_id": id}},
	}
	for _, tt := range tests {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			p := newPeer(t, replies(200, granted, "Content-Type", "application/json"))
			c := p.standard(t)
			if tt.provider != "acme" {
				c = p.client(t, tt.provider)
			}
			if err := tt.do(c); err != nil {
				t.Fatal(err)
			}
			r := p.one(t)
			if r.method != tt.method || r.path != tt.path {
				t.Errorf("%s %s, want %s %s", r.method, r.path, tt.method, tt.path)
			}
			got, contentType := parameters(t, r, tt.encoding)
			if !maps.Equal(got, tt.params) {
				t.Errorf("parameters %q, want %q", got, tt.params)
			}
			if r.header.Get("Content-Type") != contentType {
				t.Errorf("content type %q, want %q", r.header.Get("Content-Type"), contentType)
			}
			checkBasic(t, r.header, tt.basic)
			for _, name := range []string{"Referer", "Cookie", "Origin"} {
				if v := r.header.Get(name); v != "" {
					t.Errorf("%s: %s", name, v)
				}
			}
			agent := "tokencli"
			if tt.provider != "acme" {
				agent = "tokencli/test"
			}
			if got := r.header.Get("User-Agent"); got != agent {
				t.Errorf("User-Agent %q", got)
			}
			accept := "application/json"
			if tt.name == "mint with scopes" {
				// What a definition says of a header counts.
				accept = "application/vnd.acme+json"
				if got := r.header.Get("X-Version"); got != "2" {
					t.Errorf("X-Version %q", got)
				}
			}
			if got := r.header.Get("Accept"); got != accept {
				t.Errorf("Accept %q", got)
			}
		})
	}
}

// parameters reads the parameters of a request from the one place where they may be.
func parameters(t *testing.T, r recorded, encoding string) (params map[string]string, contentType string) {
	t.Helper()
	raw, elsewhere := r.body, r.query
	if encoding == "query" {
		raw, elsewhere = r.query, r.body
	}
	if elsewhere != "" {
		t.Errorf("something stands where nothing belongs: %q", elsewhere)
	}
	params = make(map[string]string)
	if encoding == "json" {
		if err := json.Unmarshal([]byte(raw), &params); err != nil {
			t.Errorf("%v: %s", err, raw)
		}
		return params, "application/json"
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		t.Error(err)
	}
	for name, list := range values {
		if len(list) != 1 {
			t.Errorf("%s is there %d times", name, len(list))
		}
		params[name] = list[0]
	}
	if encoding == "query" {
		// A plus sign is a space in forms only.
		if strings.Contains(raw, "+") {
			t.Errorf("a plus sign in the query: %s", raw)
		}
		return params, ""
	}
	return params, "application/x-www-form-urlencoded"
}

// checkBasic takes the header apart as RFC 6749 2.3.1 says: base64, one colon, form-decoding.
func checkBasic(t *testing.T, header http.Header, want bool) {
	t.Helper()
	value := header.Get("Authorization")
	if !want {
		if value != "" {
			t.Errorf("Authorization: %s", value)
		}
		return
	}
	encoded, ok := strings.CutPrefix(value, "Basic ")
	text, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		t.Fatalf("Authorization %q: %v", value, err)
	}
	if strings.Count(string(text), ":") != 1 {
		t.Errorf("not one colon: %s", text)
	}
	user, pass, _ := strings.Cut(string(text), ":")
	id, errID := url.QueryUnescape(user)
	secret, errSecret := url.QueryUnescape(pass)
	if errID != nil || errSecret != nil || id != registration.ID || secret != registration.Secret {
		t.Errorf("%q and %q", id, secret)
	}
}

// The example of RFC 6749 2.3.1, whose parts need no encoding, and the page of a provider that has one.
func TestBasicOfTheExamples(t *testing.T) {
	for _, tt := range []struct{ id, secret, want string }{
		{"s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw", "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"},
		{"a:b c", "d+e%f", "Basic " + base64.StdEncoding.EncodeToString([]byte("a%3Ab+c:d%2Be%25f"))},
	} {
		p := newPeer(t, replies(200, granted))
		if _, err := p.client(t, "mollie").Refresh(context.Background(), Registration{ID: tt.id, Secret: tt.secret}, "r", ""); err != nil {
			t.Fatal(err)
		}
		if got := p.one(t).header.Get("Authorization"); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

func TestWhatADefinitionDoesNotDescribeIsNotAsked(t *testing.T) {
	p := newPeer(t, replies(200, granted))
	c, ctx := p.client(t, "monta"), context.Background()
	if _, err := c.Password(ctx, registration, "u", theWord, nil); !fail.Is(err, fail.Usage) {
		t.Errorf("%v", err)
	}
	if gone, err := c.Revoke(ctx, registration, oldRefresh, "refresh_token"); err != nil || !gone {
		t.Errorf("%t, %v", gone, err)
	}
	if n := len(p.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A definition is checked when it is loaded; one that is wrong all the same sends nothing anywhere.
func TestNothingIsSentInTheClearOrNowhere(t *testing.T) {
	p := newPeer(t, replies(200, granted))
	for _, address := range []string{
		strings.Replace(p.URL, "127.0.0.1", "127.0.0.1.nip.io", 1), "http://api.example.com/token", "ftp://127.0.0.1/", "://", "https://u:s3cr:t@127.0.0.1/",
	} {
		c := p.client(t, "moneybird")
		c.Definition.Token[provider.Refresh] = &provider.Request{Method: "POST", URL: address, Encoding: "form", ClientAuth: "params", Params: provider.Params{"refresh_token": {"{refresh_token}"}}}
		_, err := refresh(c)
		if !fail.Is(err, fail.Usage) {
			t.Errorf("%s: %v", address, err)
			continue
		}
		noSecrets(t, err)
		if _, err := whoami(t.Context(), c, address); !fail.Is(err, fail.Usage) { //nolint:bodyclose // the caller closes it
			t.Errorf("whoami %s: %v", address, err)
		}
		c.Definition.Authorize = &provider.Authorize{URL: "://"}
		if _, _, err := c.URL(t.Context(), registration, c.NewAuthorization("x", nil)); !fail.Is(err, fail.Usage) {
			t.Errorf("authorize: %v", err)
		}
	}
	c := p.client(t, "moneybird")
	c.Definition.Token[provider.Refresh].Method = "G E T"
	if _, err := refresh(c); !fail.Is(err, fail.Usage) {
		t.Errorf("%v", err)
	}
	if n := len(p.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
