package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bench is a sandbox that listens, with everything a test looks at.
type bench struct {
	*testing.T
	s      *sandbox.Server
	url    string
	clock  *clock
	client *http.Client

	mu     sync.Mutex
	events []sandbox.Event
}

func start(t *testing.T, cfg sandbox.Config) *bench {
	t.Helper()
	b := &bench{T: t, clock: newClock()}
	if cfg.Now == nil {
		cfg.Now = b.clock.now
	}
	if cfg.Consent == "" {
		cfg.Consent = sandbox.ConsentAllow
	}
	cfg.Event = func(e sandbox.Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, e)
	}
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	b.s, b.url, b.client = s, srv.URL, srv.Client()
	b.client.Timeout = time.Minute
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

func (b *bench) last() sandbox.Event {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) == 0 {
		b.Fatal("no event")
	}
	return b.events[len(b.events)-1]
}

type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (a answer) str(name string) string {
	s, _ := a.json[name].(string)
	return s
}

// call is a request that a test sends: form or json says how the parameters of the body are written.
type call struct {
	method, path string
	query        url.Values
	form         url.Values
	json         any
	raw, media   string
	bearer       string
	user, pass   string
	header       map[string]string
}

func (b *bench) send(c call) answer {
	b.Helper()
	a, err := b.try(c)
	if err != nil {
		b.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return a
}

func (b *bench) try(c call) (answer, error) {
	body, media := c.raw, c.media
	switch {
	case c.form != nil:
		body, media = c.form.Encode(), "application/x-www-form-urlencoded"
	case c.json != nil:
		raw, err := json.Marshal(c.json)
		if err != nil {
			b.Fatal(err)
		}
		body, media = string(raw), "application/json"
	}
	target := b.url + c.path
	if c.query != nil {
		target += "?" + c.query.Encode()
	}
	if c.method == "" {
		c.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(b.Context(), c.method, target, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.pass)
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(raw)}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	_ = dec.Decode(&a.json)
	return a, nil
}

// The parts that a client sends, by provider.
const (
	onID, onSecret       = "api:5a4db0c0ffee5a4db0c0ffee5a4db0c0", "sandbox-moloni-on-secret"
	molID, molSecret     = "sandbox-developer", "sandbox-moloni-secret"
	mollieID             = "app_SandboxSandboxSandboxSa"
	mollieSecret         = "sandboxMollieSecretSandboxMollieSecret00"
	birdID               = "5a4db0c0ffee5a4db0c0ffee5a4db0c0ffee5a4db0c0ffee5a4db0c0ffee5a4d"
	birdSecret           = "sandbox-moneybird-secret"
	montaID, montaSecret = "5a4db0c0-5a4d-4b0c-8ffe-5a4db0c0ffee", "sandbox-monta-secret"
	webURI               = "https://app.example.test/callback"
	loopURI              = "http://127.0.0.1:8976/callback"
	oobURI               = "urn:ietf:wg:oauth:2.0:oob"
)

// vals makes url.Values of pairs.
func vals(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// with returns v with one more value, or with the value replaced; an empty value deletes it.
func with(v url.Values, pairs ...string) url.Values {
	out := maps.Clone(v)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			out.Del(pairs[i])
		} else {
			out[pairs[i]] = []string{pairs[i+1]}
		}
	}
	return out
}

// player is how a well-behaved client talks to one provider.
type player struct {
	name      string
	authorize func(state string) call
	exchange  func(code string) call
	mint      func() call
	refresh   func(token string) call
	whoami    func(token string) call
	access    string
	refreshed string // the name of the refresh token in replies
	rotates   bool
}

