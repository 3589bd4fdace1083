package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// held are the values that a request brought in the places of placeholders.
type held map[string]string

// take matches values with templates and keeps what is in the places of placeholders.
func (h held) take(name string, templates words, values []string) *problem {
	if len(values) != len(templates) {
		return bad(badRequest, "parameter %s is given %d times, not %d", clean(name), len(values), len(templates))
	}
	for i, template := range templates {
		found := templatePattern(template).FindStringSubmatch(values[i])
		if found == nil {
			return bad(badRequest, "parameter %s is not what the definition says (%s)", clean(name), clean(template))
		}
		for j, holder := range holders(template) {
			if old, ok := h[holder]; ok && old != found[j+1] {
				return bad(badRequest, "two values for %s", holder)
			}
			h[holder] = found[j+1]
		}
	}
	return nil
}

var holderPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{([^{}]+)\}`) })

func holders(template string) []string {
	var names []string
	for _, found := range holderPattern().FindAllStringSubmatch(template, -1) {
		names = append(names, found[1])
	}
	return names
}

// templatePattern is the pattern of the values that a template can have.
func templatePattern(template string) *regexp.Regexp {
	var b strings.Builder
	at := 0
	for _, found := range holderPattern().FindAllStringIndex(template, -1) {
		b.WriteString(regexp.QuoteMeta(template[at:found[0]]) + "(.*)")
		at = found[1]
	}
	return regexp.MustCompile(`^(?s:` + b.String() + regexp.QuoteMeta(template[at:]) + `)$`)
}

// lists returns the parameters of a request that is encoded in this way, and refuses others beside them.
func (c *request) lists(encoding string, fixed url.Values) (url.Values, *problem) {
	query, err := url.ParseQuery(c.rawQuery)
	if err != nil {
		return nil, bad(badRequest, "the query is not form-urlencoded")
	}
	if encoding == "query" {
		if len(c.body) > 0 {
			return nil, bad(badRequest, "the parameters belong in the query, not in a body")
		}
		return query, nil
	}
	if query.Encode() != fixed.Encode() {
		return nil, bad(badRequest, "the parameters belong in the body, not in the URL")
	}
	want := map[string]string{"form": "application/x-www-form-urlencoded", "json": "application/json"}[encoding]
	if c.media != want {
		return nil, bad(badRequest, "the Content-Type has to be %s", want)
	}
	if encoding == "json" {
		return jsonLists(c.body)
	}
	values, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, bad(badRequest, "the parameters are not form-urlencoded")
	}
	return values, nil
}

func jsonLists(body []byte) (url.Values, *problem) {
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil || object == nil {
		return nil, bad(badRequest, "the body is not a JSON object")
	}
	values := url.Values{}
	for name, value := range object {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, item := range list {
			text, ok := item.(string)
			if !ok {
				return nil, bad(badRequest, "parameter %s is not a string", clean(name))
			}
			values.Add(name, text)
		}
	}
	return values, nil
}

// judge compares a request with what the definition says of it, and authenticates the client.
func (m *made) judge(c *request, w *wanted) (held, *problem) {
	values, p := m.values(c, w)
	if p != nil {
		return nil, p
	}
	h := held{}
	if p := m.headers(c, w.Headers, h); p != nil {
		return nil, p
	}
	if p := m.clientHeader(c, w, values, h); p != nil {
		return nil, p
	}
	expected := m.d.expected(w)
	for _, name := range keys(expected) {
		templates := expected[name]
		if len(values[name]) == 0 && m.mayLack(w, templates) {
			continue
		}
		if len(values[name]) == 0 || slices.Contains(values[name], "") {
			return nil, bad(badRequest, "parameter %s is missing", name)
		}
		if p := h.take(name, templates, values[name]); p != nil {
			return nil, p
		}
	}
	for _, name := range keys(values) {
		if expected[name] == nil {
			return nil, bad(badRequest, "parameter %s is not in the definition", clean(name))
		}
	}
	return h, m.verify(c, h)
}

// values reads the parameters in the encoding of the request, or in the other one that it may have.
func (m *made) values(c *request, w *wanted) (url.Values, *problem) {
	_, fixed := w.address()
	values, p := c.lists(w.Encoding, fixed)
	if other := m.d.Revoke.FallbackEncoding; p != nil && w.kind == kindRevoke && other != "" {
		if again, p := c.lists(other, fixed); p == nil {
			return again, nil
		}
	}
	return values, p
}

// mayLack reports whether a parameter without a value is left out of the request.
func (m *made) mayLack(w *wanted, templates words) bool {
	optional := words{"{scope}", "{resource}"}
	if w.kind == kindRefresh {
		optional = append(optional, "{redirect_uri}")
	}
	return len(templates) == 1 && slices.Contains(optional, templates[0])
}

// headers checks the headers that the definition sets to a constant or a value of the login.
func (m *made) headers(c *request, templates map[string]string, h held) *problem {
	for _, name := range keys(templates) {
		values := c.header.Values(name)
		if len(values) != 1 || h.take(name, words{templates[name]}, values) != nil {
			return bad(badRequest, "the header %s is not %s, as the definition says", name, clean(templates[name]))
		}
	}
	return nil
}

// clientHeader reads the client from where it is besides the parameters of the definition.
func (m *made) clientHeader(c *request, w *wanted, values url.Values, h held) *problem {
	given := c.header.Get("Authorization") != ""
	auth := w.ClientAuth
	if auth == "" { // by the metadata, which offers both
		if auth = "basic"; !given {
			auth = "body"
		}
	}
	if m.d.Client.Secret == "none" && auth != "params" && auth != "private_key_jwt" {
		auth = "public"
	}
	if w.asserts() && m.d.Client.Secret != "required" && !given && values["client_id"] == nil && auth != "private_key_jwt" {
		return nil // RFC 7521 4.1, RFC 8693 2.1
	}
	var names words
	switch auth {
	case "basic", "basic_raw":
		return m.basicHeader(c, auth == "basic_raw", h)
	case "private_key_jwt":
		return m.clientAssertion(c, values, h)
	case "body":
		names = words{"client_id", "client_secret"}
	case "public": // RFC 6749 3.2.1
		names = words{"client_id"}
	}
	if _, ours := w.Headers["Authorization"]; given && !ours {
		return bad(badRequest, "this request takes no Authorization header")
	}
	for _, name := range names {
		if p := h.take(name, words{"{" + name + "}"}, values[name]); p != nil {
			return bad(badClient, "%s", p.text)
		}
		if m.d.expected(w)[name] == nil {
			values.Del(name)
		}
	}
	return nil
}

func (m *made) basicHeader(c *request, raw bool, h held) *problem {
	read := c.basic
	if raw {
		read = c.basicParts
	}
	id, secret, p := read()
	if p == nil {
		h["client_id"], h["client_secret"] = id, secret
	}
	return p
}

// verify checks the values that every request means the same by.
func (m *made) verify(c *request, h held) *problem {
	_, hasID := h["client_id"]
	secret, hasSecret := h["client_secret"]
	if hasSecret || hasID {
		if !hasSecret {
			secret = c.st.clientSecret // a request without it, such as authorize
		}
		if p := c.st.client(h["client_id"], secret); p != nil {
			return p
		}
	}
	if resource, ok := h["resource"]; ok && resource != m.d.Resource {
		return &problem{kind: badRequest, code: "invalid_target", text: "resource is not the one of the definition"} // RFC 8707 2
	}
	return m.ofLogin(c, h)
}

// ofLogin checks the values that every request of a login has in common, also those in its path.
func (m *made) ofLogin(c *request, h held) *problem {
	for _, name := range keys(c.vars) {
		value, _ := url.PathUnescape(c.vars[name])
		if other, twice := h[name]; twice && other != value {
			return bad(badRequest, "two values for %s", name)
		}
		h[name] = value
	}
	for _, input := range m.d.Inputs {
		value, ok := h[input.Name]
		if ok && !matchesWhole(input.Pattern, value) {
			return bad(badRequest, "%s does not match the pattern of the input", input.Name)
		}
	}
	for _, name := range slices.Concat(m.d.Reply["keep"], m.d.Callback.Keep) {
		if value, ok := h[name]; ok && value != m.kept(name) {
			return bad(badRequest, "%s is not the value that was sent", name)
		}
	}
	return nil
}

// presented returns the access token of a request to the API.
func (m *made) presented(c *request) (string, *problem) {
	api, h := m.d.API, held{}
	p := m.headers(c, api.Headers, h)
	if p == nil {
		p = m.ofLogin(c, h)
	}
	if p != nil {
		return "", p
	}
	if api.QueryParam != "" {
		query, p := c.query()
		switch {
		case p != nil:
			return "", p
		case c.header.Get("Authorization") != "":
			return "", bad(badRequest, "the token goes in the query; no Authorization header is read")
		case query[api.QueryParam] == "":
			return "", bad(badRequest, "parameter %s is missing", api.QueryParam)
		}
		return query[api.QueryParam], nil
	}
	values := c.header.Values(api.Header)
	if len(values) != 1 {
		return "", &problem{kind: badRequest, status: http.StatusUnauthorized, text: "the request needs one header " + api.Header}
	}
	if api.Scheme == "none" {
		return values[0], nil
	}
	scheme, value, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, api.Scheme) || value == "" {
		return "", &problem{kind: badRequest, status: http.StatusUnauthorized, text: "the header " + api.Header + " is not of the kind " + api.Scheme}
	}
	if api.Scheme != "basic" {
		return value, nil
	}
	pair, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", bad(badRequest, "the Basic header is not base64")
	}
	return string(pair), nil
}
