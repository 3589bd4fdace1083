package oauth

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/loopback"
)

const (
	dialTime      = 10 * time.Second
	handshakeTime = 10 * time.Second
	maxHeader     = 64 << 10 // bytes
)

// NewHTTP returns the HTTP client for token traffic. It follows no redirect, uses TLS 1.2 or later and the
// proxy and certificates of the environment, and reaches `localhost` without DNS. A connection carries one
// request: net/http repeats a GET if a kept connection turns out dead, which would spend a refresh token
// twice at a provider that takes it by GET. It speaks HTTP/1.1, because GODEBUG=http2debug prints the
// headers of HTTP/2, and because what arrives is recorded (see recording).
func NewHTTP() *http.Client {
	dial := loopback.Dial(&net.Dialer{Timeout: dialTime})
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	settings := sync.OnceValue(func() error {
		roots, err := certificates()
		if roots != nil {
			config.RootCAs = roots
		}
		if err != nil {
			return err
		}
		return CheckProxies()
	})
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			// Proxy is called before each request is sent: the settings are checked there, and not when a
			// client is made that may never send anything.
			Proxy: func(req *http.Request) (*url.URL, error) {
				if err := settings(); err != nil {
					return nil, err
				}
				return http.ProxyFromEnvironment(req)
			},
			OnProxyConnectResponse: refusedByProxy,
			DialContext:            dialPlain(dial),
			DialTLSContext:         dialTLS(dial, config),
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    handshakeTime,
			TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHeader,
		},
	}
}

// proxyRefusal is a proxy's refusal to connect to a host.
type proxyRefusal struct{ proxy, status string }

func (e *proxyRefusal) Error() string {
	return fmt.Sprintf("the proxy %s refused to connect (%s)", e.proxy, e.status)
}

func refusedByProxy(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	return &proxyRefusal{proxy: proxy.Host, status: strings.TrimSpace(status)}
}
