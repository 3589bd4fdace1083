package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/sandbox"
)

// TestAuthorizeRefuses: where says where the refusal is told: "page", "json" or "redirect".
func TestAuthorizeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, provider string
		change         []string
		where, word    string
	}{
		{"unknown client", "moloni-on", []string{"apiClientId", "api:ff"}, "page", "no client"},
		{"no client", "moloni-on", []string{"apiClientId", ""}, "page", "apiClientId is missing"},
		{"no redirect", "moloni-on", []string{"redirectUri", ""}, "page", "redirectUri is missing"},
		{"relative redirect", "moloni-on", []string{"redirectUri", "/callback"}, "page", "absolute"},
		{"script redirect", "moloni-on", []string{"redirectUri", "javascript://x/%0aalert(1)"}, "page", "neither http"},
		{"user in redirect", "moloni-on", []string{"redirectUri", "https://a@b.example.test/"}, "page", "absolute"},
		{"fragment", "moloni-on", []string{"redirectUri", "https://a.example.test/#x"}, "page", "fragment"},
		{"redirect_uri", "moloni-on", []string{"redirect_uri", loopURI}, "page", "redirect_uri is not documented"},
		{"response_type", "moloni-on", []string{"response_type", "code"}, "page", "response_type is not documented"},
		{"scope", "moloni-on", []string{"scope", "x"}, "page", "scope is not documented"},
		{"PKCE", "moloni-on", []string{"code_challenge", "x"}, "page", "code_challenge is not documented"},
		{"client_id", "moloni-on", []string{"client_id", "x"}, "page", "client_id is not documented"},
		{"oob", "moloni-on", []string{"redirectUri", oobURI}, "page", "absolute"},

		{"unknown client", "moloni", []string{"client_id", "other"}, "json", "invalid_client"},
		{"no client", "moloni", []string{"client_id", ""}, "json", "invalid_client"},
		{"localhost", "moloni", []string{"redirect_uri", "http://localhost:8976/callback"}, "json", "invalid_uri"},
		{"LOCALHOST.", "moloni", []string{"redirect_uri", "https://LOCALHOST./"}, "json", "loopback"},
		{"127", "moloni", []string{"redirect_uri", "http://127.0.0.1:8976/callback"}, "json", "loopback"},
		{"127.9", "moloni", []string{"redirect_uri", "http://127.9.9.9/"}, "json", "loopback"},
		{"::1", "moloni", []string{"redirect_uri", "http://[::1]:8976/callback"}, "json", "loopback"},
		{".local", "moloni", []string{"redirect_uri", "http://mac.local/"}, "json", "loopback"},
		{"no response_type", "moloni", []string{"response_type", ""}, "json", "response_type is missing"},
		{"token response", "moloni", []string{"response_type", "token"}, "json", "invalid_request"},
		{"scope", "moloni", []string{"scope", "x"}, "json", "scope is not documented"},
		{"PKCE", "moloni", []string{"code_challenge_method", "S256"}, "json", "not documented"},
		{"oob", "moloni", []string{"redirect_uri", oobURI}, "json", "invalid_uri"},

		{"unknown client", "mollie", []string{"client_id", "app_other"}, "page", "no client"},
		{"http", "mollie", []string{"redirect_uri", "http://app.example.test/callback"}, "page", "only https"},
		{"http loopback", "mollie", []string{"redirect_uri", loopURI}, "page", "only https"},
		{"no redirect", "mollie", []string{"redirect_uri", ""}, "page", "redirect_uri is missing"},
		{"no state", "mollie", []string{"state", ""}, "redirect", "state is missing"},
		{"no scope", "mollie", []string{"scope", ""}, "redirect", "scope is missing"},
		{"comma scope", "mollie", []string{"scope", "payments.read,orders.read"}, "redirect", "no scope"},
		{"blank scope", "mollie", []string{"scope", "  "}, "redirect", "scope is empty"},
		{"token response", "mollie", []string{"response_type", "token"}, "redirect", "has to be code"},
		{"PKCE", "mollie", []string{"code_challenge", "x"}, "redirect", "not documented"},

		{"unknown client", "moneybird", []string{"client_id", "x"}, "page", "no client"},
		{"unknown scope", "moneybird", []string{"scope", "sales_invoices contacts"}, "redirect", "contacts is no scope"},
		{"no response_type", "moneybird", []string{"response_type", ""}, "redirect", "response_type is missing"},
		{"PKCE", "moneybird", []string{"code_challenge", "x"}, "redirect", "not documented"},
		{"oob and bad scope", "moneybird", []string{"redirect_uri", oobURI, "scope", "x"}, "page", "no scope"},
	} {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			b := start(t, sandbox.Config{})
			c := play(t, tt.provider).authorize("state-1234567890")
			b.want(b.send(c), http.StatusFound) // the one before the change is good
			c.query = with(c.query, tt.change...)
			a := b.send(c)
			switch tt.where {
			case "page", "json":
				if a.status < 400 || a.header.Get("Location") != "" || !strings.Contains(a.body, tt.word) {
					t.Errorf("%d %s", a.status, a.body)
				}
				if html := strings.HasPrefix(a.header.Get("Content-Type"), "text/html"); html != (tt.where == "page") {
					t.Errorf("Content-Type %s", a.header.Get("Content-Type"))
				}
				if tt.where == "json" && (a.status != 400 || a.str("error") == "" || a.str("error_description") == "") {
					t.Errorf("%d %s", a.status, a.body)
				}
			case "redirect":
				u, err := url.Parse(a.header.Get("Location"))
				if err != nil || a.status != http.StatusFound {
					t.Fatalf("%d %v", a.status, err)
				}
				q := u.Query()
				if q.Get("code") != "" || q.Get("error") == "" || !strings.Contains(q.Get("error_description"), tt.word) {
					t.Errorf("Location %s", u)
				}
				if q.Get("state") != c.query.Get("state") {
					t.Errorf("state %q", q.Get("state"))
				}
			}
			if e := b.last(); !e.Refused || !strings.Contains(e.Reason+a.body, tt.word) || e.Reason == "" {
				t.Errorf("event %+v", e)
			}
			if s := b.s.Stats()[tt.provider]; s.Refused != 1 || s.Allowed != 1 || s.Requests["authorize"] != 2 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestAuthorizeReadsOneOfEach(t *testing.T) {
	b := start(t, sandbox.Config{})
	c := play(t, "moneybird").authorize("s")
	c.query.Add("scope", "bank")
	b.want(b.send(c), 400, "more than once")
	c.query = nil
	c.path += "?client_id=%zz"
	b.want(b.send(c), 400, "form-urlencoded")
}

func TestRegisteredRedirects(t *testing.T) {
	b := start(t, sandbox.Config{RedirectURIs: map[string][]string{
		"mollie": {webURI, "https://localhost:8976/callback"}, "moneybird": {loopURI},
	}})
	mollie, bird := play(t, "mollie"), play(t, "moneybird")
	for uri, status := range map[string]int{webURI: 302, "https://localhost:8976/callback": 302, webURI + "/": 400, "https://localhost:8977/callback": 400} {
		c := mollie.authorize("s")
		c.query.Set("redirect_uri", uri)
		b.want(b.send(c), status)
	}
	c := mollie.authorize("s") // optional where one is registered
	c.query.Del("redirect_uri")
	if got := b.send(c).header.Get("Location"); !strings.HasPrefix(got, webURI+"?code=") {
		t.Errorf("Location %s", got)
	}
	for uri, status := range map[string]int{loopURI: 302, "http://localhost:8976/callback": 400, "http://127.0.0.1:8977/callback": 400, oobURI: 400} {
		c := bird.authorize("s")
		c.query.Set("redirect_uri", uri)
		b.want(b.send(c), status)
	}
}

// TestExchangeRepeatsRedirect: byte for byte.
func TestExchangeRepeatsRedirect(t *testing.T) {
	for _, name := range []string{"moloni", "moneybird", "mollie"} {
		b, p := start(t, sandbox.Config{}), play(t, name)
		c := p.exchange(b.code(p))
		right := c.query.Get("redirect_uri") + c.form.Get("redirect_uri")
		for _, wrong := range []string{right + "?x=1", strings.Replace(right, "callback", "Callback", 1), strings.Replace(right, "8976", "8977", 1) + "/"} {
			if c.query != nil {
				c.query.Set("redirect_uri", wrong)
			} else {
				c.form.Set("redirect_uri", wrong)
			}
			b.want(b.send(c), 400, "redirect_uri", map[string]string{"moloni": "redirect_uri_mismatch"}[name])
		}
		if c.query != nil {
			c.query.Set("redirect_uri", right)
		} else {
			c.form.Set("redirect_uri", right)
		}
		b.want(b.send(c), 200)
	}
}

// TestTokenRefuses changes a good token request in one place each.
func TestTokenRefuses(t *testing.T) {
	set := func(pairs ...string) func(*call) {
		return func(c *call) {
			switch {
			case c.form != nil:
				c.form = with(c.form, pairs...)
			case c.json != nil:
				m := map[string]string{}
				for k, v := range c.json.(map[string]string) {
					m[k] = v
				}
				for i := 0; i < len(pairs); i += 2 {
					if m[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
						delete(m, pairs[i])
					}
				}
				c.json = m
			default:
				c.query = with(c.query, pairs...)
			}
		}
	}
	asJSON := func(c *call) {
		m := map[string]string{}
		for k := range c.form {
			m[k] = c.form.Get(k)
		}
		c.form, c.json = nil, m
	}
	lie := func(c *call) {
		asJSON(c)
		c.raw, c.media, c.json = `{"a":"b"}`, "application/x-www-form-urlencoded", nil
	}
	inQuery := func(c *call) { c.query = vals("a", "b") }
	media := func(m, raw string) func(*call) {
		return func(c *call) { c.form, c.json, c.media, c.raw = nil, nil, m, raw }
	}
	basic := func(c *call) { c.user, c.pass = "someone", "something" }
	for _, tt := range []struct {
		name, provider string
		refresh        bool
		change         func(*call)
		status         int
		words          string // separated by |
	}{
		{"wrong secret", "moloni-on", false, set("clientSecret", "wrong"), 401, `{"error":"|client secret`},
		{"wrong client", "moloni-on", true, set("apiClientId", "api:00"), 401, `{"error":"|client`},
		{"redirect", "moloni-on", false, set("redirectUri", loopURI), 400, "redirectUri is not documented"},
		{"standard name", "moloni-on", true, set("refresh_token", "x"), 400, "refresh_token is not documented"},
		{"no code", "moloni-on", false, set("code", ""), 400, "code is missing"},
		{"grant type", "moloni-on", false, set("grantType", "password"), 400, "grantType has to be"},
		{"unknown code", "moloni-on", false, set("code", "x"), 400, "code is unknown"},
		{"unknown token", "moloni-on", true, set("refreshToken", "x"), 400, "refresh token is unknown"},
		{"lie", "moloni-on", false, lie, 400, "says form, but the body is JSON"},
		{"query", "moloni-on", false, inQuery, 400, "not in the URL"},
		{"header", "moloni-on", false, basic, 400, "no Authorization header"},
		{"multipart", "moloni-on", false, media("multipart/form-data; boundary=x", "x"), 400, "multipart/form-data is not taken"},
		{"no type", "moloni-on", false, media("", "grantType=x"), 400, "no Content-Type"},
		{"odd type", "moloni-on", false, media(";;;", "grantType=x"), 400, "unreadable"},
		{"empty", "moloni-on", false, media("", ""), 400, "body is empty"},
		{"GET", "moloni-on", false, func(c *call) { c.method = "GET" }, 405, "GET is not taken"},
		{"slash", "moloni-on", false, func(c *call) { c.path += "/" }, 404, "not have this path"},

		{"wrong secret", "moloni", false, set("client_secret", "wrong"), 400, `"error":"invalid_client"|error_description`},
		{"wrong client", "moloni", true, set("client_id", "x"), 400, `"error":"invalid_client"`},
		{"no grant type", "moloni", false, set("grant_type", ""), 400, `"error":"invalid_request"`},
		{"grant type", "moloni", false, set("grant_type", "client_credentials"), 400, `"error":"unsupported_grant_type"`},
		{"no redirect", "moloni", false, set("redirect_uri", ""), 400, "redirect_uri is missing"},
		{"redirect at refresh", "moloni", true, set("redirect_uri", webURI), 400, "redirect_uri is not documented"},
		{"unknown code", "moloni", false, set("code", "x"), 400, `"error":"invalid_grant"`},
		{"unknown token", "moloni", true, set("refresh_token", "x"), 400, `"error":"invalid_grant"`},
		{"body", "moloni", false, func(c *call) { c.method, c.form, c.query = "POST", c.query, nil }, 400, "belong in the query string"},
		{"header", "moloni", false, basic, 400, "not in a header"},
		{"no slash", "moloni", false, func(c *call) { c.path = strings.TrimSuffix(c.path, "/") }, 404, "end in a slash"},
		{"DELETE", "moloni", false, func(c *call) { c.method = "DELETE" }, 405, "not taken"},
		{"twice", "moloni", false, func(c *call) { c.query = with(c.query); c.query.Add("code", "x") }, 400, "code is given more than once"},
		{"code beside refresh token", "moloni", true, set("code", "x"), 400, "code is not documented"},

		{"wrong secret", "mollie", false, func(c *call) { c.pass = "wrong" }, 401, `"error":"invalid_client"`},
		{"wrong client", "mollie", true, func(c *call) { c.user = "app_x" }, 401, `"error":"invalid_client"`},
		{"no client", "mollie", false, func(c *call) { c.user = "" }, 401, "neither a Basic header nor"},
		{"client twice", "mollie", false, set("client_secret", mollieSecret), 400, "in the header and in the body"},
		{"two clients", "mollie", false, set("client_id", "app_x"), 400, "not the one of the header"},
		{"Bearer", "mollie", false, func(c *call) { c.user, c.bearer = "", "x" }, 401, "not of the Basic kind"},
		{"no base64", "mollie", false, func(c *call) { c.user, c.header = "", map[string]string{"Authorization": "Basic %%"} }, 401, "base64"},
		{"no colon", "mollie", false, func(c *call) { c.user, c.header = "", map[string]string{"Authorization": "Basic YWJj"} }, 401, "colon"},
		{"bad encoding", "mollie", false, func(c *call) { c.pass = "100%" }, 401, "form-urlencoded"},
		{"v2", "mollie", false, func(c *call) { c.path = "/mollie/v2/oauth2/tokens" }, 404, `"status":404|no /v2`},
		{"GET with body", "mollie", false, func(c *call) { c.method = "GET" }, 400, "must not carry a body"},
		{"GET", "mollie", false, func(c *call) { c.method, c.form = "GET", nil }, 405, "GET is not taken"},
		{"query", "mollie", false, inQuery, 400, "not in the URL"},
		{"lie", "mollie", false, lie, 400, "says form"},
		{"text", "mollie", false, media("text/plain", "x"), 400, "text/plain is not taken"},
		{"number", "mollie", false, media("application/json", `{"grant_type":1}`), 400, "not a string"},
		{"no grant type", "mollie", false, set("grant_type", ""), 400, "grant type was not specified"},
		{"grant type", "mollie", false, set("grant_type", "client_credentials"), 400, "unsupported_grant_type"},
		{"no code", "mollie", false, set("code", ""), 400, "code is missing"},
		{"PKCE", "mollie", false, set("code_verifier", "x"), 400, "code_verifier is not documented"},
		{"scope at refresh", "mollie", true, set("scope", "payments.read"), 400, "scope is not documented"},
		{"no refresh token", "mollie", true, set("refresh_token", ""), 400, "refresh_token is missing"},
		{"unknown code", "mollie", false, set("code", "auth_x"), 400, `"error":"invalid_grant"`},
		{"unknown token", "mollie", true, set("refresh_token", "refresh_x"), 400, `"error":"invalid_grant"`},

		{"wrong secret", "moneybird", false, set("client_secret", "wrong"), 401, `"error":"invalid_client"|error_description`},
		{"JSON", "moneybird", false, asJSON, 400, "application/json is not taken"},
		{"query", "moneybird", false, inQuery, 400, "not in the URL"},
		{"header", "moneybird", false, basic, 400, "no Authorization header"},
		{"no redirect", "moneybird", false, set("redirect_uri", ""), 400, "redirect_uri is missing"},
		{"redirect at refresh", "moneybird", true, set("redirect_uri", loopURI), 400, "redirect_uri is not documented"},
		{"no grant type", "moneybird", true, set("grant_type", ""), 400, "grant_type is missing"},
		{"grant type", "moneybird", true, set("grant_type", "password"), 400, "unsupported_grant_type"},
		{"unknown token", "moneybird", true, set("refresh_token", "x"), 400, `"error":"invalid_grant"`},

		{"wrong secret", "monta", false, set("clientSecret", "wrong"), 401, `"message":|"errorCode":"UNAUTHORIZED"|"context":{}`},
		{"wrong client", "monta", false, set("clientId", "x"), 401, "message"},
		{"grant type", "monta", false, set("grant_type", "client_credentials"), 400, "grant_type is not documented"},
		{"no secret", "monta", false, set("clientSecret", ""), 400, `clientSecret is missing|"errorCode":"BAD_REQUEST"`},
		{"form", "monta", false, func(c *call) { c.form = vals("clientId", montaID, "clientSecret", montaSecret) }, 400, "only json"},
		{"lie", "monta", false, media("application/json", "clientId=x"), 400, "no JSON object"},
		{"header", "monta", false, basic, 400, "no Authorization header"},
		{"client at refresh", "monta", true, set("clientId", montaID), 400, "clientId is not documented"},
		{"unknown token", "monta", true, set("refreshToken", "x"), 401, "refresh token is unknown"},
		{"bearer at refresh", "monta", true, func(c *call) { c.bearer = "x" }, 400, "no Authorization header"},
		{"GET", "monta", false, func(c *call) { c.method = "GET" }, 405, "not taken"},
	} {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			b, p := start(t, sandbox.Config{}), play(t, tt.provider)
			var good call
			switch {
			case tt.refresh:
				good = p.refresh(b.login(p).str(p.refreshed))
			case p.mint != nil:
				good = p.mint()
			default:
				good = p.exchange(b.code(p))
			}
			wrong := good
			tt.change(&wrong)
			a := b.send(wrong)
			b.want(a, tt.status, strings.Split(tt.words, "|")...)
			e := b.last()
			if !e.Refused || e.Reason == "" || e.Status != tt.status || e.Provider != tt.provider {
				t.Errorf("event %+v", e)
			}
			b.want(b.send(good), http.StatusOK) // nothing was spent by the refusal
		})
	}
}

