package oauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// Error is a request that failed. It has a kind (see package fail) and says what became of the
// credential that was sent.
type Error struct {
	Fail   *fail.Error
	Status int // of the reply; 0 where there was none
	Code   string
	// Ended: the provider says that the code or refresh token is dead for good.
	Ended bool
	// Unspent: what was sent is certainly as good as before, because nothing arrived or because the
	// provider said so. Without it the outcome is unknown.
	Unspent bool
	// RetryAfter is how long the provider asks to wait before the next request; 0: it does not say.
	RetryAfter time.Duration
	// Salvage is what could be read of a reply that cannot be used as a whole: a new refresh token.
	Salvage *Reply
}

func (e *Error) Error() string { return e.Fail.Error() }

// Unwrap makes the kind and the hint findable.
func (e *Error) Unwrap() error { return e.Fail }

// nonsense is an answer that is not one.
func (c *Client) nonsense(a *answer, what string) *Error {
	f := fail.New(fail.Unavailable, "%s answered with %s (status %d)", c.Definition.Title, what, a.status)
	if a.status >= 300 && a.status < 400 {
		f = f.WithHint("a redirect is never followed with a secret; where a base URL is set, check it")
	}
	return &Error{Fail: f, Status: a.status}
}

// refusal reads an answer that is no success, by the rule of what ends a login: invalid_grant,
// or, where the codes are not documented, a 400 or 401 with a JSON error that does not speak of the
// client. Never a 404, 407, 408, 429, 5xx or anything that is no JSON. Where nothing but the client's own
// credentials was sent, the error is about them, whatever it says.
func (c *Client) refusal(a *answer, object map[string]any) *Error {
	e := &Error{Status: a.status}
	rules := c.Definition.Errors
	code, _ := textAt(object, rules.Code)
	description, _ := textAt(object, rules.Description)
	e.Code = redact.Scrub(code, 80, a.secrets...)
	words := redact.Scrub(strings.Trim(code+": "+description, ": "), maxText, a.secrets...)
	if words == "" {
		words = fmt.Sprintf("status %d", a.status)
	}
	title := c.Definition.Title
	switch {
	case a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable || c.matches(rules.Retry, a, object):
		wait, told := c.retryAfter(a)
		// A bare 503 may come from a gateway whose server has seen the request.
		e.Unspent = told || a.status != http.StatusServiceUnavailable
		e.Fail = fail.New(fail.Unavailable, "%s asks to come back later: %s", title, words)
		e.RetryAfter = wait
		if wait >= time.Second {
			e.Fail.Hint = fmt.Sprintf("try again in %s", wait.Round(time.Second))
		}
	case a.status >= 500 || a.status == http.StatusRequestTimeout || a.status == http.StatusProxyAuthRequired:
		e.Fail = fail.New(fail.Unavailable, "%s has a problem: %s (status %d)", title, words, a.status)
	case (code == "invalid_grant" || c.matches(rules.Ended, a, object)) && a.status != http.StatusNotFound:
		e.Ended, e.Unspent = true, true
		e.Fail = fail.New(fail.LoginNeeded, "%s refused the login: %s", title, words)
	case rules.Undocumented && a.login && (a.status == 400 || a.status == 401) && len(object) > 0 && !speaksOfClient(object):
		e.Ended, e.Unspent = true, true
		e.Fail = fail.New(fail.LoginNeeded, "%s refused the login: %s (status %d)", title, words, a.status)
	default:
		e.Unspent = true
		e.Fail = fail.New(fail.Refused, "%s refused: %s (status %d)", title, words, a.status).
			WithHint("check the client id and secret; they are made at: %s", c.Definition.Client.Create)
	}
	return e
}

// matches reports whether an answer is what one of the rules describes.
func (c *Client) matches(rules []provider.Rule, a *answer, object map[string]any) bool {
	code, _ := textAt(object, c.Definition.Errors.Code)
	text, _ := textAt(object, c.Definition.Errors.Description)
	return slices.ContainsFunc(rules, func(r provider.Rule) bool { return r.Matches(a.status, code, text) })
}

// speaksOfClient reports whether an error is about the client or its credentials, not about the login.
func speaksOfClient(v any) bool {
	switch v := v.(type) {
	case string:
		v = strings.ToLower(v)
		return strings.Contains(v, "client") || strings.Contains(v, "credential") || strings.Contains(v, "secret")
	case []any:
		for _, item := range v {
			if speaksOfClient(item) {
				return true
			}
		}
	case map[string]any:
		for name, item := range v {
			// A name alone says nothing when its value is empty: {"clientSecret": null}.
			if speaksOfClient(item) || item != nil && item != "" && speaksOfClient(name) {
				return true
			}
		}
	}
	return false
}
