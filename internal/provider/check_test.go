package provider

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
inputs:
  - {name: shop, pattern: "[a-z]+", default: demo}
client:
  secret: optional
grants: [authorization_code, password, client_credentials, static]
redirect:
  default: http://127.0.0.1:8976/callback
authorize:
  url: https://acme.example/authorize
  standard: false
  params: {client_id: "{client_id}", state: "{state}"}
  pkce: S256
  code_life: 10m
token:
  authorization_code:
    method: POST
    url: https://{shop}.acme.example/token
    encoding: form
    standard: false
    client_auth: params
    params: {code: "{code}"}
    headers: {X-Version: "1"}
  refresh:
    url: https://acme.example/token
    client_auth: basic
    params: {resource: [a, b]}
  password:
    url: https://acme.example/token
  client_credentials:
    url: https://acme.example/token
reply: {keep: [instance_url]}
callback: {keep: [realmId]}
lifetimes: {access: 1h, refresh: 336h}
rotation: always
api:
  url: "{instance_url}/api/{realmId}/"
  headers: {X-App: "{client_id}"}
whoami:
  - url: https://acme.example/me
    show:
      - {name: id, path: id}
  - url: https://acme.example/me2
    method: POST
    json: '{"query":"{ me { id } }"}'
    on: [403]
revoke:
  request:
    url: https://acme.example/revoke
    params: {token: "{token}"}
  fallback_encoding: json
  manual: at https://acme.example/
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

