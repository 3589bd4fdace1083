package callback

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// hardened checks the headers of every reply, and that a page allows its own style and script alone.
func (r reply) hardened(t *testing.T) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control":          "no-store",
		"Referrer-Policy":        "no-referrer",
		"X-Content-Type-Options": "nosniff",
		"X-Frame-Options":        "DENY",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	csp := r.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none';", "img-src data:;", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("no %q in %q", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Error(csp)
	}
	if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
		return
	}
	for _, want := range []string{`<html lang="en">`, `<link rel="icon" href="data:,">`, "<main", "history.replaceState(", `name="viewport"`, "prefers-color-scheme: dark"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, element := range []string{"style", "script"} {
		m := regexp.MustCompile("(?s)<"+element+">(.*?)</"+element+">").FindAllStringSubmatch(r.body, -1)
		if len(m) != 1 {
			t.Fatalf("%d elements %s", len(m), element)
		}
		sum := sha256.Sum256([]byte(m[0][1]))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(csp, want) {
			t.Errorf("the policy %q does not allow the page's own %s: %s", csp, element, want)
		}
	}
	if m := regexp.MustCompile(`(?i)(src|href|action|url)\s*[=(]\s*"?(https?:)?//`).FindString(r.body); m != "" {
		t.Errorf("the page asks for something outside: %s", m)
	}
}

func TestOnlyOwnPathMethodAndHost(t *testing.T) {
	l := begin(t, Options{RedirectURI: "http://127.0.0.1:0/callback"})
	right := "?code=the-code&state=" + testState
	base := strings.TrimSuffix(l.RedirectURI(), "/callback")
	port := base[strings.LastIndex(base, ":"):]
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, c := range []struct {
		name, method, target string
		change               func(*http.Request)
		status               int
	}{
		{"favicon", "GET", base + "/favicon.ico", nil, 404},
		{"root", "GET", base + "/" + right, nil, 404},
		{"slash at the end", "GET", base + "/callback/" + right, nil, 404},
		{"below", "GET", base + "/callback/x" + right, nil, 404},
		{"other case", "GET", base + "/Callback" + right, nil, 404},
		{"encoded", "GET", base + "/%63allback" + right, nil, 404},
		{"dots", "GET", base + "/x/../callback" + right, nil, 404},
		{"two slashes", "GET", base + "//callback" + right, nil, 404},
		{"post", "POST", l.RedirectURI() + right, nil, 405},
		{"head", "HEAD", l.RedirectURI() + right, nil, 405},
		{"options", "OPTIONS", l.RedirectURI() + right, nil, 405},
		{"rebound name", "GET", l.RedirectURI() + right, host("evil.example" + port), 403},
		{"other spelling", "GET", l.RedirectURI() + right, host("localhost" + port), 403},
		{"no port", "GET", l.RedirectURI() + right, host("127.0.0.1"), 403},
		{"other port", "GET", l.RedirectURI() + right, host("127.0.0.1:1"), 403},
		{"dot at the end", "GET", l.RedirectURI() + right, host("127.0.0.1." + port), 403},
		{"image in a page", "GET", l.RedirectURI() + right, header("Sec-Fetch-Dest", "image"), 403},
		{"frame", "GET", l.RedirectURI() + right, header("Sec-Fetch-Dest", "iframe"), 403},
		{"script", "GET", l.RedirectURI() + right, header("Sec-Fetch-Mode", "no-cors"), 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change == nil {
				c.change = func(*http.Request) {}
			}
			got := l.ask(c.method, c.target, c.change)
			if got.status != c.status {
				t.Errorf("status %d, want %d", got.status, c.status)
			}
			got.hardened(t)
			if strings.Contains(got.body, testState) || strings.Contains(got.body, "the-code") {
				t.Errorf("echoed: %s", got.body)
			}
		})
	}
	l.waits()
	page := make(chan reply, 1)
	go func() {
		got, _ := ask("GET", l.RedirectURI()+right, header("Sec-Fetch-Dest", "document"), header("Sec-Fetch-Mode", "navigate"))
		page <- got
	}()
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.Finish(nil)
	soon(t, page).page(t, 200, "You are logged in")
}

