package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

// TestMadeAgrees: the stand-in made from a built-in definition decides every request of this battery as the
// one does that was written from the provider's pages.
func TestMadeAgrees(t *testing.T) {
	for _, p := range players() {
		t.Run(p.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("../provider/builtin", p.name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			client := sandbox.Config{ClientID: map[string]string{}, ClientSecret: map[string]string{}, AccessLife: time.Hour, RefreshLife: 24 * time.Hour}
			client.ClientID[p.name], client.ClientSecret[p.name] = clientOf(p.name)
			written := battery(start(t, client), p)
			client.Definitions = [][]byte{text}
			made := battery(start(t, client), p)
			var differ []string
			for i, want := range written {
				if made[i] != want {
					differ = append(differ, made[i]+"; written by hand: "+want)
				}
			}
			known := differences()[p.name]
			for i, line := range differ {
				if i >= len(known) || !strings.HasPrefix(line, known[i]+":") {
					t.Errorf("made: %s", line)
				}
			}
			if len(differ) < len(known) {
				t.Errorf("they agree now on one of %q", known)
			}
			if len(written) < 15 {
				t.Errorf("only %d steps", len(written))
			}
		})
	}
}

// differences are the steps that a definition has no words for: which scopes there are, that a redirect
// URI is optional, and a second way to send a request.
func differences() map[string][]string {
	return map[string][]string{
		"moloni":    {"login in another encoding"},
		"mollie":    {"authorize with another scope", "login without redirect_uri"},
		"moneybird": {"authorize with another scope"},
	}
}

func clientOf(name string) (id, secret string) {
	switch name {
	case "moloni-on":
		return onID, onSecret
	case "moloni":
		return molID, molSecret
	case "mollie":
		return mollieID, mollieSecret
	case "moneybird":
		return birdID, birdSecret
	}
	return montaID, montaSecret
}

// battery sends what a client may send, and what it must not, and returns what became of each.
func battery(b *bench, p player) []string {
	b.Helper()
	var log []string
	step := func(name string, a answer) answer {
		outcome := "accepted"
		if a.status >= 400 || b.last().Refused {
			outcome = "refused"
		}
		log = append(log, fmt.Sprintf("%s: %s, access %v, refresh %v, counted as %s",
			name, outcome, a.str(p.access) != "", a.str(p.refreshed) != "", b.last().Operation))
		return a
	}
	login := func() call {
		if p.mint != nil {
			return p.mint()
		}
		return p.exchange(b.code(p))
	}
	if p.mint == nil {
		step("authorize", b.send(p.authorize("s")))
		for _, param := range keysOf(p.authorize("s").query) {
			if param != "scope" && param != "state" {
				step("authorize without "+param, b.send(changed(p.authorize("s"), param, "")))
			}
			step("authorize with another "+param, b.send(changed(p.authorize("s"), param, "wrong")))
		}
		step("authorize with more", b.send(changed(p.authorize("s"), "more", "1")))
		step("authorize with PKCE", b.send(changed(p.authorize("s"), "code_challenge", strings.Repeat("c", 43))))
		again := login()
		step("exchange", b.send(again))
		step("the same code", b.send(again))
	}
	for _, param := range paramsOf(login()) {
		step("login without "+param, b.send(changed(login(), param, "")))
		step("login with another "+param, b.send(changed(login(), param, "wrong")))
	}
	step("login with more", b.send(changed(login(), "more", "1")))
	step("login with another secret", b.send(with2(login(), func(c *call) { c.pass = "wrong" })))
	step("login in another encoding", b.send(elsewhere(login())))
	first := step("login", b.send(login()))

	for _, param := range paramsOf(p.refresh("x")) {
		step("refresh without "+param, b.send(changed(p.refresh(first.str(p.refreshed)), param, "")))
		step("refresh with another "+param, b.send(changed(p.refresh(first.str(p.refreshed)), param, "wrong")))
	}
	step("refresh with more", b.send(changed(p.refresh(first.str(p.refreshed)), "more", "1")))
	step("refresh with an access token", b.send(p.refresh(first.str(p.access))))
	second := step("refresh", b.send(p.refresh(first.str(p.refreshed))))
	log = append(log, fmt.Sprintf("rotated %v", first.str(p.refreshed) != second.str(p.refreshed)))
	step("reuse", b.send(p.refresh(first.str(p.refreshed))))

	step("API", b.send(p.whoami(second.str(p.access))))
	step("API with the first token", b.send(p.whoami(first.str(p.access))))
	step("API without a token", b.send(with2(p.whoami(""), func(c *call) { c.bearer = "" })))
	step("API with a refresh token", b.send(p.whoami(second.str(p.refreshed))))
	step("API with the token elsewhere", b.send(misplaced(p.whoami(second.str(p.access)), second.str(p.access))))
	step("the token endpoint by PUT", b.send(with2(p.refresh("x"), func(c *call) { c.method = http.MethodPut })))

	b.clock.move(time.Hour)
	step("API with an expired token", b.send(p.whoami(second.str(p.access))))
	third := step("refresh after expiry", b.send(p.refresh(second.str(p.refreshed))))
	if revoke := revocation(p.name); revoke != nil {
		step("revoke without a token", b.send(revoke("")))
		step("revoke", b.send(revoke(third.str(p.refreshed))))
		step("revoke an unknown token", b.send(revoke("unknown")))
		step("API after revoke", b.send(p.whoami(third.str(p.access))))
		step("refresh after revoke", b.send(p.refresh(third.str(p.refreshed))))
	}
	last := step("login again", b.send(login()))
	if _, err := b.s.Expire(p.name, "refresh"); err != nil {
		b.Fatal(err)
	}
	step("refresh with an expired token", b.send(p.refresh(last.str(p.refreshed))))
	stats := b.s.Stats()[p.name]
	return append(log, fmt.Sprintf("%d refreshes, %d mints, %d revoked, %d refresh tokens and %d codes used twice",
		stats.Refreshes, stats.Mints, stats.Revokes, stats.ReusedRefreshTokens, stats.ReusedCodes))
}

