package oauth

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
	"github.com/tokencli/tokencli/internal/provider"
)

// pushing returns the client of a definition whose authorization requests are pushed to the peer.
func (p *peer) pushing(t *testing.T) *Client {
	t.Helper()
	c := p.standard(t)
	c.Definition.Authorize.PAR, c.pushURL = true, p.URL+"/par"
	return c
}

const pushedReply = `{"request_uri":"urn:example:bwc4JK-ESC0w8acc191e-Y1LTC2","expires_in":90}`

// The example of RFC 9126 2.1 and 4, with each way of authentication.
func TestPush(t *testing.T) {
	for way, inBody := range map[string]map[string]string{
		provider.Basic:    {},
		provider.InParams: {"client_secret": registration.Secret},
	} {
		p := newPeer(t, replies(http.StatusCreated, pushedReply))
		c := p.pushing(t)
		c.Definition.Token[provider.AuthorizationCode].ClientAuth = way
		a := c.NewAuthorization("https://app.example/cb", []string{"a", "b"})
		address, validFor, err := c.URL(t.Context(), registration, a)
		if err != nil {
			t.Fatal(err)
		}
		carried := map[string]string{"tenant": "a b", "client_id": registration.ID, "request_uri": "urn:example:bwc4JK-ESC0w8acc191e-Y1LTC2"}
		base, query, _ := strings.Cut(address, "?")
		if base != p.URL+"/authorize" || !maps.Equal(single(t, query), carried) || validFor != 90*time.Second {
			t.Errorf("%s: %s for %s, want %q", way, address, validFor, carried)
		}
		r := p.one(t)
		form := single(t, r.body)
		delete(form, "code_challenge")
		params := map[string]string{
			"response_type": "code", "client_id": registration.ID, "redirect_uri": "https://app.example/cb", "scope": "a b",
			"state": a.State, "code_challenge_method": "S256",
		}
		maps.Copy(params, inBody)
		if r.method != http.MethodPost || r.path != "/par" || !maps.Equal(form, params) {
			t.Errorf("%s: %s %s with %q, want %q", way, r.method, r.path, form, params)
		}
		if _, _, basic := (&http.Request{Header: r.header}).BasicAuth(); basic != (way == provider.Basic) {
			t.Errorf("%s: Basic: %t", way, basic)
		}
	}
}

func TestPushRefused(t *testing.T) {
	tests := []struct {
		status int
		body   string
		kind   fail.Kind
		do     fail.Action
		text   string
	}{
		{400, `{"error":"invalid_request","error_description":"redirect_uri is not registered"}`, fail.Refused, fail.DoCheckRegistration, "refused the authorization request: invalid_request: redirect_uri is not registered (status 400)"},
		{400, `{"error":"invalid_scope"}`, fail.Refused, fail.DoNarrowScopes, "refused the authorization request: invalid_scope (status 400)"},
		{401, `{"error":"invalid_client"}`, fail.Refused, fail.DoCheckClient, "refused the authorization request: invalid_client (status 401)"},
		{413, `{}`, fail.Refused, fail.DoCheckRegistration, "refused the authorization request: status 413"},
		{200, `{"error":"invalid_scope"}`, fail.Refused, fail.DoNarrowScopes, "invalid_scope"},
		{302, "", fail.Unavailable, fail.DoCheckBaseURL, "a redirect"},
		{404, "<html>", fail.Unavailable, 0, "HTML instead of JSON"},
		{429, "later", fail.Unavailable, 0, "asks to retry later"},
		{500, `{"error":"server_error"}`, fail.Unavailable, 0, "has a problem"},
		{201, `{"expires_in":60}`, fail.Unavailable, 0, "no usable request_uri"},
		{201, `{"request_uri":"urn:\nx"}`, fail.Unavailable, 0, "no usable request_uri"},
	}
	for _, tt := range tests {
		p := newPeer(t, replies(tt.status, tt.body))
		c := p.pushing(t)
		_, _, err := c.URL(t.Context(), registration, c.NewAuthorization("https://app.example/cb", nil))
		e := failure(t, err)
		if e.Fail.Kind != tt.kind || e.Fail.Do != tt.do || !strings.Contains(e.Error(), tt.text) {
			t.Errorf("%d %s: %v (kind %d, action %d)", tt.status, tt.body, err, e.Fail.Kind, e.Fail.Do)
		}
	}
}

// A definition cannot name the endpoint, so that the request would go through the browser after all.
func TestPushNowhere(t *testing.T) {
	p := newPeer(t, replies(http.StatusCreated, pushedReply))
	c := p.pushing(t)
	c.pushURL = ""
	_, _, err := c.URL(t.Context(), registration, c.NewAuthorization("https://app.example/cb", nil))
	if !fail.Is(err, fail.Refused) || len(p.requests()) != 0 {
		t.Errorf("%v", err)
	}
}

// A client with a key signs each pushed request, for the token endpoint (RFC 9126 2), and nothing of that is in the
// address for the browser.
func TestPushSigned(t *testing.T) {
	p := newPeer(t, inTurn(replies(http.StatusServiceUnavailable, "{}", "Retry-After", "0"), replies(http.StatusCreated, pushedReply)))
	_, by := p.keyed(t)
	c := p.pushing(t)
	c.Definition.Token[provider.AuthorizationCode].ClientAuth = provider.PrivateKeyJWT
	address, _, err := c.URL(t.Context(), by, c.NewAuthorization("https://app.example/cb", nil))
	if err != nil || strings.Contains(address, "assertion") {
		t.Fatalf("%q, %v", address, err)
	}
	seen := map[string]bool{}
	for _, r := range p.requests() {
		var claims struct{ Iss, Aud, Jti string }
		if err := jwt.Claims(single(t, r.body)["client_assertion"], &claims); err != nil {
			t.Fatalf("%s: %v", r.body, err)
		}
		if claims.Iss != by.ID || claims.Aud != p.URL+"/token" || seen[claims.Jti] {
			t.Errorf("%+v", claims)
		}
		seen[claims.Jti] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d assertions", len(seen))
	}
}