// The redirect URI that is registered may differ from the one in use: that is said at once.
func TestMisdirectedResponseIsReported(t *testing.T) {
	right := "code=the-code&state=" + testState
	post := func(body string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	for name, c := range map[string]struct {
		method, path, query string
		change              func(*http.Request)
		status              int
		said                string // nothing if empty
	}{
		"slash at the end":   {"GET", "/callback/", right, nil, 404, "its path is not the one of the redirect URI"},
		"refusal elsewhere":  {"GET", "/", "error=access_denied", nil, 404, "its path is not the one of the redirect URI"},
		"other host":         {"GET", "/callback", right, func(r *http.Request) { r.Host = "localhost:1" }, 403, "its host is not"},
		"form post":          {"POST", "/callback", "", post(right), 405, "its method is not GET"},
		"form post, refusal": {"POST", "/callback", "", post("error=x"), 405, "its method is not GET"},
		"form post, query":   {"POST", "/callback", right, post(""), 405, "its method is not GET"},
		"a frame":            {"GET", "/callback", right, func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", "iframe") }, 403, "it was loaded as part"},
		"favicon":            {"GET", "/favicon.ico", "", nil, 404, ""},
		"post of nothing":    {"POST", "/callback", "", post("x=1"), 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := begin(t, Options{})
			if c.change == nil {
				c.change = func(*http.Request) {}
			}
			for range 2 {
				if got := l.ask(c.method, strings.TrimSuffix(l.RedirectURI(), "/callback")+c.path+"?"+c.query, c.change); got.status != c.status {
					t.Errorf("status %d", got.status)
				}
			}
			l.waits()
			said := l.said.String()
			if n := strings.Count(said, "refused a response"); c.said == "" && n != 0 || c.said != "" && n != 1 {
				t.Errorf("reported %d times:\n%s", n, said)
			}
			if !strings.Contains(said, c.said) || c.said != "" && !strings.Contains(said, l.RedirectURI()+"; still waiting") || strings.Contains(said, "the-code") {
				t.Errorf("said:\n%s", said)
			}
		})
	}
}

// A response with the right state is used, whatever else is wrong with its query.
func TestOddQueriesWithTheRightState(t *testing.T) {
	right := "state=" + testState
	for query, code := range map[string]string{
		"code=the-code&scope=100%&" + right:    "the-code",
		"code=the-code&%f=1&x=%f&" + right:     "the-code",
		"code=the;code&" + right:               "the;code",
		"code=the-code&x=a;b&" + right:         "the-code",
		"code=the-code&amp;" + right:           "the-code",
		"&code=the-code&&" + right + "&":       "the-code",
		"code=the-code&code=the-code&" + right: "the-code",
		"code=the-code&" + right + "&" + right: "the-code",
		"code=the-code&error=&" + right:        "the-code",
	} {
		t.Run(query, func(t *testing.T) {
			l := begin(t, Options{})
			page := l.later("?" + query)
			a, err := l.end()
			if err != nil || a.Code != code {
				t.Fatalf("got %v, %v", a, err)
			}
			a.Finish(nil)
			soon(t, page).page(t, 200, "You are logged in")
		})
	}
}

// Browsers send the cookies that other servers on localhost have set.
func TestCookiesOfOtherPorts(t *testing.T) {
	l := begin(t, Options{})
	got := l.ask("GET", l.RedirectURI()+"?x=1", func(r *http.Request) { r.Header.Set("Cookie", strings.Repeat("a=1; ", 20<<10)) })
	if got.status != http.StatusBadRequest {
		t.Errorf("status %d", got.status)
	}
	l.waits()
}

// Some providers append their parameters to a redirect URI that has a query, with another question mark.
func TestQueryAppendedToQuery(t *testing.T) {
	l := begin(t, Options{RedirectURI: "http://127.0.0.1:0/callback?shop=1"})
	page := l.later("?code=the+code&state=" + testState)
	a, err := l.end()
	if err != nil || a.Code != "the+code" || a.Params.Get("shop") != "1" {
		t.Fatalf("got %v, %v", a, err)
	}
	a.Finish(nil)
	soon(t, page).page(t, 200, "You are logged in")
}

func TestRequestWithoutHost(t *testing.T) {
	l := begin(t, Options{})
	c := l.dial()
	defer c.Close()
	fmt.Fprintf(c, "GET /callback?code=the-code&state=%s HTTP/1.0\r\n\r\n", testState)
	got, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(got), "HTTP/1.0 403") {
		t.Errorf("got %s", got)
	}
	l.waits()
}

