package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	asked  time.Time // when the request was made, by the local clock
	login  bool      // a code, a password or a token was sent, not only the client's own credentials
	// secrets are what the request held and what its reply must not echo into a text.
	secrets []string
}

// text returns the body without space around it. PHP services put a byte order mark before their JSON
// when a source file has one.
func (a *answer) text() []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(a.body, []byte("\xef\xbb\xbf")))
}

func (a *answer) isHTML() bool { return bytes.HasPrefix(a.text(), []byte("<")) }

// object reads the body as a JSON object. Its error names what came instead.
func (a *answer) object() (map[string]any, string) {
	text := a.text()
	switch {
	case a.status >= 300 && a.status < 400:
		return nil, "a redirect"
	case len(text) == 0:
		return nil, "nothing"
	case a.isHTML():
		return nil, "HTML instead of JSON"
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return nil, "something else than a JSON object"
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, "something else than a JSON object"
	}
	return object, ""
}
