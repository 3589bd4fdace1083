package apiclient

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

const secretToken = "access-Token.0123456789+/="

// seen is what a server saw of one request.
type seen struct {
	method, host, uri, authorization, body, custom, contentType, cookie string
	length                                                              int64
	chunked                                                             bool
}

// recorder is a handler that remembers what it was asked.
type recorder struct {
	mu    sync.Mutex
	asked []seen
	http.HandlerFunc
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	rec.mu.Lock()
	rec.asked = append(rec.asked, seen{
		r.Method, r.Host, r.RequestURI, r.Header.Get("Authorization"), string(body), r.Header.Get("X-Api-Key"),
		r.Header.Get("Content-Type"), r.Header.Get("Cookie"), r.ContentLength, len(r.TransferEncoding) > 0,
	})
	rec.mu.Unlock()
	r.Header.Set("X-Body", string(body)) // for the handler, which finds the body read
	rec.HandlerFunc(w, r)
}

func (rec *recorder) all() []seen {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return append([]seen(nil), rec.asked...)
}

// serve starts a server and returns what it will have been asked, and its address.
func serve(t testing.TB, handler http.HandlerFunc) (*recorder, string) {
	t.Helper()
	rec := &recorder{HandlerFunc: handler}
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	return rec, server.URL
}

// apiClient returns a client of an API at an address.
func apiClient(t testing.TB, address string, change ...func(*provider.Definition)) *Client {
	t.Helper()
	d := &provider.Definition{Name: "there", Title: "There", API: provider.API{URL: address + "/v1/"}}
	for _, f := range change {
		f(d)
	}
	return New(&oauth.Client{Config: resolve(t, d, ""), HTTP: oauth.NewHTTP()}, oauth.OneToken(secretToken))
}

