package oauth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

const maxRedirects = 10

func redirects(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// follow returns the request to which a redirect leads. The token goes along only while every step stays
// on the API's origin, and never comes back once it was left behind: who leads away from the API and back
// could otherwise choose what is asked there.
func (c *Client) follow(h *hop, resp *http.Response, token string, followed int) (*hop, *Error) {
	refuse := func(format string, args ...any) (*hop, *Error) {
		args = append([]any{c.Definition.Title}, args...)
		return nil, &Error{Fail: fail.New(fail.Unavailable, "%s redirects "+format+"; it was not followed", args...)}
	}
	location := resp.Header.Get("Location")
	if followed == maxRedirects {
		return refuse("more than %d times", maxRedirects)
	}
	if holds(location, token) {
		return refuse("to an address that holds the token")
	}
	ref, err := url.Parse(location)
	if err != nil {
		return refuse("to something that is no address")
	}
	u := h.url.ResolveReference(ref)
	u.Fragment, u.RawFragment = "", ""
	if err := provider.CheckURL(u.String()); err != nil {
		return refuse("to an address of no use: %w", err)
	}
	if u.Scheme == "http" && !provider.Loopback(h.url.Hostname()) {
		return refuse("from https to http on this machine")
	}
	next := &hop{method: h.method, url: u, header: h.header, body: h.body}
	next.own = h.own && provider.Origin(u) == provider.Origin(h.url)
	post := h.method == http.MethodPost && (resp.StatusCode == http.StatusMovedPermanently || resp.StatusCode == http.StatusFound)
	if post || resp.StatusCode == http.StatusSeeOther && h.method != http.MethodHead {
		next.method, next.body = http.MethodGet, nil
	}
	if next.body != nil && next.body.Once {
		return refuse("and wants the data once more, which came from a pipe")
	}
	next.header = make(http.Header)
	for name, values := range h.header {
		if carries(http.CanonicalHeaderKey(name), next.own, next.body != nil) {
			next.header[name] = values
		}
	}
	return next, nil
}

// carries reports whether a header of the user's goes along. To another host only what is no secret by
// its nature does: an X-Api-Key was meant for the API.
func carries(name string, own, body bool) bool {
	if strings.HasPrefix(name, "Content-") {
		return body
	}
	return own || slices.Contains([]string{
		"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "If-Range", "Range", "User-Agent",
	}, name)
}

// holds reports whether a text from outside holds the token, in any spelling in which it may have been
// echoed.
func holds(text, token string) bool {
	if token == "" {
		return false
	}
	for range 4 { // encoded this often at most
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
