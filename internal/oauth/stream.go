package oauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

// outgoing is a body that is being sent. What the other side takes is a sign of life.
type outgoing struct {
	io.ReadCloser
	timer *timer
}

func (o *outgoing) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if n > 0 {
		o.timer.more()
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

type incoming struct {
	ctx   context.Context
	from  io.ReadCloser
	title string
	timer *timer
	end   func()
	n     int64
	// complete is called when the body has ended, and the trailers are there.
	complete func()
}

func (i *incoming) Read(p []byte) (int, error) {
	n, err := i.from.Read(p)
	i.n += int64(n)
	i.timer.more()
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		i.complete()
		return n, err
	}
	cause := context.Cause(i.ctx)
	switch {
	case errors.Is(cause, context.Canceled):
		return n, fail.New(fail.Interrupted, "interrupted")
	case errors.Is(cause, context.DeadlineExceeded):
		err = cause
	}
	return n, fail.New(fail.Unavailable, "the answer of %s broke off after %d bytes", i.title, i.n).Because(err)
}

func (i *incoming) Close() error {
	i.end()
	return i.from.Close()
}

// timer ends a request that makes no progress.
type timer struct {
	mu   sync.Mutex
	wait time.Duration // 0: no bound
	t    *time.Timer
}

func newTimer(wait time.Duration, end func()) *timer {
	t := &timer{t: time.AfterFunc(time.Hour, end)}
	t.restart(wait)
	return t
}

// restart sets another bound, counted from now.
func (t *timer) restart(wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wait = wait
	t.t.Stop()
	if wait > 0 {
		t.t.Reset(wait)
	}
}

// more is called for each sign of progress.
func (t *timer) more() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wait > 0 {
		t.t.Reset(t.wait)
	}
}

func (t *timer) stop() { t.restart(0) }

// KeepAlive keeps connections for further requests. It is for requests that may be sent twice.
func (c *Client) KeepAlive() {
	if t, ok := c.HTTP.Transport.(*http.Transport); ok {
		t = t.Clone()
		t.DisableKeepAlives = false
		t.MaxIdleConnsPerHost = 64
		c.HTTP = &http.Client{Transport: t, CheckRedirect: c.HTTP.CheckRedirect}
	}
}

// Unchanged leaves answers packed as they arrive, and asks for no packing of its own.
func (c *Client) Unchanged() {
	if t, ok := c.HTTP.Transport.(*http.Transport); ok {
		t.DisableCompression = true
	}
}

// SetParam gives a parameter of a query, or of a form, its only value and leaves the others as they were
// written.
func SetParam(query, name, value string) string {
	pair := url.QueryEscape(name) + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	if rest := removeParam(query, name); rest != "" {
		return rest + "&" + pair
	}
	return pair
}

func removeParam(query, name string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(query, "&"), func(pair string) bool {
		key, _, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		return pair == "" || err == nil && key == name
	}), "&")
}

// NamesToken reports whether a query has the parameter in which the provider takes the token.
func (c *Client) NamesToken(query string) bool {
	values, _ := url.ParseQuery(query)
	return c.Presentation.QueryParam() != "" && values.Has(c.Presentation.QueryParam())
}
