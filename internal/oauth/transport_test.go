package oauth

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

func TestRedirectsAreNotFollowed(t *testing.T) {
	target := newPeer(t, replies(200, granted))
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, provider := range []string{"moloni", "mollie", "monta"} {
			t.Run(fmt.Sprint(provider, " ", status), func(t *testing.T) {
				p := newPeer(t, func(w http.ResponseWriter, r *http.Request) {
					// As a careless server does: everything goes along.
					http.Redirect(w, r, target.URL+r.URL.RequestURI(), status)
				})
				c := p.client(t, provider)
				_, err := refresh(c)
				e := failure(t, err)
				if e.Fail.Kind != fail.Unavailable || e.Ended || e.Unspent || !strings.Contains(e.Error(), "a redirect") || e.Fail.Do != fail.DoCheckBaseURL {
					t.Errorf("%v", err)
				}
				if _, err := whoami(t.Context(), c, c.Definition.API.URL); err != nil { //nolint:bodyclose // the caller closes it
					t.Errorf("whoami: %v", err)
				}
				if c.Definition.Revoke.Request != nil {
					if _, err := c.Revoke(t.Context(), registration, oldRefresh, "refresh_token"); !fail.Is(err, fail.Unavailable) {
						t.Errorf("revoke: %v", err)
					}
				}
			})
		}
	}
	if n := len(target.requests()); n != 0 {
		t.Errorf("%d requests reached the target", n)
	}
}

func TestTheBoundOnSize(t *testing.T) {
	body := func(size int) string {
		head, tail := `{"access_token":"a","x":"`, `"}`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	}
	for name, tt := range map[string]struct {
		status int
		body   string
		ok     bool
	}{
		"exactly 1 MiB":         {200, body(1 << 20), true},
		"a byte more":           {200, body(1<<20 + 1), false},
		"a large refusal":       {400, `{"error":"invalid_grant","x":"` + strings.Repeat("x", 2<<20) + `"}`, false},
		"a large 429":           {429, strings.Repeat("x", 2<<20), false},
		"large, no JSON at all": {200, strings.Repeat("\x00", 3<<20), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, replies(tt.status, tt.body, "Retry-After", "0"))
			_, err := refresh(p.client(t, "mollie"))
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := failure(t, err)
			if e.Fail.Kind != fail.Unavailable || e.Ended || e.Unspent || !strings.Contains(e.Error(), "more than 1 MiB") {
				t.Errorf("ended %t, unspent %t: %v", e.Ended, e.Unspent, e)
			}
			p.one(t)
		})
	}
}

