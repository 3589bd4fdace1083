package oauth

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// Tokens is where a Transport gets the access tokens of one login. It is safe for concurrent use.
type Tokens interface {
	// Token returns the access token, refreshed if it has expired.
	Token(context.Context) (string, error)
	// Replace returns another token after an API refused this one. It returns ErrNoOther if the refusal has
	// to be accepted, because the token cannot be refreshed or was refreshed just now.
	Replace(ctx context.Context, refused string) (string, error)
}

// ErrNoOther is returned by Tokens.Replace.
var ErrNoOther = errors.New("there is no other token")

// OneToken is the Tokens of a login of which only an access token is at hand.
type OneToken string

// Token returns the token.
func (t OneToken) Token(context.Context) (string, error) { return string(t), nil }

// Replace returns ErrNoOther.
func (t OneToken) Replace(context.Context, string) (string, error) { return "", ErrNoOther }

// RefusedError is returned by Transport.RoundTrip if the API refused the token and refreshing it failed.
type RefusedError struct {
	Answer *http.Response // the refusal; its body has to be closed
	Err    error          // why there is no other token
}

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// maxRepeat is the size of the largest body that is sent again with another token.
const maxRepeat = 1 << 20

// Transport is an http.RoundTripper for requests to the API of one login. It presents the token the
// provider's way, sends it only to the origins of the login, and refreshes it once if the API says that it
// has expired. Answers stream. Their headers do not contain the token. Errors are *Error, or *RefusedError.
type Transport struct {
	Client *Client
	Tokens Tokens
	// Retry repeats a GET or HEAD without a body within the bounds of all traffic.
	Retry bool
	// Wait bounds the time until the answer begins, or since the last piece of the body was sent. Idle bounds
	// the time between two pieces of the answer. 0: no bound.
	Wait, Idle time.Duration

	masked masked
}

// RoundTrip sends a request. See http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.Client.ownAPI(req.URL) {
		return nil, t.Client.notSentTo(req.URL)
	}
	token, err := t.Tokens.Token(req.Context())
	if err != nil {
		return nil, err
	}
	resp, err := t.send(req, token)
	if err != nil || t.Client.judgeAPI(resp) != isDead {
		return resp, err
	}
	again := repeated(req)
	if again == nil {
		return resp, nil
	}
	other, err := t.Tokens.Replace(req.Context(), token)
	if err == nil && other != token {
		discard(resp)
		return t.send(again, other)
	}
	if again.Body != nil {
		_ = again.Body.Close()
	}
	if err != nil && !errors.Is(err, ErrNoOther) {
		return nil, &RefusedError{Answer: resp, Err: err}
	}
	return resp, nil
}

// repeated returns a copy of a request to send again, or nil if its body is large or gone.
func repeated(req *http.Request) *http.Request {
	again := req.Clone(req.Context())
	again.Trailer = req.Trailer
	switch {
	case req.Body == nil, req.Body == http.NoBody:
		return again
	case req.GetBody == nil, req.ContentLength > maxRepeat:
		return nil
	}
	var err error
	if again.Body, err = req.GetBody(); err != nil {
		return nil
	}
	return again
}

// Elsewhere sends a request to another origin, without the token and without a body.
func (t *Transport) Elsewhere(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		return nil, t.Client.notSentTo(req.URL)
	}
	return t.send(req, "")
}

func (c *Client) notSentTo(u *url.URL) *Error {
	return &Error{Unspent: true, Fail: fail.New(fail.Usage, "%s is not an address of %s's API; nothing was sent", redact.Scrub(provider.Origin(u), 80), c.Definition.Title)}
}

// ownAPI reports whether an address has the scheme, host and port of the API or of a whoami request.
func (c *Client) ownAPI(u *url.URL) bool {
	addresses := []string{c.Definition.API.URL}
	for _, probe := range c.Definition.WhoAmI {
		addresses = append(addresses, probe.URL)
	}
	for _, address := range addresses {
		if own, err := url.Parse(address); err == nil && own.Host != "" && provider.Origin(own) == provider.Origin(u) {
			return true
		}
	}
	return false
}

