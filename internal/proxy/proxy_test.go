package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

const (
	realToken = "the-real-token-0123456789"
	testKey   = "tokencli-proxy-test"
)

// tokens are handed out one after the other.
type tokens struct{ next []string }

func (t *tokens) Token(context.Context) (string, error) { return t.next[0], nil }

func (t *tokens) Replace(context.Context, string) (string, error) {
	if len(t.next) < 2 {
		return "", oauth.ErrNoOther
	}
	t.next = t.next[1:]
	return t.next[0], nil
}

// start serves a proxy to an API, and returns its address with the path of the API.
func start(t testing.TB, api http.Handler, change func(*Proxy, *provider.Definition)) string {
	t.Helper()
	upstream := httptest.NewServer(api)
	t.Cleanup(upstream.Close)
	d := &provider.Definition{Name: "test", Title: "Test", API: provider.API{URL: upstream.URL + "/v2/"}}
	p := &Proxy{Account: "test", Key: testKey}
	p.Transport = &oauth.Transport{Tokens: &tokens{next: []string{realToken}}}
	if change != nil {
		change(p, d)
	}
	config, err := oauth.Resolve(t.Context(), d, nil, nil, oauth.Base{})
	if err != nil {
		t.Fatal(err)
	}
	client := &oauth.Client{Config: config, HTTP: oauth.NewHTTP()}
	client.KeepAlive()
	client.Unchanged()
	p.Transport.Client = client
	server, err := p.Server()
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String() + "/v2/"
}

func request(t testing.TB, method, address string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	return req
}

func send(t testing.TB, req *http.Request) *http.Response {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func text(t testing.TB, r io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// Events and trailers arrive as they are sent, and Expect: 100-continue works.
func TestStreams(t *testing.T) {
	seen := make(chan bool)
	address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, _ = io.Copy(w, r.Body)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Trailer", "X-Sum")
		for range 3 {
			_, _ = io.WriteString(w, "data: event\n\n")
			_ = http.NewResponseController(w).Flush()
			<-seen
		}
		w.Header().Set("X-Sum", "3")
	}), nil)
	resp := send(t, request(t, http.MethodGet, address+"events", nil))
	events := bufio.NewReader(resp.Body)
	for range 3 {
		if line, err := events.ReadString('\n'); line != "data: event\n" {
			t.Fatal(line, err)
		}
		_, _ = events.ReadString('\n')
		seen <- true
	}
	if text(t, events); resp.Trailer.Get("X-Sum") != "3" {
		t.Errorf("trailers: %v", resp.Trailer)
	}
	req := request(t, http.MethodPut, address+"echo", strings.NewReader("body"))
	req.Header.Set("Expect", "100-continue")
	if got := text(t, send(t, req).Body); got != "body" {
		t.Errorf("got %q", got)
	}
}

// What comes before an answer and after it holds no token either. What comes after a request reaches the API.
func TestTrailersAndEarlyHints(t *testing.T) {
	var arrived string
	address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived = string(body) + " " + r.Trailer.Get("X-Sum")
		w.Header().Set("Link", "</v2/?t="+realToken+">; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Trailer", "X-Sum, X-Echo")
		_, _ = io.WriteString(w, "done")
		w.Header().Set("X-Sum", "3")
		w.Header().Set("X-Echo", realToken)
	}), nil)
	req := request(t, http.MethodPost, address, io.MultiReader(strings.NewReader("body"))) // of unknown length
	req.Trailer = http.Header{"X-Sum": {"2"}}
	early := 0
	req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		if early = code; len(header) > 0 {
			t.Errorf("%d with %v", code, header)
		}
		return nil
	}}))
	resp := send(t, req)
	body := text(t, resp.Body)
	if arrived != "body 2" || body != "done" || early != http.StatusEarlyHints {
		t.Errorf("%q arrived, %q came back after a %d", arrived, body, early)
	}
	if sum, echo := resp.Trailer.Get("X-Sum"), resp.Trailer.Get("X-Echo"); sum != "3" || echo == "" || strings.Contains(echo, realToken) {
		t.Errorf("trailers: %v", resp.Trailer)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A gigabyte passes in both directions without being kept.
func TestLarge(t *testing.T) {
	const size = 1 << 30
	address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if n != 0 {
			_, _ = fmt.Fprint(w, n)
			return
		}
		_, _ = io.CopyN(w, endless{}, size)
	}), nil)
	if got := text(t, send(t, request(t, http.MethodPost, address, io.LimitReader(endless{}, size))).Body); got != fmt.Sprint(size) {
		t.Errorf("%s bytes arrived", got)
	}
	if n, err := io.Copy(io.Discard, send(t, request(t, http.MethodGet, address, nil)).Body); n != size {
		t.Errorf("%d bytes arrived: %v", n, err)
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if stats.Sys > 40<<20 {
		t.Errorf("%d MiB of memory", stats.Sys>>20)
	}
}

