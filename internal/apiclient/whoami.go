package apiclient

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

const (
	whoamiTime = 30 * time.Second // for all requests together
	maxWhoAmI  = 1 << 20          // bytes of an answer
)

// Detail is one line about the owner of a token.
type Detail struct {
	Name   string
	Values []string
}

// WhoAmI asks the provider whose token it is: by the definition's requests, each of which is tried if the one
// before it failed with a status that it lists. All together take at most 30 s.
func (c *Client) WhoAmI(ctx context.Context) ([]Detail, error) {
	if len(c.provider.Definition.WhoAmI) == 0 {
		return nil, fail.New(fail.Usage, "the definition of %s has no request that tells whose token it is", c.provider.Definition.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.provider.Timeout, whoamiTime))
	defer cancel()
	var first error
	for _, probe := range c.provider.Definition.WhoAmI {
		var e *oauth.Error
		if first != nil && (!errors.As(first, &e) || !slices.Contains(probe.On, e.Status)) {
			break
		}
		details, err := c.probe(ctx, probe)
		if err == nil {
			return details, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (c *Client) probe(ctx context.Context, probe provider.Probe) ([]Detail, error) {
	var body io.Reader
	if probe.JSON != "" {
		body = strings.NewReader(probe.JSON)
	}
	req, err := http.NewRequestWithContext(ctx, probe.Method, probe.URL, body)
	if err != nil {
		return nil, fail.New(fail.Usage, "whoami of %s is not an address", c.provider.Definition.Name)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.transport.RoundTrip(req)
	var refused *oauth.RefusedError
	if errors.As(err, &refused) {
		_ = refused.Answer.Body.Close()
		return nil, refused.Err
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxWhoAmI+1))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fail.New(fail.Unavailable, "%s did not answer in time (%s)", c.title(), req.URL.Host)
	case err != nil:
		return nil, err
	}
	resp.Body = io.NopCloser(strings.NewReader(string(text)))
	return c.details(resp, text, probe)
}

func (c *Client) details(resp *http.Response, text []byte, probe provider.Probe) ([]Detail, error) {
	body, what := readJSON(text)
	words := errorWords(resp, body, text)
	e := c.provider.APIFailure(resp, true, words)
	switch {
	case e != nil && e.Fail.Kind == fail.LoginNeeded && c.Explain != nil:
		c.Explain(e.Fail)
		return nil, e
	case e != nil:
		return nil, e
	case what != "":
		f := fail.New(fail.Unavailable, "%s answered with %s (status %d)", c.title(), what, resp.StatusCode)
		return nil, &oauth.Error{Status: resp.StatusCode, Fail: f}
	}
	refuse := func(format string, args ...any) ([]Detail, error) {
		return nil, &oauth.Error{Status: resp.StatusCode, Fail: fail.New(fail.Refused, format, args...)}
	}
	for _, path := range probe.Errors {
		if v := errorAt(body, path); v != nil {
			return refuse("%s refused: %s", c.title(), quote(resp, v))
		}
	}
	found := 0
	details := make([]Detail, 0, len(probe.Show))
	for _, field := range probe.Show {
		d := Detail{Name: field.Name}
		for _, value := range oauth.Scalars(body, field.Path) {
			found++
			d.Values = append(d.Values, oauth.Scrub(resp, value, maxText))
		}
		details = append(details, d)
	}
	if list, isList := body.([]any); found == 0 && len(probe.Show) > 0 && (!isList || len(list) > 0) {
		// Some APIs report errors with status 200. An empty list is no error: the token was accepted.
		return refuse("the reply of %s does not identify the token's owner%s", c.title(), after(words))
	}
	return details, nil
}

// readJSON reads an object or a list; what says what the text is instead.
func readJSON(text []byte) (body any, what string) {
	v, err := oauth.Decode(text)
	start := strings.TrimSpace(strings.TrimPrefix(string(text), "\ufeff"))
	switch v.(type) {
	case map[string]any, []any:
		return v, ""
	}
	switch {
	case len(text) > maxWhoAmI:
		return nil, "more than 1 MiB"
	case start == "":
		return nil, "nothing"
	case strings.HasPrefix(start, "<"):
		return nil, "HTML instead of JSON"
	case err != nil:
		return nil, "broken JSON"
	}
	return nil, "something other than a JSON object"
}

// errorWords returns what an answer says, for people: the text fields of an object, or a plain text.
func errorWords(resp *http.Response, body any, text []byte) string {
	var words []string
	if object, ok := body.(map[string]any); ok {
		for _, name := range []string{"title", "error", "message", "detail", "error_description"} {
			if v := errorAt(object, name); v != nil {
				text, isText := v.(string)
				if !isText {
					text = quote(resp, v)
				}
				words = append(words, text)
			}
		}
	} else if start := strings.TrimSpace(string(text)); !strings.HasPrefix(start, "<") {
		words = append(words, start)
	}
	return oauth.Scrub(resp, strings.Join(words, ": "), maxText)
}

func after(words string) string {
	if words == "" {
		return ""
	}
	return ": " + words
}