func TestAPIRefuses(t *testing.T) {
	query := map[string]any{"query": "{ me { data { name } } }"}
	for _, tt := range []struct {
		name, provider string
		c              func(token string) call
		status         int
		words          string
	}{
		{"no token", "moloni-on", func(string) call { return call{method: "POST", path: "/moloni-on/v1", json: query} }, 401, "UNAUTHENTICATED"},
		{"other scheme", "moloni-on", func(s string) call {
			return call{method: "POST", path: "/moloni-on/v1", json: query, header: map[string]string{"Authorization": "Token " + s}}
		}, 401, "not of the Bearer kind"},
		{"in query", "moloni-on", func(s string) call {
			return call{method: "POST", path: "/moloni-on/v1", json: query, query: vals("access_token", s)}
		}, 401, "one Authorization"},
		{"form", "moloni-on", func(s string) call {
			return call{method: "POST", path: "/moloni-on/v1", form: vals("query", "{me{data{name}}}"), bearer: s}
		}, 400, "application/json"},
		{"no query", "moloni-on", func(s string) call {
			return call{method: "POST", path: "/moloni-on/v1", json: map[string]any{}, bearer: s}
		}, 400, "no query"},
		{"extra", "moloni-on", func(s string) call {
			return call{method: "POST", path: "/moloni-on/v1", json: map[string]any{"query": "{me}", "x": 1}, bearer: s}
		}, 400, "no JSON object of"},
		{"GET", "moloni-on", func(s string) call { return call{path: "/moloni-on/v1", bearer: s} }, 405, "not taken"},
		{"bad query", "moloni-on", func(s string) call {
			return call{method: "POST", path: "/moloni-on/v1", json: map[string]any{"query": "{ you }"}, bearer: s}
		}, 200, "GRAPHQL_VALIDATION_FAILED|no field you"},

		{"bearer", "moloni", func(s string) call { return call{path: "/moloni/v1/users/getMe/", bearer: s} }, 400, "invalid_request|Authorization"},
		{"both", "moloni", func(s string) call {
			return call{path: "/moloni/v1/users/getMe/", bearer: s, query: vals("access_token", s)}
		}, 400, "Authorization"},
		{"no token", "moloni", func(string) call { return call{path: "/moloni/v1/users/getMe/"} }, 400, "access_token is missing"},
		{"bad token", "moloni", func(string) call {
			return call{path: "/moloni/v1/companies/getAll/", query: vals("access_token", "x")}
		}, 400, "invalid_grant"},
		{"no slash", "moloni", func(s string) call {
			return call{path: "/moloni/v1/users/getMe", query: vals("access_token", s)}
		}, 404, "slash"},

		{"bad token", "mollie", func(string) call { return call{path: "/mollie/v2/payments", bearer: "x"} }, 401, `"status":401|Unauthorized Request|"detail"|_links`},
		{"no such path", "mollie", func(s string) call { return call{path: "/mollie/v2/nothing", bearer: s} }, 404, "Not Found"},
		{"from", "mollie", func(s string) call {
			return call{path: "/mollie/v2/payments", bearer: s, query: vals("from", "tr_sandbox999")}
		}, 400, "no payment"},
		{"limit", "mollie", func(s string) call {
			return call{path: "/mollie/v2/payments", bearer: s, query: vals("limit", "251")}
		}, 400, "limit has to be"},
		{"testmode with a key", "mollie", func(string) call {
			return call{path: "/mollie/v2/payments", bearer: "test_SandboxSandboxSandboxSandboxSa", query: vals("testmode", "true")}
		}, 400, "testmode"},
		{"twice", "mollie", func(s string) call { return call{path: "/mollie/v2/payments?limit=1&limit=2", bearer: s} }, 400, "more than once"},

		{"bad token", "moneybird", func(string) call { return call{path: "/moneybird/api/v2/administrations.json", bearer: "x"} }, 401, `{"error":"the access token is unknown"}`},
		{"other administration", "moneybird", func(s string) call { return call{path: "/moneybird/api/v2/1/contacts.json", bearer: s} }, 404, "record not found"},
		{"invoice 0", "moneybird", func(s string) call {
			return call{path: "/moneybird/api/v2/107693607045039116/sales_invoices/0/download.pdf", bearer: s}
		}, 404, "record not found"},
		{"page", "moneybird", func(s string) call {
			return call{path: "/moneybird/api/v2/107693607045039116/contacts.json", bearer: s, query: vals("page", "0")}
		}, 400, "page has to be"},
		{"no such path", "moneybird", func(s string) call { return call{path: "/moneybird/api/v3", bearer: s} }, 404, "not have this path"},

		{"bad token", "monta", func(string) call { return call{path: "/monta/api/v1/charge-points", bearer: "x"} }, 401, `"errorCode":"UNAUTHORIZED"`},
		{"perPage", "monta", func(s string) call {
			return call{path: "/monta/api/v1/charge-points", bearer: s, query: vals("perPage", "x")}
		}, 400, "perPage has to be"},
		{"page twice", "monta", func(s string) call { return call{path: "/monta/api/v1/charge-points?page=1&page=2", bearer: s} }, 400, "more than once"},
		{"no such path", "monta", func(s string) call { return call{path: "/monta/auth/me", bearer: s} }, 404, `"errorCode":"NOT_FOUND"`},
	} {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			b, p := start(t, sandbox.Config{}), play(t, tt.provider)
			a := b.send(tt.c(b.login(p).str(p.access)))
			b.want(a, tt.status, strings.Split(tt.words, "|")...)
			if tt.provider == "mollie" && a.header.Get("Content-Type") != "application/hal+json" {
				t.Errorf("Content-Type %q", a.header.Get("Content-Type"))
			}
			if e := b.last(); !e.Refused {
				t.Errorf("event %+v", e)
			}
			if s := b.s.Stats()[tt.provider]; s.APICalls != 0 || s.Refused != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestScopes(t *testing.T) {
	b := start(t, sandbox.Config{})
	mint := func(provider, scope string) string {
		p, err := b.s.Mint(provider, scope, "")
		if err != nil {
			t.Fatal(err)
		}
		return p.AccessToken
	}
	contacts := "/moneybird/api/v2/107693607045039116/contacts.json"
	pdf := "/moneybird/api/v2/107693607045039116/sales_invoices/1/download.pdf"
	for _, tt := range []struct {
		path, token string
		status      int
		word        string
	}{
		{"/mollie/v2/organizations/me", mint("mollie", "payments.read"), 403, "organizations.read"},
		{"/mollie/v2/permissions", mint("mollie", "payments.read"), 200, `"granted":true`},
		{"/mollie/v2/payments", mint("mollie", ""), 403, `"title":"Forbidden"`},
		{contacts, mint("moneybird", "time_entries"), 401, `{"error":"No access to contacts"}`},
		{contacts, mint("moneybird", "time_entries bank"), 200, "Sandbox Contact"},
		{pdf, mint("moneybird", "bank"), 401, `{"error":"No access to sales invoices"}`},
		{pdf, mint("moneybird", ""), 302, ""},
		{"/moneybird/api/v2/administrations.json", mint("moneybird", "time_entries"), 200, "107693607045039116"},
	} {
		b.want(b.send(call{path: tt.path, bearer: tt.token}), tt.status, tt.word)
	}
}

func TestUnknownPlaces(t *testing.T) {
	b := start(t, sandbox.Config{Providers: []string{"monta"}})
	b.want(b.send(call{path: "/mollie/v2/payments"}), 404, "unknown provider")
	b.want(b.send(call{path: "/"}), 404)
	b.want(b.send(call{path: "/monta/api/v1%2fauth/me"}), 404, "not have this path")
	b.want(b.send(call{path: "/monta/_consent"}), 405)
	b.want(b.send(call{path: "/_files/x.pdf"}), 404)
	b.want(b.send(call{method: "POST", path: "/monta/api/v1/auth/token", raw: strings.Repeat("a", 1<<20+1), media: "application/json"}), 413, "1 MiB")
}

func TestNewRefuses(t *testing.T) {
	for word, cfg := range map[string]sandbox.Config{
		`"stripe"`:         {Providers: []string{"stripe"}},
		`"x"`:              {ClientID: map[string]string{"x": "y"}},
		`"r"`:              {RedirectURIs: map[string][]string{"r": nil}},
		"consent":          {Consent: "maybe"},
		"fraction":         {FractionDigits: new(10)},
		"negative":         {CodeLife: -1},
		"expiracy":         {ExpiracyFormat: "roman"},
		"known: moloni-on": {OmitState: map[string]bool{"stripe": true}},
	} {
		if _, err := sandbox.New(cfg); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
}