// 2 GB are announced and 2 GB would be sent; the connection must be gone after little more than 1 MiB.
func TestAnEndlessAnswerIsBrokenOff(t *testing.T) {
	for _, announced := range []bool{true, false} {
		var sent atomic.Int64
		stopped := make(chan struct{})
		p := newPeer(t, func(w http.ResponseWriter, _ *http.Request) {
			defer close(stopped)
			if announced {
				w.Header().Set("Content-Length", "2000000000")
			}
			chunk := bytes.Repeat([]byte(" "), 64<<10)
			for sent.Load() < 2_000_000_000-int64(len(chunk)) {
				n, err := w.Write(chunk)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		_, err := refresh(p.client(t, "mollie"))
		if e := failure(t, err); e.Fail.Kind != fail.Unavailable || !strings.Contains(e.Error(), "more than 1 MiB") {
			t.Errorf("%v", err)
		}
		select {
		case <-stopped:
		case <-time.After(time.Minute):
			t.Fatal("the server is still sending")
		}
		// The buffers of the sockets hold some megabytes beyond what was read.
		if n := sent.Load(); n > 64<<20 {
			t.Errorf("%d bytes were taken", n)
		}
	}
}

func TestGzip(t *testing.T) {
	zip := func(body io.Reader) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := io.Copy(w, body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	bomb := zip(io.LimitReader(spaces{}, 256<<20))
	if len(bomb) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	p := newPeer(t, replies(200, string(bomb), "Content-Encoding", "gzip"))
	_, err := refresh(p.client(t, "mollie"))
	if e := failure(t, err); e.Fail.Kind != fail.Unavailable || !strings.Contains(e.Error(), "more than 1 MiB") {
		t.Errorf("%v", err)
	}
	p = newPeer(t, replies(200, string(zip(strings.NewReader(granted))), "Content-Encoding", "gzip"))
	if got, err := refresh(p.client(t, "mollie")); err != nil || got.AccessToken != newAccess {
		t.Errorf("%v", err)
	}
	p = newPeer(t, replies(200, "not gzip at all", "Content-Encoding", "gzip"))
	_, err = refresh(p.client(t, "mollie"))
	if e := failure(t, err); e.Fail.Kind != fail.Unavailable || e.Unspent {
		t.Errorf("%v", err)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// raw answers every connection with the same bytes, whatever is asked.
func raw(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own listener
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, answer)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestWhatIsNotHTTP(t *testing.T) {
	echo := "echo: client_secret=" + url.QueryEscape(registration.Secret) + " " + newAccess
	for name, answer := range map[string]string{
		"another protocol":  "220 mail.example ESMTP " + echo + "\r\n",
		"no status":         "HTTP/1.1 " + echo + "\r\n\r\n",
		"a broken header":   "HTTP/1.1 200 OK\r\n" + echo + "\r\n: x\r\n\r\n",
		"a broken length":   "HTTP/1.1 200 OK\r\nContent-Length: " + newAccess + "\r\n\r\n{}",
		"a broken chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + echo,
		"a TLS alert":       "\x15\x03\x01\x00\x02\x02\x28",
		"endless headers":   "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200<<10) + "\r\n\r\n",
		"escape sequences":  "HTTP/1.1 \x1b[31m200 OK\r\n\r\n",
		"nothing":           "",
		"an unknown coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + newAccess + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := &Client{Config: definition(t, "moloni", raw(t, answer)), HTTP: NewHTTP(), Timeout: time.Minute}
			_, err := refresh(c)
			if e := failure(t, err); e.Fail.Kind != fail.Unavailable || e.Ended || e.Unspent {
				t.Errorf("kind %d, unspent %t: %v", e.Fail.Kind, e.Unspent, e)
			}
		})
	}
}

func TestAnAnswerThatBreaksOff(t *testing.T) {
	for answer, want := range map[string]string{
		head(length(400)) + `{"access_token":"`:           "answered with only part of an answer (status 200)",
		"HTTP/1.1 400 Bad\r\n" + length(400) + "\r\n\r\n": "answered with only part of an answer (status 400)",
		"": "closed the connection without an answer",
	} {
		c := &Client{Config: definition(t, "moloni", raw(t, answer)), HTTP: NewHTTP(), Timeout: time.Minute}
		_, err := refresh(c)
		if e := failure(t, err); e.Fail.Kind != fail.Unavailable || e.Ended || e.Unspent || !strings.Contains(e.Error(), want) {
			t.Errorf("%q: kind %d, unspent %t: %v", answer, e.Fail.Kind, e.Unspent, e)
		}
	}
}

// Without DNS: whoever answers for the name must not be handed a secret in the clear.
func TestLocalhostIsDialledWithoutDNS(t *testing.T) {
	p := newPeer(t, replies(200, granted))
	port := p.Listener.Addr().(*net.TCPAddr).Port
	for _, host := range []string{"localhost", "LOCALHOST"} {
		c := &Client{Config: definition(t, "mollie", fmt.Sprintf("http://%s:%d", host, port)), HTTP: NewHTTP()}
		var connected []string
		var mu sync.Mutex
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			DNSStart: func(info httptrace.DNSStartInfo) { t.Errorf("%s is looked up", info.Host) },
			ConnectStart: func(_, addr string) {
				mu.Lock()
				defer mu.Unlock()
				connected = append(connected, addr)
			},
		})
		if _, err := c.Refresh(ctx, registration, oldRefresh, ""); err != nil {
			t.Error(err)
		}
		mu.Lock()
		if want := fmt.Sprintf("127.0.0.1:%d", port); len(connected) != 1 || connected[0] != want {
			t.Errorf("%s: connected to %v", host, connected)
		}
		mu.Unlock()
	}
}

// secure returns a peer over TLS and a client that is told to trust it.
func secure(t *testing.T, change func(*tls.Config)) (*peer, *Client) {
	t.Helper()
	p := &peer{}
	p.Server = httptest.NewUnstartedServer(p.handler(replies(200, granted)))
	p.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are the point
	p.TLS = &tls.Config{}                          // the versions are the test's
	change(p.TLS)
	p.StartTLS()
	t.Cleanup(p.Close)
	c := p.client(t, "mollie")
	c.HTTP.Transport.(*http.Transport).TLSClientConfig.RootCAs = p.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return p, c
}

func TestTLSVersions(t *testing.T) {
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			p, c := secure(t, func(config *tls.Config) { config.MinVersion, config.MaxVersion = version, version })
			_, err := refresh(c)
			if ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := failure(t, err); e.Fail.Kind != fail.Unavailable || e.Ended {
				t.Errorf("%v", err)
			}
			if n := len(p.requests()); n != 0 {
				t.Error("something was sent")
			}
		})
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	_, trusted := secure(t, func(*tls.Config) {})
	p, c := secure(t, func(*tls.Config) {})
	c.HTTP = NewHTTP()
	_, err := refresh(c)
	e := failure(t, err)
	if e.Fail.Kind != fail.Unavailable || !e.Unspent || !strings.Contains(e.Error(), "not trusted") || e.Fail.Do != fail.DoTrustCertificate {
		t.Errorf("unspent %t: %v, advice %d", e.Unspent, e, e.Fail.Do)
	}
	// The certificate is for example.com and 127.0.0.1, not for localhost.
	trusted.Config = definition(t, "mollie", strings.Replace(p.URL, "127.0.0.1", "localhost", 1))
	_, err = refresh(trusted)
	if e := failure(t, err); e.Fail.Kind != fail.Unavailable || !e.Unspent || !strings.Contains(e.Error(), "not for localhost") {
		t.Errorf("unspent %t: %v", e.Unspent, e)
	}
	trusted.HTTP.Transport.(*http.Transport).TLSClientConfig.Time = func() time.Time { return time.Now().AddDate(200, 0, 0) }
	trusted.Config = definition(t, "mollie", p.URL)
	_, err = refresh(trusted)
	if e := failure(t, err); e.Fail.Kind != fail.Unavailable || !e.Unspent || !strings.Contains(e.Error(), "not trusted") {
		t.Errorf("unspent %t: %v", e.Unspent, e)
	}
	if n := len(p.requests()); n != 0 {
		t.Error("something was sent")
	}
	for _, plain := range []string{newPeer(t, replies(200, granted)).URL, raw(t, "SSH-2.0-x\r\n")} {
		c.Config = definition(t, "mollie", strings.Replace(plain, "http://", "https://", 1))
		_, err = refresh(c)
		if e := failure(t, err); e.Fail.Kind != fail.Unavailable || !e.Unspent || !strings.Contains(e.Error(), "does not speak TLS") {
			t.Errorf("unspent %t: %v", e.Unspent, e)
		}
	}
}