// resolve returns the configuration of a definition without inputs, moved to base.
func resolve(t testing.TB, d *provider.Definition, base string) *oauth.Config {
	t.Helper()
	c, err := oauth.Resolve(t.Context(), d, nil, nil, oauth.Base{URL: base, Setting: "BASE_URL"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func inQuery(d *provider.Definition) { d.API.QueryParam = "access_token" }

// callOf makes a call, from `METHOD PATH`.
func callOf(t testing.TB, c *Client, what string, change ...func(*call)) *call {
	t.Helper()
	method, path, _ := strings.Cut(what, " ")
	h, err := c.call(Request{Method: method, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(h)
	}
	return h
}

func following(h *call) { h.follow = true }

func sending(text string) func(*call) {
	return func(h *call) {
		h.body = TextBody([]byte(text))
		h.header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
}

// readAll sends a call and reads the answer to its end.
func readAll(t testing.TB, c *Client, h *call) (a *Answer, body string, failure error) {
	t.Helper()
	a, err := c.send(t.Context(), h)
	if err != nil {
		noToken(t, err)
		return nil, "", err
	}
	defer func() { _ = a.resp.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err == nil {
		err = c.failure(a)
	}
	noToken(t, err)
	for name, values := range a.Header {
		for _, value := range values {
			if holds(value) {
				t.Errorf("the token is in header %s: %s", name, value)
			}
		}
	}
	return a, string(text), err
}

// holds reports whether a text has the token in it, however often it is percent-encoded.
func holds(text string) bool {
	for range 4 {
		if redact.Secrets(text, secretToken) != text {
			return true
		}
		plain, err := url.PathUnescape(text)
		if err != nil {
			return false
		}
		text = plain
	}
	return false
}

// noToken fails if an error contains the token.
func noToken(t testing.TB, err error) {
	t.Helper()
	if err != nil && holds(err.Error()) {
		t.Errorf("the token is in the error: %s", err)
	}
}

func TestCallPresents(t *testing.T) {
	for _, test := range []struct {
		name, want string
		authorized bool
		change     []func(*provider.Definition)
		path       string
	}{
		{"header", "/v1/users?b=%20&a=+;", true, nil, "users?b=%20&a=+;"},
		{"query", "/v1/users?access_token=" + url.QueryEscape(secretToken), false, []func(*provider.Definition){inQuery}, "users"},
		{"beside others", "/v1/users?b=%20&a=+;&access_token=" + url.QueryEscape(secretToken), false, []func(*provider.Definition){inQuery}, "users?b=%20&a=+;"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec, address := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
			c := apiClient(t, address, test.change...)
			if _, body, err := readAll(t, c, callOf(t, c, "GET "+test.path)); err != nil || body != "{}" {
				t.Fatal(body, err)
			}
			got := rec.all()[0]
			if got.uri != test.want || (got.authorization == "Bearer "+secretToken) != test.authorized || (got.authorization != "") != test.authorized {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestCallRedirects(t *testing.T) {
	type step struct {
		own                 bool // on the API's own origin
		method, uri, body   string
		custom, contentType string
		token               bool
	}
	const ok = http.StatusOK
	for _, test := range []struct {
		name     string
		what     string
		data     string
		query    bool // the token goes in the query
		location string
		status   int
		steps    []step // after the first request
		refused  string // part of the refusal; empty: the end is a 200
	}{
		{"same origin", "GET a", "", false, "/v1/b", 302, []step{{own: true, method: "GET", uri: "/v1/b", token: true, custom: "mine"}}, ""},
		{"relative", "GET a/", "", false, "../b?x=1#f", 302, []step{{own: true, method: "GET", uri: "/v1/b?x=1", token: true, custom: "mine"}}, ""},
		{"same origin, query", "GET a?x=1", "", true, "b?y=2", 302, []step{{own: true, method: "GET", uri: "/v1/b?y=2&access_token=" + url.QueryEscape(secretToken), custom: "mine"}}, ""},
		{"another host", "GET a", "", false, "OTHER/b", 302, []step{{method: "GET", uri: "/b"}}, ""},
		{"another host, query", "GET a?x=1", "", true, "OTHER/b", 302, []step{{method: "GET", uri: "/b"}}, ""},
		{"protocol-relative", "GET a", "", false, "//OTHERHOST/b", 301, []step{{method: "GET", uri: "/b"}}, ""},
		{"another name of the same machine", "GET a", "", false, "http://localhost:OWNPORT/v1/b", 302, []step{{own: true, method: "GET", uri: "/v1/b"}}, ""},
		{"away and back", "GET a", "", false, "OTHER/back", 302, []step{{method: "GET", uri: "/back"}, {own: true, method: "GET", uri: "/v1/on"}, {own: true, method: "GET", uri: "/v1/end"}}, ""},

		{"303 asks with GET", "POST a", "x=1", false, "/v1/b", 303, []step{{own: true, method: "GET", uri: "/v1/b", token: true, custom: "mine"}}, ""},
		{"303 after PUT", "PUT a", "x=1", false, "/v1/b", 303, []step{{own: true, method: "GET", uri: "/v1/b", token: true, custom: "mine"}}, ""},
		{"303 leaves HEAD", "HEAD a", "", false, "/v1/b", 303, []step{{own: true, method: "HEAD", uri: "/v1/b", token: true, custom: "mine"}}, ""},
		{"302 turns POST into GET", "POST a", "x=1", false, "/v1/b", 302, []step{{own: true, method: "GET", uri: "/v1/b", token: true, custom: "mine"}}, ""},
		{"302 leaves PUT", "PUT a", "x=1", false, "/v1/b", 302, []step{{own: true, method: "PUT", uri: "/v1/b", body: "x=1", contentType: form, token: true, custom: "mine"}}, ""},
		{"307 keeps", "POST a", "x=1", false, "/v1/b", 307, []step{{own: true, method: "POST", uri: "/v1/b", body: "x=1", contentType: form, token: true, custom: "mine"}}, ""},
		{"308 to another host", "POST a", "x=1", false, "OTHER/b", 308, nil, "wants the data there"},

		{"contains the token", "GET a", "", false, "OTHER/?t=" + secretToken, 302, nil, "contains the token"},
		{"holds it encoded", "GET a", "", false, "OTHER/?t=" + url.QueryEscape(secretToken), 302, nil, "contains the token"},
		{"holds it encoded letter by letter", "GET a", "", false, "OTHER/?t=" + everyByte(secretToken), 302, nil, "contains the token"},
		{"holds it encoded twice", "GET a", "", false, "OTHER/?t=" + url.QueryEscape(url.QueryEscape(secretToken)), 302, nil, "contains the token"},
		{"holds it in the fragment", "GET a", "", false, "OTHER/#" + secretToken, 302, nil, "contains the token"},
		{"holds it on the same origin", "GET a", "", true, "/v1/b?access_token=" + secretToken, 302, nil, "contains the token"},
		{"a loop", "GET a", "", false, "/v1/loop", 302, nil, "more than 10 times"},
		{"no TLS", "GET a", "", false, "http://evil.example/", 302, nil, "only for this machine"},
		{"a password", "GET a", "", false, "http://user:hunter2@OTHERHOST/", 302, nil, "user name or password"},
		{"another scheme", "GET a", "", false, "file:///etc/passwd", 302, nil, "cannot be used"},
		{"opaque", "GET a", "", false, "http:evil", 302, nil, "cannot be used"},
		{"no address", "GET a", "", false, "http://%zz/", 302, nil, "not an address"},
	} {
		t.Run(test.name, func(t *testing.T) {
			other, otherURL := serve(t, nil)
			var location string
			own, ownURL := serve(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasPrefix(r.URL.Path, "/v1/a"):
					w.Header().Set("Location", location)
					w.WriteHeader(test.status)
				case r.URL.Path == "/v1/loop":
					w.Header().Set("Location", "/v1/loop")
					w.WriteHeader(http.StatusFound)
				case r.URL.Path == "/v1/on":
					w.Header().Set("Location", "/v1/end")
					w.WriteHeader(http.StatusFound)
				default:
					w.WriteHeader(ok)
				}
			})
			other.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/back" {
					w.Header().Set("Location", ownURL+"/v1/on")
					w.WriteHeader(http.StatusFound)
				}
			}
			location = strings.NewReplacer("OTHERHOST", strings.TrimPrefix(otherURL, "http://"), "OTHER", otherURL,
				"OWNPORT", ownURL[strings.LastIndex(ownURL, ":")+1:]).Replace(test.location)
			var change []func(*provider.Definition)
			if test.query {
				change = append(change, inQuery)
			}
			c := apiClient(t, ownURL, change...)
			call := callOf(t, c, test.what, following)
			call.header.Set("X-Api-Key", "mine")
			call.header.Set("Cookie", "mine=1")
			if test.data != "" {
				sending(test.data)(call)
			}
			r, _, err := readAll(t, c, call)
			if test.refused != "" {
				if !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), test.refused) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v", err)
				}
				if len(other.all()) > 0 {
					t.Errorf("asked elsewhere: %+v", other.all())
				}
				if n := len(own.all()); n > 11 {
					t.Errorf("asked %d times", n)
				}
				return
			}
			if err != nil || r.Status != ok {
				t.Fatal(r, err)
			}
			owns, others := own.all()[1:], other.all()
			for i, want := range test.steps {
				from := &others
				if want.own {
					from = &owns
				}
				if len(*from) == 0 {
					t.Fatalf("step %d was not made", i)
				}
				got := (*from)[0]
				*from = (*from)[1:]
				wantToken := ""
				if want.token {
					wantToken = "Bearer " + secretToken
				}
				if got.method != want.method || got.uri != want.uri || got.body != want.body || got.custom != want.custom ||
					got.contentType != want.contentType || got.authorization != wantToken || (got.cookie != "") != (want.custom != "") {
					t.Errorf("step %d: %+v instead of %+v", i, got, want)
				}
			}
			if len(owns)+len(others) > 0 {
				t.Errorf("too much: %+v %+v", owns, others)
			}
		})
	}
}

func everyByte(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

func TestCallLeavesTLSForNothing(t *testing.T) {
	c := apiClient(t, "https://api.example.com")
	u, err := url.Parse("https://api.example.com/v1/a")
	if err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{"http://api.example.com/v1/a", "http://127.0.0.1:8/", "http://localhost/", "http://[::1]/"} {
		resp := &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {location}}}
		if next, err := c.follow(&call{method: http.MethodGet, url: u, own: true}, resp, 0); err == nil {
			t.Errorf("%s: %s", location, next.url)
		}
	}
}

func TestCallFollowsNothingByItself(t *testing.T) {
	for _, location := range []string{"/v1/b", "http://%zz/?" + secretToken, ""} {
		rec, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusTemporaryRedirect)
			fmt.Fprint(w, "moved")
		})
		c := apiClient(t, address)
		_, body, err := readAll(t, c, callOf(t, c, "GET a"))
		if !fail.Is(err, fail.Unavailable) || body != "moved" || len(rec.all()) != 1 {
			t.Errorf("%q: %q, %v, %d requests", location, body, err, len(rec.all()))
		}
	}
}

