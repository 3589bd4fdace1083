package oauth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

// inTurn answers each request with the next handler, and with the last one from then on.
func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		handlers[min(int(n.Add(1)), len(handlers))-1](w, r)
	}
}

func TestRetries(t *testing.T) {
	ok := replies(200, granted)
	later := func(status int, header string) http.HandlerFunc { return replies(status, "{}", "Retry-After", header) }
	overflow := fmt.Sprint(int64(math.MaxInt64))
	tests := []struct {
		name     string
		answers  []http.HandlerFunc
		requests int
		kind     fail.Kind // 0: it works in the end
	}{
		{"works at once", []http.HandlerFunc{ok}, 1, 0},
		{"429, then works", []http.HandlerFunc{later(429, "0"), ok}, 2, 0},
		{"503, then works", []http.HandlerFunc{later(503, "0"), ok}, 2, 0},
		{"twice, then works", []http.HandlerFunc{later(429, "0"), later(503, "0"), ok}, 3, 0},
		{"three times", []http.HandlerFunc{later(429, "0"), later(429, "0"), later(429, "0"), ok}, 3, fail.Unavailable},
		{"a second is waited", []http.HandlerFunc{later(429, "1"), ok}, 2, 0},
		{"an epoch is waited for", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			later(429, fmt.Sprint(time.Now().Unix()+1))(w, r)
		}, ok}, 2, 0},
		{"a date is waited for", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			later(503, time.Now().Add(time.Second).UTC().Format(http.TimeFormat))(w, r)
		}, ok}, 2, 0},
		{"plain text", []http.HandlerFunc{replies(429, "Retry later", "Retry-After", "0"), ok}, 2, 0},
		{"no time is named", []http.HandlerFunc{replies(429, "{}"), ok}, 1, fail.Unavailable},
		{"no time is named, 503", []http.HandlerFunc{replies(503, "<html>"), ok}, 1, fail.Unavailable},
		{"garbage", []http.HandlerFunc{later(429, "soon"), ok}, 1, fail.Unavailable},
		{"too long", []http.HandlerFunc{later(429, "11"), ok}, 1, fail.Unavailable},
		{"too long together", []http.HandlerFunc{later(429, "1"), later(429, "10"), ok}, 2, fail.Unavailable},
		{"hostile", []http.HandlerFunc{later(429, overflow), ok}, 1, fail.Unavailable},
		{"hostile the second time", []http.HandlerFunc{later(429, "1"), later(429, "99999999999"), ok}, 2, fail.Unavailable},
		{"a 500 is final", []http.HandlerFunc{later(500, "0"), ok}, 1, fail.Unavailable},
		{"a 502 is final", []http.HandlerFunc{later(502, "0"), ok}, 1, fail.Unavailable},
		{"a 400 is final", []http.HandlerFunc{later(400, "0"), ok}, 1, fail.Refused},
		{"a 408 is final", []http.HandlerFunc{later(408, "0"), ok}, 1, fail.Unavailable},
		{"nonsense is final", []http.HandlerFunc{replies(200, "<html>"), ok}, 1, fail.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, inTurn(tt.answers...))
			start := time.Now()
			_, err := refresh(p.client(t, "moneybird"))
			if tt.kind == 0 && err != nil || tt.kind != 0 && failure(t, err).Fail.Kind != tt.kind {
				t.Errorf("%v", err)
			}
			if n := len(p.requests()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			first := p.requests()[0]
			for _, r := range p.requests() {
				if r.body != first.body {
					t.Errorf("a retry sends something else: %q", r.body)
				}
			}
		})
	}
}

// A locked account is locked for longer by every further try.
func TestALockedAccountIsNotTriedAgain(t *testing.T) {
	for _, status := range []int{400, 429, 503} {
		p := newPeer(t, replies(status, `{"error":"too_many_login_attempts"}`, "Retry-After", "0"))
		_, err := p.client(t, "moloni").Password(t.Context(), registration, "u", theWord, nil)
		if e := failure(t, err); e.Fail.Kind != fail.Unavailable || e.Ended {
			t.Errorf("%v", err)
		}
		p.one(t)
	}
}