// After a refusal a small body is sent again with another token, also one whose length nobody stated. A large one is not.
func TestRepeats(t *testing.T) {
	for _, test := range []struct {
		size, status, requests int
		chunked                bool
	}{{1 << 20, 200, 2, false}, {1<<20 + 1, 401, 1, false}, {1 << 20, 200, 2, true}, {1<<20 + 1, 401, 1, true}} {
		requests := 0
		address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			n, _ := io.Copy(io.Discard, r.Body)
			if r.Header.Get("Authorization") != "Bearer "+realToken || n != int64(test.size) {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}), func(p *Proxy, _ *provider.Definition) {
			p.Transport.Tokens = &tokens{next: []string{"old-token-0123456789", realToken}}
		})
		body := io.Reader(strings.NewReader(strings.Repeat("x", test.size)))
		if test.chunked {
			body = io.MultiReader(body)
		}
		resp := send(t, request(t, http.MethodPost, address, body))
		if resp.StatusCode != test.status || requests != test.requests {
			t.Errorf("%d bytes, chunked %t: status %d, %d requests", test.size, test.chunked, resp.StatusCode, requests)
		}
	}
}

// Addresses at the API's origin lead to the proxy, others away from it, and none carries the token.
func TestRedirects(t *testing.T) {
	for _, query := range []bool{false, true} {
		var origin string
		address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			origin = "http://" + r.Host
			w.Header().Set("Location", strings.Replace(r.URL.Query().Get("to"), "ORIGIN", origin, 1))
			w.Header().Set("Link", "<"+origin+`/v2/?page=2>; rel="next", <https://other.example/>; rel="x"`)
			w.Header().Set("X-Echo", r.Header.Get("Authorization")+r.URL.RawQuery)
			w.WriteHeader(http.StatusFound)
		}), func(_ *Proxy, d *provider.Definition) {
			if query {
				d.API.QueryParam = "access_token"
			}
		})
		key := "?"
		if query {
			key = "?access_token=" + testKey + "&"
		}
		for to, want := range map[string]string{
			"ORIGIN/v2/x":             "/v2/x",
			"/v2/x?a=b":               "/v2/x?a=b",
			"https://other.example/x": "https://other.example/x",
			"//other.example/x":       "http://other.example/x",
			"https://other.example/x?access_token=" + realToken + "&a=b": "https://other.example/x?a=b",
		} {
			if !query && strings.Contains(to, realToken) {
				continue
			}
			resp := send(t, request(t, http.MethodGet, address+key+"to="+url.QueryEscape(to), nil))
			if got := resp.Header.Get("Location"); got != want {
				t.Errorf("%s leads to %s, not to %s", to, got, want)
			}
			if got := resp.Header.Get("Link"); got != `</v2/?page=2>; rel="next", <https://other.example/>; rel="x"` {
				t.Errorf("Link: %s", got)
			}
			for name, values := range resp.Header {
				if strings.Contains(strings.Join(values, " "), realToken) {
					t.Errorf("%s holds the token", name)
				}
			}
		}
	}
}

func TestAuditFailureIsTold(t *testing.T) {
	told := 0
	a := NewAudit(brokenWriter{}, func(error) { told++ })
	a.write(auditLine{})
	a.write(auditLine{})
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

func BenchmarkProxy(b *testing.B) {
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":1}`) })
	b.Run("plain", func(b *testing.B) {
		upstream := httptest.NewServer(api)
		defer upstream.Close()
		target, _ := url.Parse(upstream.URL)
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		plain := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
		defer plain.Close()
		drive(b, plain.URL+"/v2/")
	})
	b.Run("tokencli", func(b *testing.B) { drive(b, start(b, api, nil)) })
}

func drive(b *testing.B, address string) {
	b.SetParallelism(8)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := transport.RoundTrip(request(b, http.MethodGet, address, nil))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
}

// With rules, a header cannot name another method than the request has. The key stays here.
func TestWhatIsNotForwarded(t *testing.T) {
	seen := make(chan http.Header, 1)
	api := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() })
	address := start(t, api, func(p *Proxy, _ *provider.Definition) { p.Rules.ReadOnly = true })
	req := request(t, http.MethodGet, address, nil)
	for _, name := range overrides {
		req.Header.Set(name, http.MethodDelete)
	}
	send(t, req)
	got := <-seen
	for _, name := range overrides {
		if got.Get(name) != "" {
			t.Errorf("%s was forwarded", name)
		}
	}
	for name, values := range got {
		if strings.Contains(strings.Join(values, " "), testKey) {
			t.Errorf("the key was forwarded in %s", name)
		}
	}
}
