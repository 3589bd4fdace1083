package apiclient

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

const newAccess = "access_NEW-t0ken~1"

// peer stands in for a provider.
type peer struct {
	*httptest.Server
	address string
	mu      sync.Mutex
	seen    []recorded
}

type recorded struct {
	method, path, query, body string
	header                    http.Header
}

func newPeer(t *testing.T, answer http.HandlerFunc) *peer {
	t.Helper()
	p := &peer{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.seen = append(p.seen, recorded{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
		p.mu.Unlock()
		answer(w, r)
	}))
	p.address = p.URL
	t.Cleanup(p.Close)
	return p
}

func (p *peer) requests() []recorded {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]recorded(nil), p.seen...)
}

func (p *peer) one(t *testing.T) recorded {
	t.Helper()
	seen := p.requests()
	if len(seen) != 1 {
		t.Fatalf("%d requests arrived, want 1", len(seen))
	}
	return seen[0]
}

func replies(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) { handlers[min(int(n.Add(1)), len(handlers))-1](w, r) }
}

func whoami(t *testing.T, base, name, token string) ([]Detail, error) {
	t.Helper()
	d, err := provider.Catalog{}.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	c := &oauth.Client{Config: resolve(t, d, base), HTTP: oauth.NewHTTP(), UserAgent: "tokencli/test"}
	return New(c, oauth.OneToken(token)).WhoAmI(t.Context())
}

func failure(t *testing.T, err error) *oauth.Error {
	t.Helper()
	var e *oauth.Error
	if !errors.As(err, &e) {
		t.Fatalf("not an oauth.Error: %v", err)
	}
	noSecrets(t, err)
	return e
}

func noSecrets(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if strings.Contains(text, newAccess) || strings.Contains(text, "t0ken") || redact.Printable(text) != text {
		t.Errorf("not fit to be printed: %q", text)
	}
}

func TestWhoAmI(t *testing.T) {
	tests := []struct {
		name, provider string
		status         int
		body           string
		want           []Detail
	}{
		{"GraphQL", "moloni-on", 200, `{"data":{"me":{"data":{"userId":12345678901234567890,"userCompanies":[
			{"company":{"companyId":1,"name":"Um, Lda."}},{"company":{"companyId":2,"name":"Dois"}}]},"errors":[]}}}`, []Detail{
			{"user id", []string{"12345678901234567890"}}, {"company", []string{"Um, Lda.", "Dois"}}, {"company id", []string{"1", "2"}},
		}},
		{"object", "moloni", 200, `{"user_id":7,"name":"Zé","email":"z@x.example","last_login":null,"extra":{}}`, []Detail{
			{"user id", []string{"7"}}, {"name", []string{"Zé"}}, {"email", []string{"z@x.example"}}, {"last login", nil},
		}},
		{"organization", "mollie", 200, `{"id":"org_1","name":"Shop","email":"a@b.example","locale":"nl_NL"}`, []Detail{
			{"organization id", []string{"org_1"}}, {"name", []string{"Shop"}}, {"email", []string{"a@b.example"}}, {"locale", []string{"nl_NL"}},
		}},
		{"list", "moneybird", 200, `[{"id":"107693607045039116","name":"Een"},{"id":107693607045039117,"name":"Twee"}]`, []Detail{
			{"administration", []string{"Een", "Twee"}}, {"administration id", []string{"107693607045039116", "107693607045039117"}},
		}},
		{"an empty list opens with the token too", "moneybird", 200, " []\n", []Detail{{"administration", nil}, {"administration id", nil}}},
		{"list after a byte order mark", "moneybird", 200, "\xef\xbb\xbf" + `[{"id":1,"name":"a"}]`, []Detail{{"administration", []string{"a"}}, {"administration id", []string{"1"}}}},
		{"scopes in a list", "monta", 200, `{"id":1,"userId":2,"name":"Demo","clientId":"c","clientSecret":null,"scopes":["all","x"]}`, []Detail{
			{"application", []string{"Demo"}}, {"application id", []string{"1"}}, {"user id", []string{"2"}}, {"client id", []string{"c"}}, {"scopes", []string{"all", "x"}},
		}},
		{"hostile words", "mollie", 200, `{"id":"\u001b[2J\u202e","name":"` + newAccess + `","email":"a\nb"}`, []Detail{
			{"organization id", []string{`\x1b[2J\u202e`}}, {"name", []string{redact.Mask}}, {"email", []string{"a b"}}, {"locale", nil},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			p := newPeer(t, replies(tt.status, tt.body))
			got, err := whoami(t, p.address, tt.provider, newAccess)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
			p.one(t)
		})
	}
}