func TestHugeRequest(t *testing.T) {
	l := begin(t, Options{})
	got, err := ask("GET", l.RedirectURI()+"?state="+strings.Repeat("x", 300<<10))
	if err == nil && got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", got.status)
	}
	l.waits()
}

func TestReplyThatIsRefused(t *testing.T) {
	const right = "&state=" + testState
	for _, c := range []struct {
		name, query, heading string
		rejection            rejection
		optional             bool
	}{
		{"wrong state", "?code=the-code&state=wrong", "This response is not for this login", wrongState, false},
		{"state with a tail", "?code=the-code&state=" + testState + "x", "This response is not for this login", wrongState, false},
		{"start of the state", "?code=the-code&state=" + testState[:5], "This response is not for this login", wrongState, false},
		{"wrong state though optional", "?code=the-code&state=wrong", "This response is not for this login", wrongState, true},
		{"no state", "?code=the-code", "This response is not for this login", noState, false},
		{"empty state", "?code=the-code&state=", "This response is not for this login", noState, false},
		{"error with a wrong state", "?error=access_denied&state=wrong", "This response is not for this login", wrongState, false},
		{"error without a state", "?error=access_denied", "This response is not for this login", noState, false},
		{"no code", "?x=1" + right, "This response cannot be used", noCode, false},
		{"empty code", "?code=" + right, "This response cannot be used", noCode, false},
		{"code twice", "?code=the-code&code=b" + right, "This response cannot be used", repeated, false},
		{"state twice", "?code=the-code&state=wrong" + right, "This response cannot be used", repeated, false},
		{"error twice", "?error=a&error=b" + right, "This response cannot be used", repeated, false},
		{"issuer twice", "?code=the-code&iss=a&iss=b" + right, "This response cannot be used", repeated, false},
		{"control character in the code", "?code=the%00code" + right, "This response cannot be used", oddCode, false},
		{"code that is not ASCII", "?code=%C3%A9t%C3%A9" + right, "This response cannot be used", oddCode, false},
		{"escape cut off", "?code=the-code%f" + right, "This response cannot be used", broken, false},
		{"nothing", "", "No response yet", nothing, false},
		{"nothing that matters", "?x=1", "No response yet", nothing, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := begin(t, Options{StateOptional: c.optional, Issuer: "https://a"})
			for range 2 {
				got := l.ask("GET", l.RedirectURI()+c.query)
				got.page(t, 400, c.heading)
				if !strings.Contains(got.body, "The terminal is still waiting") {
					t.Errorf("the page does not say what to do:\n%s", got.body)
				}
			}
			l.waits()
			if said := l.said.String(); strings.Count(said, c.rejection.reason()) != 1 || strings.Contains(said, "the-code") {
				t.Errorf("said:\n%s", said)
			}
			page := l.later("?code=the-code" + right)
			a, err := l.end()
			if err != nil {
				t.Fatal(err)
			}
			a.Finish(nil)
			soon(t, page).page(t, 200, "You are logged in")
		})
	}
}

func TestMissingStateWhereOptional(t *testing.T) {
	for query, missing := range map[string]bool{
		"?code=the-code":                      true,
		"?code=the-code&state=":               true,
		"?code=the-code&state=" + testState:   false,
		"?state=" + testState + "&code=a%20b": false,
	} {
		l := begin(t, Options{StateOptional: true})
		page := l.later(query)
		a, err := l.end()
		if err != nil {
			t.Fatal(err)
		}
		if a.StateMissing != missing {
			t.Errorf("%s: StateMissing %v", query, a.StateMissing)
		}
		a.Finish(nil)
		soon(t, page)
	}
}