func TestAnUnknownHost(t *testing.T) {
	c := &Client{Config: definition(t, "moloni", "https://api.invalid"), HTTP: NewHTTP()}
	transport := c.HTTP.Transport.(*http.Transport)
	transport.Proxy = nil
	transport.DialTLSContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.invalid", IsNotFound: true}}
	}
	_, err := refresh(c)
	if e := failure(t, err); e.Fail.Kind != fail.Unavailable || !e.Unspent || !strings.Contains(e.Error(), "no address found for api.invalid") || e.Fail.Do != fail.DoCheckNetwork {
		t.Errorf("%v", err)
	}
}

// What a transport says for itself may be anything, but is short and without secrets.
func TestAnyOtherFailureOfTheTransport(t *testing.T) {
	c := &Client{Config: definition(t, "moloni", ""), HTTP: &http.Client{Transport: failing("cannot: " + oldRefresh + " \x1b[31m " + strings.Repeat("x", 1000))}}
	_, err := refresh(c)
	if e := failure(t, err); e.Fail.Kind != fail.Unavailable || len(e.Error()) > 400 {
		t.Errorf("%v", err)
	}
}

type failing string

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, plainError(f) }

type plainError string

func (e plainError) Error() string { return redact.Scrub(string(e), 0, oldRefresh) }

// The proxy and certificate settings of the environment are read once a process, so each case is a
// process of its own: this test binary, running TestChild alone.

const childVar = "TOKENCLI_TEST_CHILD_BASE"

