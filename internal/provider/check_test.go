package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

// sound is a definition in which nothing is wrong. The tests change lines of it; the numbers are theirs.
const sound = `name: acme
title: Acme
docs: https://acme.example/docs
checked: 2026-11-22
client:
  create: at https://acme.example/
  secret: optional
grants: [authorization_code, password, client_credentials, static]
redirect:
  default: http://127.0.0.1:8976/callback
authorize:
  url: https://acme.example/authorize
  send: {client_id: "{client_id}", state: "{state}"}
  pkce: S256
  code_life: 10m
token:
  authorization_code:
    method: POST
    url: https://acme.example/token
    encoding: form
    client_auth: params
    send: {code: "{code}"}
    headers: {X-Version: "1"}
  refresh:
    url: https://acme.example/token
    client_auth: basic
    send: {refresh_token: "{refresh_token}"}
  password:
    url: https://acme.example/token
  client_credentials:
    url: https://acme.example/token
lifetimes: {access: 1h, refresh: 336h}
rotation: always
api:
  url: https://acme.example/api/
whoami:
  - url: https://acme.example/me
    show:
      - {name: id, path: id}
  - url: https://acme.example/me2
    method: POST
    json: '{}'
    on: [403]
revoke:
  request:
    url: https://acme.example/revoke
    send: {token: "{token}"}
  retry: json
  by_hand: at https://acme.example/
`

