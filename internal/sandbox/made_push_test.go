package sandbox_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

// TestMadePush: where the definition pushes its requests (RFC 9126), only a pushed one is taken, from the client
// itself, once and in time.
func TestMadePush(t *testing.T) {
	b := start(t, sandbox.Config{Consent: sandbox.ConsentAllow, Definitions: [][]byte{
		[]byte("name: op\nissuer: https://op.example\nauthorize: {par: true, params: {audience: api}}"),
	}})
	const redirect = "http://127.0.0.1:8976/callback"
	params := vals("response_type", "code", "client_id", "client-of-op", "redirect_uri", redirect, "state", "a state", "scope", "read",
		"code_challenge", strings.Repeat("c", 43), "code_challenge_method", "S256", "audience", "api")
	push := call{method: "POST", path: "/op/sandbox/par", form: params, user: "client-of-op", pass: "secret-for-op-in-the-sandbox"}
	without := func(name string) func(*call) {
		return func(c *call) {
			c.form = url.Values{}
			for other, values := range params {
				if other != name {
					c.form[other] = values
				}
			}
		}
	}
	for what, change := range map[string]func(*call){
		"no authentication":  func(c *call) { c.user, c.pass = "", "" },
		"a wrong secret":     func(c *call) { c.pass = "wrong" },
		"no state":           without("state"),
		"no parameter of it": without("audience"),
		"no challenge":       without("code_challenge"),
		"in the query":       func(c *call) { c.form, c.query = nil, params },
	} {
		if a := b.send(with2(push, change)); a.status != 400 && a.status != 401 {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	b.want(b.send(call{path: "/op/.well-known/openid-configuration"}), 200,
		`"pushed_authorization_request_endpoint":"https://op.example/sandbox/par"`, `"require_pushed_authorization_requests":true`)
	b.want(b.send(call{path: "/op/sandbox/authorize", query: params}), 400, "has to be pushed")

	reference := func() call {
		a := b.send(push)
		b.want(a, 201, `"expires_in":90`)
		return call{path: "/op/sandbox/authorize", query: vals("client_id", "client-of-op", "request_uri", a.str("request_uri"))}
	}
	first := reference()
	b.want(b.send(with2(first, func(c *call) { c.query = vals("client_id", "client-of-op", "request_uri", "urn:another") })), 400, "no request was pushed")
	good := b.send(first)
	if to := good.header.Get("Location"); good.status != 302 || !strings.HasPrefix(to, redirect+"?code=") {
		t.Errorf("%d, to %s: %s", good.status, to, good.body)
	}
	b.want(b.send(first), 400, "used before")
	late := reference()
	b.clock.move(91 * time.Second)
	if to := b.send(late).header.Get("Location"); !strings.Contains(to, "error=invalid_request_uri") || !strings.Contains(to, "state=a+state") {
		t.Errorf("an expired one leads to %s", to)
	}

	if _, err := sandbox.New(sandbox.Config{Definitions: [][]byte{[]byte("name: op\nauthorize: {url: \"https://op.example/a\", par: true}")}}); err == nil {
		t.Error("a definition whose requests can be pushed nowhere is served")
	}
}