func TestCallMeans(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		kind   fail.Kind // 0: success
	}{
		{200, "{}", 0},
		{204, "", 0},
		{304, "", 0},
		{302, "", fail.Unavailable},
		{400, "{}", fail.Refused},
		{401, "{}", fail.LoginNeeded},
		{401, `{"error":"No access to documents"}`, fail.Refused},
		{402, "{}", fail.Refused},
		{403, "{}", fail.Refused},
		{404, "{}", fail.Refused},
		{429, "Retry later", fail.Unavailable},
		{500, "{}", fail.Unavailable},
		{503, "{}", fail.Unavailable},
		{599, "{}", fail.Unavailable},
		{200, `{"errors":[{"message":"no"}]}`, fail.Refused},
		{200, `{"errors":[]}`, 0},
		{200, `{"errors":null}`, 0},
		{200, `{"data":{"me":{"errors":[{"msg":"no"}]}}}`, fail.Refused},
		{200, `{"data":{"me":{"errors":[]},"you":{"errors":{"msg":"no"}}}}`, fail.Refused},
		{200, `{"data":{"me":{"errors":[]},"you":null}}`, 0},
		{200, "\xef\xbb\xbf" + `{"errors":"no"}`, fail.Refused},
		{200, `no JSON`, 0},
	} {
		rec, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			if test.status != 204 && test.status != 304 {
				fmt.Fprint(w, test.body)
			}
		})
		c := apiClient(t, address, func(d *provider.Definition) {
			d.API.MissingScope = "No access to"
			d.API.Errors = provider.Names{"errors", "data.*.errors"}
		})
		_, body, err := readAll(t, c, callOf(t, c, "GET a"))
		if test.status != 204 && test.status != 304 && body != test.body {
			t.Errorf("%d: the body is %q", test.status, body)
		}
		if (test.kind == 0) != (err == nil) || err != nil && fail.KindOf(err) != test.kind {
			t.Errorf("%d %s: %v", test.status, test.body, err)
		}
		if n := len(rec.all()); n != 1 {
			t.Errorf("%d: asked %d times", test.status, n)
		}
	}
}

