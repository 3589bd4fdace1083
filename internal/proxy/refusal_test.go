package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

// noToken is a login that has no token.
type noToken struct{ err error }

func (n noToken) Token(context.Context) (string, error)           { return "", n.err }
func (n noToken) Replace(context.Context, string) (string, error) { return "", n.err }

// An answer of the proxy itself is JSON with a code of its own, and is not cached.
func TestRefusals(t *testing.T) {
	never := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was forwarded", r.URL) })
	tokens := func(kind fail.Kind) func(*Proxy, *provider.Definition) {
		return func(p *Proxy, _ *provider.Definition) { p.Transport.Tokens = noToken{fail.New(kind, "a\x1b[31mb")} }
	}
	for _, test := range []struct {
		what, method, key string
		change            func(*Proxy, *provider.Definition)
		status            int
		code              string
	}{
		{"a wrong key", "GET", "wrong", nil, 401, "tokencli_key_required"},
		{"no key", "GET", "", nil, 401, "tokencli_key_required"},
		{"a method", "TRACE", testKey, nil, 403, "tokencli_forbidden"},
		{"a rule", "PUT", testKey, func(p *Proxy, _ *provider.Definition) { p.Rules.ReadOnly = true }, 403, "tokencli_forbidden"},
		{"an API that is down", "GET", testKey, func(_ *Proxy, d *provider.Definition) { d.API.URL = "http://" + closedPort(t) + "/v2/" }, 502, "tokencli_unreachable"},
		{"a provider that is down", "GET", testKey, tokens(fail.Unavailable), 502, "tokencli_unreachable"},
		{"a login that ended", "GET", testKey, tokens(fail.LoginNeeded), 503, "tokencli_login_needed"},
		{"no login", "GET", testKey, tokens(fail.NotLoggedIn), 503, "tokencli_login_needed"},
		{"a locked store", "GET", testKey, tokens(fail.Store), 503, "tokencli_unusable"},
		{"a bad setting", "GET", testKey, tokens(fail.Usage), 503, "tokencli_unusable"},
	} {
		reported := 0
		address := start(t, never, func(p *Proxy, d *provider.Definition) {
			p.Failed = func(error) { reported++ }
			if test.change != nil {
				test.change(p, d)
			}
		})
		req := request(t, test.method, address+"x", nil)
		req.Header.Set("Authorization", "Bearer "+test.key)
		resp := send(t, req)
		body := text(t, resp.Body)
		var got struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != test.status || got.Error != test.code || got.Description == "" {
			t.Errorf("%s: %d %s", test.what, resp.StatusCode, body)
		}
		if strings.Contains(got.Description, "\x1b") {
			t.Errorf("%s: %q can control a terminal", test.what, got.Description)
		}
		if resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", test.what, resp.Header)
		}
		if want := test.status == http.StatusServiceUnavailable; (reported == 1) != want {
			t.Errorf("%s: reported %d times", test.what, reported)
		}
	}
}

// closedPort returns an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Requests whose target is not a path need the key, and reach no other host than the API's. A body that does not arrive is not forwarded.
func TestTargets(t *testing.T) {
	address := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(u.Host)
	withKey := "Host: " + u.Host + "\r\nAuthorization: Bearer " + testKey + "\r\n"
	for _, test := range []struct {
		request string
		status  int
	}{
		{"GET " + address + "x HTTP/1.1\r\n" + withKey + "\r\n", 200},
		{"GET http://localhost:" + port + "/v2/x HTTP/1.1\r\n" + withKey + "\r\n", 200},
		{"GET http://other.example/v2/x HTTP/1.1\r\n" + withKey + "\r\n", 403},
		{"GET http://127.0.0.1:1/v2/x HTTP/1.1\r\n" + withKey + "\r\n", 403},
		{"CONNECT " + u.Host + " HTTP/1.1\r\n" + withKey + "\r\n", 403},
		{"OPTIONS * HTTP/1.1\r\nHost: " + u.Host + "\r\n\r\n", 401},
		{"OPTIONS * HTTP/1.1\r\n" + withKey + "\r\n", 403},
		{"POST /v2/x HTTP/1.1\r\nContent-Length: 5\r\n" + withKey + "\r\nab", 400}, // the rest never comes
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprint(conn, test.request)
		if strings.HasSuffix(test.request, "ab") {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%q: %v", test.request, err)
		} else if _ = resp.Body.Close(); resp.StatusCode != test.status {
			t.Errorf("%q: status %d, want %d", test.request, resp.StatusCode, test.status)
		}
		_ = conn.Close()
	}
}

// The key leaves a request before anything else sees it.
func TestTheKeyIsRemoved(t *testing.T) {
	for _, param := range []string{"", "t"} {
		d := &provider.Definition{API: provider.API{URL: "http://api.example/", QueryParam: param}}
		present, err := oauth.NewPresentation(d, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &server{Proxy: &Proxy{Key: testKey}, api: parse(t, "http://api.example/"), present: present}
		req := &http.Request{Method: http.MethodGet, Header: http.Header{}, URL: parse(t, "/x?a=b")}
		present.Present(req, testKey)
		if refused := s.check(req); refused != nil || req.URL.RawQuery != "a=b" || len(req.Header) != 0 {
			t.Errorf("%v: %s %v is left", refused, req.URL, req.Header)
		}
	}
}