// write puts a definition into a folder of its own and returns its path.
func write(t *testing.T, file, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestASoundDefinitionPasses(t *testing.T) {
	findings, err := Lint(write(t, "acme.yaml", sound))
	if err != nil || len(findings) > 0 {
		t.Errorf("%v, %v", findings, err)
	}
	d, err := parse([]byte(sound), "acme.yaml", "acme")
	if err != nil {
		t.Fatal(err)
	}
	if d.Authorize.CodeLife != 10*time.Minute || d.Token.AuthorizationCode.Headers["X-Version"] != "1" {
		t.Errorf("%+v", d.Authorize)
	}
}

func TestEveryRuleNamesItsLine(t *testing.T) {
	tests := []struct {
		name     string
		from, to string // the change
		want     string // LINE: TEXT
	}{
		{"name missing", "name: acme\n", "\n", ` name: must be a-z`},
		{"name in upper case", "name: acme", "name: Acme", `1: name: must be a-z`},
		{"name of another file", "name: acme", "name: acne", `1: name: is acne, but the file is called acme.yaml`},
		{"docs missing", "docs: https://acme.example/docs\n", "\n", ` docs: missing`},
		{"docs no address", "docs: https://acme.example/docs", "docs: the page", `3: docs: not an address`},
		{"docs unreadable", "docs: https://acme.example/docs", `docs: "https://[x"`, `3: docs: not an address`},
		{"checked missing", "checked: 2026-11-22\n", "\n", ` checked: not a day`},
		{"checked no day", "checked: 2026-11-22", "checked: yesterday", `4: checked: not a day`},
		{"secret unknown word", "secret: optional", "secret: perhaps", `7: client.secret: must be`},
		{"no grants", "grants: [authorization_code, password, client_credentials, static]", "grants: []", `8: grants: missing`},
		{"unknown grant", ", static]", ", implicit]", `8: grants: "implicit" is none of`},
		{"a grant not described", "  password:\n    url: https://acme.example/token\n", "", `8: grants: password needs token.password`},
		{"a grant not listed", "password, client_credentials", "client_credentials", `8: grants: password is described but not listed`},
		{"code grant without authorize", "authorize:\n  url: https://acme.example/authorize\n  send: {client_id: \"{client_id}\", state: \"{state}\"}\n  pkce: S256\n  code_life: 10m\n", "", `8: grants: authorization_code needs authorize`},
		{"redirect no address", "default: http://127.0.0.1:8976/callback", "default: /callback", `10: redirect.default: not an address`},
		{"authorize url missing", "  url: https://acme.example/authorize\n", "\n", `11: authorize.url: missing`},
		{"authorize url in the clear", "url: https://acme.example/authorize", "url: http://acme.example/authorize", `12: authorize.url: http is only used for this machine`},
		{"authorize without state", `, state: "{state}"}`, "}", `13: authorize.send: nothing holds {state}`},
		{"authorize with a placeholder of another request", `state: "{state}"}`, `state: "{state}", c: "{code}"}`, `13: authorize.send.c: {code} is not known here`},
		{"pkce unknown", "pkce: S256", "pkce: plain", `14: authorize.pkce: must be`},
		{"code life negative", "code_life: 10m", "code_life: -1s", `15: authorize.code_life: must not be negative`},
		{"method unknown", "method: POST\n    url: https://acme.example/token", "method: PATCH\n    url: https://acme.example/token", `18: token.authorization_code.method: must be`},
		{"url missing", "    url: https://acme.example/token\n    encoding: form", "\n    encoding: form", `17: token.authorization_code.url: missing`},
		{"url no address", "url: https://acme.example/token\n    encoding", "url: token\n    encoding", `19: token.authorization_code.url: not an address`},
		{"url with a user", "url: https://acme.example/token\n    encoding", "url: https://u:p4ss@acme.example/token\n    encoding", `19: token.authorization_code.url: an address must not hold a user name`},
		{"url with a fragment", "url: https://acme.example/token\n    encoding", "url: https://acme.example/token#x\n    encoding", `19: token.authorization_code.url: an address of an endpoint must not hold a fragment`},
		{"url of another scheme", "url: https://acme.example/token\n    encoding", "url: ftp://acme.example/token\n    encoding", `19: token.authorization_code.url: only https`},
		{"encoding unknown", "encoding: form", "encoding: xml", `20: token.authorization_code.encoding: must be`},
		{"a GET with a body", "method: POST\n    url: https://acme.example/token", "method: GET\n    url: https://acme.example/token", `20: token.authorization_code.encoding: a GET has no body`},
		{"client_auth unknown", "client_auth: params", "client_auth: digest", `21: token.authorization_code.client_auth: must be`},
		{"nothing holds the code", `send: {code: "{code}"}`, `send: {code: x}`, `22: token.authorization_code.send: nothing holds {code}`},
		{"a placeholder nobody knows", `send: {code: "{code}"}`, `send: {code: "{code}", x: "{client_idd}"}`, `22: token.authorization_code.send.x: {client_idd} is not known here`},
		{"an empty placeholder", `send: {code: "{code}"}`, `send: {code: "{code}{}"}`, `22: token.authorization_code.send.code: {} is not known here`},
		{"a parameter without a name", `send: {code: "{code}"}`, `send: {code: "{code}", "": x}`, `22: token.authorization_code.send: a parameter without a name`},
		{"a header with a line break", `headers: {X-Version: "1"}`, `headers: {X-Version: "1\r\nX-Evil: 1"}`, `23: token.authorization_code.headers.X-Version: a header must not hold`},
		{"a header that cannot be one", `headers: {X-Version: "1"}`, `headers: {"X Version": "1"}`, `23: token.authorization_code.headers: not the name of a header: "X Version"`},
		{"the secret twice", `send: {refresh_token: "{refresh_token}"}`, `send: {refresh_token: "{refresh_token}", s: "{client_secret}"}`, `26: token.refresh.client_auth: basic, and yet`},
		{"a renewal that does not send its token", `send: {refresh_token: "{refresh_token}"}`, `send: {grant_type: refresh_token}`, `27: token.refresh.send: nothing holds {refresh_token}`},
		{"a renewal that asks for what is not told", `send: {refresh_token: "{refresh_token}"}`, `send: {refresh_token: "{refresh_token}", scope: "{scope}"}`, `27: token.refresh.send.scope: {scope} is not known here`},
		{"a password grant without one", "  password:\n    url: https://acme.example/token\n", "  password:\n    url: https://acme.example/token\n    send: {u: \"{username}\"}\n", `30: token.password.send: nothing holds {password}`},
		{"a life that is negative", "access: 1h", "access: -1h", `32: lifetimes: must not be negative`},
		{"rotation unknown word", "rotation: always", "rotation: sometimes", `33: rotation: must be`},
		{"api in the clear", "  url: https://acme.example/api/", "  url: http://acme.example/api/", `35: api.url: http is only`},
		{"pages of an api without an address", "  url: https://acme.example/api/", "  paginate: {link: true}", `34: api.url: missing`},
		{"pages by two ways", "  url: https://acme.example/api/", "  url: https://acme.example/api/\n  paginate: {link: true, next: n}", `36: api.paginate: `},
		{"pages without a size", "  url: https://acme.example/api/", "  url: https://acme.example/api/\n  paginate: {page: p}", `36: api.paginate: `},
		{"a size without pages", "  url: https://acme.example/api/", "  url: https://acme.example/api/\n  paginate: {link: true, size: s}", `36: api.paginate: `},
		{"a first page of an offset", "  url: https://acme.example/api/", "  url: https://acme.example/api/\n  paginate: {offset: o, size: s, max: 5, first: 1}", `36: api.paginate.first: `},
		{"a first page below 0", "  url: https://acme.example/api/", "  url: https://acme.example/api/\n  paginate: {page: p, size: s, max: 5, first: -1}", `36: api.paginate.first: `},
		{"probe without address", "  - url: https://acme.example/me\n    show:", "  - method: GET\n    show:", `37: whoami.0.url: missing`},
		{"a field without a path", "{name: id, path: id}", "{name: id}", `39: whoami.0.show.0: needs a name and a path`},
		{"a further probe without on", "    on: [403]\n", "", `40: whoami.1: a further probe needs on`},
		{"a further probe without address", "url: https://acme.example/me2", "url: ''", `40: whoami.1.url: missing`},
		{"a probe that changes something", "method: POST\n    json", "method: DELETE\n    json", `41: whoami.1.method: must be GET or POST`},
		{"a probe by GET with a body", "    method: POST\n    json", "    json", `41: whoami.1.json: a GET has no body`},
		{"a probe with broken JSON", "json: '{}'", "json: '{'", `42: whoami.1.json: not JSON`},
		{"no way to end a login", "  request:\n    url: https://acme.example/revoke\n    send: {token: \"{token}\"}\n  retry: json\n  by_hand: at https://acme.example/\n", "  family: true\n", `44: revoke: neither a request nor by_hand`},
		{"a revocation that does not send the token", `send: {token: "{token}"}`, `send: {t: x}`, `47: revoke.request.send: nothing holds {token}`},
		{"retry unknown", "retry: json", "retry: xml", `48: revoke.retry: must be`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(sound, tt.from) == 0 {
				t.Fatalf("%q is not in the definition", tt.from)
			}
			text := strings.Replace(sound, tt.from, tt.to, 1)
			path := write(t, "acme.yaml", text)
			findings, err := Lint(path)
			if err != nil || len(findings) == 0 {
				t.Fatalf("%v, %v", findings, err)
			}
			found := false
			for i, f := range findings {
				found = found || strings.HasPrefix(f.String(), tt.want)
				if i > 0 && f.Line < findings[i-1].Line {
					t.Errorf("not by line: %v", findings)
				}
				if strings.Contains(f.Text, "p4ss") {
					t.Errorf("a password is quoted: %s", f)
				}
			}
			if !found {
				t.Errorf("%v, want %q", findings, tt.want)
			}
			_, err = Catalog{Dir: filepath.Dir(path)}.Find("acme")
			if !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), findings[0].Text) || !strings.Contains(fail.HintOf(err), "provider lint") {
				t.Errorf("Find: %v", err)
			}
		})
	}
}