func TestChild(t *testing.T) {
	base := os.Getenv(childVar)
	if base == "" {
		return // not a child
	}
	c := &Client{Config: definition(t, "mollie", base), HTTP: NewHTTP(), Timeout: time.Minute}
	got, err := refresh(c)
	if err != nil {
		fmt.Printf("kind=%d unspent=%t error=%s advice=%d %q\n", fail.KindOf(err), failure(t, err).Unspent, err, failure(t, err).Fail.Do, failure(t, err).Fail.About)
		return
	}
	fmt.Printf("granted=%t\n", got.AccessToken == newAccess)
}

// child runs TestChild against base with the variables set, and returns what it printed.
func child(t *testing.T, base string, variables ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToUpper(entry), "=")
		if !strings.HasSuffix(name, "_PROXY") && name != "SSL_CERT_FILE" && name != "SSL_CERT_DIR" {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, childVar+"="+base)
	cmd.Env = append(cmd.Env, variables...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	noSecretsIn(t, string(out))
	return string(out)
}

// certificateFile writes the certificate of a peer as SSL_CERT_FILE wants it.
func certificateFile(t *testing.T, p *peer) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSSLCertFile(t *testing.T) {
	p, _ := secure(t, func(*tls.Config) {})
	if out := child(t, p.URL); !strings.Contains(out, "kind=6 unspent=true") || !strings.Contains(out, fmt.Sprintf("advice=%d ", fail.DoTrustCertificate)) {
		t.Errorf("without it: %s", out)
	}
	if out := child(t, p.URL, "SSL_CERT_FILE="+certificateFile(t, p)); !strings.Contains(out, "granted=true") {
		t.Errorf("with it: %s", out)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// crypto/x509 ignores what it cannot use.
	sent := len(p.requests())
	for _, path := range []string{filepath.Join(t.TempDir(), "none.pem"), t.TempDir(), empty} {
		if out := child(t, p.URL, "SSL_CERT_FILE="+path); !strings.Contains(out, "kind=2 unspent=true error=SSL_CERT_FILE: ") {
			t.Errorf("%s: %s", path, out)
		}
	}
	if runtime.GOOS == "linux" {
		file := certificateFile(t, p)
		if out := child(t, p.URL, "SSL_CERT_DIR="+file); !strings.Contains(out, "kind=2 unspent=true error=SSL_CERT_DIR names no folder") {
			t.Errorf("a file: %s", out)
		}
		none := filepath.Join(t.TempDir(), "none")
		if out := child(t, p.URL, "SSL_CERT_DIR="+none); !strings.Contains(out, "kind=2 unspent=true error=SSL_CERT_DIR names no folder") {
			t.Errorf("a missing folder: %s", out)
		}
		if out := child(t, p.URL, "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+none+":"+t.TempDir()); !strings.Contains(out, "granted=true") {
			t.Errorf("one of two folders: %s", out)
		}
		sent++
	}
	if n := len(p.requests()); n != sent {
		t.Error("something was sent")
	}
}

// net/http bypasses a proxy whose address it cannot read.
func TestAnUnusableProxySettingIsNeverIgnored(t *testing.T) {
	p := newPeer(t, replies(200, granted))
	for _, setting := range []string{
		"HTTPS_PROXY=http://127.0.0.1:18128\r", `HTTPS_PROXY="http://127.0.0.1:18128"`, "HTTPS_PROXY='proxy.example:3128'",
		"https_proxy=http://127.0.0.1:port", "HTTPS_PROXY=http://127.0.0.1:99999", "HTTPS_PROXY=http://127.0.0.1:0", "HTTPS_PROXY=proxy.example:",
		"HTTPS_PROXY=PROXY proxy.example:3128", "HTTP_PROXY=ftp://proxy.example", "HTTP_PROXY=http://", "http_proxy=http://proxy.example/path",
		"HTTPS_PROXY=http://" + proxyUser + ":" + proxyWord + "%zz@proxy.example:3128", "HTTPS_PROXY=proxy.example:3128 ", "HTTPS_PROXY=http:/proxy.example:3128",
	} {
		name, _, _ := strings.Cut(setting, "=")
		out := child(t, p.URL, setting)
		if !strings.Contains(out, "kind=2 unspent=true error="+name+" is not the address of a proxy") || strings.Contains(out, proxyWord) || strings.Contains(out, "18128") {
			t.Errorf("%q: %s", setting, out)
		}
	}
	if n := len(p.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	for _, setting := range []string{
		"HTTPS_PROXY=proxy.example:3128", "HTTPS_PROXY=http://user:word@proxy.example", "HTTPS_PROXY=https://[::1]:3128/", "HTTPS_PROXY=socks5://10.0.0.1:1080",
		"HTTPS_PROXY=proxy", "HTTPS_PROXY=",
	} {
		if out := child(t, p.URL, setting); !strings.Contains(out, "granted=true") {
			t.Errorf("%q: %s", setting, out)
		}
	}
}

const proxyUser, proxyWord = "proxyuser", "pr0xy-w0rd"

func TestHTTPSProxy(t *testing.T) {
	origin, _ := secure(t, func(*tls.Config) {})
	var connects atomic.Int64
	tunnel := func(w http.ResponseWriter, r *http.Request) {
		auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(proxyUser+":"+proxyWord))
		if r.Method != http.MethodConnect || r.Host != "example.com:443" || r.Header.Get("Proxy-Authorization") != auth {
			t.Errorf("the proxy is asked %s %s, %v", r.Method, r.Host, r.Header)
		}
		connects.Add(1)
		up, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", origin.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = up.Close() }()
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = down.Close() }()
		_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		done := make(chan struct{})
		go func() { _, _ = io.Copy(up, down); close(done) }()
		_, _ = io.Copy(down, up)
		_ = down.Close()
		<-done
	}
	setting := func(address string) string {
		return "HTTPS_PROXY=http://" + proxyUser + ":" + proxyWord + "@" + strings.TrimPrefix(address, "http://")
	}
	certificate := "SSL_CERT_FILE=" + certificateFile(t, origin)
	refusing := func(status int) string {
		return newPeer(t, replies(status, "no", "Proxy-Authenticate", `Basic realm="`+proxyWord+`"`)).URL
	}
	for name, tt := range map[string]struct{ setting, want string }{
		"honoured":        {setting(newPeer(t, tunnel).URL), "granted=true"},
		"closed":          {setting("http://127.0.0.1:1"), "kind=6 unspent=true error=Mollie cannot be reached: the proxy 127.0.0.1:1 does not answer advice="},
		"wants a login":   {setting(refusing(407)), "refused to connect (407 Proxy Authentication Required)"},
		"does not let on": {setting(refusing(502)), "kind=6"},
		"forbids it":      {setting(refusing(403)), "kind=6 unspent=true error=Mollie cannot be reached: the proxy 127.0.0.1:"},
		"no proxy at all": {setting(raw(t, "220 mail.example\r\n")), "did not answer in HTTP (example.com through the proxy 127.0.0.1:"},
		"closes":          {setting(raw(t, "")), "closed the connection without an answer (example.com through the proxy 127.0.0.1:"},
		"lets on nobody":  {setting(raw(t, "HTTP/1.1 200 OK\r\n\r\n")), "through the proxy 127.0.0.1:"},
		"not an address":  {"HTTPS_PROXY=http://" + proxyUser + ":" + proxyWord + "%zz@proxy.example:3128", "kind=2"},
		"unknown host":    {"HTTPS_PROXY=http://" + proxyUser + ":" + proxyWord + "@proxy.invalid:3128", "kind=6"},
	} {
		t.Run(name, func(t *testing.T) {
			out := child(t, "https://example.com", tt.setting, certificate)
			if !strings.Contains(out, tt.want) {
				t.Errorf("%s, want %s", out, tt.want)
			}
			for _, form := range readings(out) {
				if strings.Contains(form, proxyWord) {
					t.Errorf("the proxy's password is printed: %s", out)
				}
			}
		})
	}
	if connects.Load() != 1 || len(origin.requests()) != 1 {
		t.Errorf("%d connections by the proxy, %d requests", connects.Load(), len(origin.requests()))
	}
	t.Run("not for this machine", func(t *testing.T) {
		p := newPeer(t, replies(200, granted))
		if out := child(t, p.URL, setting("http://127.0.0.1:1"), "HTTP_PROXY="+"http://127.0.0.1:1"); !strings.Contains(out, "granted=true") {
			t.Error(out)
		}
	})
}

// A failure of the transport that is explained in no other way is quoted, without the secrets of the request.
func TestOtherFailuresOfTheTransportAreMasked(t *testing.T) {
	p := newPeer(t, replies(http.StatusOK, granted))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := p.standard(t).unreachable(req, errors.New("odd header "+oldRefresh), []string{oldRefresh})
	if text := e.Error(); !strings.Contains(text, "cannot be reached: odd header [redacted]") {
		t.Error(text)
	}
}
