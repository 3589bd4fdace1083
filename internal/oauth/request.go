package oauth

import (
	"bytes"
	"cmp"
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

// build makes the HTTP request that a definition describes at the path of a kind.
func (c *Client) build(ctx context.Context, path string, r *provider.Request, values map[string]string) (*http.Request, error) {
	params, err := c.params(path, r, values)
	if err != nil {
		return nil, err
	}
	return c.encode(ctx, path, r, values, params)
}

// encode makes an HTTP request of parameters that are known, and authenticates the client.
func (c *Client) encode(ctx context.Context, path string, r *provider.Request, values map[string]string, params map[string][]string) (*http.Request, error) {
	header := http.Header{}
	clientAuthOf(r.ClientAuth).authenticate(values, params, header)
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fail.New(fail.Usage, "an endpoint of %s is not an address", c.Definition.Name)
	}
	var body io.Reader
	var contentType string
	switch r.Encoding {
	case "query":
		query := u.Query()
		maps.Copy(query, params)
		u.RawQuery = encodeQuery(query)
	case "json":
		object := make(map[string]any, len(params))
		for name, values := range params {
			if object[name] = values; len(values) == 1 {
				object[name] = values[0]
			}
		}
		text, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		body, contentType = bytes.NewReader(text), "application/json"
	default:
		body, contentType = strings.NewReader(url.Values(params).Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, fail.New(fail.Usage, "a request of %s cannot be made", c.Definition.Name)
	}
	c.dress(req)
	for name, template := range r.Headers {
		value, err := provider.Expand(template, c.with(values), nil)
		if err != nil {
			return nil, fail.New(fail.Usage, "%s: %s.headers.%s: %w", c.Definition.Name, path, name, err)
		}
		req.Header.Set(name, value)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	maps.Copy(req.Header, header)
	return req, nil
}

func (c *Client) dress(req *http.Request) {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", cmp.Or(c.UserAgent, "tokencli"))
}

// encodeQuery encodes a space as %20, which every server reads, where url.Values writes a plus sign,
// which is only right for forms.
func encodeQuery(query url.Values) string { return strings.ReplaceAll(query.Encode(), "+", "%20") }
