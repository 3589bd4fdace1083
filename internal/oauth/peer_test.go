package oauth

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// registration holds every character that some encoding treats in a way of its own.
var registration = Registration{ID: `api:a b%2B+c/d&e=é"\<#?`, Secret: `s3cr:t %25+/&=ü"\<>#?~`}

// The secrets of the tests, with odd characters as well.
const (
	oldRefresh = `refresh/0ld+t0k:en %41&="é`
	newAccess  = "access_NEW-t0ken~1"
	newRefresh = "refresh_NEW-t0ken~2"
	theCode    = `auth_c0de/+ %41&=`
	theWord    = `p4ss wörd+%&="/`
)

// recorded is a request as it arrived.
type recorded struct {
	method, path, query, body string
	header                    http.Header
}

// peer stands in for a provider: it keeps what arrives and answers as it is told.
type peer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []recorded
}

func newPeer(t *testing.T, answer http.HandlerFunc) *peer {
	t.Helper()
	p := &peer{}
	p.Server = httptest.NewServer(p.handler(answer))
	t.Cleanup(p.Close)
	return p
}

func (p *peer) handler(answer http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		p.mu.Lock()
		p.seen = append(p.seen, recorded{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header.Clone()})
		p.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answer(w, r)
	})
}

func (p *peer) requests() []recorded {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]recorded(nil), p.seen...)
}

// one returns the only request that arrived.
func (p *peer) one(t *testing.T) recorded {
	t.Helper()
	seen := p.requests()
	if len(seen) != 1 {
		t.Fatalf("%d requests arrived, want 1", len(seen))
	}
	return seen[0]
}

// replies answers with a status and a body; headers are pairs of names and values.
func replies(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// definition returns a built-in definition, moved to base.
func definition(t testing.TB, name, base string) *Config {
	t.Helper()
	d, err := provider.Catalog{}.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return resolve(t, d, base)
}

func (p *peer) client(t testing.TB, name string) *Client {
	t.Helper()
	return &Client{Config: definition(t, name, p.URL), HTTP: NewHTTP(), UserAgent: "tokencli/test", Timeout: time.Minute}
}

// standard returns a definition that is silent wherever the standard speaks, with PKCE and Basic.
func standard(t testing.TB, base string) *Config {
	t.Helper()
	return written(t, base, `name: acme
docs: https://acme.example/
checked: 2026-11-22
client: {create: there, secret: optional}
grants: [authorization_code, password, client_credentials]
authorize: {url: "https://acme.example/authorize?tenant=a%20b"}
token:
  authorization_code: {url: "https://acme.example/token"}
  refresh: {url: "https://acme.example/token"}
  password: {url: "https://acme.example/token"}
  client_credentials: {url: "https://acme.example/token", headers: {X-Version: "2", Accept: application/vnd.acme+json}}
api: {url: "https://acme.example/api/"}
whoami: [{url: "https://acme.example/me", show: [{name: name, path: name}]}]
revoke: {request: {url: "https://acme.example/revoke"}}
`)
}

// written returns the configuration of a definition of acme, moved to base.
func written(t testing.TB, base, text string) *Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/acme.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := provider.Catalog{Dir: dir}.Find("acme")
	if err != nil {
		t.Fatal(err)
	}
	return resolve(t, d, base)
}

func (p *peer) standard(t testing.TB) *Client {
	t.Helper()
	return &Client{Config: standard(t, p.URL), HTTP: NewHTTP(), Timeout: time.Minute}
}

// refresh refreshes at the peer with the secrets of the tests.
func refresh(c *Client) (*Reply, error) {
	return c.Refresh(context.Background(), registration, oldRefresh, "https://app.example/cb?a=b c")
}

// failure asserts that err is an Error of this package without a secret in it.
func failure(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not an Error: %v", err)
	}
	noSecrets(t, err)
	return e
}

// noSecrets asserts that neither the text nor the hint nor any cause of an error holds a secret of the
// tests or a control character.
func noSecrets(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		noSecretsIn(t, e.Error())
	}
	noSecretsIn(t, fail.HintOf(err))
	if text := err.Error() + fail.HintOf(err); redact.Printable(text) != text {
		t.Errorf("control characters are passed on: %q", text)
	}
}

func noSecretsIn(t *testing.T, text string) {
	t.Helper()
	for _, form := range readings(text) {
		for _, secret := range []string{registration.Secret, oldRefresh, newAccess, newRefresh, theCode, theWord} {
			if strings.Contains(form, secret) {
				t.Errorf("a secret is told: %q", text)
				return
			}
		}
	}
}

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/_-]{6,}`)

// readings returns a text as a reader could undo its encoding: as it is, URL-decoded, JSON-decoded,
// HTML-decoded, and each run of base64 at each alignment.
func readings(text string) []string {
	list := []string{text, html.UnescapeString(text)}
	for _, decode := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
		if decoded, err := decode(text); err == nil {
			list = append(list, decoded)
		}
	}
	var unquoted string
	if json.Unmarshal([]byte(`"`+text+`"`), &unquoted) == nil {
		list = append(list, unquoted)
	}
	for _, run := range base64Run.FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for shift := range min(4, len(run)) {
			part := run[shift:]
			decoded, err := base64.RawStdEncoding.DecodeString(part[:len(part)/4*4])
			if err != nil {
				continue
			}
			list = append(list, string(decoded))
			if unescaped, err := url.QueryUnescape(string(decoded)); err == nil {
				list = append(list, unescaped)
			}
		}
	}
	return list
}

// The search for secrets is itself a program that can be wrong.
func TestReadingsFindASecretInEveryEncoding(t *testing.T) {
	secret := registration.Secret
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"raw": "x " + secret, "query": "x " + url.QueryEscape(secret), "path": url.PathEscape(secret), "JSON": strings.Trim(string(quoted), `"`),
		"HTML": html.EscapeString(secret), "base64": "x " + base64.StdEncoding.EncodeToString([]byte("a"+secret+"b")),
		"Basic": "Basic " + base64.StdEncoding.EncodeToString([]byte("id:"+url.QueryEscape(secret))),
	} {
		found := false
		for _, form := range readings(text) {
			found = found || strings.Contains(form, secret)
		}
		if !found {
			t.Errorf("not found as %s: %q", name, text)
		}
	}
}

// whoami sends a request to an address of the API, without retries.
func whoami(ctx context.Context, c *Client, address string) (*http.Response, error) {
	u, err := url.Parse(address)
	if err != nil {
		u = &url.URL{Opaque: address}
	}
	transport := &Transport{Client: c, Tokens: OneToken(newAccess), Wait: cmp.Or(c.Timeout, totalTime)}
	resp, err := transport.RoundTrip((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(ctx))
	if err == nil {
		_ = resp.Body.Close()
	}
	return resp, err
}
