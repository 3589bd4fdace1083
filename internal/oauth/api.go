package oauth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

const (
	// maxKept is how much of an answer is kept beside being handed on, where something is to be read in it.
	maxKept = 8 << 20
	// maxPeek is how much of a 401 is read to find out what it is about.
	maxPeek = 64 << 10
)

// Call is one request to the provider's API, before the token is put into it.
type Call struct {
	Method string
	URL    *url.URL // from Definition.Resolve
	Header http.Header
	Body   *Body // nil: none
	// Follow follows redirects, with the token only as long as they stay on the API's origin.
	Follow bool
	// Wait bounds the time until the answer begins, or since the last piece of the body was sent. 0: 30 s.
	Wait time.Duration

	pages bool // the answer is a page of a list, see Paged
}

// Body is what a call sends along.
type Body struct {
	Open func() (io.ReadCloser, error) // once for every time it is sent
	Size int64                         // -1: not known
	Once bool                          // it can be opened once only
	Text []byte                        // all of it, where it is in memory
}

// TextBody returns a body that is in memory.
func TextBody(text []byte) *Body {
	return &Body{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
		Size: int64(len(text)),
		Text: text,
	}
}

// Response is the answer to a call. Its body is handed on as it arrives.
type Response struct {
	Status int
	Line   string      // such as "HTTP/1.1 200 OK"
	Header http.Header // with the token masked
	Size   int64       // of the body; -1: not known
	Body   io.Reader

	client  *Client
	call    *Call
	url     *url.URL // where the answer came from, without the token
	own     bool     // that is the API, and it was shown the token
	lacks   bool     // a 401 that speaks of a missing permission
	failure *Error   // decided before the body was read
	kept    *kept    // nil: nothing is read in the body
	next    string   // the Link header's next page
	after   time.Duration
	secrets []string
	close   func()
}

// Close ends the request. It must be called.
func (r *Response) Close() { r.close() }

// Expired reports whether the API does not accept the token, for no other reason that it would name.
func (r *Response) Expired() bool {
	return r.Status == http.StatusUnauthorized && r.own && !r.lacks && r.failure == nil
}

// Call sends one request and returns its answer, whatever its status, as soon as it begins. An error
// means that there is none. A GET without a body is tried again within the bounds of all traffic.
func (c *Client) Call(ctx context.Context, call *Call, token string) (*Response, error) {
	wait := call.Wait
	if wait == 0 {
		wait = totalTime
	}
	bound, cancel := context.WithCancelCause(ctx)
	patience := newPatience(wait, func() { cancel(context.DeadlineExceeded) })
	finish := func() { patience.stop(); cancel(nil) }
	h := &hop{method: call.Method, url: call.URL, header: call.Header, body: call.Body, own: true}
	for n := 0; ; n++ {
		resp, err := c.take(ctx, bound, h, token, patience) //nolint:bodyclose // Response.Close closes it
		if err != nil {
			finish()
			return nil, err
		}
		var refused *Error
		if call.Follow && redirects(resp) {
			next, err := c.follow(h, resp, token, n)
			if err == nil {
				drop(resp)
				h = next
				continue
			}
			refused = err
		}
		r := c.response(bound, call, h, resp, token)
		r.failure = refused
		r.close = func() { finish(); _ = resp.Body.Close() }
		if r.Status == http.StatusUnauthorized && r.own {
			peeked := bufio.NewReaderSize(r.Body, maxPeek)
			start, _ := peeked.Peek(maxPeek) // what went wrong is read again with the body
			missing := c.Definition.API.MissingScope
			r.lacks = missing != "" && bytes.Contains(start, []byte(missing))
			r.Body = peeked
		}
		patience.stop()
		return r, nil
	}
}

// response makes the answer of what came back.
func (c *Client) response(ctx context.Context, call *Call, h *hop, resp *http.Response, token string) *Response {
	r := &Response{
		Status: resp.StatusCode,
		Line:   redact.Scrub(resp.Proto+" "+resp.Status, maxText, token),
		Header: make(http.Header, len(resp.Header)),
		Size:   resp.ContentLength,
		client: c, call: call, url: h.url, own: h.own, secrets: []string{token},
	}
	for name, values := range resp.Header {
		for _, value := range values {
			r.Header.Add(redact.Printable(name), redact.Printable(masked(value, token)))
		}
	}
	r.after, _ = c.retryAfter(&answer{header: resp.Header, asked: c.now()})
	body := &incoming{ctx: ctx, from: resp.Body, title: r.title()}
	r.Body = body
	good := resp.StatusCode >= 200 && resp.StatusCode <= 299
	if p := c.Definition.API.Paginate; call.pages && p.Link {
		r.next = linkTo(resp.Header.Values("Link"), "next")
	} else if good && (call.pages || len(c.Definition.API.Errors) > 0 && h.own) {
		r.kept = &kept{}
		r.Body = io.TeeReader(body, r.kept)
	}
	return r
}

