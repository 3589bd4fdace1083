// Package apiclient sends requests to a provider's API: single ones, pages of a list, GraphQL queries, and
// the requests that tell whose token it is.
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/redact"
)

const (
	maxKept  = 8 << 20 // bytes of an answer that are searched for errors and the next page
	maxText  = 240     // characters of a provider's words that are quoted
	waitTime = 30 * time.Second
	idleTime = 60 * time.Second
)

// Client sends requests with the token of one login. It is safe for concurrent use.
type Client struct {
	provider  *oauth.Client
	transport *oauth.Transport
	// Explain adds what the user can do about a token that is not accepted; nil: nothing.
	Explain func(*fail.Error)
}

// New returns a client for the API of a provider.
func New(provider *oauth.Client, tokens oauth.Tokens) *Client {
	return &Client{
		provider:  provider,
		transport: &oauth.Transport{Client: provider, Tokens: tokens, Retry: true, Wait: waitTime, Idle: idleTime},
	}
}

// Request is a request to the API.
type Request struct {
	Path   string // a URL reference (RFC 3986), resolved against the definition's API address
	Method string
	Header http.Header
	Body   *Body // nil: none
	// Query is a GraphQL query, with its Variables; there is no other body then.
	Query     string
	Variables map[string]json.RawMessage
	Follow    bool // follow redirects, to another host without the token
	Paginate  bool // request the following pages too
}

// Body is the body of a request.
type Body struct {
	Open func() (io.ReadCloser, error) // called each time it is sent
	Size int64                         // -1: unknown
	Once bool                          // it can be opened only once
	Text []byte                        // all of it, if it is in memory
}

// TextBody returns a body that is in memory.
func TextBody(text []byte) *Body {
	return &Body{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
		Size: int64(len(text)),
		Text: text,
	}
}

// Answer is the answer to a request. Its body is passed on as it arrives.
type Answer struct {
	Status int
	Line   string      // such as "HTTP/1.1 200 OK"
	Header http.Header // with the token masked
	Body   io.Reader

	resp    *http.Response
	call    *call
	url     *url.URL     // without the token
	own     bool         // it came from the API, which was shown the token
	failed  *oauth.Error // by the status; nil for a success
	kept    *kept        // nil: the body is not searched
	stopped error        // why a redirect was not followed
	refused error        // why the token could not be refreshed after it was refused
}

// Do sends a request and passes each answer to take, which reads its body to the end. An error in the request
// itself is found before anything is sent. If the answer is no success, take gets it before Do returns the
// failure.
func (c *Client) Do(ctx context.Context, r Request, take func(*Answer) error) error {
	next, err := c.call(r)
	if err != nil {
		return err
	}
	if r.Paginate {
		c.provider.KeepAlive()
		defer c.provider.HTTP.CloseIdleConnections()
	}
	for seen := make(map[string]bool); next != nil; {
		answer, err := c.send(ctx, next)
		if err != nil {
			return err
		}
		err = take(answer)
		_ = answer.resp.Body.Close()
		failure := c.failure(answer)
		if err != nil && (failure == nil || fail.Is(err, fail.Interrupted)) {
			return err
		}
		if failure != nil { // it matters more than that it could not be printed
			return failure
		}
		if !r.Paginate {
			return nil
		}
		seen[next.key()] = true
		if next, err = c.nextPage(answer); err != nil {
			return err
		}
		if next != nil && seen[next.key()] {
			return fail.New(fail.Unavailable, "%s names a next page that was already read", c.title())
		}
	}
	return nil
}

func (c *Client) title() string { return c.provider.Definition.Title }

// call is one HTTP request, without the token.
type call struct {
	method string
	url    *url.URL
	header http.Header
	body   *Body
	follow bool
	pages  bool
	own    bool // it goes to the API, with the token
}

// call makes the first call of a request.
func (c *Client) call(r Request) (*call, error) {
	if r.Paginate && r.Query != "" {
		return nil, fail.New(fail.Usage, "a GraphQL query chooses its page itself").Advise(fail.DoPageByVariable)
	}
	u, err := c.provider.APIURL(r.Path)
	if err != nil {
		return nil, err
	}
	if c.provider.NamesToken(u.RawQuery) {
		return nil, fail.New(fail.Usage, "the address contains a token; tokencli adds its own")
	}
	first := &call{method: r.Method, url: u, header: r.Header.Clone(), body: r.Body, follow: r.Follow, own: true}
	if first.header == nil {
		first.header = make(http.Header)
	}
	if r.Query != "" {
		if !c.provider.Definition.API.GraphQL {
			return nil, fail.New(fail.Usage, "the API of %s takes no GraphQL query", c.title()).Advise(fail.DoRequestPath, c.provider.Definition.Name)
		}
		envelope := map[string]any{"query": r.Query}
		if len(r.Variables) > 0 {
			envelope["variables"] = r.Variables
		}
		text, err := json.Marshal(envelope)
		if err != nil {
			return nil, fail.New(fail.Usage, "a variable of the query is not JSON: %w", err)
		}
		first.method, first.body = http.MethodPost, TextBody(text)
		first.header.Set("Content-Type", "application/json")
	}
	if r.Paginate {
		return c.firstPage(first)
	}
	return first, nil
}

