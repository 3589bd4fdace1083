package callback

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

func portOfURI(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// Browsers dial ::1 or 127.0.0.1 for localhost, each as it likes.
func TestLocalhostAnswersInBothFamilies(t *testing.T) {
	l := begin(t, Options{RedirectURI: "http://localhost:0/callback"})
	port := portOfURI(t, l.RedirectURI())
	addrs := []string{"127.0.0.1"}
	if len(l.listeners) == 2 {
		addrs = append(addrs, "::1")
	} else {
		t.Log("this machine has no ::1")
	}
	for _, addr := range addrs {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", net.JoinHostPort(addr, port))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET /callback?state=wrong HTTP/1.1\r\nHost: localhost:%s\r\n\r\n", port)
		got, _ := io.ReadAll(c)
		_ = c.Close()
		if !strings.HasPrefix(string(got), "HTTP/1.1 400") {
			t.Errorf("%s: %.40s", addr, got)
		}
	}
	for _, g := range l.listeners {
		if a := g.Addr().(*net.TCPAddr); !a.IP.IsLoopback() {
			t.Errorf("listens on %v", a)
		}
	}
}

func TestLiteralBindsItsOwnFamilyOnly(t *testing.T) {
	for uri, network := range map[string]string{"http://127.0.0.1:0/": "127.0.0.1", "http://[::1]:0/": "::1"} {
		r, err := Listen(Options{RedirectURI: uri, OpenTerminal: noTerminal})
		if err != nil {
			if network == "::1" {
				t.Skip("this machine has no ::1")
			}
			t.Fatal(err)
		}
		if len(r.listeners) != 1 || r.listeners[0].Addr().(*net.TCPAddr).IP.String() != network {
			t.Errorf("%s: %v", uri, r.listeners)
		}
		_ = r.Close()
	}
}

func TestPortInUse(t *testing.T) {
	for addr, uri := range map[string]string{
		"127.0.0.1:0": "http://127.0.0.1:%s/callback",
		"[::1]:0":     "http://localhost:%s/callback",
	} {
		other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Log("this machine has no ::1")
			continue
		}
		defer other.Close()
		_, port, _ := net.SplitHostPort(other.Addr().String())
		_, err = Listen(Options{RedirectURI: fmt.Sprintf(uri, port), Title: "Mollie", OpenTerminal: noTerminal})
		kindAndAdvice(t, err, fail.Usage, "port "+port, fail.DoFreePort)
		if !strings.Contains(err.Error(), "in use") {
			t.Error(err)
		}
		// Nothing stays bound after the failure.
		if l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
		} else if strings.HasPrefix(addr, "[") {
			t.Errorf("the other family is still bound: %v", err)
		}
	}
}

func TestPortThatIsNotAllowed(t *testing.T) {
	redirect, err := parseRedirect("http://localhost/callback")
	if err != nil {
		t.Fatal(err)
	}
	for _, cause := range []error{syscall.EACCES, syscall.EADDRNOTAVAIL} {
		err := bindFailure(redirect, "Mollie", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", cause)})
		kindAndAdvice(t, err, fail.Usage, "port 80 of localhost", fail.DoChoosePort)
		if !errors.Is(err, cause) {
			t.Error(err)
		}
	}
}

func TestPortZeroWarns(t *testing.T) {
	l := begin(t, Options{ExactPort: true})
	l.hears("but Mollie expects the registered port")
	l.hears(portOfURI(t, l.RedirectURI()))
	quiet := begin(t, Options{})
	quiet.hears("provider.example")
	if strings.Contains(quiet.said.String(), "warning") {
		t.Error(quiet.said)
	}
}

func TestHTTPSOverPlainPortIsExplained(t *testing.T) {
	l := begin(t, Options{})
	for range 3 {
		_, err := ask("GET", strings.Replace(l.RedirectURI(), "http:", "https:", 1))
		if err == nil {
			t.Fatal("TLS was answered on the plain port")
		}
	}
	l.hears("used https for")
	l.waits()
	if n := strings.Count(l.said.String(), "used https for"); n != 1 {
		t.Errorf("said %d times:\n%s", n, l.said)
	}
	page := l.later("?code=the-code&state=" + testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.Finish(nil)
	soon(t, page).page(t, 200, "You are logged in")
}

// tlsClient is a browser that looks at the certificate.
func tlsClient(config *tls.Config) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

func (l *login) overTLS(config *tls.Config, query string) chan reply {
	got := make(chan reply, 1)
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, l.RedirectURI()+query, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	go func() {
		resp, err := tlsClient(config).Do(req)
		if err != nil {
			got <- reply{body: err.Error()}
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		got <- reply{resp.StatusCode, resp.Header, string(body)}
	}()
	return got
}

func TestHTTPSWithSelfSignedCertificate(t *testing.T) {
	l := begin(t, Options{RedirectURI: "https://localhost:0/callback"})
	l.hears("your browser will warn")
	l.hears(l.cert.fingerprint())
	leaf, err := x509.ParseCertificate(l.cert.pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || leaf.IsCA {
		t.Errorf("certificate %v, CA %v, %v to %v", leaf.PublicKeyAlgorithm, leaf.IsCA, leaf.NotBefore, leaf.NotAfter)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if soon(t, l.overTLS(&tls.Config{}, "?code=the-code&state="+testState)).status != 0 {
		t.Error("a self-signed certificate was trusted")
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	if got := soon(t, l.overTLS(&tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, "?code=the-code&state="+testState)); got.status != 0 {
		t.Error("TLS 1.1 was spoken")
	}
	plainly, err := ask("GET", strings.Replace(l.RedirectURI(), "https:", "http:", 1))
	if err != nil || plainly.status != 400 || !strings.Contains(plainly.body, "HTTPS") {
		t.Errorf("plain HTTP: %d %q %v", plainly.status, plainly.body, err)
	}
	l.hears("used http for " + l.RedirectURI())
	l.waits()
	page := l.overTLS(&tls.Config{RootCAs: roots}, "?code=the-code&state="+testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.Finish(nil)
	soon(t, page).page(t, 200, "You are logged in")
}

func TestHTTPSWithOwnCertificate(t *testing.T) {
	made, _, err := createCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: made.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	uri := "https://127.0.0.1:0/callback"
	l := begin(t, Options{RedirectURI: uri, TLSCert: certFile, TLSKey: keyFile})
	l.hears("provider.example")
	if strings.Contains(l.said.String(), "fingerprint") {
		t.Errorf("warned about the user's own certificate:\n%s", l.said)
	}
	leaf, _ := x509.ParseCertificate(made.Certificate[0])
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	page := l.overTLS(&tls.Config{RootCAs: roots}, "?code=the-code&state="+testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.Finish(nil)
	soon(t, page).page(t, 200, "You are logged in")

	for _, files := range [][2]string{{certFile, ""}, {"", keyFile}, {keyFile, certFile}, {certFile, filepath.Join(dir, "none")}} {
		_, err := Listen(Options{RedirectURI: uri, TLSCert: files[0], TLSKey: files[1], OpenTerminal: noTerminal})
		kindAndAdvice(t, err, fail.Usage, "certificate", fail.DoGiveCertificate)
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(keyFile, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Listen(Options{RedirectURI: uri, TLSCert: certFile, TLSKey: keyFile, OpenTerminal: noTerminal}); !fail.Is(err, fail.Store) {
			t.Errorf("a key that others can read: %v", err)
		}
	}
	unused := begin(t, Options{TLSCert: certFile, TLSKey: keyFile})
	unused.hears("the certificate is not used")
}
