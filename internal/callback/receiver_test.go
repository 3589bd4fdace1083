package callback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

const (
	testState = "st4te-0123456789"
	authorize = "https://provider.example/oauth/authorize?client_id=c&state=" + testState
)

// TestMain lets the test binary stand in for a browser, on every system alike.
func TestMain(m *testing.M) {
	switch os.Getenv("RECEIVE_TEST_AS") {
	case "browser":
		os.Exit(beBrowser())
	case "login":
		os.Exit(beLogin())
	case "opener":
		if OpenBySystem(os.Args[len(os.Args)-1]) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// beBrowser is a browser whose user agrees at once: it goes where redirect_uri says. It is as talkative
// as real ones.
func beBrowser() int {
	fmt.Println("browser chatter on stdout")
	fmt.Fprintln(os.Stderr, "browser chatter on stderr")
	u, err := url.Parse(os.Args[len(os.Args)-1])
	if err != nil {
		return 1
	}
	if file := os.Getenv("RECEIVE_TEST_ENVIRON"); file != "" {
		_ = os.WriteFile(file, []byte(strings.Join(os.Environ(), "\n")), 0o600)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, u.Query().Get("redirect_uri")+"?code=from-browser&state="+u.Query().Get("state"), nil)
	if err != nil {
		return 1
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 1
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return 0
}

// beLogin is a login with the default terminal, for tests that give it one.
func beLogin() int {
	r, err := Listen(Options{RedirectURI: os.Getenv("RECEIVE_TEST_URI"), State: testState, NoBrowser: true, Stderr: os.Stderr, StdinIsTerminal: true, Stdin: os.Stdin})
	if err != nil {
		fmt.Println("listen:", err)
		return 1
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	goroutines := runtime.NumGoroutine()
	a, err := r.Receive(ctx, authorize, 0)
	if err != nil {
		fmt.Println("receive:", err)
		return 1
	}
	_ = r.Close()
	fmt.Println("code", a.Code, "pasted", a.Pasted)
	for range 6000 {
		if runtime.NumGoroutine() <= goroutines+1 { // package os/signal keeps one
			fmt.Println("reader gone")
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0
}

// output collects what is said, for reading while it is being said.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// login is a Receiver at work.
type login struct {
	*Receiver
	t      *testing.T
	said   *output
	done   chan result
	cancel context.CancelFunc
}

func noTerminal() (io.ReadCloser, error) { return nil, errors.New("no terminal") }

func (o Options) forTest(said io.Writer) Options {
	if o.RedirectURI == "" {
		o.RedirectURI = "http://127.0.0.1:0/callback"
	}
	if o.State == "" {
		o.State = testState
	}
	if o.Environ == nil {
		o.Environ = []string{}
	}
	if o.OpenTerminal == nil {
		o.OpenTerminal = noTerminal
	}
	if o.Title == "" {
		o.Title = "Mollie"
	}
	if o.Account == "" {
		o.Account = "mollie/shop-b"
	}
	o.Stderr = said
	return o
}

func listen(t *testing.T, opts Options) (*Receiver, *output) {
	t.Helper()
	said := new(output)
	r, err := Listen(opts.forTest(said))
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r, said
}

// begin starts a login with ten seconds to live.
func begin(t *testing.T, opts Options, tweaks ...func(*Receiver)) *login {
	t.Helper()
	r, said := listen(t, opts)
	for _, tweak := range tweaks {
		tweak(r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	l := &login{Receiver: r, t: t, said: said, done: make(chan result, 1), cancel: cancel}
	go func() {
		a, err := r.Receive(ctx, authorize+"&redirect_uri="+url.QueryEscape(r.RedirectURI()), 0)
		l.done <- result{answer: a, err: err}
	}()
	return l
}

// patient gives a slow machine time for the request that Close waits for.
func patient(r *Receiver) { r.grace, r.linger = time.Minute, time.Second }

func (l *login) end() (*Answer, error) {
	l.t.Helper()
	select {
	case res := <-l.done:
		return res.answer, res.err
	case <-time.After(time.Minute):
		l.t.Fatalf("the login did not end; said:\n%s", l.said)
		return nil, nil
	}
}

// waits fails the test when the login has ended.
func (l *login) waits() {
	l.t.Helper()
	select {
	case res := <-l.done:
		l.t.Fatalf("the login ended: %v, %v", res.answer, res.err)
	case <-time.After(30 * time.Millisecond):
	}
}

func (l *login) hears(want string) {
	l.t.Helper()
	for range 6000 {
		if strings.Contains(l.said.String(), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.t.Fatalf("%q was not said in:\n%s", want, l.said)
}

// dial opens a connection to the listener.
func (l *login) dial() net.Conn {
	l.t.Helper()
	c, err := new(net.Dialer).DialContext(l.t.Context(), "tcp", l.listeners[0].Addr().String())
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to the listener.
func (l *login) ask(method, target string, change ...func(*http.Request)) reply {
	l.t.Helper()
	got, err := ask(method, target, change...)
	if err != nil {
		l.t.Fatalf("%s %s: %v", method, target, err)
	}
	return got
}

func ask(method, target string, change ...func(*http.Request)) (reply, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, target, nil)
	if err != nil {
		return reply{}, err
	}
	for _, c := range change {
		c(req)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}, err
}

// later sends a request that is held until Finish.
func (l *login) later(query string) chan reply {
	got := make(chan reply, 1)
	go func() {
		r, err := ask("GET", l.RedirectURI()+query)
		if err != nil {
			r.body = err.Error()
		}
		got <- r
	}()
	return got
}

func soon(t *testing.T, c chan reply) reply {
	t.Helper()
	select {
	case r := <-c:
		return r
	case <-time.After(time.Minute):
		t.Fatal("the page did not come")
		return reply{}
	}
}

// page checks what every page of the callback path has to be.
func (r reply) page(t *testing.T, status int, heading string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.body, "<h1>"+heading+"</h1>") {
		t.Errorf("got %d, want %d with heading %q:\n%s", r.status, status, heading, r.body)
	}
	for _, secret := range []string{testState, "the-code"} {
		if strings.Contains(r.body, secret) {
			t.Errorf("the page holds %q:\n%s", secret, r.body)
		}
	}
	r.hardened(t)
}

// kindAndAdvice checks the failure and what it says the user can do; 0 means anything.
func kindAndAdvice(t *testing.T, err error, kind fail.Kind, text string, do fail.Action) {
	t.Helper()
	if !fail.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v, want kind %d with %q", err, kind, text)
	}
	advice := fail.Advice(err)
	switch {
	case advice == nil:
		t.Errorf("no advice with %q", err)
	case do != 0 && advice.Do != do:
		t.Errorf("advice %d with %q, want %d", advice.Do, err, do)
	}
	if strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "--") {
		t.Errorf("not one plain line, or it names a flag: %q", err)
	}
}

func TestCodeFromBrowser(t *testing.T) {
	for _, uri := range []string{"http://127.0.0.1:0/callback", "http://localhost:0/", "http://localhost:0", "http://LOCALHOST:0/a%20b/", "http://127.0.0.1:0/cb?tenant=7"} {
		t.Run(uri, func(t *testing.T) {
			l := begin(t, Options{RedirectURI: uri})
			separator := "?"
			if strings.Contains(uri, "?") {
				separator = "&"
			}
			page := l.later(separator + "code=the-code&state=" + testState + "&extra=1")
			a, err := l.end()
			if err != nil {
				t.Fatal(err)
			}
			if a.Code != "the-code" || a.Pasted || a.StateMissing || a.Params.Get("extra") != "1" {
				t.Errorf("answer %#v %+v", a.Code, a.Params)
			}
			select {
			case p := <-page:
				t.Fatalf("the page came before the exchange: %s", p.body)
			case <-time.After(100 * time.Millisecond):
			}
			a.Finish(nil)
			a.Finish(errors.New("too late"))
			got := soon(t, page)
			got.page(t, 200, "You are logged in")
			for _, want := range []string{"<dd>Mollie</dd>", "<dd>mollie/shop-b</dd>", "You can close this window and return to the terminal."} {
				if !strings.Contains(got.body, want) {
					t.Errorf("no %q in:\n%s", want, got.body)
				}
			}
		})
	}
}

func TestAnswerHidesItsCode(t *testing.T) {
	a := &Answer{Code: "the-code", Params: url.Values{"code": {"the-code"}}}
	if s := fmt.Sprintf("%v %+v %#v %s %v %#v", a, a, a, a, *a, *a); strings.Contains(s, "the-code") {
		t.Error(s)
	}
}

func TestFailedExchangeShown(t *testing.T) {
	l := begin(t, Options{})
	page := l.later("?code=the-code&state=" + testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.Finish(fail.New(fail.Unavailable, "mollie: <b>502</b> for the-code\x1b[31m and %s", testState))
	got := soon(t, page)
	got.page(t, 200, "Login failed")
	if !strings.Contains(got.body, "&lt;b&gt;502&lt;/b&gt; for [redacted]") || strings.Contains(got.body, "\x1b") {
		t.Errorf("error text not escaped and scrubbed:\n%s", got.body)
	}
}

// A page whose outcome nobody told must neither claim success nor wait for ever.
func TestPageHoldIsBounded(t *testing.T) {
	l := begin(t, Options{}, func(r *Receiver) { r.hold = 50 * time.Millisecond })
	page := l.later("?code=the-code&state=" + testState)
	if _, err := l.end(); err != nil {
		t.Fatal(err)
	}
	soon(t, page).page(t, 200, "Check the terminal for the result")
}

func TestCloseWithoutFinish(t *testing.T) {
	l := begin(t, Options{}, patient)
	page := l.later("?code=the-code&state=" + testState)
	if _, err := l.end(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("Close took %v", d)
	}
	soon(t, page).page(t, 200, "Check the terminal for the result")
	if _, err := ask("GET", l.RedirectURI()); err == nil {
		t.Error("the port is still open")
	}
	_ = l.Close()
}

// Close right after Finish must not cut off the page.
func TestCloseDeliversPage(t *testing.T) {
	for range 20 {
		l := begin(t, Options{})
		page := l.later("?code=the-code&state=" + testState)
		a, err := l.end()
		if err != nil {
			t.Fatal(err)
		}
		a.Finish(nil)
		_ = l.Close()
		soon(t, page).page(t, 200, "You are logged in")
	}
}

// A browser may fetch the page in advance and then open it, or leave the first request.
func TestCloseAwaitsSecondRequest(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, first := range map[string]func(*http.Request){
		"prefetch":     header("Sec-Purpose", "prefetch;prerender"),
		"old prefetch": header("Purpose", "prefetch"),
		"same request": func(*http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, Options{}, patient)
			query := "?code=the-code&state=" + testState
			prefetched := make(chan reply, 1)
			go func() {
				got, _ := ask("GET", l.RedirectURI()+query, first)
				prefetched <- got
			}()
			a, err := l.end()
			if err != nil {
				t.Fatal(err)
			}
			a.Finish(nil)
			closed := make(chan struct{})
			go func() {
				_ = l.Close()
				close(closed)
			}()
			soon(t, prefetched).page(t, 200, "You are logged in")
			soon(t, l.later(query)).page(t, 200, "You are already logged in")
			select {
			case <-closed:
			case <-time.After(30 * time.Second):
				t.Error("still listening")
			}
		})
	}
	t.Run("aborted", func(t *testing.T) {
		l := begin(t, Options{}, patient)
		c := l.dial()
		fmt.Fprintf(c, "GET /callback?code=the-code&state=%s HTTP/1.1\r\nHost: %s\r\n\r\n", testState, c.RemoteAddr())
		a, err := l.end()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		time.Sleep(50 * time.Millisecond)
		a.Finish(nil)
		go func() { _ = l.Close() }()
		time.Sleep(2 * l.linger)
		soon(t, l.later("?code=the-code&state="+testState)).page(t, 200, "You are already logged in")
	})
}

func TestPageShowsOwnerAndNextCommand(t *testing.T) {
	l := begin(t, Options{Next: "tokencli token mollie/shop-b"})
	page := l.later("?code=the-code&state=" + testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.SetOwner("Bakery <b>\x1b")
	a.Finish(nil)
	got := soon(t, page)
	got.page(t, 200, "You are logged in")
	for _, want := range []string{"<dt>Logged in as</dt><dd>Bakery &lt;b&gt;", "<code>tokencli token mollie/shop-b</code>"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("no %q in:\n%s", want, got.body)
		}
	}
	a.SetOwner("too late")
}

// Browsers open connections in advance and never use them.
func TestCloseDoesNotWaitForIdleConnections(t *testing.T) {
	l := begin(t, Options{}, patient)
	l.hears("provider.example")
	c := l.dial()
	defer c.Close()
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	_ = l.Close()
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("Close took %v", d)
	}
	if _, err := l.end(); !fail.Is(err, fail.Interrupted) {
		t.Errorf("Receive after Close: %v", err)
	}
}

func TestCloseBeforeReceive(t *testing.T) {
	r, _ := listen(t, Options{})
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestRequestAfterAnswer(t *testing.T) {
	l := begin(t, Options{})
	first := l.later("?code=the-code&state=" + testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	// Reloading while the exchange runs waits for the same outcome.
	reload := l.later("?code=the-code&state=" + testState)
	select {
	case p := <-reload:
		t.Fatalf("a second page came before the exchange: %s", p.body)
	case <-time.After(50 * time.Millisecond):
	}
	a.Finish(nil)
	soon(t, first).page(t, 200, "You are logged in")
	soon(t, reload).page(t, 200, "You are already logged in")
	soon(t, l.later("?code=another&state="+testState)).page(t, 200, "You are already logged in")
	soon(t, l.later("")).page(t, 200, "You are already logged in")
	soon(t, l.later("?error=access_denied&state="+testState)).page(t, 200, "You are already logged in")
	late := soon(t, l.later("?code=the-code&state=wrong"))
	late.page(t, 400, "This response is not for this login")
	if strings.Contains(late.body, "still waiting") {
		t.Errorf("nobody waits any more:\n%s", late.body)
	}
}

func TestTimeout(t *testing.T) {
	r, _ := listen(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := r.Receive(ctx, authorize, 0)
	kindAndAdvice(t, err, fail.LoginNeeded, "mollie/shop-b: login timed out", fail.DoLogInWithMoreTime)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the cause is lost")
	}
	// The browser that comes too late is told so.
	got, askErr := ask("GET", r.RedirectURI()+"?code=the-code&state="+testState)
	if askErr != nil {
		t.Fatal(askErr)
	}
	got.page(t, 200, "Login failed")
	if !strings.Contains(got.body, "timed out") {
		t.Error(got.body)
	}
}

func TestInterrupt(t *testing.T) {
	for name, opts := range map[string]Options{
		"listening": {},
		"pasting":   {RedirectURI: oobURN, Stdin: neverEnds{}},
	} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, opts)
			l.hears("provider.example")
			l.cancel()
			if _, err := l.end(); !fail.Is(err, fail.Interrupted) || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
}

type neverEnds struct{}

func (neverEnds) Read([]byte) (int, error) { select {} }

func TestAddressIsAlwaysPrinted(t *testing.T) {
	for name, opts := range map[string]Options{
		"no browser": {NoBrowser: true},
		"browser":    {Browser: os.Args[0] + " -test.run=^$"},
		"oob":        {RedirectURI: oobURN, Stdin: neverEnds{}},
		"elsewhere":  {RedirectURI: "https://myapp.example/callback", Stdin: neverEnds{}},
	} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, opts)
			l.hears("\n" + authorize + "&redirect_uri=" + url.QueryEscape(l.RedirectURI()) + "\n")
			l.hears("Mollie (account mollie/shop-b)")
		})
	}
}

func TestUnusableAuthorizeAddress(t *testing.T) {
	for _, address := range []string{"", "file:///etc/passwd", "file://host/share", "ftp://provider.example/", "--help", "javascript:alert(1)", "https://", "http://a b/\x1b"} {
		r, said := listen(t, Options{Browser: os.Args[0]})
		if _, err := r.Receive(t.Context(), address, 0); !fail.Is(err, fail.Usage) {
			t.Errorf("%q: %v", address, err)
		}
		if said.String() != "" {
			t.Errorf("%q: said %q", address, said)
		}
	}
}

func TestZeroOptions(t *testing.T) {
	t.Setenv("TOKENCLI_MOLLIE_CLIENT_SECRET", "hush")
	r, err := Listen(Options{RedirectURI: "http://127.0.0.1:0/", State: testState, NoBrowser: true, OpenTerminal: noTerminal})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if strings.Contains(strings.Join(r.opts.Environ, "\n"), "hush") || len(r.opts.Environ) == 0 {
		t.Errorf("environment of the opener: %q", r.opts.Environ)
	}
	done := make(chan result, 1)
	go func() {
		a, err := r.Receive(context.Background(), authorize, 0)
		done <- result{answer: a, err: err}
	}()
	go func() { _, _ = ask("GET", r.RedirectURI()+"?error=access_denied&state="+testState) }()
	if res := <-done; !fail.Is(res.err, fail.Refused) || !strings.HasPrefix(res.err.Error(), "the provider refused") {
		t.Errorf("got %v", res.err)
	}
}

// A slow client holds a connection for as long as headerTimeout and no longer, and keeps nobody out.
func TestSlowClientsDoNotBlock(t *testing.T) {
	l := begin(t, Options{})
	for range 4 * maxConnections {
		c := l.dial()
		defer c.Close()
		_, _ = io.WriteString(c, "GET /callback?code=")
	}
	page := l.later("?code=the-code&state=" + testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.Finish(nil)
	soon(t, page).page(t, 200, "You are logged in")
	if l.server.ReadHeaderTimeout <= 0 || l.server.ReadTimeout <= pageHold || l.server.WriteTimeout <= pageHold {
		t.Error("the server has no bounds, or they cut off a page that waits")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	l := begin(t, Options{})
	l.hears("provider.example")
	for range 2 * maxConnections {
		c := l.dial()
		defer c.Close()
		_, _ = io.WriteString(c, "GET /callback?code=")
	}
	got := l.ask("GET", l.RedirectURI(), func(*http.Request) {}) // the others were accepted before it
	crowd := l.listeners[0].crowd
	crowd.mu.Lock()
	defer crowd.mu.Unlock()
	if n := len(crowd.connections); n > maxConnections || got.status != http.StatusBadRequest {
		t.Errorf("%d connections are open; status %d", n, got.status)
	}
}