func TestProviderSaysNo(t *testing.T) {
	long := strings.Repeat("word ", 400)
	for _, c := range []struct {
		name, error, description, text string
		do                             fail.Action
		optional                       bool
	}{
		{"denied", "access_denied", "The user said <no> & left", "mollie/shop-b: Mollie refused the login: access_denied: The user said <no> & left", fail.DoAllowAccess, false},
		{"no description", "access_denied", "", "access_denied", fail.DoAllowAccess, false},
		{"scope", "invalid_scope", "", "invalid_scope", fail.DoNarrowScopes, false},
		{"client", "unauthorized_client", "", "unauthorized_client", fail.DoCheckRegistration, false},
		{"server", "temporarily_unavailable", "", "temporarily_unavailable", fail.DoLogInLater, false},
		{"escapes", "e\x1b[2J", "a\x1b]0;title\x07b\nc\u202ed", `e\x1b[2J: a\x1b]0;title\x07b c\u202ed`, 0, false},
		{"long", "x", long, "word word…"[:9], 0, false},
		{"echo of the state", "x", "state " + testState, "x: state [redacted]", 0, false},
		{"the state as the error", testState, "", "refused the login: [redacted]", 0, false},
		{"without a state where that is allowed", "access_denied", "", "access_denied", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := begin(t, Options{StateOptional: c.optional})
			q := url.Values{"error": {c.error}, "state": {testState}, "code": {"the-code"}}
			if c.description != "" {
				q.Set("error_description", c.description)
			}
			if c.optional {
				q.Del("state")
			}
			page := l.later("?" + q.Encode())
			_, err := l.end()
			kindAndAdvice(t, err, fail.Refused, c.text, c.do)
			if len(err.Error()) > 500 {
				t.Errorf("%d characters of error", len(err.Error()))
			}
			// The page does not wait for Finish: there is no exchange.
			got := soon(t, page)
			got.page(t, 200, "Access was refused")
			if strings.Contains(got.body, "<no>") || strings.ContainsRune(got.body, 0x1b) || strings.ContainsRune(got.body, 0x202e) {
				t.Errorf("the provider's words are not plain text:\n%s", got.body)
			}
			if c.name == "denied" && !strings.Contains(got.body, "The user said &lt;no&gt; &amp; left") {
				t.Errorf("the provider's words are missing:\n%s", got.body)
			}
			soon(t, l.later("?code=the-code&state="+testState)).page(t, 200, "Login failed")
		})
	}
}

// RFC 9207 2.4.
func TestIssuer(t *testing.T) {
	for _, c := range []struct {
		name     string
		issuer   string
		required bool
		iss      []string
		text     string
	}{
		{"same", "https://a", true, []string{"https://a"}, ""},
		{"missing, not required", "https://a", false, nil, ""},
		{"missing", "https://a", true, nil, "does not say which issuer"},
		{"empty", "https://a", true, []string{""}, "does not say which issuer"},
		{"different", "https://a", false, []string{"https://evil"}, "another issuer: https://evil"},
		{"nearly the same", "https://a", true, []string{"https://a/"}, "another issuer"},
		{"the state", "https://a", false, []string{"https://" + testState}, "another issuer: https://[redacted]"},
		{"not known, not asked for", "", false, []string{"https://a"}, ""},
		{"not known, but required", "", true, []string{"https://a"}, "another issuer"},
	} {
		for _, reply := range []string{"code=the-code", "error=access_denied"} {
			t.Run(c.name+" "+reply, func(t *testing.T) {
				l := begin(t, Options{Issuer: c.issuer, IssuerRequired: c.required})
				q := "?" + reply + "&state=" + testState
				for _, iss := range c.iss {
					q += "&iss=" + url.QueryEscape(iss)
				}
				// State comes first: a stray request must not end the login.
				l.ask("GET", l.RedirectURI()+strings.Replace(q, testState, "wrong", 1)).page(t, 400, "This response is not for this login")
				l.waits()
				page := l.later(q)
				a, err := l.end()
				switch {
				case c.text != "":
					kindAndAdvice(t, err, fail.Refused, c.text, fail.DoCheckIssuer)
					soon(t, page).page(t, 200, "Login failed")
				case a != nil:
					a.Finish(nil)
					soon(t, page).page(t, 200, "You are logged in")
				default:
					kindAndAdvice(t, err, fail.Refused, "access_denied", fail.DoAllowAccess)
				}
			})
		}
	}
}