func TestTheProbesOnTheWire(t *testing.T) {
	for name, want := range map[string]struct{ method, path string }{
		"moloni-on": {"POST", "/v1"}, "moloni": {"GET", "/v1/users/getMe/"}, "mollie": {"GET", "/v2/organizations/me"},
		"moneybird": {"GET", "/api/v2/administrations.json"}, "monta": {"GET", "/api/v1/auth/me"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, replies(500, ""))
			if _, err := whoami(t, p.address, name, "a+b c/é"); !fail.Is(err, fail.Unavailable) {
				t.Errorf("%v", err)
			}
			r := p.one(t)
			if r.method != want.method || r.path != want.path {
				t.Errorf("%s %s", r.method, r.path)
			}
			auth, query := "Bearer a+b c/é", ""
			if name == "moloni" {
				auth, query = "", "access_token=a%2Bb%20c%2F%C3%A9"
			}
			if r.header.Get("Authorization") != auth || r.query != query {
				t.Errorf("presented as %q and %q", r.header.Get("Authorization"), r.query)
			}
			if r.header.Get("Referer") != "" || r.header.Get("User-Agent") != "tokencli/test" || r.header.Get("Accept") != "application/json" {
				t.Errorf("%v", r.header)
			}
			if name != "moloni-on" {
				if r.body != "" || r.header.Get("Content-Type") != "" {
					t.Errorf("a body: %q", r.body)
				}
				return
			}
			var query2 struct{ Query string }
			if err := json.Unmarshal([]byte(r.body), &query2); err != nil || !strings.Contains(query2.Query, "me") || r.header.Get("Content-Type") != "application/json" {
				t.Errorf("%v: %s", err, r.body)
			}
		})
	}
}

func TestWhoAmIRefused(t *testing.T) {
	tests := []struct {
		name, provider string
		status         int
		body           string
		kind           fail.Kind
		want           string
	}{
		{"401", "mollie", 401, `{"status":401,"title":"Unauthorized Request","detail":"Missing authentication"}`, fail.LoginNeeded, "Mollie does not accept the token: Unauthorized Request: Missing authentication"},
		{"401 without words", "monta", 401, "", fail.LoginNeeded, "Monta does not accept the token"},
		{"401 HTML", "mollie", 401, "<html>x", fail.LoginNeeded, "Mollie does not accept the token"},
		{"401 that speaks of a permission", "moneybird", 401, `{"error":"No access to administrations"}`, fail.Refused, "the token lacks a permission at Moneybird: No access to administrations"},
		{"401 that does not", "moneybird", 401, `{"error":"The access token was revoked"}`, fail.LoginNeeded, "does not accept the token"},
		{"the same words elsewhere", "mollie", 401, `{"error":"No access to x"}`, fail.LoginNeeded, "does not accept the token"},
		{"402", "moneybird", 402, `{"error":"pay"}`, fail.Refused, "Moneybird refused: pay (status 402 Payment Required)"},
		{"404", "moloni", 404, "<html>", fail.Refused, "Moloni refused (status 404 Not Found)"},
		{"429 plain", "moneybird", 429, "Retry later\n", fail.Unavailable, "asks to retry later: Retry later (status 429 Too Many Requests)"},
		{"500", "mollie", 500, "<html>", fail.Unavailable, "(status 500 Internal Server Error)"},
		{"503", "mollie", 503, "", fail.Unavailable, "(status 503 Service Unavailable)"},
		{"redirect", "mollie", 302, "", fail.Unavailable, "a redirect"},
		{"HTML 200", "mollie", 200, "<html>", fail.Unavailable, "HTML"},
		{"empty 200", "mollie", 200, "", fail.Unavailable, "nothing"},
		{"broken list", "moneybird", 200, `[{"id":1}`, fail.Unavailable, "broken JSON"},
		{"two lists", "moneybird", 200, `[{"id":1}] [2]`, fail.Unavailable, "broken JSON"},
		{"a number", "mollie", 200, "12", fail.Unavailable, "something other"},
		{"GraphQL: the query is refused", "moloni-on", 200, `{"errors":[{"message":"Unknown argument","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`, fail.Refused, "Unknown argument"},
		{"GraphQL: the operation is refused", "moloni-on", 200, `{"data":{"me":{"data":null,"errors":[{"field":"*","msg":"no permission"}]}}}`, fail.Refused, "no permission"},
		{"GraphQL: nothing in it", "moloni-on", 200, `{"data":{"me":null}}`, fail.Refused, "does not identify"},
		{"errors as a list inside a 200", "moloni", 200, `["1 access_token"]`, fail.Refused, `does not identify the token's owner: ["1 access_token"]`},
		{"an error as an object inside a 200", "moloni", 200, `{"error":"invalid_token","error_description":"expired"}`, fail.Refused, "invalid_token: expired"},
	}
	for _, tt := range tests {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			p := newPeer(t, replies(tt.status, tt.body, "Location", "/x"))
			got, err := whoami(t, p.address, tt.provider, newAccess)
			if got != nil {
				t.Fatalf("%v", got)
			}
			e := failure(t, err)
			if e.Fail.Kind != tt.kind || e.Status != tt.status || !strings.Contains(e.Error(), tt.want) {
				t.Errorf("kind %d, status %d: %v", e.Fail.Kind, e.Status, e)
			}
			if e.Ended {
				t.Error("an API ends no login")
			}
		})
	}
}