func TestCallTriesAgain(t *testing.T) {
	for _, test := range []struct {
		what    string
		after   string
		expects int
	}{
		{"GET a", "0", 3},
		{"HEAD a", "0", 3},
		{"GET a", "3600", 1},
		{"GET a", "", 1},
		{"POST a", "0", 1},
		{"DELETE a", "0", 1},
	} {
		rec, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", test.after)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		c := apiClient(t, address)
		if _, _, err := readAll(t, c, callOf(t, c, test.what)); !fail.Is(err, fail.Unavailable) || len(rec.all()) != test.expects {
			t.Errorf("%s, Retry-After %q: %v, asked %d times", test.what, test.after, err, len(rec.all()))
		}
	}
}

// TestCallStreams: 50 MB go by in little memory, while something is looked for in them too.
func TestCallStreams(t *testing.T) {
	const size = 50 << 20
	piece := bytes.Repeat([]byte("a"), 64<<10)
	_, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range size / len(piece) {
			_, _ = w.Write(piece)
		}
	})
	for _, test := range []struct {
		name   string
		change func(*provider.Definition)
		most   uint64 // bytes that may be allocated, those of the server included
	}{
		{"as it is", func(*provider.Definition) {}, 8 << 20},
		{"looked into", func(d *provider.Definition) { d.API.Errors = provider.Names{"errors"} }, 5 * maxKept},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := apiClient(t, address, test.change)
			r, err := c.send(t.Context(), callOf(t, c, "GET a"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.resp.Body.Close() }()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			n, err := io.Copy(io.Discard, r.Body)
			runtime.ReadMemStats(&after)
			if err != nil || n != size || c.failure(r) != nil {
				t.Fatal(n, err, c.failure(r))
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > test.most {
				t.Errorf("%d MiB were allocated", used>>20)
			}
			if kept := r.kept; kept != nil && (kept.Len() > 0 || !kept.over) {
				t.Errorf("%d bytes were kept", kept.Len())
			}
		})
	}
}