// read returns a definition that must be right.
func read(t *testing.T, text string) *Definition {
	t.Helper()
	d, err := Catalog{Dir: filepath.Dir(write(t, "acme.yaml", text))}.Find("acme")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestASoundDefinitionPasses(t *testing.T) {
	findings, err := Catalog{}.Lint(write(t, "acme.yaml", sound))
	if err != nil || len(findings) > 0 {
		t.Errorf("%v, %v", findings, err)
	}
	d := read(t, sound)
	if d.Authorize.CodeLife != 10*time.Minute || d.Token[AuthorizationCode].Headers["X-Version"] != "1" {
		t.Errorf("%+v", d.Authorize)
	}
}

func TestEveryRuleNamesItsLine(t *testing.T) {
	const code, exchange = "  params: {client_id: \"{client_id}\", state: \"{state}\"}\n", `    params: {code: "{code}"}`
	tests := []struct {
		name     string
		from, to string // the change
		want     string // LINE: TEXT
	}{
		{"name in upper case", "name: acme", "name: Acme", `1: name: expected a value such as acme`},
		{"name of another file", "name: acme", "name: acne", `1: name: acne, but the file is called acme.yaml`},
		{"docs not an address", "docs: https://acme.example/docs", "docs: the page", `3: docs: expected an address`},
		{"checked not a day", "checked: 2026-11-22", "checked: yesterday", `4: checked: expected a value such as 2026-11-22`},
		{"an unknown key", "title: Acme", "titel: Acme", `2: titel: unknown key; did you mean title?`},
		{"an unknown key with nothing near", "  secret: optional", "  bananas: 1", `8: client.bananas: unknown key; the keys here are create, metadata_url, secret`},
		{"a key twice", "title: Acme\n", "title: Acme\ntitle: Acme\n", `3: title: already defined in line 2`},
		{"an input without a name", "{name: shop,", "{", `6: inputs.0.name: missing`},
		{"an input with the name of a placeholder", "name: shop, pattern", "name: code, pattern", `6: inputs.0.name: code is already a placeholder`},
		{"a pattern that is none", `"[a-z]+"`, `"[a-z"`, `6: inputs.0.pattern: not a regular expression`},
		{"a default beside the pattern", "default: demo", "default: demo1", `6: inputs.0.default: does not match`},
		{"secret unknown word", "secret: optional", "secret: optionel", `8: client.secret: expected required, optional or none; did you mean optional?`},
		{"no grants", "grants: [authorization_code, password, client_credentials, static]", "grants: []", `9: grants: authorization_code is described but not listed`},
		{"a text for the grants", "grants: [authorization_code, password, client_credentials, static]", "grants: static", `9: grants: expected a list`},
		{"unknown grant", ", static]", ", implicit]", `9: grants.3: expected authorization_code, `},
		{"a grant not described", "  password:\n    url: https://acme.example/token\n", "", `9: grants: password needs token.password`},
		{"a grant not listed", "password, client_credentials", "client_credentials", `9: grants: password is described but not listed`},
		{"a grant without its assertion", "static]", "jwt_bearer]", `9: grants: jwt_bearer needs assertion`},
		{"a grant without its device request", "static]", "device_code]", `9: grants: device_code needs token.device_code`},
		{"code grant without authorize", "authorize:\n  url: https://acme.example/authorize\n  standard: false\n" + code + "  pkce: S256\n  code_life: 10m\n", "", `9: grants: authorization_code needs authorize`},
		{"redirect not an address", "default: http://127.0.0.1:8976/callback", "default: /callback", `11: redirect.default: expected an address`},
		{"redirect in the clear", "  default: http:", "  https: true\n  default: http:", `12: redirect.default: expected https, as https: true beside it says`},
		{"redirect to this machine", "  default: http:", "  no_loopback: true\n  default: http:", `12: redirect.default: expected an address that is not of this machine`},
		{"redirect to any port", "127.0.0.1:8976/callback", "[::1]:0/callback\n  exact_port: true", `11: redirect.default: expected a port other than 0`},
		{"redirect out of band", "http://127.0.0.1:8976/callback", "urn:ietf:wg:oauth:2.0:oob", `11: redirect.default: expected out_of_band: true beside it`},
		{"redirect with a fragment", "8976/callback", "8976/#callback", `11: redirect.default: expected an address without a fragment`},
		{"redirect with a placeholder", "127.0.0.1:8976", "{shop}.example", `11: redirect.default: a placeholder has no value here`},
		{"redirect to a port that is none", "8976", "89760", `11: redirect.default: expected a port from 0 to 65535`},
		{"redirect without a host", "127.0.0.1:8976", "", `11: redirect.default: expected an address`},
		{"authorize url missing", "  url: https://acme.example/authorize\n", "\n", `12: authorize.url: missing`},
		{"par without metadata", "  pkce: S256\n", "  pkce: S256\n  par: true\n", `17: authorize.par: expected an issuer or a resource beside it, whose metadata names the endpoint (RFC 9126 5)`},
		{"authorize url in the clear", "url: https://acme.example/authorize", "url: http://acme.example/authorize", `13: authorize.url: http is only for this machine`},
		{"a text for a boolean", "  standard: false\n  params", "  standard: no\n  params", `14: authorize.standard: expected true or false`},
		{"authorize without state", `, state: "{state}"}`, "}", `15: authorize.params: no parameter holds {state}`},
		{"authorize without client", `client_id: "{client_id}", `, "", `15: authorize.params: no parameter holds {client_id}`},
		{"a standard parameter left out that is needed", "  standard: false\n" + code, "  params: {state: null}\n", `14: authorize.params: no parameter holds {state}`},
		{"authorize with a placeholder of another request", `state: "{state}"}`, `state: "{state}", c: "{code}"}`, `15: authorize.params.c: {code} is not known here`},
		{"authorize with the secret", `state: "{state}"}`, `state: "{state}", c: "{client_secret}"}`, `15: authorize.params.c: {client_secret} is not known here`},
		{"a misspelt placeholder", `state: "{state}"}`, `state: "{stat}"}`, `15: authorize.params.state: {stat} is not known here; did you mean state?`},
		{"pkce unknown", "pkce: S256", "pkce: plain", `16: authorize.pkce: expected S256 or none`},
		{"code life negative", "code_life: 10m", "code_life: -1s", `17: authorize.code_life: expected a value such as 60s`},
		{"a number for a duration", "access: 1h", "access: 3600", `37: lifetimes.access: expected a value such as 1h`},
		{"a duration that is too long", "access: 1h", "access: 99999999h", `37: lifetimes.access: the duration is out of range`},
		{"a rule that recognizes nothing", "rotation: always", "errors: {ended: [{}], retry: [\"\"]}", `38: errors.ended.0: expected a code or a text`},
		{"another rule that recognizes nothing", "rotation: always", "errors: {retry: [\"\"]}", `38: errors.retry.0: expected a code or a text`},
		{"method unknown", "method: POST\n    url: https://{shop}", "method: PATCH\n    url: https://{shop}", `20: token.authorization_code.method: expected GET, POST, PUT or DELETE`},
		{"url missing", "    url: https://{shop}.acme.example/token\n", "\n", `19: token.authorization_code.url: missing`},
		{"url not an address", "https://{shop}.acme.example/token", "token", `21: token.authorization_code.url: expected an address`},
		{"url with a user", "https://{shop}.acme.example/token", "https://u:p4ss@acme.example/token", `21: token.authorization_code.url: an address must not hold a user name`},
		{"url with a fragment", "https://{shop}.acme.example/token", "https://acme.example/token#x", `21: token.authorization_code.url: the address of an endpoint must not hold a fragment`},
		{"url of another scheme", "https://{shop}.acme.example/token", "ftp://acme.example/token", `21: token.authorization_code.url: expected https`},
		{"url with an unknown placeholder", "{shop}.acme", "{shp}.acme", `21: token.authorization_code.url: {shp} is not known here`},
		{"url with a placeholder as scheme", "https://{shop}.acme.example/token", `"{shop}://acme.example/token"`, `21: token.authorization_code.url: a placeholder must not be part of the scheme`},
		{"url with a placeholder as port", "{shop}.acme.example/token", "acme.example:{shop}/token", `21: token.authorization_code.url: a placeholder must not be part of the port`},
		{"url that an input begins", "https://{shop}.acme.example/token", `"{shop}/token"`, `21: token.authorization_code.url: {shop} must not begin an address`},
		{"url that a kept parameter begins", "https://{shop}.acme.example/token", `"{realmId}/token"`, `21: token.authorization_code.url: {realmId} must not begin an address`},
		{"url with a kept parameter in the host", "https://{shop}.acme.example/token", "https://{realmId}.acme.example/token", `21: token.authorization_code.url: {realmId} comes from the redirect`},
		{"url with a default that is no part of a host", `pattern: "[a-z]+", default: demo`, "default: demo.example", `21: token.authorization_code.url: {shop} must be one part of a host name`},
		{"url with a field of the reply to it", "https://{shop}.acme.example/token", `"{instance_url}/token"`, `21: token.authorization_code.url: {instance_url} is not known here: what brings it comes after this request`},
		{"authorize with a parameter of the redirect", `state: "{state}"}`, `state: "{state}", c: "{realmId}"}`, `15: authorize.params.c: {realmId} is not known here: what brings it comes after this request`},
		{"url with a kept field before a domain", "  - url: https://acme.example/me\n", `  - url: "{instance_url}.acme.example/me"` + "\n", `43: whoami.0.url: a / must follow`},
		{"encoding unknown", "encoding: form", "encoding: xml", `22: token.authorization_code.encoding: expected form, json or query`},
		{"a GET with a body", "method: POST\n    url: https://{shop}", "method: GET\n    url: https://{shop}", `22: token.authorization_code.encoding: expected query`},
		{"client_auth unknown", "client_auth: params", "client_auth: digest", `24: token.authorization_code.client_auth: expected basic, basic_raw, params or private_key_jwt`},
		{"nothing holds the code", exchange, `    params: {code: x}`, `25: token.authorization_code.params: no parameter holds {code}`},
		{"an empty placeholder", exchange, `    params: {code: "{code}{}"}`, `25: token.authorization_code.params.code: a brace that belongs to no placeholder`},
		{"a brace alone", exchange, `    params: {code: "{code}", x: "}"}`, `25: token.authorization_code.params.x: a brace that belongs to no placeholder`},
		{"a parameter without a name", exchange, `    params: {code: "{code}", "": x}`, `25: token.authorization_code.params: a parameter without a name`},
		{"a mapping for a parameter", exchange, `    params: {code: {a: b}}`, `25: token.authorization_code.params.code: expected a text or a list`},
		{"a header with a line break", `headers: {X-Version: "1"}`, `headers: {X-Version: "1\r\nX-Evil: 1"}`, `26: token.authorization_code.headers.X-Version: a header must not hold`},
		{"a header that cannot be one", `headers: {X-Version: "1"}`, `headers: {"X Version": "1"}`, `26: token.authorization_code.headers: not the name of a header: "X Version"`},
		{"a header with an unknown placeholder", `headers: {X-Version: "1"}`, `headers: {X-Version: "{version}"}`, `26: token.authorization_code.headers.X-Version: {version} is not known here`},
		{"the secret twice", `params: {resource: [a, b]}`, `params: {s: "{client_secret}"}`, `29: token.refresh.client_auth: the secret is among the parameters`},
		{"a refresh that does not send its token", `params: {resource: [a, b]}`, `params: {refresh_token: null}`, `30: token.refresh.params: no parameter holds {refresh_token}`},
		{"a refresh with a placeholder of a login", `params: {resource: [a, b]}`, `params: {scope: "{scope}"}`, `30: token.refresh.params.scope: {scope} is not known here`},
		{"a password grant without one", "  password:\n    url: https://acme.example/token\n", "  password:\n    url: https://acme.example/token\n    standard: false\n    params: {u: \"{username}\"}\n", `34: token.password.params: no parameter holds {password}`},
		{"a client grant without client", "  client_credentials:\n    url: https://acme.example/token\n", "  client_credentials:\n    url: https://acme.example/token\n    standard: false\n", `33: token.client_credentials.params: no parameter holds {client_id}`},
		{"a kept field twice", "keep: [instance_url]", "keep: [instance_url, shop]", `35: reply.keep.1: shop is already a placeholder`},
		{"a kept field that is a token", "keep: [instance_url]", "keep: [instance_url, refresh_token]", `35: reply.keep.1: refresh_token is a token`},
		{"a kept field that cannot be a placeholder", "keep: [instance_url]", `keep: [instance_url, "a}b"]`, `35: reply.keep.1: expected a value such as instance_url`},
		{"a kept parameter without a name", "keep: [realmId]", `keep: [realmId, ""]`, `36: callback.keep.1: expected a value such as realmId`},
		{"a kept parameter twice", "keep: [realmId]", "keep: [instance_url]", `36: callback.keep.0: instance_url is already a placeholder`},
		{"rotation unknown word", "rotation: always", "rotation: sometimes", `38: rotation: expected always, never or unknown`},
		{"api in the clear", `  url: "{instance_url}/api/{realmId}/"`, "  url: http://acme.example/api/", `40: api.url: http is only`},
		{"api headers with the secret", `X-App: "{client_id}"`, `X-App: "{client_secret}"`, `41: api.headers.X-App: {client_secret} is not known here`},
		{"basic for tokens of a grant", `  headers: {X-App: "{client_id}"}`, "  scheme: basic", `41: api.scheme: basic is only for`},
		{"pages of an api without an address", `  url: "{instance_url}/api/{realmId}/"`, "  paginate: {link: true}", `39: api.url: missing`},
		{"pages by two ways", `  headers: {X-App: "{client_id}"}`, "  paginate: {link: true, next: n}", `41: api.paginate: `},
		{"pages without a size", `  headers: {X-App: "{client_id}"}`, "  paginate: {page: p}", `41: api.paginate: `},
		{"a size without pages", `  headers: {X-App: "{client_id}"}`, "  paginate: {link: true, size: s}", `41: api.paginate: `},
		{"a first page of an offset", `  headers: {X-App: "{client_id}"}`, "  paginate: {offset: o, size: s, max: 5, first: 1}", `41: api.paginate.first: `},
		{"a first page below 0", `  headers: {X-App: "{client_id}"}`, "  paginate: {page: p, size: s, max: 5, first: -1}", `41: api.paginate.first: the number is out of range`},
		{"an api header that presents the token", `X-App: "{client_id}"`, `authorization: "{client_id}"`, `41: api.headers.authorization: this header presents the token`},
		{"an api header of HTTP", `X-App: "{client_id}"`, `Content-Length: "5"`, `41: api.headers.Content-Length: HTTP itself sets this header`},
		{"an expired rule that recognizes nothing", `  headers: {X-App: "{client_id}"}`, "  expired: [{}]", `41: api.expired.0: expected a status, a code or a text`},
		{"an expired rule for a success", `  headers: {X-App: "{client_id}"}`, "  expired: [{status: 200}]", `41: api.expired.0.status: the number is out of range`},
		{"an expired rule for a missing permission", `  headers: {X-App: "{client_id}"}`, "  expired: [{code: insufficient_scope}]", `41: api.expired.0.code: this code is about a missing permission`},
		{"an expired rule with an unknown key", `  headers: {X-App: "{client_id}"}`, "  expired: [{stat: 400}]", `41: api.expired.0.stat: unknown key`},
		{"whoami without address", "  - url: https://acme.example/me\n    show:", "  - method: GET\n    show:", `43: whoami.0.url: missing`},
		{"a field without a path", "{name: id, path: id}", "{name: id}", `45: whoami.0.show.0.path: missing`},
		{"a further probe without on", "    on: [403]\n", "", `46: whoami.1: a further request needs on`},
		{"a probe that changes something", "method: POST\n    json", "method: DELETE\n    json", `47: whoami.1.method: expected GET or POST`},
		{"a probe by GET with a body", "    method: POST\n    json", "    json", `47: whoami.1.json: a GET has no body`},
		{"a probe with broken JSON", `json: '{"query":"{ me { id } }"}'`, "json: '{'", `48: whoami.1.json: not JSON`},
		{"a probe with an unknown placeholder", `{ me { id } }`, `{ me {id} }`, `48: whoami.1.json: {id} is not known here`},
		{"a status that is none", "on: [403]", "on: [4030]", `49: whoami.1.on.0: the number is out of range`},
		{"a revocation that does not send the token", `params: {token: "{token}"}`, `params: {token: null}`, `53: revoke.request.params: no parameter holds {token}`},
		{"fallback unknown", "fallback_encoding: json", "fallback_encoding: jso", `54: revoke.fallback_encoding: expected form, json or query; did you mean json?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(sound, tt.from) == 0 {
				t.Fatalf("%q is not in the definition", tt.from)
			}
			text := strings.Replace(sound, tt.from, tt.to, 1)
			path := write(t, "acme.yaml", text)
			findings, err := Catalog{}.Lint(path)
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
			if advice := fail.Advice(err); !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), findings[0].Text) || advice == nil || advice.Do != fail.DoLint {
				t.Errorf("Find: %v", err)
			}
		})
	}
}

// One run of lint finds every mistake, whether the schema sees it or not.
func TestLintFindsAllMistakesAtOnce(t *testing.T) {
	text := strings.NewReplacer(
		"title: Acme", "titel: Acme", "secret: optional", "secret: perhaps", "pkce: S256", "pkce: plain",
		`{code: "{code}"}`, `{code: "{cod}"}`, "https://acme.example/revoke", "http://acme.example/revoke", "access: 1h", "access: soon",
	).Replace(sound)
	findings, err := Catalog{}.Lint(write(t, "acme.yaml", text))
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, f := range findings {
		lines = append(lines, f.Line)
	}
	if want := []int{2, 8, 16, 25, 25, 37, 52}; !slices.Equal(lines, want) {
		t.Errorf("findings %v, want lines %v", findings, want)
	}
}

// Static tokens are the only grant where none is described, which may be a mistake.
func TestRequestsWithoutTheirGrantAreFound(t *testing.T) {
	for text, want := range map[string]string{
		"authorize: {url: 'https://acme.example/authorize'}":         "2: authorize: no grant uses it; expected token.authorization_code beside it",
		"device_authorization: {url: 'https://acme.example/device'}": "2: device_authorization: no grant uses it; expected token.device_code beside it",
	} {
		findings, err := Catalog{}.Lint(write(t, "acme.yaml", "api: {url: 'https://acme.example/'}\n"+text))
		if err != nil || len(findings) != 1 || findings[0].String() != want {
			t.Errorf("%s: %v, %v", text, findings, err)
		}
	}
}

func TestStaticTokensAloneNeedAnAPI(t *testing.T) {
	text := "grants: [static]\n"
	findings, err := Catalog{}.Lint(write(t, "acme.yaml", text))
	if err != nil || len(findings) != 1 || !strings.HasPrefix(findings[0].String(), "1: api.url: missing") {
		t.Errorf("%v, %v", findings, err)
	}
	d := read(t, text+"api: {url: 'https://API.acme.example:443/v1/'}\n")
	if got := d.Origin(); got != "https://api.acme.example" {
		t.Errorf("origin %q", got)
	}
}

func TestFindingsAreTheSameEachTime(t *testing.T) {
	text := strings.NewReplacer(`{code: "{code}"}`, `{a: "{x}", b: "{x}", c: "{x}", d: "{x}"}`, "password, client_credentials", "static").Replace(sound)
	path := write(t, "acme.yaml", text)
	first, err := Catalog{}.Lint(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := Catalog{}.Lint(path)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Fatalf("%v, then %v", first, again)
		}
	}
}

func TestSilenceMeansTheStandard(t *testing.T) {
	d := read(t, `authorize: {url: "https://acme.example/authorize"}
token:
  authorization_code: {url: "https://acme.example/token"}
  refresh: {url: "https://acme.example/token", client_auth: params, params: {audience: [a, b], grant_type: null, refresh_token: "x-{refresh_token}"}}
  password: {url: "https://acme.example/token"}
  client_credentials: {url: "https://acme.example/token"}
  jwt_bearer: {url: "https://acme.example/token"}
assertion: {from: env}
whoami: [{url: "https://acme.example/me"}]
revoke: {request: {url: "https://acme.example/revoke"}}
`)
	for path, tt := range map[string]struct{ auth, sent string }{
		"authorize":                {"", "client_id={client_id} code_challenge={code_challenge} code_challenge_method=S256 redirect_uri={redirect_uri} response_type=code scope={scope} state={state}"},
		"token.authorization_code": {"basic", "code={code} code_verifier={code_verifier} grant_type=authorization_code redirect_uri={redirect_uri}"},
		"token.refresh":            {"params", "audience=a audience=b client_id={client_id} client_secret={client_secret} refresh_token=x-{refresh_token}"},
		"token.password":           {"basic", "grant_type=password password={password} scope={scope} username={username}"},
		"token.client_credentials": {"basic", "grant_type=client_credentials scope={scope}"},
		"token.jwt_bearer":         {"basic", "assertion={assertion} grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer scope={scope}"},
		"revoke.request":           {"basic", "token={token} token_type_hint={token_type_hint}"},
	} {
		r := d.Request(path)
		if path != "authorize" && (r.Method != "POST" || r.Encoding != "form" || r.ClientAuth != tt.auth) {
			t.Errorf("%s: %+v", path, *r)
		}
		if got := pairs(d.Params(KindAt(path), r)); got != tt.sent {
			t.Errorf("%s:\n%s, want\n%s", path, got, tt.sent)
		}
	}
	if d.Authorize.PKCE != "S256" || d.Name != "acme" || d.Title != "acme" || d.Scopes.Separator != " " || d.Rotation != RotatesUnknown ||
		!d.Rotates() || d.SecretRequired() || d.WhoAmI[0].Method != "GET" || d.API.Header != "Authorization" || d.API.Scheme != "Bearer" {
		t.Errorf("%+v", d)
	}
	if want := []string{"authorization_code", "password", "client_credentials", "jwt_bearer"}; !slices.Equal(d.Grants, want) {
		t.Errorf("grants %v, want %v", d.Grants, want)
	}
}

// pairs prints parameters as "name=value" by name.
func pairs(p map[string]Values) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		for _, value := range p[name] {
			list = append(list, name+"="+value)
		}
	}
	return strings.Join(list, " ")
}

func TestWithoutTheStandardExactlyWhatIsWrittenIsSent(t *testing.T) {
	d := read(t, `authorize:
  url: https://acme.example/authorize
  standard: false
  params: {id: "{client_id}", s: "{state}"}
token:
  authorization_code: {url: "https://acme.example/token", standard: false, params: {c: "{code}"}}
`)
	for path, want := range map[string]string{"authorize": "id={client_id} s={state}", "token.authorization_code": "c={code}"} {
		if got := pairs(d.Params(KindAt(path), d.Request(path))); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := d.Token[AuthorizationCode].ClientAuth; got != InParams {
		t.Errorf("client_auth %s", got)
	}
	d.Authorize.PKCE = "S256" // where it is written, its parameters are sent
	if got := pairs(d.Params(KindAt("token.authorization_code"), d.Token[AuthorizationCode])); got != "c={code} code_verifier={code_verifier}" {
		t.Error(got)
	}
	d.Authorize.Params["challenge"] = Values{"{code_challenge}"} // under a name of its own
	if got := pairs(d.Params(KindAt("authorize"), d.Request("authorize"))); got != "challenge={code_challenge} id={client_id} s={state}" {
		t.Error(got)
	}
}

func TestExpand(t *testing.T) {
	values := map[string]string{"code": "c{state}&=", "state": "s", "empty": ""}
	for name, tt := range map[string]struct {
		params Params
		want   string
	}{
		"nothing":                      {nil, "map[]"},
		"fixed":                        {Params{"a": {"b"}, "c": {""}}, "map[a:[b] c:[]]"},
		"one placeholder":              {Params{"a": {"{code}"}}, "map[a:[c{state}&=]]"}, // what is put in is not looked at again
		"repeated":                     {Params{"a": {"{state}", "x", "{empty}"}}, "map[a:[s x]]"},
		"no value, left out":           {Params{"a": {"{empty}"}}, "map[]"},
		"no value inside a text, kept": {Params{"a": {"x{empty}y"}}, "map[a:[xy]]"},
		"two placeholders are a text":  {Params{"a": {"{state}{empty}"}}, "map[a:[s]]"},
		"unknown":                      {Params{"a": {"{unknown}"}}, "a: {unknown} is not known"},
		"unknown inside a text":        {Params{"a": {"x{unknown}"}}, "a: {unknown} is not known"},
		"a brace alone":                {Params{"a": {"{"}}, "a: a brace that belongs to no placeholder"},
		"a closing brace alone":        {Params{"a": {"}x{state}"}}, "a: a brace that belongs to no placeholder"},
		"braces in braces":             {Params{"a": {"{{state}}"}}, "a: a brace that belongs to no placeholder"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tt.params.Expand(values)
			text := fmt.Sprint(got)
			if err != nil {
				text = err.Error()
			}
			if text != tt.want {
				t.Errorf("%s, want %s", text, tt.want)
			}
		})
	}
}

func TestRule(t *testing.T) {
	for _, tt := range []struct {
		rule       Rule
		status     int
		code, text string
		want       bool
	}{
		{Rule{}, 400, "a", "b", false},
		{Rule{Code: "a"}, 400, "a", "", true},
		{Rule{Code: "a"}, 400, "A", "", false},
		{Rule{Code: "a", Text: "old Refresh"}, 401, "a", "The OLD refresh token was used.", true},
		{Rule{Code: "a", Text: "old refresh"}, 401, "b", "old refresh", false},
		{Rule{Text: "not yet"}, 401, "b", "Not yet!", true},
		{Rule{Status: 400, Code: "a"}, 401, "a", "", false},
		{Rule{Status: 400}, 400, "", "", true},
	} {
		if got := tt.rule.Matches(tt.status, tt.code, tt.text); got != tt.want {
			t.Errorf("%+v, %d %q %q: %t", tt.rule, tt.status, tt.code, tt.text, got)
		}
	}
}
