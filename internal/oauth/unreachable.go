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

// The numbers of ECONNRESET and ECONNREFUSED on Windows, where package syscall has invented others. No
// other system uses them.
const (
	wsaConnReset   = syscall.Errno(10054)
	wsaConnRefused = syscall.Errno(10061)
)

func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused)
}

// unreachable puts a failure of the transport into words. It goes by types, because the texts contain
// addresses and whatever a proxy setting contains.
func (c *Client) unreachable(req *http.Request, err error, secrets []string) *Error {
	cause := err
	var address *url.Error
	if errors.As(err, &address) { // its text contains the address, which may hold secrets
		cause = address.Err
	}
	for _, explain := range []func(*http.Request, error) *Error{c.notSent, c.cutOff} {
		if e := explain(req, err); e != nil {
			var op *net.OpError
			e.Unspent = e.Unspent || errors.As(err, &op) && op.Op == "dial"
			e.Fail.Err = cause
			return e
		}
	}
	text := cause.Error()
	for _, part := range []string{"malformed", "connection broken", "bad Content-Length", "multiple Content-Length", "unsupported transfer encoding", "invalid byte in chunk length"} {
		if strings.Contains(text, part) { // the text quotes what was received
			return &Error{Fail: fail.New(fail.Unavailable, "%s did not answer in HTTP (%s)", c.Definition.Title, req.URL.Host)}
		}
	}
	if strings.Contains(strings.ToLower(text), "proxy") { // the text may quote the setting
		return &Error{Fail: fail.New(fail.Unavailable, "%s cannot be reached: the proxy does not work", c.Definition.Title).Advise(fail.DoCheckProxy)}
	}
	f := fail.New(fail.Unavailable, "%s cannot be reached: %s", c.Definition.Title, redact.Scrub(text, maxText, secrets...)).Because(cause)
	var op *net.OpError
	return &Error{Fail: f, Unspent: errors.As(err, &op) && op.Op == "dial"}
}

// notSent explains failures before the request was sent; nil: it is none of them.
func (c *Client) notSent(req *http.Request, err error) *Error {
	var (
		settings *fail.Error
		dns      *net.DNSError
		unknown  x509.UnknownAuthorityError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		proxy    *proxyRefusal
		op       *net.OpError
	)
	host := req.URL.Host
	no := func(format string, args ...any) *Error {
		return &Error{Unspent: true, Fail: fail.New(fail.Unavailable, "%s cannot be reached: "+format, append([]any{c.Definition.Title}, args...)...)}
	}
	advised := func(e *Error, do fail.Action) *Error { e.Fail.Advise(do); return e }
	switch {
	case errors.As(err, &settings):
		copied := *settings // unreachable sets the cause
		return &Error{Fail: &copied, Unspent: true}
	case errors.As(err, &proxy):
		return advised(no("%w", proxy), fail.DoCheckProxy)
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return advised(no("the proxy does not answer"), fail.DoCheckProxy)
	case errors.As(err, &dns):
		return advised(no("no address found for %s", dns.Name), fail.DoCheckNetwork)
	case errors.As(err, &unknown), errors.As(err, &invalid):
		return advised(no("the certificate of %s is not trusted", host), fail.DoTrustCertificate)
	case errors.As(err, &name):
		return no("the certificate is not for %s", host)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return no("%s does not speak TLS", host)
	case refused(err):
		return no("%s refuses the connection", host)
	}
	return nil
}

// cutOff explains failures of a request that may have been received; nil: it is none of them.
func (c *Client) cutOff(req *http.Request, err error) *Error {
	title, host := c.Definition.Title, req.URL.Host
	var address *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &address) && address.Timeout():
		return &Error{Fail: fail.New(fail.Unavailable, "%s did not answer in time (%s)", title, host)}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, wsaConnReset),
		// net/http has no name for a peer that closes before the request is written.
		strings.Contains(err.Error(), "server closed idle connection"):
		return &Error{Fail: fail.New(fail.Unavailable, "%s closed the connection without an answer (%s)", title, host)}
	case errors.Is(err, context.Canceled):
		return &Error{Fail: fail.New(fail.Interrupted, "interrupted")}
	}
	return nil
}