func (h *call) request(ctx context.Context) (*http.Request, error) {
	req := (&http.Request{Method: h.method, URL: h.url, Host: h.url.Host, Header: h.header.Clone()}).WithContext(ctx)
	if h.body == nil {
		return req, nil
	}
	if req.ContentLength = h.body.Size; h.body.Size == 0 {
		req.Body = http.NoBody
		return req, nil
	}
	var err error
	if req.Body, err = h.body.Open(); err != nil {
		return nil, fail.New(fail.Usage, "could not read the data: %w", err)
	}
	if !h.body.Once {
		req.GetBody = h.body.Open
	}
	return req, nil
}

// send sends a call, follows its redirects and returns the answer as soon as it begins.
func (c *Client) send(ctx context.Context, h *call) (*Answer, error) {
	for followed := 0; ; followed++ {
		req, err := h.request(ctx)
		if err != nil {
			return nil, err
		}
		via := c.transport.RoundTrip
		if !h.own {
			via = c.transport.Elsewhere
		}
		resp, err := via(req)
		var refused *oauth.RefusedError
		if errors.As(err, &refused) {
			resp, err = refused.Answer, nil
		}
		if err != nil {
			return nil, err
		}
		var stopped error
		if h.follow && redirects(resp) {
			next, err := c.follow(h, resp, followed)
			if err == nil {
				_ = resp.Body.Close()
				h = next
				continue
			}
			stopped = err
		}
		answer := c.answer(h, resp)
		answer.stopped = stopped
		if refused != nil {
			answer.refused = refused.Err
		}
		return answer, nil
	}
}

func (c *Client) answer(h *call, resp *http.Response) *Answer {
	failed := c.provider.APIFailure(resp, h.own, "") // before the body is read
	a := &Answer{
		Status: resp.StatusCode,
		Line:   redact.Scrub(resp.Proto+" "+resp.Status, maxText),
		Header: make(http.Header, len(resp.Header)),
		Body:   resp.Body,
		resp:   resp, call: h, url: h.url, own: h.own, failed: failed,
	}
	for name, values := range resp.Header {
		for _, value := range values {
			a.Header.Add(redact.Printable(name), redact.Printable(value))
		}
	}
	definition := c.provider.Definition.API
	good := resp.StatusCode >= 200 && resp.StatusCode <= 299
	byLink := h.pages && definition.Paginate.Link
	if good && (h.pages && !byLink || len(definition.Errors) > 0 && h.own) {
		a.kept = &kept{}
		a.Body = io.TeeReader(resp.Body, a.kept)
	}
	return a
}

// failure says what an answer whose body was read means for the caller, nil for a success.
func (c *Client) failure(a *Answer) error {
	if a.stopped != nil {
		return a.stopped
	}
	if e := a.failed; e != nil {
		switch {
		case a.refused != nil:
			return a.refused
		case e.Fail.Kind == fail.LoginNeeded && c.Explain != nil:
			c.Explain(e.Fail)
		case a.Status < 400 && !a.call.follow:
			e.Fail.Advise(fail.DoFollowRedirect)
		}
		return e
	}
	return c.errorsInside(a)
}

// errorsInside returns the errors in the body of a success, as GraphQL reports them.
func (c *Client) errorsInside(a *Answer) error {
	if a.kept == nil || !a.own {
		return nil
	}
	body, ok := a.kept.json()
	if !ok {
		return nil
	}
	for _, path := range c.provider.Definition.API.Errors {
		if v := errorAt(body, path); v != nil {
			return &oauth.Error{Status: a.Status, Fail: fail.New(fail.Refused, "%s reports errors: %s", c.title(), quote(a.resp, v))}
		}
	}
	return nil
}

// quote returns a value as JSON that is fit to be printed.
func quote(resp *http.Response, v any) string {
	text, _ := json.Marshal(v)
	return oauth.Scrub(resp, string(text), maxText)
}

// errorAt returns the first value at a path that reports an error; nil: there is none.
func errorAt(body any, path string) (found any) {
	oauth.Walk(body, path, func(v any) {
		empty := v == nil || v == false || v == ""
		switch v := v.(type) {
		case []any:
			empty = len(v) == 0
		case map[string]any:
			empty = len(v) == 0
		}
		if found == nil && !empty {
			found = v
		}
	})
	return found
}

// kept is a bounded copy of a body.
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
	if k.over {
		return nil, false
	}
	v, err := oauth.Decode(k.Bytes())
	return v, err == nil
}

// carries reports whether a header of the user's is sent on to where a redirect leads. Another host gets only
// headers that hold no secret by their nature: an X-Api-Key is for the API.
func carries(name string, own, body bool) bool {
	if strings.HasPrefix(name, "Content-") {
		return body
	}
	return own || slices.Contains([]string{
		"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "If-Range", "Range", "User-Agent",
	}, name)
}
