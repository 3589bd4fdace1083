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

// Error is a request that failed. It has a kind (see package fail) and says what happened to the credential
// that was sent.
type Error struct {
	Fail   *fail.Error
	Status int // of the answer; 0 if there was none
	Code   string
	// Ended: the provider says that the code or refresh token will not work again.
	Ended bool
	// Unspent: what was sent is certainly still valid, because nothing arrived or because the provider said
	// so. Otherwise the outcome is unknown.
	Unspent bool
	// RetryAfter is how long the provider asks to wait before the next request; 0: it does not say.
	RetryAfter time.Duration
	// Salvage is a new refresh token in an answer that cannot be used. It has to be saved: the one that was
	// sent may be spent.
	Salvage *Reply
}

func (e *Error) Error() string { return e.Fail.Error() }

// Unwrap returns the failure with its kind and advice.
func (e *Error) Unwrap() error { return e.Fail }

// nonsense is an answer that makes no sense; what says what came instead.
func (c *Client) nonsense(a *answer, what string) *Error {
	f := fail.New(fail.Unavailable, "%s answered with %s (status %d)", c.Definition.Title, what, a.status)
	if a.status >= 300 && a.status < 400 {
		f.Advise(fail.DoCheckBaseURL)
	}
	return &Error{Fail: f, Status: a.status}
}

// outcome is what a refusal means for the request and for what it carried.
type outcome int

const (
	isDenied  outcome = iota // the client, a scope or the request is at fault; a repeat changes nothing
	isDead                   // what was sent will not work again
	isBusy                   // try again later; nothing was spent
	isUnknown                // try again later; whether something was spent is unknown
)

// judge is the one table of refusals, for token endpoints and APIs alike. A token endpoint ends a login with
// invalid_grant, with what the definition lists, or, if its codes are undocumented, with a 400 or 401 whose JSON
// error is not about the client. Never with a 404, 407, 408, 429, 5xx or anything but JSON.
func (c *Client) judge(a *answer, object map[string]any) outcome {
	rules := c.Definition.Errors
	code, _ := textAt(object, rules.Code)
	switch {
	case c.matches(rules.Retry, a, object):
		return isBusy
	case a.status == http.StatusTooManyRequests:
		return isBusy
	case a.status == http.StatusServiceUnavailable:
		if _, stated := c.retryAfter(a); stated {
			return isBusy
		}
		return isUnknown // a bare 503 may come from a gateway whose server has seen the request
	case a.status >= 500, a.status == http.StatusRequestTimeout, a.status == http.StatusProxyAuthRequired:
		return isUnknown
	case a.status == http.StatusNotFound:
		return isDenied
	case code == "invalid_grant", c.matches(rules.Ended, a, object):
		return isDead
	case rules.Undocumented && a.login && (a.status == 400 || a.status == 401) && len(object) > 0 && !aboutClient(object):
		return isDead
	}
	return isDenied
}

// matches reports whether an answer is what one of the rules describes.
func (c *Client) matches(rules []provider.Rule, a *answer, object map[string]any) bool {
	if len(rules) == 0 {
		return false
	}
	code, _ := textAt(object, c.Definition.Errors.Code)
	text := strings.Join(texts(object), "\n")
	return slices.ContainsFunc(rules, func(r provider.Rule) bool { return r.Matches(a.status, code, text) })
}

// refusal is the failure of an answer that is no success.
func (c *Client) refusal(a *answer, object map[string]any) *Error {
	rules := c.Definition.Errors
	code, _ := textAt(object, rules.Code)
	description, _ := textAt(object, rules.Description)
	words := redact.Scrub(strings.Trim(code+": "+description, ": "), maxText, a.secrets...)
	if words == "" {
		words = fmt.Sprintf("status %d", a.status)
	}
	e := &Error{Status: a.status, Code: redact.Scrub(code, 80, a.secrets...)}
	meaning := c.judge(a, object)
	e.Ended, e.Unspent = meaning == isDead, meaning != isUnknown
	title := c.Definition.Title
	switch meaning {
	case isDead:
		if code != "invalid_grant" {
			words += fmt.Sprintf(" (status %d)", a.status)
		}
		e.Fail = fail.New(fail.LoginNeeded, "%s refused the login: %s", title, words)
	case isBusy, isUnknown:
		e.Fail, e.RetryAfter = c.later(a, words)
	default:
		e.Fail = fail.New(fail.Refused, "%s refused: %s (status %d)", title, words, a.status).
			Advise(fail.DoCheckClient, c.Definition.Client.Create)
	}
	return e
}

// later is the failure of a request that may work later, and how long the provider asks to wait.
func (c *Client) later(a *answer, words string) (*fail.Error, time.Duration) {
	title := c.Definition.Title
	if a.status >= 500 && a.status != http.StatusServiceUnavailable || a.status == http.StatusRequestTimeout || a.status == http.StatusProxyAuthRequired {
		return fail.New(fail.Unavailable, "%s has a problem: %s (status %d)", title, words, a.status), 0
	}
	f := fail.New(fail.Unavailable, "%s asks to retry later: %s", title, words)
	wait, _ := c.retryAfter(a)
	if wait >= time.Second {
		f.Advise(fail.DoWait, wait.Round(time.Second))
	}
	return f, wait
}

// aboutClient reports whether an error is about the client or its credentials, not about the login.
func aboutClient(v any) bool {
	switch v := v.(type) {
	case string:
		v = strings.ToLower(v)
		return strings.Contains(v, "client") || strings.Contains(v, "credential") || strings.Contains(v, "secret")
	case []any:
		return slices.ContainsFunc(v, aboutClient)
	case map[string]any:
		for name, item := range v {
			// A name without a value says nothing: {"clientSecret": null}.
			if aboutClient(item) || item != nil && item != "" && aboutClient(name) {
				return true
			}
		}
	}
	return false
}