func TestCallUnpacks(t *testing.T) {
	_, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, `{"a":1}`)
		_ = z.Close()
	})
	c := apiClient(t, address)
	if _, body, err := readAll(t, c, callOf(t, c, "GET a")); err != nil || body != `{"a":1}` {
		t.Errorf("%q, %v", body, err)
	}
}

func TestCallBreaksOff(t *testing.T) {
	_, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "only this")
	})
	c := apiClient(t, address)
	_, body, err := readAll(t, c, callOf(t, c, "GET a"))
	if !fail.Is(err, fail.Unavailable) || body != "only this" || !strings.Contains(err.Error(), "broke off after 9 bytes") {
		t.Errorf("%q, %v", body, err)
	}
}

func TestCallWaits(t *testing.T) {
	hold := make(chan struct{})
	_, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/slow" { // begins in time, and takes its time then
			w.(http.Flusher).Flush()
			time.Sleep(400 * time.Millisecond)
			fmt.Fprint(w, "done")
			return
		}
		<-hold
	})
	defer close(hold)
	c := apiClient(t, address)
	call := callOf(t, c, "GET never")
	c.transport.Wait = 200 * time.Millisecond
	began := time.Now()
	if _, _, err := readAll(t, c, call); !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("gave up after %s", took)
	}
	call = callOf(t, c, "GET slow")
	if _, body, err := readAll(t, c, call); err != nil || body != "done" {
		t.Errorf("%q, %v", body, err)
	}
	// Silence within an answer ends it.
	c.transport.Idle = 100 * time.Millisecond
	if _, _, err := readAll(t, c, callOf(t, c, "GET slow")); !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), "broke off after 0 bytes") {
		t.Errorf("%v", err)
	}
	c.transport.Wait = 0
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.send(ctx, callOf(t, c, "GET never")); !fail.Is(err, fail.Interrupted) {
		t.Errorf("%v", err)
	}
}

// slowly hands a text out a byte at a time.
type slowly struct {
	text string
	pace time.Duration
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	time.Sleep(s.pace)
	p[0], s.text = s.text[0], s.text[1:]
	return 1, nil
}

func (s *slowly) Close() error { return nil }

func TestCallSends(t *testing.T) {
	rec, address := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := apiClient(t, address)
	send := func(b *Body) seen {
		t.Helper()
		call := callOf(t, c, "POST a", func(h *call) { h.body = b })
		c.transport.Wait = 300 * time.Millisecond
		if _, _, err := readAll(t, c, call); err != nil {
			t.Fatal(err)
		}
		all := rec.all()
		return all[len(all)-1]
	}
	if got := send(TextBody([]byte("a=1"))); got.length != 3 || got.chunked || got.body != "a=1" {
		t.Errorf("%+v", got)
	}
	if got := send(TextBody(nil)); got.length != 0 || got.chunked || got.body != "" {
		t.Errorf("%+v", got)
	}
	// What takes longer than the bound in all is no failure as long as it moves.
	stream := &Body{Open: func() (io.ReadCloser, error) { return &slowly{"0123456789", 60 * time.Millisecond}, nil }, Size: -1, Once: true}
	if got := send(stream); got.length != -1 || !got.chunked || got.body != "0123456789" {
		t.Errorf("%+v", got)
	}
	unreadable := &Body{Open: func() (io.ReadCloser, error) { return nil, errors.New("gone") }, Size: 5}
	if _, _, err := readAll(t, c, callOf(t, c, "POST a", func(h *call) { h.body = unreadable })); !fail.Is(err, fail.Usage) {
		t.Errorf("%v", err)
	}
}

func TestCallKeepsOnlyForPages(t *testing.T) {
	for _, keep := range []bool{false, true} {
		var mu sync.Mutex
		from := map[string]bool{}
		_, address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			from[r.RemoteAddr] = true
		})
		c := apiClient(t, address)
		if keep {
			c.provider.KeepAlive()
		}
		for range 4 {
			if _, _, err := readAll(t, c, callOf(t, c, "GET a")); err != nil {
				t.Fatal(err)
			}
		}
		mu.Lock()
		if n := len(from); keep && n != 1 || !keep && n != 4 {
			t.Errorf("kept %t: %d connections", keep, n)
		}
		mu.Unlock()
		c.provider.HTTP.CloseIdleConnections()
	}
}