func players() []player {
	return []player{
		{
			name: "moloni-on", access: "accessToken", refreshed: "refreshToken", rotates: true,
			authorize: func(state string) call {
				return call{path: "/moloni-on/v1/auth/authorize", query: vals("apiClientId", onID, "redirectUri", loopURI, "state", state)}
			},
			exchange: func(code string) call {
				return call{method: "POST", path: "/moloni-on/v1/auth/grant", form: vals("grantType", "authorization_code", "code", code, "apiClientId", onID, "clientSecret", onSecret)}
			},
			refresh: func(token string) call {
				return call{method: "POST", path: "/moloni-on/v1/auth/grant", form: vals("grantType", "refresh_token", "refreshToken", token, "apiClientId", onID, "clientSecret", onSecret)}
			},
			whoami: func(token string) call {
				return call{method: "POST", path: "/moloni-on/v1", bearer: token, json: map[string]any{"query": "{ me { data { name } } }"}}
			},
		},
		{
			name: "moloni", access: "access_token", refreshed: "refresh_token", rotates: true,
			authorize: func(state string) call {
				return call{path: "/moloni/v1/authorize/", query: vals("response_type", "code", "client_id", molID, "redirect_uri", webURI, "state", state)}
			},
			exchange: func(code string) call {
				return call{path: "/moloni/v1/grant/", query: vals("grant_type", "authorization_code", "client_id", molID, "client_secret", molSecret, "redirect_uri", webURI, "code", code)}
			},
			refresh: func(token string) call {
				return call{path: "/moloni/v1/grant/", query: vals("grant_type", "refresh_token", "client_id", molID, "client_secret", molSecret, "refresh_token", token)}
			},
			whoami: func(token string) call {
				return call{path: "/moloni/v1/users/getMe/", query: vals("access_token", token)}
			},
		},
		{
			name: "mollie", access: "access_token", refreshed: "refresh_token",
			authorize: func(state string) call {
				return call{path: "/mollie/oauth2/authorize", query: vals("response_type", "code", "client_id", mollieID, "redirect_uri", webURI, "scope", "organizations.read payments.read", "state", state)}
			},
			exchange: func(code string) call {
				return call{method: "POST", path: "/mollie/oauth2/tokens", user: mollieID, pass: mollieSecret, form: vals("grant_type", "authorization_code", "code", code, "redirect_uri", webURI)}
			},
			refresh: func(token string) call {
				return call{method: "POST", path: "/mollie/oauth2/tokens", user: mollieID, pass: mollieSecret, form: vals("grant_type", "refresh_token", "refresh_token", token, "redirect_uri", webURI)}
			},
			whoami: func(token string) call { return call{path: "/mollie/v2/organizations/me", bearer: token} },
		},
		{
			name: "moneybird", access: "access_token", refreshed: "refresh_token", rotates: true,
			authorize: func(state string) call {
				return call{path: "/moneybird/oauth/authorize", query: vals("response_type", "code", "client_id", birdID, "redirect_uri", loopURI, "scope", "sales_invoices", "state", state)}
			},
			exchange: func(code string) call {
				return call{method: "POST", path: "/moneybird/oauth/token", form: vals("grant_type", "authorization_code", "client_id", birdID, "client_secret", birdSecret, "redirect_uri", loopURI, "code", code)}
			},
			refresh: func(token string) call {
				return call{method: "POST", path: "/moneybird/oauth/token", form: vals("grant_type", "refresh_token", "client_id", birdID, "client_secret", birdSecret, "refresh_token", token)}
			},
			whoami: func(token string) call { return call{path: "/moneybird/api/v2/administrations.json", bearer: token} },
		},
		{
			name: "monta", access: "accessToken", refreshed: "refreshToken", rotates: true,
			mint: func() call {
				return call{method: "POST", path: "/monta/api/v1/auth/token", json: map[string]string{"clientId": montaID, "clientSecret": montaSecret}}
			},
			refresh: func(token string) call {
				return call{method: "POST", path: "/monta/api/v1/auth/refresh", json: map[string]string{"refreshToken": token}}
			},
			whoami: func(token string) call { return call{path: "/monta/api/v1/auth/me", bearer: token} },
		},
	}
}

func play(t *testing.T, name string) player {
	t.Helper()
	i := slices.IndexFunc(players(), func(p player) bool { return p.name == name })
	if i < 0 {
		t.Fatalf("no player %s", name)
	}
	return players()[i]
}

// code goes through the authorize endpoint and returns the code that comes back.
func (b *bench) code(p player) string {
	b.Helper()
	a := b.send(p.authorize("state-1234567890"))
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusFound || u.Query().Get("code") == "" {
		b.Fatalf("%s: authorize answers %d %q %s", p.name, a.status, a.header.Get("Location"), a.body)
	}
	return u.Query().Get("code")
}

// login returns the first reply with tokens.
func (b *bench) login(p player) answer {
	b.Helper()
	var c call
	if p.mint != nil {
		c = p.mint()
	} else {
		c = p.exchange(b.code(p))
	}
	a := b.send(c)
	if a.status != http.StatusOK || a.str(p.access) == "" || a.str(p.refreshed) == "" {
		b.Fatalf("%s: login answers %d %s", p.name, a.status, a.body)
	}
	return a
}

func (b *bench) want(a answer, status int, words ...string) {
	b.Helper()
	if a.status != status {
		b.Errorf("status %d, want %d; body %s", a.status, status, a.body)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			b.Errorf("body lacks %q: %s", w, a.body)
		}
	}
}

// sendTo asks under another Host and returns where the answer leads.
func (b *bench) sendTo(host, path, bearer string) string {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Host = host
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("Location")
}
