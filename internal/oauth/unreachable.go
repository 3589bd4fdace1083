package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// The numbers of Windows for ECONNREFUSED and ECONNRESET, where package syscall has invented ones of its
// own. No other system uses them.
const (
	wsaConnReset   = syscall.Errno(10054)
	wsaConnRefused = syscall.Errno(10061)
)

func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused)
}

// unreachable puts a transport failure into words. Errors of the transport are told apart by type,
// because their texts hold addresses and whatever a proxy setting holds.
func (c *Client) unreachable(req *http.Request, err error, secrets []string) *Error {
	host := req.URL.Host
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		op      *net.OpError
		urlErr  *url.Error
	)
	// The cause stays findable, but without the address.
	cause := err
	if errors.As(err, &urlErr) {
		cause = urlErr.Err
	}
	var f *fail.Error
	unspent := errors.As(err, &op) && op.Op == "dial"
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		f = fail.New(fail.Unavailable, "%s cannot be reached: the proxy does not answer", c.Definition.Title).
			WithHint("check HTTPS_PROXY and HTTP_PROXY")
		unspent = true
	case errors.As(err, &dns):
		f = fail.New(fail.Unavailable, "%s cannot be reached: no address is known for %s", c.Definition.Title, dns.Name).
			WithHint("check the network connection, and HTTPS_PROXY where a proxy is needed")
		unspent = true
	case errors.As(err, &unknown), errors.As(err, &invalid):
		f = fail.New(fail.Unavailable, "%s cannot be reached: the certificate of %s is not trusted", c.Definition.Title, host).
			WithHint("where a proxy inspects TLS, set SSL_CERT_FILE to a file that holds its certificate")
		unspent = true
	case errors.As(err, &name):
		f = fail.New(fail.Unavailable, "%s cannot be reached: the certificate is not for %s", c.Definition.Title, host)
		unspent = true
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		f = fail.New(fail.Unavailable, "%s cannot be reached: %s does not speak TLS", c.Definition.Title, host)
		unspent = true
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &urlErr) && urlErr.Timeout():
		f = fail.New(fail.Unavailable, "%s did not answer in time (%s)", c.Definition.Title, host)
	case refused(err):
		f = fail.New(fail.Unavailable, "%s cannot be reached: %s refuses the connection", c.Definition.Title, host)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, wsaConnReset),
		// net/http has no name for a peer that hangs up before the request is written.
		strings.Contains(err.Error(), "server closed idle connection"):
		f = fail.New(fail.Unavailable, "%s closed the connection without an answer (%s)", c.Definition.Title, host)
	case errors.Is(err, context.Canceled):
		f = fail.New(fail.Interrupted, "interrupted")
	default:
		text := cause.Error()
		if strings.Contains(strings.ToLower(text), "proxy") {
			// The text may quote the setting, password and all.
			f = fail.New(fail.Unavailable, "%s cannot be reached: the proxy does not work", c.Definition.Title).
				WithHint("check HTTPS_PROXY and HTTP_PROXY")
			cause = nil
			break
		}
		if strings.Contains(text, "malformed") || strings.Contains(text, "connection broken") {
			// The text quotes what came, which may be anything.
			f = fail.New(fail.Unavailable, "%s answered with something that is not HTTP (%s)", c.Definition.Title, host)
			cause = nil
			break
		}
		f = fail.New(fail.Unavailable, "%s cannot be reached: %s", c.Definition.Title, redact.Scrub(text, maxText, secrets...))
	}
	f.Err = cause
	return &Error{Fail: f, Unspent: unspent}
}