// masked returns a text from outside without the token, in whatever spelling it is there.
func masked(text, token string) string {
	if text = redact.Secrets(text, token); holds(text, token) {
		return redact.Mask
	}
	return text
}

// title names whoever answered.
func (r *Response) title() string {
	if r.own {
		return r.client.Definition.Title
	}
	return r.url.Host
}

// Failure says what the answer means for the caller, nil for a success. It is to be asked when the body
// was read to its end, because there are providers that report errors with status 200.
func (r *Response) Failure() error {
	if e := r.judge(); e != nil {
		e.Status = r.Status
		return e
	}
	return nil
}

func (r *Response) judge() *Error {
	status := fmt.Sprintf("status %d", r.Status)
	if text := http.StatusText(r.Status); text != "" {
		status += " " + text
	}
	title := r.title()
	switch {
	case r.failure != nil:
		return r.failure
	case r.Status >= 200 && r.Status <= 299:
		return r.errorsInside()
	case r.Status == http.StatusNotModified: // the answer to a condition that the user set
		return nil
	case r.Status < 400:
		e := fail.New(fail.Unavailable, "%s answered with a redirect (%s)", title, status)
		if !r.call.Follow {
			e.Hint = "-L follows it; to another host without the token"
		}
		return &Error{Fail: e}
	case r.lacks:
		return &Error{Fail: fail.New(fail.Refused, "the token lacks a permission at %s (%s)", title, status)}
	case r.Status == http.StatusUnauthorized && r.own:
		return &Error{Fail: fail.New(fail.LoginNeeded, "%s does not accept the token (%s)", title, status)}
	case r.Status == http.StatusTooManyRequests || r.Status >= 500:
		e := fail.New(fail.Unavailable, "%s asks to retry later (%s)", title, status)
		if r.after > 0 {
			e.Hint = "try again in " + r.after.Round(time.Second).String()
		}
		return &Error{Fail: e}
	}
	return &Error{Fail: fail.New(fail.Refused, "%s refused (%s)", title, status)}
}

// errorsInside looks for errors in the body of a success.
func (r *Response) errorsInside() *Error {
	if r.kept == nil || !r.own {
		return nil
	}
	body, ok := r.kept.json()
	if !ok {
		return nil
	}
	for _, path := range r.client.Definition.API.Errors {
		if v := errorAt(body, strings.Split(path, ".")); v != nil {
			text, _ := json.Marshal(v)
			return &Error{Fail: fail.New(fail.Refused, "%s reports errors: %s", r.title(),
				redact.Scrub(string(text), maxText, r.secrets...))}
		}
	}
	return nil
}

// errorAt returns what stands at a path, where `*` is every field; nil where that is nothing to speak of.
func errorAt(v any, path []string) any {
	if len(path) == 0 {
		switch v := v.(type) {
		case nil:
			return nil
		case bool:
			if !v {
				return nil
			}
		case string:
			if v == "" {
				return nil
			}
		case []any:
			if len(v) == 0 {
				return nil
			}
		case map[string]any:
			if len(v) == 0 {
				return nil
			}
		}
		return v
	}
	fields, _ := v.(map[string]any)
	if path[0] != "*" {
		return errorAt(fields[path[0]], path[1:])
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if found := errorAt(fields[name], path[1:]); found != nil {
			return found
		}
	}
	return nil
}

// kept is a bounded copy of what went by.
type kept struct {
	bytes.Buffer
	over bool
}

func (k *kept) Write(p []byte) (int, error) {
	if k.over || k.Len()+len(p) > maxKept {
		k.over = true
		k.Buffer = bytes.Buffer{}
		return len(p), nil
	}
	return k.Buffer.Write(p)
}

func (k *kept) json() (any, bool) {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(k.Bytes(), []byte("\xef\xbb\xbf"))))
	decoder.UseNumber()
	var v any
	if k.over || decoder.Decode(&v) != nil {
		return nil, false
	}
	return v, true
}

// take sends one request of a call; bound is ctx with an end.
func (c *Client) take(ctx, bound context.Context, h *hop, token string, patience *patience) (*http.Response, error) {
	var resp *http.Response
	once := func() (*answer, error) {
		if resp != nil {
			drop(resp)
			resp = nil
		}
		req, err := c.request(bound, h, token, patience)
		if err != nil {
			return nil, err
		}
		if err := provider.CheckURL(h.url.String()); err != nil {
			return nil, &Error{Fail: fail.New(fail.Usage, "%s: %w", c.Definition.Name, err), Unspent: true}
		}
		asked := c.now()
		// The transport itself, not the client around it: that one would read Location, and quote it.
		got, err := c.HTTP.Transport.RoundTrip(req) //nolint:bodyclose // as above
		if err != nil {
			if errors.As(err, new(*unreadableBody)) {
				return nil, err
			}
			if cause := context.Cause(bound); cause != nil {
				err = cause
			}
			return nil, c.unreachable(req, &url.Error{Op: h.method, Err: err}, []string{token})
		}
		resp = got
		return &answer{status: got.StatusCode, header: got.Header, asked: asked}, nil
	}
	var err error
	if h.body == nil && (h.method == http.MethodGet || h.method == http.MethodHead) {
		_, err = c.try(ctx, bound, once)
	} else {
		_, err = once()
	}
	var body *unreadableBody
	switch {
	case err == nil:
		return resp, nil
	case resp != nil:
		drop(resp)
	case errors.As(err, &body):
		return nil, fail.New(fail.Usage, "the data cannot be read: %w", body.err)
	}
	return nil, err
}