// send sends a request with a token; "": without one.
func (t *Transport) send(req *http.Request, token string) (*http.Response, error) {
	bound, cancel := context.WithCancelCause(withoutHints(req.Context()))
	timer := newTimer(t.Wait, func() { cancel(context.DeadlineExceeded) })
	var resp *http.Response
	once := func() (*answer, error) {
		if resp != nil {
			discard(resp)
			resp = nil
		}
		asked := t.Client.now()
		sent := t.dress(req.Clone(bound), token, timer)
		sent.Trailer = req.Trailer                     // it is filled in while the body is read
		got, err := t.Client.do(sent, []string{token}) //nolint:bodyclose // the caller closes it
		if err != nil {
			if cause := context.Cause(bound); cause != nil {
				err = cause
			}
			var body *unreadableBody
			if errors.As(err, &body) {
				return nil, fail.New(fail.Usage, "could not read the data: %w", body.err)
			}
			if errors.As(err, new(*fail.Error)) && fail.Is(err, fail.Usage) {
				return nil, err
			}
			return nil, t.Client.unreachable(req, err, []string{token})
		}
		resp = got
		return &answer{status: got.StatusCode, header: got.Header, asked: asked}, nil
	}
	var err error
	if t.Retry && req.Body == nil && (req.Method == http.MethodGet || req.Method == http.MethodHead) {
		_, err = t.Client.try(req.Context(), bound, once)
	} else {
		_, err = once()
	}
	if err != nil {
		if resp != nil {
			discard(resp)
		}
		timer.stop()
		cancel(nil)
		return nil, err
	}
	t.mask(resp, token)
	resp.Request = req.WithContext(context.WithValue(req.Context(), tokenKey{}, token))
	timer.restart(t.Idle)
	resp.Body = &incoming{
		ctx: bound, from: resp.Body, title: t.title(req), timer: timer, end: func() { timer.stop(); cancel(nil) },
		complete: func() { t.maskHeader(resp.Trailer, token) },
	}
	return resp, nil
}

// withoutHints takes the headers from the informational answers (RFC 9110 15.2) that the caller is told of: they may
// hold the token, and addresses of the API.
func withoutHints(ctx context.Context) context.Context {
	if trace := httptrace.ContextClientTrace(ctx); trace == nil || trace.Got1xxResponse == nil {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
		clear(header) // before the trace of the caller, which is called next, sees it
		return nil
	}})
}

func (t *Transport) title(req *http.Request) string {
	if t.Client.ownAPI(req.URL) {
		return t.Client.Definition.Title
	}
	return req.URL.Host
}

// dress completes a request: tokencli's own headers unless the caller set them, and the token.
func (t *Transport) dress(req *http.Request, token string, timer *timer) *http.Request {
	req.URL = new(*req.URL)
	for name, value := range map[string]string{"Accept": "application/json, */*;q=0.5", "User-Agent": cmp.Or(t.Client.UserAgent, "tokencli")} {
		if _, set := req.Header[name]; !set {
			req.Header.Set(name, value)
		}
	}
	if token != "" {
		t.Client.Presentation.Present(req, token)
	}
	wrap := func(body io.ReadCloser) io.ReadCloser { return &outgoing{ReadCloser: body, timer: timer} }
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = wrap(req.Body)
	}
	if open := req.GetBody; open != nil {
		req.GetBody = func() (io.ReadCloser, error) { // for a kept connection that turns out closed
			body, err := open()
			if err != nil {
				return nil, &unreadableBody{err}
			}
			return wrap(body), nil
		}
	}
	return req
}

// mask removes the token from the headers of an answer, in whatever spelling it was echoed.
func (t *Transport) mask(resp *http.Response, token string) {
	if token == "" {
		return
	}
	resp.Status = t.masked.clean(resp.Status, token)
	t.maskHeader(resp.Header, token)
	t.maskHeader(resp.Trailer, token)
}

func (t *Transport) maskHeader(header http.Header, token string) {
	if token == "" {
		return
	}
	for _, values := range header {
		for i := range values {
			values[i] = t.masked.clean(values[i], token)
		}
	}
}

// masked remembers what became of short texts, because most answers have the same headers as the one before.
type masked struct {
	mu    sync.Mutex
	token string
	texts map[string]string
}

const (
	maxMasked     = 128 // texts
	maxMaskedText = 256 // bytes of one
)

func (m *masked) clean(text, token string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.token != token || len(m.texts) >= maxMasked {
		m.token, m.texts = token, make(map[string]string)
	}
	if clean, ok := m.texts[text]; ok {
		return clean
	}
	clean := redact.Secrets(text, token)
	if holds(clean, token) {
		clean = redact.Mask
	}
	if len(text) <= maxMaskedText {
		m.texts[text] = clean
	}
	return clean
}

type tokenKey struct{}

// Scrub makes text from an answer fit to be printed, without the token that was presented for it. At most limit
// characters are kept.
func Scrub(resp *http.Response, text string, limit int) string {
	token, _ := resp.Request.Context().Value(tokenKey{}).(string)
	return redact.Scrub(text, limit, token)
}

// holds reports whether a text contains the token, however often it is percent-encoded.
func holds(text, token string) bool {
	for range 4 {
		if strings.Contains(text, token) || redact.Secrets(text, token) != text {
			return true
		}
		plain, err := url.PathUnescape(text)
		if err != nil || plain == text {
			return false
		}
		text = plain
	}
	return false
}

// discard closes a response, and keeps its connection if little of it is left to read.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}
