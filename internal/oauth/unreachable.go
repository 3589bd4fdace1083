package oauth

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

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
			return c.badAnswer(req, "%s did not answer in HTTP%s")
		}
	}
	if strings.Contains(strings.ToLower(text), "proxy") { // the text may quote the setting
		return &Error{Fail: c.notReached("the proxy does not work").Advise(fail.DoCheckProxy)}
	}
	f := c.notReached("%s", redact.Scrub(text, maxText, secrets...)).Because(cause)
	var op *net.OpError
	return &Error{Fail: f, Unspent: errors.As(err, &op) && op.Op == "dial"}
}

// notSent explains failures before the request was sent; nil: it is none of them.
func (c *Client) notSent(req *http.Request, err error) *Error {
	var (
		settings *fail.Error
		proxy    *proxyRefusal
		op       *net.OpError
	)
	switch {
	case errors.As(err, &settings):
		copied := *settings // unreachable sets the cause
		return &Error{Fail: &copied, Unspent: true}
	case errors.As(err, &proxy):
		return &Error{Unspent: true, Fail: c.notReached("%w", proxy).Advise(fail.DoCheckProxy)}
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return &Error{Unspent: true, Fail: c.notReached("the proxy %s does not answer", c.proxyOf(req)).Advise(fail.DoCheckProxy)}
	}
	why := fail.Unreached(req.URL.Host, err)
	switch {
	case why == nil:
		return nil
	case c.Definition.Title == req.URL.Host: // which is in the words of why
		return &Error{Fail: why, Unspent: true}
	}
	f := c.notReached("%w", why)
	f.Do, f.About = why.Do, why.About
	return &Error{Fail: f, Unspent: true}
}

func (c *Client) notReached(format string, args ...any) *fail.Error {
	return fail.New(fail.Unavailable, "%s cannot be reached: "+format, append([]any{c.Definition.Title}, args...)...)
}

// cutOff explains failures of a request that may have been received; nil: it is none of them.
func (c *Client) cutOff(req *http.Request, err error) *Error {
	var address *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &address) && address.Timeout():
		return c.badAnswer(req, "%s did not answer in time%s")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), fail.ConnectionReset(err),
		// net/http has no name for a peer that closes before the request is written.
		strings.Contains(err.Error(), "server closed idle connection"):
		return c.badAnswer(req, "%s closed the connection without an answer%s")
	case errors.Is(err, context.Canceled):
		return &Error{Fail: fail.New(fail.Interrupted, "interrupted")}
	}
	return nil
}

// badAnswer is a failure that format describes, with the provider and the host in it. A proxy on the way may have
// caused it.
func (c *Client) badAnswer(req *http.Request, format string) *Error {
	title, host := c.Definition.Title, req.URL.Host
	proxy := c.proxyOf(req)
	at := " (" + host + ")"
	switch {
	case proxy != "":
		at = " (" + host + " through the proxy " + proxy + ")"
	case title == host:
		at = ""
	}
	f := fail.New(fail.Unavailable, format, title, at)
	if proxy != "" {
		f.Advise(fail.DoCheckProxy)
	}
	return &Error{Fail: f}
}

// proxyOf returns the host and port of the proxy for a request; "": there is none.
func (c *Client) proxyOf(req *http.Request) string {
	t, ok := c.HTTP.Transport.(*http.Transport)
	if !ok || t.Proxy == nil {
		return ""
	}
	proxy, err := t.Proxy(req)
	if err != nil || proxy == nil {
		return ""
	}
	return redact.Scrub(proxy.Host, 200)
}
