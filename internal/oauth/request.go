package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// build makes the HTTP request that a definition describes.
func (c *Client) build(ctx context.Context, r *provider.Request, values, extra map[string]string) (*http.Request, error) {
	params := r.Send.Expand(values)
	maps.Copy(params, extra)
	basic := r.ClientAuth == "basic" && values["client_secret"] != ""
	if r.ClientAuth == "basic" && !basic {
		// A public client names itself in the body (RFC 6749 3.2.1).
		params["client_id"] = values["client_id"]
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fail.New(fail.Usage, "an endpoint of %s is not an address", c.Definition.Name)
	}
	var body io.Reader
	var contentType string
	switch r.Encoding {
	case "query":
		query := u.Query()
		for name, value := range params {
			query.Set(name, value)
		}
		u.RawQuery = encodeQuery(query)
	case "json":
		text, err := json.Marshal(params)
		if err != nil {
			return nil, err
		}
		body, contentType = bytes.NewReader(text), "application/json"
	default:
		form := make(url.Values, len(params))
		for name, value := range params {
			form.Set(name, value)
		}
		body, contentType = strings.NewReader(form.Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, fail.New(fail.Usage, "a request of %s cannot be made", c.Definition.Name)
	}
	c.dress(req)
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if basic {
		// Both parts are form-encoded first (RFC 6749 2.3.1), so that a colon in the id cannot shift the
		// border between them.
		req.SetBasicAuth(url.QueryEscape(values["client_id"]), url.QueryEscape(values["client_secret"]))
	}
	return req, nil
}

func (c *Client) dress(req *http.Request) {
	req.Header.Set("Accept", "application/json")
	agent := c.UserAgent
	if agent == "" {
		agent = "tokencli"
	}
	req.Header.Set("User-Agent", agent)
}

// encodeQuery encodes a space as %20, which every server reads, where url.Values writes a plus sign,
// which is only right for forms.
func encodeQuery(query url.Values) string { return strings.ReplaceAll(query.Encode(), "+", "%20") }
