package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/redact"
)

type traceKey struct{}

// WithTrace returns a context in which every request to a provider and its answer are written to w, a line for
// each part, with the secrets masked. The bodies of API answers are left out: they stream.
func WithTrace(ctx context.Context, w io.Writer) context.Context {
	return context.WithValue(ctx, traceKey{}, w)
}

// tracer writes what passes the door to the wire. The zero value writes nothing.
type tracer struct {
	to      io.Writer
	secrets []string
}

func traceOf(ctx context.Context, secrets []string) tracer {
	w, _ := ctx.Value(traceKey{}).(io.Writer)
	return tracer{w, secrets}
}

// maxTraced is the size of the largest request body that is written.
const maxTraced = 64 << 10

func (t tracer) line(mark, text string) {
	fmt.Fprintf(t.to, "%s %s\n", mark, redact.Scrub(text, 0, t.secrets...))
}

func (t tracer) request(req *http.Request) {
	if t.to == nil {
		return
	}
	u := *req.URL
	u.RawQuery = maskForm(u.RawQuery)
	t.line(">", req.Method+" "+u.String())
	t.headers(">", req.Header)
	if req.Body == nil || req.Body == http.NoBody {
		return
	}
	if req.GetBody == nil || req.ContentLength > maxTraced {
		t.line(">", fmt.Sprintf("(a body of %d bytes)", req.ContentLength))
		return
	}
	body, err := req.GetBody()
	if err != nil {
		return
	}
	defer func() { _ = body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(body, maxTraced))
	switch v, err := Decode(text); {
	case err == nil:
		t.line(">", maskedJSON(v))
	case strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		t.line(">", maskForm(string(text)))
	default:
		t.line(">", fmt.Sprintf("(a body of %d bytes)", len(text)))
	}
}

func (t tracer) response(resp *http.Response, err error) {
	switch {
	case t.to == nil:
	case err != nil:
		// The text may quote an address or a proxy setting.
		t.line("<", fmt.Sprintf("(no answer: %T)", err))
	default:
		t.line("<", resp.Proto+" "+resp.Status)
		t.headers("<", resp.Header)
	}
}

func (t tracer) body(text []byte) {
	if t.to == nil || len(text) == 0 {
		return
	}
	if v, err := Decode(text); err == nil {
		t.line("<", maskedJSON(v))
		return
	}
	t.line("<", fmt.Sprintf("(%d bytes that are not JSON)", len(text)))
}

func (t tracer) headers(mark string, header http.Header) {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			if !harmless(name) {
				value = redact.Mask
			}
			t.line(mark, name+": "+value)
		}
	}
}

// harmless reports whether the value of a header, a parameter or a field can be written. Everything else is taken
// for a secret.
func harmless(name string) bool {
	switch name = strings.ToLower(name); name {
	case "accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-encoding", "content-length",
		"content-type", "date", "expires", "pragma", "retry-after", "server", "transfer-encoding", "user-agent", "vary", "via", "allow",
		"grant_type", "granttype", "client_id", "clientid", "apiclientid", "redirect_uri", "redirecturi", "scope", "scopes", "resource", "audience",
		"token_type", "tokentype", "token_type_hint", "expires_in", "expiresin", "refresh_expires_in", "error", "error_description", "error_uri",
		"errorcode", "message", "title", "detail", "status", "code_challenge_method", "query", "per", "page", "limit", "offset":
		return true
	}
	return strings.Contains(name, "expir")
}

func maskForm(form string) string {
	pairs := strings.Split(form, "&")
	for i, pair := range pairs {
		name, _, ok := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); ok && (err != nil || !harmless(plain)) {
			pairs[i] = name + "=" + redact.Mask
		}
	}
	return strings.Join(pairs, "&")
}

func maskedJSON(v any) string {
	text, _ := json.Marshal(maskValue(v, false))
	return string(text)
}

// maskValue masks every text in v that is not known to be harmless.
func maskValue(v any, shown bool) any {
	switch v := v.(type) {
	case string:
		if !shown {
			return redact.Mask
		}
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = maskValue(item, shown)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, item := range v {
			object[name] = maskValue(item, harmless(name))
		}
		return object
	}
	return v
}