func TestStaticTokensAloneNeedAnAPI(t *testing.T) {
	text := "name: acme\ndocs: https://a.example\nchecked: 2026-11-22\nclient: {create: there}\ngrants: [static]\nrevoke: {by_hand: there}\n"
	findings, err := Lint(write(t, "acme.yaml", text))
	if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Text, "api.url: missing") {
		t.Errorf("%v, %v", findings, err)
	}
	d, err := parse([]byte(text+"api: {url: 'https://API.acme.example:443/v1/'}\n"), "acme.yaml", "acme")
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Origin(); got != "https://api.acme.example" {
		t.Errorf("origin %q", got)
	}
}

func TestFindingsAreTheSameEachTime(t *testing.T) {
	text := strings.NewReplacer(`{code: "{code}"}`, `{a: "{x}", b: "{x}", c: "{x}", d: "{x}"}`, "password, client_credentials", "static").Replace(sound)
	path := write(t, "acme.yaml", text)
	first, err := Lint(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := Lint(path)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Fatalf("%v, then %v", first, again)
		}
	}
}

func TestSilenceMeansTheStandard(t *testing.T) {
	text := `name: acme
docs: https://acme.example/docs
checked: 2026-11-22
client: {create: there}
grants: [authorization_code, password, client_credentials]
authorize: {url: "https://acme.example/authorize"}
token:
  authorization_code: {url: "https://acme.example/token"}
  refresh: {url: "https://acme.example/token", client_auth: params}
  password: {url: "https://acme.example/token"}
  client_credentials: {url: "https://acme.example/token"}
whoami: [{url: "https://acme.example/me"}]
revoke: {request: {url: "https://acme.example/revoke"}}
`
	d, err := parse([]byte(text), "acme.yaml", "acme")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		r    *Request
		auth string
		send Params
	}{
		"code":    {d.Token.AuthorizationCode, "basic", Params{"grant_type": "authorization_code", "code": "{code}", "redirect_uri": "{redirect_uri}"}},
		"refresh": {d.Token.Refresh, "params", Params{"grant_type": "refresh_token", "refresh_token": "{refresh_token}", "client_id": "{client_id}", "client_secret": "{client_secret}"}},
		"password": {d.Token.Password, "basic", Params{
			"grant_type": "password", "username": "{username}", "password": "{password}", "scope": "{scope}",
		}},
		"mint":   {d.Token.ClientCredentials, "basic", Params{"grant_type": "client_credentials", "scope": "{scope}"}},
		"revoke": {d.Revoke.Request, "basic", Params{"token": "{token}", "token_type_hint": "{token_type_hint}"}},
	} {
		if tt.r.Method != "POST" || tt.r.Encoding != "form" || tt.r.ClientAuth != tt.auth || fmt.Sprint(tt.r.Send) != fmt.Sprint(tt.send) {
			t.Errorf("%s: %+v", name, *tt.r)
		}
	}
	a := d.Authorize
	want := Params{"response_type": "code", "client_id": "{client_id}", "redirect_uri": "{redirect_uri}", "scope": "{scope}", "state": "{state}"}
	if a.PKCE != "S256" || fmt.Sprint(a.Send) != fmt.Sprint(want) {
		t.Errorf("authorize: %+v", *a)
	}
	if d.Title != "acme" || d.Scopes.Separator != " " || d.Rotation != RotatesUnknown || !d.Rotates() || !d.SecretRequired() || d.WhoAmI[0].Method != "GET" {
		t.Errorf("%+v", d)
	}
}

func TestExpand(t *testing.T) {
	values := map[string]string{"code": "c{state}&=", "state": "s", "empty": ""}
	for name, tt := range map[string]struct{ send, want Params }{
		"nothing":                              {nil, Params{}},
		"fixed":                                {Params{"a": "b", "c": ""}, Params{"a": "b", "c": ""}},
		"one placeholder":                      {Params{"a": "{code}"}, Params{"a": "c{state}&="}}, // what is put in is not looked at again
		"no value, left out":                   {Params{"a": "{empty}", "b": "{unknown}"}, Params{}},
		"no value inside a text, kept":         {Params{"a": "x{empty}y"}, Params{"a": "xy"}},
		"two placeholders are a text":          {Params{"a": "{state}{empty}"}, Params{"a": "s"}},
		"two placeholders without a value too": {Params{"a": "{empty}{empty}"}, Params{"a": ""}},
		"braces that are none":                 {Params{"a": "{", "b": "}{", "c": "{{state}}"}, Params{"a": "{", "b": "}{", "c": "{s}"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.send.Expand(values); fmt.Sprint(got) != fmt.Sprint(map[string]string(tt.want)) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
