package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// modifyResponse makes the addresses in headers lead back to the proxy. The transport has masked the token in
// them.
func (s *server) modifyResponse(resp *http.Response) error {
	for _, name := range []string{"Location", "Content-Location"} {
		if address := resp.Header.Get(name); address != "" {
			resp.Header.Set(name, s.local(resp.Request.URL, address))
		}
	}
	for i, link := range resp.Header["Link"] {
		resp.Header["Link"][i] = s.localLinks(resp.Request.URL, link)
	}
	return nil
}

// local rewrites an address at the API's origin to one relative to the proxy, with the key in place of the
// token, and returns any other without the token. from is the address that the answer came from.
func (s *server) local(from *url.URL, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	absolute := from.ResolveReference(u)
	if absolute.Scheme != s.api.Scheme || !strings.EqualFold(absolute.Host, s.api.Host) {
		s.present.RemoveFromURL(absolute)
		return absolute.String()
	}
	s.present.PresentInURL(absolute, s.Key)
	absolute.Scheme, absolute.Host, absolute.User = "", "", nil
	if absolute.Path == "" {
		absolute.Path = "/"
	}
	return absolute.String()
}

// localLinks rewrites the addresses in a Link header (RFC 8288): those in angle brackets.
func (s *server) localLinks(from *url.URL, link string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(link, "<")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		address, after, ok := strings.Cut(rest, ">")
		if !ok {
			return out.String() + "<" + rest
		}
		out.WriteString("<" + s.local(from, address) + ">")
		link = after
	}
}
