package sandbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

func (b *bench) post(what string, v any) answer {
	b.Helper()
	return b.send(call{method: "POST", path: "/_sandbox/" + what, json: v})
}

func TestControl(t *testing.T) {
	type m = map[string]any
	b, p := start(t, sandbox.Config{}), play(t, "monta")
	got := b.login(p)

	b.want(b.send(call{path: "/_sandbox/stats"}), 200, `"monta":{"requests":{"token":1}`, `"mints":1`, `"reused_refresh_tokens":0`, `"mollie":`)
	b.want(b.post("faults", m{"provider": "monta", "on": "api", "kind": "status", "status": 500, "times": 2}), 200, `{"ok":true}`)
	b.want(b.send(p.whoami(got.str("accessToken"))), 500)
	b.want(b.send(call{path: "/_sandbox/faults"}), 200, `"kind":"status"`, `"times":1`)
	b.want(b.send(call{method: "DELETE", path: "/_sandbox/faults"}), 200)
	b.want(b.send(p.whoami(got.str("accessToken"))), 200)

	b.want(b.post("expire", m{"provider": "monta", "what": "access"}), 200, `"ended":1`)
	b.want(b.send(p.whoami(got.str("accessToken"))), 401, "expired")
	b.want(b.send(p.refresh(got.str("refreshToken"))), 200)
	b.want(b.post("expire", m{"what": "refresh"}), 200, `"ended":2`)
	b.want(b.send(p.refresh(got.str("refreshToken"))), 401, "spent")

	minted := b.post("token", m{"provider": "monta"})
	b.want(minted, 200, `"access_expires_at":"2026-03-04T06:06:07.123456789Z"`, `"refresh_expires_at":"2026-04-03`)
	b.want(b.send(p.refresh(minted.str("refresh_token"))), 200)
	bird := b.post("token", m{"provider": "moneybird", "scope": "bank settings"})
	b.want(bird, 200, `"access_expires_at":null`, `"scope":"bank settings"`)
	with := b.post("token", m{"provider": "mollie", "redirect_uri": webURI})
	b.want(b.send(play(t, "mollie").refresh(with.str("refresh_token"))), 200)

	b.want(b.post("lifetimes", m{"provider": "monta", "access": "90s", "refresh": "3m"}), 200)
	b.want(b.post("token", m{"provider": "monta"}), 200, "05:07:37", "05:09:07")
	b.want(b.post("token", m{"provider": "moloni"}), 200, "06:06:07")
	b.want(b.post("lifetimes", m{"provider": "monta", "access": "documented", "code": "1s"}), 200)
	b.want(b.post("token", m{"provider": "monta"}), 200, "06:06:07", "05:09:07")
	b.want(b.post("lifetimes", m{"provider": "mollie", "refresh": "1h"}), 200)
	b.want(b.post("lifetimes", m{"provider": "mollie", "refresh": "never"}), 200)

	b.want(b.post("reset", m{}), 200)
	b.want(b.send(call{method: "POST", path: "/_sandbox/reset", media: "application/json"}), 200)
	b.want(b.send(p.refresh(minted.str("refresh_token"))), 401, "unknown")
	if s := b.s.Stats()["monta"]; s.Mints != 0 || s.Requests["refresh"] != 1 {
		t.Errorf("stats after reset: %+v", s)
	}
}

func TestControlRefuses(t *testing.T) {
	type m = map[string]any
	b := start(t, sandbox.Config{Providers: []string{"moloni", "moneybird"}})
	for _, tt := range []struct {
		what   string
		body   any
		status int
		word   string
	}{
		{"faults", m{"kind": "meteor"}, 400, "unknown kind"},
		{"faults", m{"kind": "drop", "time": 2}, 400, `unknown field`},
		{"faults", "drop", 400, "not what is expected"},
		{"expire", m{"what": "code"}, 400, "unknown what"},
		{"expire", m{"what": "all", "provider": "monta"}, 400, "not played"},
		{"expire", m{"whatever": "all"}, 400, "unknown field"},
		{"lifetimes", m{"access": "soon"}, 400, "no duration"},
		{"lifetimes", m{"access": "-1s"}, 400, "no duration"},
		{"lifetimes", m{"access": "never"}, 400, "moloni: a access without an end is not documented"},
		{"lifetimes", m{"provider": "monta"}, 400, "not played"},
		{"lifetimes", m{"life": "1s"}, 400, "unknown field"},
		{"token", m{"provider": "monta"}, 400, "not played"},
		{"token", m{"name": "monta"}, 400, "unknown field"},
		{"reset", m{"x": 1}, 400, "unknown field"},
		{"nothing", m{}, 404, "POST faults"},
	} {
		b.want(b.post(tt.what, tt.body), tt.status, tt.word)
	}
	b.want(b.send(call{method: "POST", path: "/_sandbox/reset", form: vals("a", "b")}), 415, "Content-Type: application/json")
	b.want(b.send(call{method: "POST", path: "/_sandbox/expire", raw: `{"what":"all"} {}`, media: "application/json"}), 400, "continues")
	b.want(b.send(call{path: "/_sandbox/reset"}), 404)
	if e := b.last(); e.Operation != "control" || e.Provider != "" || !e.Refused {
		t.Errorf("event %+v", e)
	}
}