func keysOf(v url.Values) []string { return slices.Sorted(maps.Keys(v)) }

// paramsOf returns the names of the parameters that a request has.
func paramsOf(c call) []string {
	if object, ok := c.json.(map[string]string); ok {
		return slices.Sorted(maps.Keys(object))
	}
	return append(keysOf(c.query), keysOf(c.form)...)
}

// changed sets a parameter of a request where the request has its parameters; an empty value removes it.
func changed(c call, name, value string) call {
	switch object, ok := c.json.(map[string]string); {
	case ok:
		object = maps.Clone(object)
		if object[name] = value; value == "" {
			delete(object, name)
		}
		c.json = object
	case c.form != nil:
		c.form = with(c.form, name, value)
	default:
		c.query = with(c.query, name, value)
	}
	return c
}

// elsewhere moves the parameters to where no provider of the five reads them.
func elsewhere(c call) call {
	values := url.Values{}
	if object, ok := c.json.(map[string]string); ok {
		for name, value := range object {
			values.Set(name, value)
		}
		c.json, c.form = nil, values
		return c
	}
	if c.form != nil {
		c.query, c.form = c.form, nil
		return c
	}
	c.method, c.query, c.form = "POST", nil, c.query
	return c
}

// misplaced presents the token where the provider does not read it.
func misplaced(c call, token string) call {
	if c.bearer == "" {
		c.query, c.bearer = nil, token
		return c
	}
	c.query, c.bearer = vals("access_token", token), ""
	return c
}

func revocation(name string) func(token string) call {
	switch name {
	case "mollie":
		return func(token string) call {
			return call{method: "DELETE", path: "/mollie/oauth2/tokens", user: mollieID, pass: mollieSecret, form: vals("token_type_hint", "refresh_token", "token", token)}
		}
	case "moneybird":
		return func(token string) call {
			return call{method: "POST", path: "/moneybird/oauth/revoke", form: vals("client_id", birdID, "client_secret", birdSecret, "token", token)}
		}
	}
	return nil
}

// oddDefinition has what the five do not have.
const oddDefinition = `
name: odd
inputs: [{name: shop, pattern: "[a-z]+", default: demo}]
scopes: {default: [read, write], separator: ","}
redirect: {https: true}
authorize: {url: "https://odd.example/{shop}/authorize", params: {audience: [a, b]}}
token:
  authorization_code: {url: "https://odd.example/{shop}/token?v=2", encoding: json, client_auth: basic_raw, headers: {X-App: "{client_id}"}, params: {shop: "{shop}"}}
  refresh: {url: "https://odd.example/{shop}/token?v=2", client_auth: params}
reply: {access_token: data.token, expires_at: data.until, keep: [instance_url]}
callback: {keep: [realmId]}
errors: {code: fault.code, description: fault.text, ended: [{status: 401, code: gone, text: old token}]}
lifetimes: {access: 1h, refresh: 24h, refresh_not_before: 9m}
rotation: always
api: {url: "{instance_url}/v2/{realmId}/", header: X-API-Key, scheme: none, headers: {Odd-Version: "2"}, expired: [{status: 400, code: dead}]}
whoami: [{url: "{instance_url}/v2/me?full=1", show: [{path: user.id}]}]
`

