package oauth

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// answer is what was received, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    bool // the connection or the time ended before the body did
	// raw is what arrived after the header, with the framing of the transfer still in it.
	raw   []byte
	asked time.Time // when the request was made, by the local clock
	login bool      // a code, a password or a token was sent, not only the client's own credentials
	// secrets are those of the request. Its reply may echo them.
	secrets []string
}

// text returns the body without its content coding, and without space and a byte order mark around it.
func (a *answer) text() []byte { return trim(plainText(unpack(a.body))) }

func trim(text []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
}

func (a *answer) isHTML() bool { return bytes.HasPrefix(a.text(), []byte("<")) }

// find returns the reply's JSON object, or its form as one. An object that grants tokens is found anywhere,
// in the body or in what arrived beside it: a rotated refresh token is lost if it is not. whole is false for
// an object that was cut off; it has the members that arrived complete.
func (c *Client) find(a *answer) (object map[string]any, whole bool) {
	body := a.body
	if bytes.HasPrefix(a.raw, a.body) {
		body = a.raw // Content-Length was too small
	}
	for _, text := range [][]byte{unpack(body), unpack(a.raw), inflate(body), inflate(a.raw)} {
		text = plainText(text)
		found, complete := findObject(text, c.grants)
		if found == nil {
			found, complete = c.form(a, text)
		}
		if (!c.grants(found) || !complete) && !json.Valid(trim(text)) {
			if valid := c.validMembers(text); c.grantsBoth(valid) || found == nil && c.grants(valid) {
				found, complete = valid, false
			}
		}
		// A cut object that brings both tokens lacks nothing that could not do without.
		if c.grants(found) && (complete || c.grantsBoth(found)) {
			return found, true
		}
		if object == nil || !c.grants(object) && c.grants(found) {
			object, whole = found, complete
		}
	}
	return object, whole
}

func (c *Client) grants(object map[string]any) bool {
	names := c.Definition.Reply
	return stringAt(object, names.AccessToken) != "" || stringAt(object, names.RefreshToken) != ""
}

func (c *Client) grantsBoth(object map[string]any) bool {
	names := c.Definition.Reply
	return stringAt(object, names.AccessToken) != "" && stringAt(object, names.RefreshToken) != ""
}

// object returns the reply's object for everything but tokens. If there is none, what says what the body is
// instead. A redirect, HTML and a cut object say nothing reliable.
func (c *Client) object(a *answer) (object map[string]any, what string) {
	text := a.text()
	switch {
	case a.status >= 300 && a.status < 400:
		return nil, "a redirect"
	case len(text) == 0 && len(a.raw) == 0:
		return nil, "nothing"
	}
	found, whole := c.find(a)
	switch {
	case found != nil && whole && (!a.isHTML() || c.grants(found)):
		return found, ""
	case len(text) == 0:
		return nil, "nothing"
	case a.isHTML():
		return nil, "HTML instead of JSON"
	}
	return nil, "something other than a JSON object"
}

// accepted returns the object of a successful answer. What refused makes of another is the failure.
func (c *Client) accepted(a *answer, refused func(*answer, map[string]any) *Error) (map[string]any, error) {
	object, what := c.object(a)
	code, _ := textAt(object, c.Definition.Errors.Code)
	switch {
	case object == nil && a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable: // which may be plain text
		return nil, c.nonsense(a, what)
	case a.status < 200, a.status > 299, code != "": // some servers report an error with status 200
		return nil, refused(a, object)
	}
	return object, nil
}

// form reads a form-encoded reply, with tokens or a device code in it, as an object. Servers send it with all kinds of
// Content-Type. If it brings both tokens, the lines before and after it do not matter.
func (c *Client) form(a *answer, text []byte) (object map[string]any, whole bool) {
	text = trim(text)
	if a.cut {
		text = text[:max(bytes.LastIndexByte(text, '&'), 0)] // the last value may not be complete
	}
	text = bytes.ReplaceAll(text, []byte("&amp;"), []byte("&"))
	if lines := c.pairs(bytes.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("&\r\n\x00", r) })); c.grantsBoth(lines) {
		return lines, true
	}
	first, _, ok := bytes.Cut(text, []byte("="))
	if !ok || len(first) == 0 || len(first) > 64 || bytes.ContainsAny(first, " \t\r\n<>{}[]\"':;,&") {
		return nil, false
	}
	object = c.pairs(bytes.Split(text, []byte("&")))
	_, isError := textAt(object, c.Definition.Errors.Code)
	return object, isError || c.grants(object) || object["device_code"] != nil
}

// pairs decodes the pairs of a form. A token holds no space that is not encoded, so a plus sign in one is a plus
// sign that was not encoded.
func (c *Client) pairs(list [][]byte) map[string]any {
	names := c.Definition.Reply
	tokens := slices.Concat(names.AccessToken, names.RefreshToken)
	object := make(map[string]any)
	for _, pair := range list {
		name, value, _ := strings.Cut(string(pair), "=")
		name, err := url.QueryUnescape(name)
		decode := url.QueryUnescape
		if slices.Contains(tokens, name) {
			decode = url.PathUnescape
		}
		value, valueErr := decode(value)
		if _, twice := object[name]; err == nil && valueErr == nil && !twice {
			object[name] = value
		}
	}
	return object
}

// salvage returns what can be saved of an answer that cannot be used: a refresh token that is not the one
// that was sent. nil: there is none.
func (c *Client) salvage(a *answer) *Reply {
	object, _ := c.find(a)
	if code, ok := textAt(object, c.Definition.Errors.Code); object == nil || ok && code != "" && (a.status < 200 || a.status > 299) {
		return nil
	}
	r := &Reply{RequestedAt: a.asked}
	c.readRefreshToken(r, a, object)
	if r.RefreshToken == "" || slices.Contains(a.secrets, r.RefreshToken.Reveal()) {
		return nil
	}
	return r
}