func TestCallUnreachable(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for _, test := range []struct{ address, want string }{
		{server.URL, "not trusted"},
		{strings.Replace(server.URL, "https", "http", 1), ""},
		{"https://127.0.0.1:1", "cannot be reached"},
	} {
		c := apiClient(t, test.address, inQuery)
		_, _, err := readAll(t, c, callOf(t, c, "GET a"))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.address, err)
		}
	}
	c := apiClient(t, server.URL)
	c.provider.HTTP.Transport.(*http.Transport).TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if r, _, err := readAll(t, c, callOf(t, c, "GET a")); r == nil || !fail.Is(err, fail.Refused) {
		t.Errorf("%v", err)
	}
}

func TestSetParam(t *testing.T) {
	for _, test := range []struct{ query, name, value, want string }{
		{"", "a", "1", "a=1"},
		{"b=2", "a", "1", "b=2&a=1"},
		{"a=0&b=2&a=3", "a", "1", "b=2&a=1"},
		{"%61=0&b", "a", "1", "b&a=1"},
		{"b=%zz&;", "a", "x y+&", "b=%zz&;&a=x%20y%2B%26"},
		{"&&", "a", "1", "a=1"},
	} {
		if got := oauth.SetParam(test.query, test.name, test.value); got != test.want {
			t.Errorf("%q: %q instead of %q", test.query, got, test.want)
		}
	}
}

func TestLinkTo(t *testing.T) {
	for _, test := range []struct{ header, want string }{
		{`<https://a/?page=2>; rel="next"`, "https://a/?page=2"},
		{`<https://a/?page=1>; rel="prev", <https://a/?page=3>; rel="next"`, "https://a/?page=3"},
		{`<a,b;c>; rel=next`, "a,b;c"},
		{`<a>; title="x, <b>; rel=next"; rel="last", <c>; REL=Next`, "c"},
		{`<a>; rel="first next"`, "a"},
		{`<a>; rel=prev; rel=next`, ""},
		{`<a>; title="x\"; rel=next"`, ""},
		{`<a>;rel="next`, "a"},
		{`<a>; flag; rel=next`, "a"},
		{`<a>; rel`, ""},
		{`<a`, ""},
		{`a; rel=next`, ""},
		{`<a>`, ""},
		{``, ""},
	} {
		if got := linkTo([]string{test.header}, "next"); got != test.want {
			t.Errorf("%s: %q instead of %q", test.header, got, test.want)
		}
	}
	if got := linkTo([]string{`<a>; rel=prev`, `<b>; rel=next`}, "next"); got != "b" {
		t.Errorf("in two headers: %q", got)
	}
}

