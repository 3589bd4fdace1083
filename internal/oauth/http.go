package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

// NewHTTP returns the HTTP client for token traffic: no redirect is followed, TLS is 1.2 or later, the
// proxy and certificate settings of the environment count, `localhost` is this machine without asking a
// name server, and a connection carries one request. That last point matters: net/http sends a GET again
// when a kept connection turns out dead, which would spend a refresh token twice with a provider that
// takes it by GET.
func NewHTTP() *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialLocal(dialer),
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots()},
			TLSHandshakeTimeout:    10 * time.Second,
			ForceAttemptHTTP2:      true,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// dialLocal dials `localhost` as the two loopback literals. What a name server or a hosts file says of
// it must not decide where a secret goes over plain http.
func dialLocal(dialer *net.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || !strings.EqualFold(host, "localhost") {
			return dialer.DialContext(ctx, network, addr)
		}
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return conn, nil
		}
		if conn, err6 := dialer.DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
			return conn, nil
		}
		return nil, err
	}
}

// roots honours SSL_CERT_FILE on the systems where crypto/x509 does not; elsewhere, and without it, nil
// stands for the system's own.
func roots() *x509.CertPool {
	path := os.Getenv("SSL_CERT_FILE")
	if path == "" || runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		return nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(pem)
	return pool
}