func TestWhoAmITellsNoSecret(t *testing.T) {
	hostile := "\x1b[31m " + newAccess + " access_token=" + strings.ReplaceAll(newAccess, "~", "%7E") + "\r\nX: \u202e"
	text, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{200, 400, 401, 403, 429, 500} {
		for _, body := range []string{hostile, `{"error":` + string(text) + `}`, `{"title":"x","detail":` + string(text) + `,"message":` + string(text) + `}`, `{"errors":[{"message":` + string(text) + `}]}`, "[" + string(text) + "]"} {
			for _, provider := range []string{"moloni-on", "moloni", "mollie", "moneybird"} {
				p := newPeer(t, replies(status, body))
				if _, err := whoami(t, p.address, provider, newAccess); err == nil {
					t.Errorf("%s %d %q is taken", provider, status, body)
				} else {
					noSecrets(t, err)
				}
			}
		}
	}
	p := newPeer(t, replies(200, "{}"))
	p.Close() // the token of Moloni is in the address
	_, err = whoami(t, p.address, "moloni", newAccess)
	noSecrets(t, err)
}

// A token without the scope for the first probe may still be good.
func TestTheSecondProbe(t *testing.T) {
	permissions := `{"_embedded":{"permissions":[{"id":"payments.read","granted":true},{"id":"x"}]}}`
	both := func(first int, second http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/permissions" {
				second(w, r)
				return
			}
			replies(first, `{"title":"Forbidden"}`)(w, r)
		}
	}
	p := newPeer(t, both(403, replies(200, permissions)))
	got, err := whoami(t, p.address, "mollie", newAccess)
	if want := []Detail{{"permission", []string{"payments.read", "x"}}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	p = newPeer(t, both(403, replies(401, "{}")))
	if _, err = whoami(t, p.address, "mollie", newAccess); failure(t, err).Status != 403 {
		t.Errorf("%v", err) // the first one's answer is the one to tell
	}
	for _, status := range []int{401, 404, 429, 500} {
		p = newPeer(t, both(status, replies(200, permissions)))
		if _, err = whoami(t, p.address, "mollie", newAccess); failure(t, err).Status != status {
			t.Errorf("%d: %v", status, err)
		}
		p.one(t)
	}
}

func TestWhoAmIIsTriedAgain(t *testing.T) {
	p := newPeer(t, inTurn(replies(429, "Retry later", "Retry-After", "0"), replies(200, `[]`)))
	if _, err := whoami(t, p.address, "moneybird", newAccess); err != nil || len(p.requests()) != 2 {
		t.Errorf("%v, %d requests", err, len(p.requests()))
	}
}