func TestTheBodyCanNameTheTime(t *testing.T) {
	p := newPeer(t, inTurn(replies(429, `{"message":"slow down","context":{"rateLimitResponse":{"resetsIn":1}}}`), replies(200, granted)))
	if _, err := refresh(p.client(t, "monta")); err != nil {
		t.Error(err)
	}
	if n := len(p.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// counting returns a client whose connections are counted.
func counting(t *testing.T, c *Client, dials *atomic.Int64) *Client {
	t.Helper()
	transport, ok := c.HTTP.Transport.(*http.Transport)
	if !ok {
		t.Fatal("not an http.Transport")
	}
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, addr)
	}
	return c
}

func TestARefusedConnectionIsTriedAgain(t *testing.T) {
	p := newPeer(t, replies(200, granted))
	c := p.client(t, "moloni")
	p.Close()
	var dials atomic.Int64
	_, err := refresh(counting(t, c, &dials))
	e := failure(t, err)
	if e.Fail.Kind != fail.Unavailable || !e.Unspent || e.Ended || e.Status != 0 || !strings.Contains(e.Error(), "refuses the connection") {
		t.Errorf("unspent %t: %v", e.Unspent, e)
	}
	if n := dials.Load(); n != 3 {
		t.Errorf("%d tries, want 3", n)
	}
}

// The numbers that Windows gives; elsewhere package syscall has its own.
func TestRefusedKnowsWindows(t *testing.T) {
	const wsaConnReset, wsaConnRefused = syscall.Errno(10054), syscall.Errno(10061)
	if !fail.ConnectionRefused(fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Err: wsaConnRefused})) {
		t.Error("WSAECONNREFUSED is not known")
	}
	if fail.ConnectionRefused(wsaConnReset) || fail.ConnectionRefused(errors.New("x")) {
		t.Error("everything is taken for a refused connection")
	}
}

// After a request has left, silence may mean that it was carried out: asking again could spend a refresh
// token twice.
func TestADroppedConnectionIsNotTriedAgain(t *testing.T) {
	drop := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.Close()
	}
	reset := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"access_token":"` + newAccess + `","refre`))
		panic(http.ErrAbortHandler)
	}
	for name, handler := range map[string]http.HandlerFunc{"closed": drop, "reset": reset, "half an answer": half} {
		for _, provider := range []string{"moloni", "mollie", "monta"} { // GET, form, JSON
			t.Run(name+" "+provider, func(t *testing.T) {
				p := newPeer(t, handler)
				_, err := refresh(p.client(t, provider))
				if e := failure(t, err); e.Fail.Kind != fail.Unavailable || e.Unspent || e.Ended || !strings.Contains(e.Error(), "closed the connection") {
					t.Errorf("unspent %t: %v", e.Unspent, e)
				}
				p.one(t)
			})
		}
	}
}

