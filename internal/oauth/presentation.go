package oauth

import (
	"cmp"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// Presentation is how a provider's API takes an access token. Nothing else knows that.
type Presentation struct {
	header, scheme string
	param          string            // the query parameter; empty: the header
	headers        map[string]string // constant headers of every request
}

// NewPresentation returns the presentation that a definition describes. Inputs, kept fields and client_id
// in values fill the placeholders of its headers; a header that is one placeholder without a value is left
// out.
func NewPresentation(d *provider.Definition, values map[string]string) (Presentation, error) {
	api := d.API
	p := Presentation{header: cmp.Or(api.Header, "Authorization"), scheme: cmp.Or(api.Scheme, "Bearer"), param: api.QueryParam, headers: map[string]string{}}
	all := provider.Params{}
	for name, template := range api.Headers {
		all[name] = provider.Values{template}
	}
	known := map[string]string{"client_id": values["client_id"]}
	for _, name := range d.Placeholders() {
		known[name] = values[name]
	}
	expanded, err := all.Expand(known)
	for name, values := range expanded {
		p.headers[name] = values[0]
	}
	if err != nil {
		return p, fail.New(fail.Usage, "%s: api.headers.%w", d.Name, err)
	}
	return p, nil
}

// QueryParam returns the query parameter that takes the token, or "" where a header does.
func (p Presentation) QueryParam() string { return p.param }

// HeaderName returns the header that takes the token, or "" where a query parameter does.
func (p Presentation) HeaderName() string {
	if p.param != "" {
		return ""
	}
	return p.header
}

// Header returns the line that presents a token, such as "Authorization: Bearer TOKEN", or "" where a
// query parameter does.
func (p Presentation) Header(token string) string {
	if p.param != "" {
		return ""
	}
	return p.header + ": " + p.value(token)
}

// Query returns the query that presents a token, such as "access_token=TOKEN", or "" where a header does.
func (p Presentation) Query(token string) string {
	if p.param == "" {
		return ""
	}
	return url.QueryEscape(p.param) + "=" + url.QueryEscape(token)
}

// Headers returns all headers that a request to the API needs: the one that presents the token, if any,
// and the constant ones.
func (p Presentation) Headers(token string) map[string]string {
	all := maps.Clone(p.headers)
	if p.param == "" {
		all[p.header] = p.value(token)
	}
	return all
}

// CurlConfig returns the lines of a curl config file that present a token and set the constant headers.
func (p Presentation) CurlConfig(token string) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var lines strings.Builder
	if p.param != "" {
		// curl encodes what follows the equals sign.
		lines.WriteString(`url-query = "` + quote.Replace(p.param+"="+token) + "\"\n")
	}
	headers := p.Headers(token)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		lines.WriteString(`header = "` + quote.Replace(name+": "+headers[name]) + "\"\n")
	}
	return lines.String()
}

// Present puts a token, and the constant headers that the request does not have yet, into a request.
func (p Presentation) Present(req *http.Request, token string) {
	for name, value := range p.headers {
		if req.Header.Get(name) == "" {
			req.Header.Set(name, value)
		}
	}
	if p.param != "" {
		req.URL.RawQuery = SetParam(req.URL.RawQuery, p.param, token)
		return
	}
	req.Header.Set(p.header, p.value(token))
}

// Holds reports whether a request presents a token as Present does, in time that does not depend on how much of
// it is right.
func (p Presentation) Holds(req *http.Request, token string) bool {
	if p.param != "" {
		return equal(req.URL.Query().Get(p.param), token)
	}
	given := req.Header.Get(p.header)
	if p.scheme == "none" {
		return equal(given, token)
	}
	scheme, given, ok := strings.Cut(given, " ")
	if !ok || !strings.EqualFold(scheme, p.scheme) {
		return false
	}
	if p.scheme == provider.Basic {
		text, err := base64.StdEncoding.DecodeString(given)
		user, password, _ := strings.Cut(string(text), ":")
		return err == nil && (equal(user, token) || equal(password, token))
	}
	return equal(strings.TrimSpace(given), token)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Remove takes the token from a request.
func (p Presentation) Remove(req *http.Request) {
	if p.param == "" {
		req.Header.Del(p.header)
		return
	}
	req.URL.RawQuery = removeParam(req.URL.RawQuery, p.param)
}

// PresentInURL replaces the token in an address, if the provider takes it there and the address has one.
func (p Presentation) PresentInURL(u *url.URL, token string) {
	if p.param != "" && u.Query().Has(p.param) {
		u.RawQuery = SetParam(u.RawQuery, p.param, token)
	}
}

// RemoveFromURL takes the token from an address.
func (p Presentation) RemoveFromURL(u *url.URL) {
	if p.param != "" {
		u.RawQuery = removeParam(u.RawQuery, p.param)
	}
}

// Takes reports whether a token of this type can be presented (RFC 6749 7.1): Bearer, which is also meant
// where a reply names no type, or the provider's own word.
func (p Presentation) Takes(tokenType string) bool {
	return tokenType == "" || strings.EqualFold(tokenType, "Bearer") || strings.EqualFold(tokenType, p.scheme)
}

// value returns the value of the header: the scheme (RFC 9110 11.4) and the token.
func (p Presentation) value(token string) string {
	switch p.scheme {
	case "none":
		return token
	case provider.Basic: // RFC 7617
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(token))
	}
	return p.scheme + " " + token
}
