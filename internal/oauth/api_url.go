package oauth

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// APIURL returns the address that a reference (RFC 3986 5.2) names in the provider's API. It is resolved
// against api.url as the definition has it, and only then moved to the base URL of the settings, so that
// `users/getMe/` and `/v1/users/getMe/` mean the same with and without one. An address with another scheme,
// host or port is refused, and so is every spelling that a server or a proxy might read differently.
func (c *Config) APIURL(reference string) (*url.URL, error) {
	root, err := c.apiRoot()
	if err != nil {
		return nil, err
	}
	shown := redact.Scrub(reference, 80)
	if strings.ContainsFunc(reference, unclear) || !utf8.ValidString(reference) {
		return nil, fail.New(fail.Usage, "%q is not a path of the API: it contains a space, a backslash or a control character", shown).
			Advise(fail.DoEncodePath)
	}
	ref, err := url.Parse(reference)
	switch {
	case err != nil:
		return nil, fail.New(fail.Usage, "%q is not a path of the API", shown).Advise(fail.DoRequestPath, c.Definition.Name)
	case ref.User != nil:
		return nil, fail.New(fail.Usage, "an address must not hold a user name or password")
	case ref.Opaque != "", ref.Host == "" && (ref.Scheme != "" || strings.HasPrefix(reference, "//")):
		return nil, fail.New(fail.Usage, "%q is neither a path of the API nor an address in it", shown).
			Advise(fail.DoBeginPath)
	}
	u := root.ResolveReference(ref)
	if provider.Origin(u) != provider.Origin(root) {
		return nil, fail.New(fail.Usage, "%s is not on %s; nothing was sent", redact.Scrub(provider.Origin(u), 80), provider.Origin(root)).
			Advise(fail.DoRequestPath, c.Definition.Name)
	}
	return c.settle(u, root)
}

// NextPage returns the address that the API gave for a next page. With a base URL the API may give it
// under the provider's own name. Another origin is a fail.Unavailable: the answer makes no sense.
func (c *Config) NextPage(current *url.URL, reference string) (*url.URL, error) {
	root, err := c.apiRoot()
	if err != nil {
		return nil, err
	}
	ref, err := url.Parse(reference)
	if err != nil {
		return nil, fail.New(fail.Unavailable, "%s gives a next page that is not an address", c.Definition.Title)
	}
	u := current.ResolveReference(ref)
	switch {
	case u.User != nil || u.Host == "":
		return nil, fail.New(fail.Unavailable, "%s gives a next page that is not an address of its API", c.Definition.Title)
	case provider.Origin(u) == provider.Origin(current):
		u.Scheme, u.Host = current.Scheme, current.Host
		u.Fragment, u.RawFragment = "", ""
		return u, nil
	case provider.Origin(u) == provider.Origin(root):
		return c.settle(u, root)
	}
	return nil, fail.New(fail.Unavailable, "%s gives a next page on another host (%s); the token is not sent there", c.Definition.Title, redact.Scrub(provider.Origin(u), 80))
}

// apiRoot returns the address of the API as the definition has it.
func (c *Config) apiRoot() (*url.URL, error) {
	if c.api == nil {
		return nil, c.unknown("api.url")
	}
	return c.api, nil
}

// settle gives an address in the API its final form.
func (c *Config) settle(u, root *url.URL) (*url.URL, error) {
	// The definition's own spelling of the host, whatever else means the same.
	u.Scheme, u.Host = root.Scheme, root.Host
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	// Resolving removed plain dot segments. Encoded ones, and those next to an encoded slash, may be removed
	// by a proxy or a server, and the result may be above the path of the base URL.
	for part := range strings.FieldsFuncSeq(u.Path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return nil, fail.New(fail.Usage, "a path of the API must not contain encoded dot segments")
		}
	}
	u.RawQuery = escapeQuery(u.RawQuery)
	if c.base != nil {
		move(u, c.base)
	}
	return u, nil
}

// unclear reports whether a character is not allowed in an address, because parsers read it differently.
func unclear(r rune) bool { return r == '\\' || !unicode.IsGraphic(r) || unicode.IsSpace(r) }

// escapeQuery encodes what a query must not contain (RFC 3986 3.4), and leaves the rest as it was written.
func escapeQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		c := query[i]
		if c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