// net/http sends a GET again by itself when a kept connection turns out dead after the request was
// written. With a provider that takes a refresh token by GET, that would spend it twice.
func TestAKeptConnectionIsNotUsedAgain(t *testing.T) {
	p := newPeer(t, inTurn(replies(200, granted), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	c := p.client(t, "moloni")
	if _, err := refresh(c); err != nil {
		t.Fatal(err)
	}
	_, err := refresh(c)
	if e := failure(t, err); e.Fail.Kind != fail.Unavailable || e.Unspent {
		t.Errorf("%v", err)
	}
	if n := len(p.requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestTheBoundOnTime(t *testing.T) {
	if totalTime != 30*time.Second {
		t.Errorf("the bound is %s", totalTime)
	}
	for _, name := range []string{"no answer", "an answer that does not end"} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			p := newPeer(t, func(w http.ResponseWriter, _ *http.Request) {
				if name != "no answer" {
					_, _ = w.Write([]byte(`{"access_token":"`))
					_ = http.NewResponseController(w).Flush()
				}
				<-release
			})
			t.Cleanup(func() { close(release) }) // before the peer waits for its handlers
			c := p.client(t, "mollie")
			c.Timeout = 200 * time.Millisecond
			start := time.Now()
			_, err := refresh(c)
			e := failure(t, err)
			if e.Fail.Kind != fail.Unavailable || e.Unspent || e.Ended || !strings.Contains(e.Error(), "did not answer in time") {
				t.Errorf("unspent %t: %v", e.Unspent, e)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			p.one(t)
			if _, err := whoami(t.Context(), c, c.Definition.API.URL); name == "no answer" && !fail.Is(err, fail.Unavailable) { //nolint:bodyclose // the caller closes it
				t.Errorf("whoami: %v", err)
			}
		})
	}
}

// The bound is on all tries together, and on both requests of a revocation.
func TestTheBoundHoldsAllTries(t *testing.T) {
	p := newPeer(t, replies(429, "{}", "Retry-After", "5"))
	c := p.client(t, "mollie")
	c.Timeout = 300 * time.Millisecond
	start := time.Now()
	_, err := refresh(c)
	if e := failure(t, err); e.Fail.Kind != fail.Unavailable || !e.Unspent || !strings.Contains(e.Error(), "retry later") {
		t.Errorf("%v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	slow := newPeer(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(300 * time.Millisecond)
		replies(500, "{}")(w, r)
	})
	c = slow.client(t, "mollie")
	c.Timeout = 450 * time.Millisecond
	if _, err := c.Revoke(t.Context(), registration, oldRefresh, "refresh_token"); !fail.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("%v", err)
	}
}

func TestCancellation(t *testing.T) {
	t.Run("before anything is sent", func(t *testing.T) {
		p := newPeer(t, replies(200, granted))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := p.client(t, "mollie").Refresh(ctx, registration, oldRefresh, "")
		if e := failure(t, err); e.Fail.Kind != fail.Interrupted || !e.Unspent {
			t.Errorf("%v", err)
		}
		if _, err := whoami(ctx, p.client(t, "mollie"), p.URL); !fail.Is(err, fail.Interrupted) { //nolint:bodyclose // the caller closes it
			t.Errorf("%v", err)
		}
		if n := len(p.requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("a request under way is waited for", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPeer(t, func(w http.ResponseWriter, r *http.Request) {
			cancel()
			time.Sleep(100 * time.Millisecond)
			replies(200, granted)(w, r)
		})
		got, err := p.client(t, "mollie").Refresh(ctx, registration, oldRefresh, "")
		if err != nil || got.RefreshToken != newRefresh {
			t.Errorf("%v", err)
		}
	})
	t.Run("the wait for a retry ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPeer(t, func(w http.ResponseWriter, r *http.Request) {
			time.AfterFunc(100*time.Millisecond, cancel)
			replies(429, "{}", "Retry-After", "9")(w, r)
		})
		start := time.Now()
		_, err := p.client(t, "mollie").Refresh(ctx, registration, oldRefresh, "")
		if e := failure(t, err); e.Fail.Kind != fail.Interrupted || !e.Unspent {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		p.one(t)
	})
	t.Run("a caller's deadline ends the wait for a retry", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		p := newPeer(t, replies(429, "{}", "Retry-After", "9"))
		_, err := p.client(t, "mollie").Refresh(ctx, registration, oldRefresh, "")
		if e := failure(t, err); e.Fail.Kind != fail.Unavailable || !e.Unspent {
			t.Errorf("%v", err)
		}
		p.one(t)
	})
	t.Run("whoami is broken off", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		p := newPeer(t, func(http.ResponseWriter, *http.Request) { cancel(); <-release })
		t.Cleanup(func() { close(release) })
		if _, err := whoami(ctx, p.client(t, "mollie"), p.URL); !fail.Is(err, fail.Interrupted) { //nolint:bodyclose // the caller closes it
			t.Errorf("%v", err)
		}
	})
}