// drop gives a response back, with its connection where little is left to be read.
func drop(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

// KeepAlive keeps connections for further calls, where a GET that is sent again does no harm.
func (c *Client) KeepAlive() {
	if t, ok := c.HTTP.Transport.(*http.Transport); ok {
		t = t.Clone()
		t.DisableKeepAlives = false
		c.HTTP.Transport = t
	}
}

// hop is one request of a call: the first, or one to which a redirect led.
type hop struct {
	method string
	url    *url.URL
	header http.Header
	body   *Body
	own    bool // the token may be shown
}

func (c *Client) request(ctx context.Context, h *hop, token string, patience *patience) (*http.Request, error) {
	u := *h.url
	req := (&http.Request{Method: h.method, URL: &u, Host: u.Host, Header: make(http.Header)}).WithContext(ctx)
	c.dress(req)
	req.Header.Set("Accept", "application/json, */*;q=0.5")
	for name, values := range h.header {
		req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if h.own {
		if param := c.Definition.API.QueryParam; param != "" {
			u.RawQuery = setParam(u.RawQuery, param, token)
		} else {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	if h.body == nil {
		return req, nil
	}
	if req.ContentLength = h.body.Size; h.body.Size == 0 {
		req.Body = http.NoBody
		return req, nil
	}
	open := func() (io.ReadCloser, error) {
		from, err := h.body.Open()
		if err != nil {
			return nil, &unreadableBody{err}
		}
		return &outgoing{ReadCloser: from, patience: patience}, nil
	}
	if !h.body.Once {
		req.GetBody = open // for a connection that turns out dead before anything was read
	}
	var err error
	req.Body, err = open()
	return req, err
}

// setParam gives a parameter of a query, or of a form, its only value and leaves the others as they were
// written.
func setParam(query, name, value string) string {
	pairs := slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		key, _, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		return pair == "" || err == nil && key == name
	})
	return strings.Join(append(pairs, url.QueryEscape(name)+"="+strings.ReplaceAll(url.QueryEscape(value), "+", "%20")), "&")
}

// param returns a parameter of a query or of a form.
func param(query, name string) string {
	values, _ := url.ParseQuery(query)
	return values.Get(name)
}

// NamesToken reports whether a query holds the parameter in which the provider takes the token.
func (c *Client) NamesToken(query string) bool {
	values, _ := url.ParseQuery(query)
	return c.Definition.API.QueryParam != "" && values.Has(c.Definition.API.QueryParam)
}

// outgoing is a body on its way out. What the other side takes is a sign of life.
type outgoing struct {
	io.ReadCloser
	patience *patience
}

func (o *outgoing) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if n > 0 {
		o.patience.more()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = &unreadableBody{err}
	}
	return n, err
}

// unreadableBody is a failure to read what was to be sent.
type unreadableBody struct{ err error }

func (e *unreadableBody) Error() string { return e.err.Error() }
func (e *unreadableBody) Unwrap() error { return e.err }

// incoming is a body on its way in.
type incoming struct {
	ctx   context.Context
	from  io.Reader
	title string
	n     int64
}

func (i *incoming) Read(p []byte) (int, error) {
	n, err := i.from.Read(p)
	i.n += int64(n)
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, err
	}
	if errors.Is(context.Cause(i.ctx), context.Canceled) {
		return n, fail.New(fail.Interrupted, "interrupted")
	}
	e := fail.New(fail.Unavailable, "the answer of %s broke off after %d bytes", i.title, i.n)
	e.Err = err
	return n, e
}

// patience ends a request that makes no progress.
type patience struct {
	wait  time.Duration
	timer *time.Timer
	over  atomic.Bool
}

func newPatience(wait time.Duration, end func()) *patience {
	p := &patience{wait: wait}
	p.timer = time.AfterFunc(wait, func() {
		if !p.over.Load() {
			end()
		}
	})
	return p
}

func (p *patience) more() {
	if !p.over.Load() {
		p.timer.Reset(p.wait)
	}
}

func (p *patience) stop() {
	p.over.Store(true)
	p.timer.Stop()
}