// TestControlIsLocal: neither another machine nor another name reaches it.
func TestControlIsLocal(t *testing.T) {
	s, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		remote, host string
		status       int
	}{
		{"127.0.0.1:5", "127.0.0.1:80", 200},
		{"127.0.0.1:5", "localhost", 200},
		{"[::1]:5", "[::1]:80", 200},
		{"[::1]:5", "[::1]", 200},
		{"[::ffff:127.0.0.1]:5", "LOCALHOST:1", 200},
		{"192.0.2.1:5", "127.0.0.1:80", 403},
		{"127.0.0.1:5", "evil.example.test", 403},
		{"127.0.0.1:5", "127.0.0.1.evil.example.test:80", 403},
		{"127.0.0.1:5", "", 403},
		{"", "localhost", 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/_sandbox/stats", nil)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tt.status {
			t.Errorf("from %q to %q: %d, want %d", tt.remote, tt.host, w.Code, tt.status)
		}
	}
}

func TestVariables(t *testing.T) {
	s, err := sandbox.New(sandbox.Config{
		Providers:    []string{"moloni", "moloni-on"},
		ClientSecret: map[string]string{"moloni-on": "sandbox $'odd"},
		RedirectURIs: map[string][]string{"moloni": {"https://x.example.test/"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range s.Variables("http://127.0.0.1:1234/") {
		lines = append(lines, v.Name+"="+v.Value)
	}
	want := `TOKENCLI_MOLONI_ON_BASE_URL=http://127.0.0.1:1234/moloni-on
TOKENCLI_MOLONI_ON_CLIENT_ID=api:5a4db0c0ffee5a4db0c0ffee5a4db0c0
TOKENCLI_MOLONI_ON_CLIENT_SECRET=sandbox $'odd
TOKENCLI_MOLONI_BASE_URL=http://127.0.0.1:1234/moloni
TOKENCLI_MOLONI_CLIENT_ID=sandbox-developer
TOKENCLI_MOLONI_CLIENT_SECRET=sandbox-moloni-secret
TOKENCLI_MOLONI_USERNAME=user@sandbox.example.test
TOKENCLI_MOLONI_PASSWORD=sandbox-moloni-password
TOKENCLI_MOLONI_REDIRECT_URI=https://x.example.test/`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	all, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all.Variables("http://x") {
		if strings.HasSuffix(v.Name, "_SECRET") && !strings.Contains(strings.ToLower(v.Value), "sandbox") {
			t.Errorf("%s=%s does not look fake", v.Name, v.Value)
		}
		if v.Name == "TOKENCLI_MOLONI_REDIRECT_URI" && v.Value != webURI {
			t.Errorf("%s=%s", v.Name, v.Value)
		}
	}
}

func TestListen(t *testing.T) {
	s, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(l.URL, "http://127.0.0.1:") {
		t.Errorf("URL %s", l.URL)
	}
	get := func(path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, l.URL+path, nil)
		if err != nil {
			return nil, err
		}
		return http.DefaultClient.Do(req)
	}
	resp, err := get("/_sandbox/stats")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	if _, err := s.Listen(t.Context(), strings.TrimPrefix(l.URL, "http://")); err == nil {
		t.Error("one port was taken twice")
	}

	// Close does not wait for a request that hangs.
	if err := s.Inject(sandbox.Fault{Kind: "hang"}); err != nil {
		t.Fatal(err)
	}
	hung := make(chan error, 1)
	go func() {
		resp, err := get("/monta/api/v1/auth/me")
		if err == nil {
			_ = resp.Body.Close()
		}
		hung <- err
	}()
	for s.Stats()["monta"].Faults == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-hung; err == nil {
		t.Error("the hung request was answered")
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
