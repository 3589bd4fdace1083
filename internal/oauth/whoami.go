package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// Detail is one line about the owner of a token.
type Detail struct {
	Name   string
	Values []string
}

// WhoAmI asks the provider whose token it is, by the definition's probes.
func (c *Client) WhoAmI(ctx context.Context, token string) ([]Detail, error) {
	probes := c.Definition.WhoAmI
	if len(probes) == 0 {
		return nil, fail.New(fail.Usage, "%s has no way to tell whose token it is", c.Definition.Title)
	}
	bound, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	var last error
	var e *Error
	for i, probe := range probes {
		if i > 0 {
			if !errors.As(last, &e) || !slices.Contains(probe.On, e.Status) {
				break
			}
		}
		details, err := c.probe(bound, probe, token)
		if err == nil {
			return details, nil
		}
		if last == nil {
			last = err
		}
	}
	return nil, last
}

func (c *Client) probe(ctx context.Context, probe provider.Probe, token string) ([]Detail, error) {
	a, err := c.try(ctx, ctx, func() (*answer, error) {
		var body *strings.Reader
		req, err := http.NewRequestWithContext(ctx, probe.Method, probe.URL, nil)
		if probe.JSON != "" {
			body = strings.NewReader(probe.JSON)
			req, err = http.NewRequestWithContext(ctx, probe.Method, probe.URL, body)
		}
		if err != nil {
			return nil, fail.New(fail.Usage, "whoami of %s is not an address", c.Definition.Name)
		}
		if body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		c.dress(req)
		c.Present(req, token)
		return c.roundTrip(req, []string{token})
	})
	if err != nil {
		return nil, err
	}
	return c.details(a, probe)
}

// Present puts the token where the provider wants it: in the header (RFC 6750 2.1) or in the query.
func (c *Client) Present(req *http.Request, token string) {
	if param := c.Definition.API.QueryParam; param != "" {
		query := req.URL.Query()
		query.Set(param, token)
		req.URL.RawQuery = encodeQuery(query)
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
}

// details reads the answer to a probe.
func (c *Client) details(a *answer, probe provider.Probe) ([]Detail, error) {
	if a.status < 200 || a.status > 299 {
		return nil, c.apiRefusal(a)
	}
	body, what := c.any(a)
	if what != "" {
		return nil, c.nonsense(a, what)
	}
	if object, ok := body.(map[string]any); ok {
		for _, path := range probe.Errors {
			v, ok := valueAt(object, provider.Names{path})
			if list, isList := v.([]any); !ok || isList && len(list) == 0 {
				continue
			}
			text, _ := json.Marshal(v)
			return nil, &Error{Status: a.status, Fail: fail.New(fail.Refused, "%s refused: %s", c.Definition.Title,
				redact.Scrub(string(text), maxText, a.secrets...))}
		}
	}
	found := 0
	details := make([]Detail, 0, len(probe.Show))
	for _, field := range probe.Show {
		d := Detail{Name: field.Name}
		collect(body, strings.Split(field.Path, "."), func(value string) {
			found++
			d.Values = append(d.Values, redact.Scrub(value, maxText, a.secrets...))
		})
		details = append(details, d)
	}
	if list, isList := body.([]any); found == 0 && len(probe.Show) > 0 && (!isList || len(list) > 0) {
		// There are APIs that put their errors into a 200. An empty list is none: the token opened it.
		return nil, &Error{Status: a.status, Fail: fail.New(fail.Refused, "%s told nothing of the token's owner%s", c.Definition.Title, c.words(a))}
	}
	return details, nil
}

// apiRefusal reads a refusal by the API itself, whose errors have no common form.
func (c *Client) apiRefusal(a *answer) *Error {
	words := c.words(a)
	e := &Error{Status: a.status}
	title := c.Definition.Title
	missing := c.Definition.API.MissingScope
	switch {
	case a.status == http.StatusUnauthorized && missing != "" && strings.Contains(string(a.body), missing):
		e.Fail = fail.New(fail.Refused, "the token lacks a permission at %s%s", title, words)
	case a.status == http.StatusUnauthorized:
		e.Fail = fail.New(fail.LoginNeeded, "%s does not accept the token%s", title, words)
	case a.status == http.StatusTooManyRequests, a.status >= 500:
		e.Fail = fail.New(fail.Unavailable, "%s asks to retry later%s (status %d)", title, words, a.status)
	case a.status < 400:
		return c.nonsense(a, "a redirect")
	default:
		e.Fail = fail.New(fail.Refused, "%s refused%s (status %d)", title, words, a.status)
	}
	return e
}

// words returns what a person can read of an answer, after a colon; nothing where there is nothing.
func (c *Client) words(a *answer) string {
	words := redact.Scrub(c.apiWords(a), maxText, a.secrets...)
	if words == "" {
		return ""
	}
	return ": " + words
}

// apiWords returns what a person can read of an error: its text fields, or a plain text as it is.
func (c *Client) apiWords(a *answer) string {
	object, _ := c.object(a)
	if object == nil {
		if a.isHTML() {
			return ""
		}
		return string(a.text())
	}
	var words []string
	for _, name := range []string{"title", "error", "message", "detail", "error_description"} {
		if text, ok := textAt(object, provider.Names{name}); ok && text != "" {
			words = append(words, text)
		}
	}
	return strings.Join(words, ": ")
}

// any reads the body as any JSON value.
func (c *Client) any(a *answer) (any, string) {
	v, _ := Decode(a.text())
	switch v.(type) {
	case map[string]any, []any:
		return v, ""
	}
	if _, what := c.object(a); what != "" {
		return nil, what
	}
	return nil, "broken JSON"
}

// collect calls yield with every scalar at a path; a list on the way yields all of its elements.
func collect(v any, path []string, yield func(string)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			collect(item, path, yield)
		}
	case map[string]any:
		if len(path) > 0 {
			collect(v[path[0]], path[1:], yield)
		}
	case nil:
	default:
		if len(path) == 0 {
			yield(fmt.Sprint(v))
		}
	}
}
