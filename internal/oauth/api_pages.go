package oauth

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
)

const form = "application/x-www-form-urlencoded"

// Paged returns the call for the first page of a list, where the definition says how there is a next one.
func (c *Client) Paged(call *Call) (*Call, error) {
	p := c.Definition.API.Paginate
	if p == nil {
		return nil, fail.New(fail.Usage, "how %s gives the next page is not known", c.Definition.Title).
			WithHint("ask for the pages one by one, as its documentation says")
	}
	first := *call
	first.pages = true
	switch {
	case call.Body == nil && call.Method == http.MethodGet:
	case p.Size == "":
		return nil, fail.New(fail.Usage, "only a GET without data has pages at %s", c.Definition.Title)
	case call.inForm() && call.Method == http.MethodPost: // the numbers go where the other parameters are
	default:
		return nil, fail.New(fail.Usage, "only a GET without data, or the POST of a short form, has pages at %s", c.Definition.Title)
	}
	if p.Size != "" && param(first.params(), p.Size) == "" {
		return first.with(p.Size, strconv.Itoa(p.Max)), nil
	}
	return &first, nil
}

// Next returns the call for the page after an answer that was read to its end; nil after the last.
func (c *Client) Next(r *Response) (*Call, error) {
	p, call := c.Definition.API.Paginate, r.call
	if !r.own {
		return nil, fail.New(fail.Unavailable, "the page came from another host (%s), so that there is no next one to be asked for", r.url.Host)
	}
	if p.Link {
		return c.onward(r, r.next)
	}
	body, ok := r.kept.json()
	switch {
	case r.kept.over:
		return nil, fail.New(fail.Unavailable, "a page of %s is larger than %d MiB, so that the next one cannot be found", c.Definition.Title, maxKept>>20).
			WithHint("ask for smaller pages")
	case !ok:
		return nil, fail.New(fail.Unavailable, "a page of %s is no JSON, so that the next one cannot be found", c.Definition.Title)
	case p.Next != "":
		next, _ := at(body, p.Next).(string)
		return c.onward(r, next)
	}
	items, ok := at(body, p.Items).([]any)
	if !ok {
		return nil, nil // not a list: this was all
	}
	size := p.Max
	if asked, err := strconv.Atoi(param(call.params(), p.Size)); err == nil && asked > 0 {
		size = min(size, asked)
	}
	if len(items) < size {
		return nil, nil
	}
	name, start, step := p.Offset, 0, len(items)
	if p.Page != "" {
		name, start, step = p.Page, p.First, 1
	}
	if given := param(call.params(), name); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil {
			return nil, fail.New(fail.Usage, "%s is not a number, so that the next page cannot be asked for", name)
		}
		start = n
	}
	return call.with(name, strconv.Itoa(start+step)), nil
}

// onward returns the call for an address that the provider gave.
func (c *Client) onward(r *Response, address string) (*Call, error) {
	if address == "" {
		return nil, nil
	}
	u, err := c.Definition.Onward(r.url, address)
	if err != nil {
		return nil, err
	}
	next := *r.call
	next.URL = u
	return &next, nil
}

// Key is the same for two calls that ask for the same page.
func (call *Call) Key() string { return call.URL.String() + " " + call.params() }

func (call *Call) inForm() bool {
	media, _, _ := strings.Cut(call.Header.Get("Content-Type"), ";")
	return call.Body != nil && call.Body.Text != nil && strings.EqualFold(strings.TrimSpace(media), form)
}

// params returns the parameters of a call as they are written, in its form or in its query.
func (call *Call) params() string {
	if call.inForm() {
		return string(call.Body.Text)
	}
	return call.URL.RawQuery
}

func (call *Call) with(name, value string) *Call {
	changed := *call
	if call.inForm() {
		changed.Body = TextBody([]byte(setParam(call.params(), name, value)))
		return &changed
	}
	u := *call.URL
	u.RawQuery = setParam(u.RawQuery, name, value)
	changed.URL = &u
	return &changed
}

// at returns what stands at a path; an empty path is the whole.
func at(v any, path string) any {
	if path == "" {
		return v
	}
	for part := range strings.SplitSeq(path, ".") {
		fields, _ := v.(map[string]any)
		v = fields[part]
	}
	return v
}

// linkTo returns the target of the first link of that relation in Link headers (RFC 8288 3).
func linkTo(headers []string, relation string) string {
	for _, header := range headers {
		for header != "" {
			_, rest, ok := strings.Cut(header, "<")
			if !ok {
				break
			}
			target, rest, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			var rel string
			rel, header = linkRelation(rest)
			if slices.ContainsFunc(strings.Fields(rel), func(s string) bool { return strings.EqualFold(s, relation) }) {
				return strings.TrimSpace(target)
			}
		}
	}
	return ""
}

// linkRelation reads the parameters after a link's target, and returns its relations and what follows.
func linkRelation(text string) (rel, rest string) {
	for {
		text = strings.TrimLeft(text, " \t;")
		if text == "" || text[0] == ',' {
			return rel, strings.TrimPrefix(text, ",")
		}
		end := strings.IndexAny(text, "=;,")
		if end < 0 {
			return rel, ""
		}
		name, value := strings.TrimSpace(text[:end]), ""
		if text[end] != '=' {
			text = text[end:]
			continue
		}
		text = strings.TrimLeft(text[end+1:], " \t")
		if strings.HasPrefix(text, `"`) {
			value, text = quoted(text[1:])
		} else {
			end := strings.IndexAny(text, ";, \t")
			if end < 0 {
				end = len(text)
			}
			value, text = text[:end], text[end:]
		}
		if rel == "" && strings.EqualFold(name, "rel") { // the first counts (RFC 8288 3.3)
			rel = value
		}
	}
}

// quoted reads up to the closing quote of a quoted string (RFC 9110 5.6.4).
func quoted(text string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:]
		case '\\':
			i++
			if i == len(text) {
				return b.String(), ""
			}
		}
		b.WriteByte(text[i])
	}
	return b.String(), ""
}