// Without a state that was sent, none that comes back can be right.
func TestNoStateWasSent(t *testing.T) {
	r, _ := listen(t, Options{})
	r.opts.State = ""
	for _, query := range []string{"code=the-code", "code=the-code&state=", "code=the-code&state=x"} {
		if v := r.validateResponse(query, false); v.answer != nil {
			t.Errorf("%s was accepted", query)
		}
	}
}

// Close ends the connections as soon as no request is being answered; what the server still holds back
// then would be lost.
func TestPageIsSentBeforeItIsCountedOut(t *testing.T) {
	w := &recorder{header: http.Header{}}
	if err := send(w, http.StatusOK, []byte("page")); err != nil {
		t.Fatal(err)
	}
	if !w.flushed {
		t.Error("the page waits in a buffer")
	}
}

func TestSlowPageLetsBrowserGo(t *testing.T) {
	l := begin(t, Options{})
	c := l.dial()
	fmt.Fprintf(c, "GET /callback?code=the-code&state=%s HTTP/1.1\r\nHost: %s\r\n\r\n", testState, c.RemoteAddr())
	if _, err := l.end(); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	for range 3000 {
		l.mu.Lock()
		left := l.inFlight
		l.mu.Unlock()
		if left == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the request of a browser that went away is still held")
}

func FuzzCallback(f *testing.F) {
	for _, seed := range []string{
		"code=the-code&state=" + testState, "error=access_denied&error_description=no&state=" + testState,
		"code=a&code=b&state=" + testState, "state=" + testState, "code=%zz", "code=%00&state=" + testState, "iss=https://a&code=x&state=" + testState,
		"", "&&&", "code=+x&state=" + testState, "x=1?code=the-code&state=" + testState, "error=%1b%5b2J&state=" + testState, "code=a;b", "error=<script>&state=" + testState,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := &Receiver{opts: Options{State: testState, Issuer: "https://a"}.forTest(io.Discard), redirect: &redirect{raw: "http://127.0.0.1:1/", url: &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/"}}, uri: "http://127.0.0.1:1/"}
		r.finished, r.closed, r.result, r.hold = make(chan struct{}), make(chan struct{}), make(chan result, 1), time.Millisecond
		r.page, r.console = newPages("Mollie", "mollie", "tokencli token mollie"), newConsole(Options{})
		r.finish(nil)
		w := &recorder{header: http.Header{}}
		r.page.headers(w.header)
		r.callback(w, &http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: query}})
		params, parseErr := parseQuery(query)
		if r.isSettled() {
			if parseErr != nil || len(params["state"]) != 1 || params.Get("state") != testState {
				t.Errorf("%q ended the login", query)
			}
			res := <-r.result
			if (res.answer == nil) == (res.err == nil) {
				t.Errorf("%q: %v, %v", query, res.answer, res.err)
			}
			if res.answer != nil && (!isCode(res.answer.Code) || res.answer.Code != params.Get("code") || params.Get("error") != "") {
				t.Errorf("%q: code %q", query, res.answer.Code)
			}
			if res.err != nil && (redact.Printable(res.err.Error()) != res.err.Error() || !fail.Is(res.err, fail.Refused)) {
				t.Errorf("%q: error %q", query, res.err)
			}
		} else if w.status != 400 {
			t.Errorf("%q: status %d", query, w.status)
		}
		reply{w.status, w.header, string(w.body)}.hardened(t)
		if strings.Contains(string(w.body), testState) {
			t.Errorf("%q: the page holds the state", query)
		}
	})
}

type recorder struct {
	header http.Header
	status int
	body   []byte

	flushed bool
}

func (r *recorder) Flush()              { r.flushed = len(r.body) > 0 }
func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status = s }
func (r *recorder) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return len(p), nil
}
