package apiclient

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/loopback"
	"github.com/tokencli/tokencli/internal/oauth"
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

// follow returns the call to which a redirect leads. The token is sent along only while every step stays on
// the API's origin, and not again after it was left behind: a host that leads away from the API and back could
// otherwise choose what is requested there. No body goes to another host.
func (c *Client) follow(h *call, resp *http.Response, followed int) (*call, error) {
	refuse := func(format string, args ...any) (*call, error) {
		f := fail.New(fail.Unavailable, "%s redirects "+format+"; it was not followed", append([]any{c.title()}, args...)...)
		return nil, &oauth.Error{Status: resp.StatusCode, Fail: f}
	}
	location := resp.Header.Get("Location")
	if followed == maxRedirects {
		return refuse("more than %d times", maxRedirects)
	}
	if strings.Contains(location, redact.Mask) { // the transport masked it
		return refuse("to an address that contains the token")
	}
	ref, err := url.Parse(location)
	if err != nil {
		return refuse("to something that is not an address")
	}
	u := h.url.ResolveReference(ref)
	u.Fragment, u.RawFragment = "", ""
	if err := provider.CheckURL(u.String()); err != nil {
		return refuse("to an address that cannot be used: %w", err)
	}
	if u.Scheme == "http" && !loopback.Is(h.url.Hostname()) {
		return refuse("from https to http on this machine")
	}
	next := &call{method: h.method, url: u, body: h.body, follow: true, pages: h.pages, header: make(http.Header)}
	next.own = h.own && provider.Origin(u) == provider.Origin(h.url)
	post := h.method == http.MethodPost && (resp.StatusCode == http.StatusMovedPermanently || resp.StatusCode == http.StatusFound)
	if post || resp.StatusCode == http.StatusSeeOther && h.method != http.MethodHead {
		next.method, next.body = http.MethodGet, nil
	}
	switch {
	case next.body != nil && !next.own:
		return refuse("to another host (%s) and wants the data there", u.Host)
	case next.body != nil && next.body.Once:
		return refuse("and wants the data again, which came from a pipe")
	}
	for name, values := range h.header {
		if carries(http.CanonicalHeaderKey(name), next.own, next.body != nil) {
			next.header[name] = values
		}
	}
	return next, nil
}
