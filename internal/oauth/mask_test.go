package oauth

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// No header, trailer or status line of an answer contains the token, in whatever spelling it was echoed.
func TestTheTokenIsMaskedInAnswers(t *testing.T) {
	const token = "a/token+with=signs-0123456789"
	var spelled strings.Builder // every byte percent-encoded
	for _, b := range []byte(token) {
		spelled.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[b>>4])+string("0123456789abcdef"[b&15])))
	}
	transport := &Transport{}
	for what, echo := range map[string]string{
		"plain":                  token,
		"in a sentence":          "invalid token " + token + ".",
		"in a query":             "?t=" + url.QueryEscape(token),
		"encoded twice":          url.QueryEscape(url.QueryEscape(token)),
		"every byte":             spelled.String(),
		"every byte, four times": url.QueryEscape(url.QueryEscape(url.QueryEscape(spelled.String()))),
		"every byte, twice":      url.QueryEscape(spelled.String()),
		"base64":                 base64.StdEncoding.EncodeToString([]byte(token)),
		"longer than is cached":  strings.Repeat("x", maxMaskedText) + token,
	} {
		for range 2 { // the second time from what is remembered
			resp := &http.Response{Status: "401 " + echo, Header: http.Header{"X": {"a", echo}}, Trailer: http.Header{"Y": {echo}}}
			transport.mask(resp, token)
			for where, text := range map[string]string{"status": resp.Status, "header": resp.Header["X"][1], "trailer": resp.Trailer.Get("Y")} {
				if strings.Contains(text, echo) || holds(text, token) {
					t.Errorf("%s: the %s is %q", what, where, text)
				}
			}
			if resp.Header.Get("X") != "a" {
				t.Errorf("%s: another header is %q", what, resp.Header.Get("X"))
			}
		}
	}
}