// TestPages goes through a list of 25 in each of the ways that a definition can say.
func TestPages(t *testing.T) {
	const total = 25
	for _, test := range []struct {
		name  string
		way   provider.Paginate
		what  string
		data  string
		pages []string // how each page was asked for
	}{
		{"next", provider.Paginate{Next: "links.next"}, "GET list?from=0", "", []string{"/v1/list?from=0", "/v1/list?from=10", "/v1/list?from=20"}},
		{"link", provider.Paginate{Link: true}, "GET list?from=0", "", []string{"/v1/list?from=0", "/v1/list?from=10", "/v1/list?from=20"}},
		{"page", provider.Paginate{Page: "page", First: 1, Size: "per", Max: 10, Items: "data"}, "GET list", "", []string{"/v1/list?per=10", "/v1/list?per=10&page=2", "/v1/list?per=10&page=3"}},
		{"page from a later one", provider.Paginate{Page: "page", Size: "per", Max: 10, Items: "data"}, "GET list?page=1", "", []string{"/v1/list?page=1&per=10", "/v1/list?per=10&page=2"}},
		{"offset", provider.Paginate{Offset: "offset", Size: "qty", Max: 10, Items: "data"}, "GET list?x=1", "", []string{"/v1/list?x=1&qty=10", "/v1/list?x=1&qty=10&offset=10", "/v1/list?x=1&qty=10&offset=20"}},
		{"more than there is", provider.Paginate{Offset: "offset", Size: "qty", Max: 10, Items: "data"}, "GET list?qty=1000", "", []string{"/v1/list?qty=1000", "/v1/list?qty=1000&offset=10", "/v1/list?qty=1000&offset=20"}},
		{"in a form by itself", provider.Paginate{Offset: "offset", Size: "qty", Max: 10, Items: "data", InForm: true}, "GET list", "", []string{"qty=10", "qty=10&offset=10", "qty=10&offset=20"}},
		{"in a form", provider.Paginate{Offset: "offset", Size: "qty", Max: 10, Items: "data"}, "POST list", "x=1", []string{"x=1&qty=10", "x=1&qty=10&offset=10", "x=1&qty=10&offset=20"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var address string
			rec, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				q := r.URL.Query()
				from, _ := strconv.Atoi(q.Get("from"))
				if test.way.Page != "" {
					page := test.way.First
					if q.Has("page") {
						page, _ = strconv.Atoi(q.Get("page"))
					}
					from = (page - test.way.First) * 10
				}
				if test.way.Offset != "" {
					from, _ = strconv.Atoi(q.Get("offset"))
				}
				if test.data != "" || test.way.InForm {
					form, _ := url.ParseQuery(lastBody(r))
					from, _ = strconv.Atoi(form.Get("offset"))
				}
				items := strings.TrimSuffix(strings.Repeat("0,", max(min(10, total-from), 0)), ",")
				next := "null"
				if from+10 < total {
					next = fmt.Sprintf(`"/v1/list?from=%d"`, from+10)
					w.Header().Set("Link", fmt.Sprintf(`<%s/v1/list?from=%d>; rel="next"`, address, from+10))
				}
				fmt.Fprintf(w, `{"data":[%s],"links":{"next":%s}}`, items, next)
			})
			c := apiClient(t, address, func(d *provider.Definition) { d.API.Paginate = &test.way })
			call := callOf(t, c, test.what)
			if test.data != "" {
				sending(test.data)(call)
			}
			call, err := c.firstPage(call)
			if err != nil {
				t.Fatal(err)
			}
			for call != nil {
				r, _, err := readAll(t, c, call)
				if err != nil {
					t.Fatal(err)
				}
				if call, err = c.nextPage(r); err != nil {
					t.Fatal(err)
				}
			}
			var pages []string
			for _, got := range rec.all() {
				if got.authorization != "Bearer "+secretToken {
					t.Errorf("%+v", got)
				}
				if test.data != "" || test.way.InForm {
					pages = append(pages, got.body)
				} else {
					pages = append(pages, got.uri)
				}
			}
			if strings.Join(pages, " ") != strings.Join(test.pages, " ") {
				t.Errorf("asked for %q instead of %q", pages, test.pages)
			}
		})
	}
}

// lastBody returns the body that the recorder read before the handler.
func lastBody(r *http.Request) string { return r.Header.Get("X-Body") }

func TestPagesEnd(t *testing.T) {
	next := provider.Paginate{Next: "next"}
	counted := provider.Paginate{Page: "page", Size: "per", Max: 2}
	for _, test := range []struct {
		name, path, body string
		way              provider.Paginate
		kind             fail.Kind // 0: it ends
	}{
		{"no next", "list", `{"next":null}`, next, 0},
		{"no field", "list", `{}`, next, 0},
		{"not an object", "list", `[]`, next, 0},
		{"a number for an address", "list", `{"next":5}`, next, 0},
		{"no JSON", "list", `oops`, next, fail.Unavailable},
		{"another host", "list", `{"next":"https://evil.example/"}`, next, fail.Unavailable},
		{"another port", "list", `{"next":"http://127.0.0.1:1/"}`, next, fail.Unavailable},
		{"too much to look into", "list", `{"next":"` + strings.Repeat("x", maxKept) + `"}`, next, fail.Unavailable},
		{"no list", "list", `{}`, counted, 0},
		{"an empty list", "list", `[]`, counted, 0},
		{"a short list", "list", `[1]`, counted, 0},
		{"an odd page", "list?page=two", `[1,2]`, counted, fail.Usage},
	} {
		_, address := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, test.body) })
		c := apiClient(t, address, func(d *provider.Definition) { d.API.Paginate = &test.way })
		call, err := c.firstPage(callOf(t, c, "GET "+test.path))
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := readAll(t, c, call)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.nextPage(r)
		if got != nil || (test.kind == 0) != (err == nil) || err != nil && fail.KindOf(err) != test.kind {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
}
