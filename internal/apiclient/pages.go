package apiclient

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
)

const form = "application/x-www-form-urlencoded"

// firstPage returns the call for the first page of a list.
func (c *Client) firstPage(h *call) (*call, error) {
	p := c.provider.Definition.API.Paginate
	if p == nil {
		return nil, fail.New(fail.Usage, "the definition of %s does not say how to find the next page", c.provider.Definition.Name).
			Advise(fail.DoRequestPages)
	}
	first := *h
	first.pages = true
	if p.InForm && h.body == nil && h.method == http.MethodGet {
		// The API takes no numbers of pages in the query: a request without data becomes an empty form.
		first.method, first.body = http.MethodPost, TextBody([]byte{})
		first.header.Set("Content-Type", form)
		h = &first
	}
	switch {
	case h.body == nil && h.method == http.MethodGet:
	case p.Size != "" && h.inForm() && h.method == http.MethodPost: // the numbers are parameters of the form
	default:
		return nil, fail.New(fail.Usage, "%s has pages only for a GET without data, or for the POST of a short form if it counts them", c.title())
	}
	if p.Size != "" && param(first.params(), p.Size) == "" {
		return first.with(p.Size, strconv.Itoa(p.Max)), nil
	}
	return &first, nil
}

// nextPage returns the call for the page after an answer that was read to its end; nil after the last.
func (c *Client) nextPage(a *Answer) (*call, error) {
	p, h := c.provider.Definition.API.Paginate, a.call
	if !a.own {
		return nil, fail.New(fail.Unavailable, "the page came from another host (%s), so there is no next one to request", a.url.Host)
	}
	if p.Link {
		return c.linked(a, linkTo(a.resp.Header.Values("Link"), "next"))
	}
	body, ok := a.kept.json()
	switch {
	case a.kept.over:
		return nil, fail.New(fail.Unavailable, "a page of %s is larger than %d MiB, so the next one cannot be found", c.title(), maxKept>>20).
			Advise(fail.DoRequestSmallerPages)
	case !ok:
		return nil, fail.New(fail.Unavailable, "a page of %s is not JSON, so the next one cannot be found", c.title())
	case p.Next != "":
		next, _ := oauth.At(body, p.Next).(string)
		return c.linked(a, next)
	}
	items, ok := oauth.At(body, p.Items).([]any)
	if !ok {
		return nil, nil // not a list, so this was all
	}
	size := p.Max
	if asked, err := strconv.Atoi(param(h.params(), p.Size)); err == nil && asked > 0 {
		size = min(size, asked)
	}
	if len(items) < size {
		return nil, nil
	}
	name, start, step := p.Offset, 0, len(items)
	if p.Page != "" {
		name, start, step = p.Page, p.First, 1
	}
	if given := param(h.params(), name); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil {
			return nil, fail.New(fail.Usage, "%s is not a number, so the next page cannot be requested", name)
		}
		start = n
	}
	return h.with(name, strconv.Itoa(start+step)), nil
}

// linked returns the call for an address that the provider gave; nil for none.
func (c *Client) linked(a *Answer, address string) (*call, error) {
	if address == "" {
		return nil, nil
	}
	u, err := c.provider.NextPage(a.url, address)
	if err != nil {
		return nil, err
	}
	next := *a.call
	next.url = u
	return &next, nil
}

// key is the same for two calls that request the same page.
func (h *call) key() string { return h.url.String() + " " + h.params() }

func (h *call) inForm() bool {
	media, _, _ := strings.Cut(h.header.Get("Content-Type"), ";")
	return h.body != nil && h.body.Text != nil && strings.EqualFold(strings.TrimSpace(media), form)
}

// params returns the parameters of a call as they are written, in its form or in its query.
func (h *call) params() string {
	if h.inForm() {
		return string(h.body.Text)
	}
	return h.url.RawQuery
}

// with returns the call with another value of a parameter.
func (h *call) with(name, value string) *call {
	changed := *h
	if h.inForm() {
		changed.body = TextBody([]byte(oauth.SetParam(h.params(), name, value)))
		return &changed
	}
	u := *h.url
	u.RawQuery = oauth.SetParam(u.RawQuery, name, value)
	changed.url = &u
	return &changed
}

func param(query, name string) string {
	values, _ := url.ParseQuery(query)
	return values.Get(name)
}