// TestMadeOdd: the words of a definition that the five do not use are read.
func TestMadeOdd(t *testing.T) {
	b := start(t, sandbox.Config{Definitions: [][]byte{[]byte(oddDefinition)}})
	id, secret := "client-of-odd", "secret-for-odd-in-the-sandbox"
	verifier := strings.Repeat("v", 43)
	authorize := call{path: "/odd/demo/authorize", query: vals("response_type", "code", "client_id", id, "redirect_uri", webURI,
		"scope", "read,write", "state", "s", "audience", "a", "audience", "b", "code_challenge_method", "S256",
		"code_challenge", "dKtGqRVlAYJQwPmUBQwFqpBdtJE8l5m8r4Hs4C3cFp0")}
	refused := func(name string, c call, words ...string) {
		t.Helper()
		a := b.send(c)
		if !b.last().Refused {
			t.Errorf("%s: accepted: %d %s", name, a.status, a.body)
		}
		for _, word := range words {
			if !strings.Contains(a.body, word) {
				t.Errorf("%s: %s lacks %q", name, a.body, word)
			}
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	authorize.query.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	refused("http redirect", changed(authorize, "redirect_uri", loopURI))
	refused("one audience", changed(authorize, "audience", "a"))
	refused("no PKCE", changed(authorize, "code_challenge", ""))
	code := func() string {
		u, err := url.Parse(b.send(authorize).header.Get("Location"))
		if err != nil || u.Query().Get("realmId") != "sandbox-realmId" {
			t.Fatalf("Location %s", u)
		}
		return u.Query().Get("code")
	}
	exchange := func(code string) call {
		return call{
			method: "POST", path: "/odd/demo/token", query: vals("v", "2"), user: id, pass: secret, header: map[string]string{"X-App": id},
			json: map[string]string{"grant_type": "authorization_code", "code": code, "redirect_uri": webURI, "code_verifier": verifier, "shop": "demo"},
		}
	}
	refused("another verifier", changed(exchange(code()), "code_verifier", strings.Repeat("w", 43)), `"fault":{"code":"invalid_grant"`)
	refused("another input", changed(exchange(code()), "shop", "demo2"), "shop")
	refused("no header", with2(exchange(code()), func(c *call) { c.header = nil }), "X-App")
	refused("no version", with2(exchange(code()), func(c *call) { c.query = nil }))
	first := b.send(exchange(code()))
	data, _ := first.json["data"].(map[string]any)
	if data["until"] != "2026-03-04T06:06:07Z" || first.str("instance_url") != "https://odd.sandbox.example.test" {
		t.Fatalf("reply %s", first.body)
	}
	token, _ := data["token"].(string)

	me := call{path: "/odd/v2/me", query: vals("full", "1"), header: map[string]string{"X-API-Key": token, "Odd-Version": "2"}}
	b.want(b.send(me), 200, `"user":{"id":"Sandbox user id"}`)
	b.want(b.send(call{path: "/odd/v2/sandbox-realmId/items", header: me.header}), 200)
	refused("another realm", call{path: "/odd/v2/other/items", header: me.header})
	refused("no constant header", with2(me, func(c *call) { c.header = map[string]string{"X-API-Key": token} }), "Odd-Version")
	refused("Bearer", with2(me, func(c *call) { c.bearer, c.header = token, map[string]string{"Odd-Version": "2"} }))

	refresh := func(token string) call {
		return call{method: "POST", path: "/odd/demo/token", query: vals("v", "2"), form: vals("grant_type", "refresh_token", "refresh_token", token, "client_id", id, "client_secret", secret)}
	}
	refused("too early", refresh(first.str("refresh_token")), "younger than 9m0s")
	b.clock.move(9 * time.Minute)
	b.want(b.send(refresh(first.str("refresh_token"))), 200)
	b.want(b.send(refresh(first.str("refresh_token"))), 401, `"code":"gone"`, "old token")
	b.clock.move(time.Hour)
	b.want(b.send(me), 400, `"code":"dead"`)
}

// TestMadeMetadata: a definition that holds an address alone gets metadata, and endpoints that keep to it.
func TestMadeMetadata(t *testing.T) {
	b := start(t, sandbox.Config{Definitions: [][]byte{
		[]byte("name: op\nissuer: https://op.example/realms/demo"), []byte("name: mcp\nresource: https://mcp.example/mcp"),
	}})
	for _, path := range []string{"/op/realms/demo/.well-known/openid-configuration", "/op/.well-known/oauth-authorization-server/realms/demo"} {
		a := b.send(call{path: path})
		if a.str("issuer") != "https://op.example/realms/demo" || a.str("token_endpoint") != "https://op.example/realms/demo/sandbox/token" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	b.want(b.send(call{path: "/mcp/.well-known/oauth-protected-resource/mcp"}), 200, `"resource":"https://mcp.example/mcp"`, `["https://mcp.example"]`)
	pair, err := b.s.Mint("op", "", "")
	if err != nil {
		t.Fatal(err)
	}
	form := vals("grant_type", "refresh_token", "refresh_token", pair.RefreshToken)
	basic := call{method: "POST", path: "/op/realms/demo/sandbox/token", form: form, user: "client-of-op", pass: "secret-for-op-in-the-sandbox"}
	b.want(b.send(with2(basic, func(c *call) { c.pass = "wrong" })), 401)
	next := b.send(basic)
	b.want(next, 200)
	b.want(b.send(call{path: "/op/realms/demo/sandbox/userinfo", bearer: next.str("access_token")}), 200, "sub")
}
