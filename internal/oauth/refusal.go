package oauth

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
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
	isLacking                // the token is valid, and a permission is missing
	isGood                   // no refusal
)

// judge is the table of refusals by a token endpoint; judgeAPI is that by an API. A login ends with
// invalid_grant, with what the definition lists, or, if its codes are undocumented, with a 400 or 401 whose JSON
// error is not about the client. Never with a 404, 407, 408, 429, 5xx or anything but JSON.
func (c *Client) judge(a *answer, object map[string]any) outcome {
	rules := c.Definition.Errors
	code, _ := textAt(object, rules.Code)
	switch {
	case c.matches(rules.Retry, a, object):
		return isBusy
	case a.status == http.StatusTooManyRequests, code == "temporarily_unavailable" && a.status < 500: // RFC 6749 4.1.2.1
		return isBusy
	case a.status == http.StatusServiceUnavailable:
		if _, stated := c.retryAfter(a); stated {
			return isBusy
		}
		return isUnknown // a bare 503 may come from a gateway whose server has seen the request
	case a.status >= 500, code == "server_error", a.status == http.StatusRequestTimeout, a.status == http.StatusProxyAuthRequired:
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

// judgeAPI says what an API's answer means. A token is dead with a 401, with a 403 that says invalid_token (RFC
// 6750 3.1) or with what the definition lists, but never if a permission is missing. The body stays unread.
func (c *Client) judgeAPI(resp *http.Response) outcome {
	expired := c.Definition.API.Expired
	busy := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
	switch {
	case resp.StatusCode < 400:
		return isGood
	case busy && !slices.ContainsFunc(expired, func(r provider.Rule) bool { return r.Status == resp.StatusCode }):
		return isBusy
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: peek(resp)}
	object, _ := c.object(a)
	if object == nil {
		object = map[string]any{"": string(a.body)} // not every API answers with JSON
	}
	code, _ := textAt(object, c.Definition.Errors.Code)
	says := func(word string) bool {
		return code == word || strings.Contains(strings.Join(resp.Header.Values("WWW-Authenticate"), ","), word)
	}
	missing := c.Definition.API.MissingScope
	switch {
	case says("insufficient_scope"), a.status == http.StatusUnauthorized && missing != "" && bytes.Contains(a.body, []byte(missing)):
		return isLacking
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden && says("invalid_token"), c.matches(expired, a, object):
		return isDead
	case busy:
		return isBusy
	}
	return isDenied
}

// APIFailure returns what an answer means for the caller, nil for a success or a 304. Words are what the answer
// says, "" for nothing. The answer came from the API itself or, with own false, from another host.
func (c *Client) APIFailure(resp *http.Response, own bool, words string) *Error {
	status := strings.TrimSpace(fmt.Sprintf("status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	title := c.Definition.Title
	if !own {
		title = resp.Request.URL.Host
	}
	says := " (" + status + ")"
	if words != "" {
		says = ": " + words + says
	}
	e := &Error{Status: resp.StatusCode}
	meaning := c.judgeAPI(resp)
	switch {
	case meaning == isGood && (resp.StatusCode < 300 || resp.StatusCode == http.StatusNotModified):
		return nil
	case meaning == isGood:
		e.Fail = fail.New(fail.Unavailable, "%s answered with a redirect%s", title, says)
	case meaning == isLacking && own:
		e.Fail = fail.New(fail.Refused, "the token lacks a permission at %s%s", title, says)
	case meaning == isDead && own:
		e.Fail = fail.New(fail.LoginNeeded, "%s does not accept the token%s", title, says)
	case meaning == isBusy:
		e.Fail = fail.New(fail.Unavailable, "%s asks to retry later%s", title, says)
		if wait, _ := c.retryAfter(&answer{header: resp.Header, asked: c.now()}); wait > 0 {
			e.RetryAfter = wait
			e.Fail.Advise(fail.DoWait, wait.Round(time.Second))
		}
	default:
		e.Fail = fail.New(fail.Refused, "%s refused%s", title, says)
	}
	return e
}

// maxPeek is how much of a refusal is read to find out what it is about.
const maxPeek = 64 << 10

// peeked is a body whose beginning was read and is read again.
type peeked struct {
	*bufio.Reader
	io.Closer
}

// peek returns the beginning of a body and leaves it unread.
func peek(resp *http.Response) []byte {
	body, ok := resp.Body.(*peeked)
	if !ok {
		body = &peeked{bufio.NewReaderSize(resp.Body, maxPeek), resp.Body}
		resp.Body = body
	}
	start, _ := body.Peek(maxPeek) // an error is reported again when the body is read
	return start
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

// said returns the words of a refusal, or else its status.
func (c *Client) said(a *answer, object map[string]any) string {
	code, _ := textAt(object, c.Definition.Errors.Code)
	description, _ := textAt(object, c.Definition.Errors.Description)
	if words := redact.Scrub(strings.Trim(code+": "+description, ": "), maxText, a.secrets...); words != "" {
		return words
	}
	return fmt.Sprintf("status %d", a.status)
}

// withStatus adds the status to what a provider said, unless that is all there is.
func (a *answer) withStatus(words string) string {
	status := fmt.Sprintf("status %d", a.status)
	if words == status {
		return words
	}
	return words + " (" + status + ")"
}

// refusal is the failure of an answer that is no success.
func (c *Client) refusal(a *answer, object map[string]any) *Error {
	code, _ := textAt(object, c.Definition.Errors.Code)
	words := c.said(a, object)
	e := &Error{Status: a.status, Code: redact.Scrub(code, 80, a.secrets...)}
	meaning := c.judge(a, object)
	e.Ended, e.Unspent = meaning == isDead, meaning != isUnknown
	title := c.Definition.Title
	switch meaning {
	case isDead:
		if code != "invalid_grant" {
			words = a.withStatus(words)
		}
		e.Fail = fail.New(fail.LoginNeeded, "%s refused the login: %s", title, words)
	case isBusy, isUnknown:
		e.Fail, e.RetryAfter = c.later(a, words)
	default:
		e.Fail = fail.New(fail.Refused, "%s refused: %s", title, a.withStatus(words))
		if code == "invalid_scope" {
			e.Fail.Advise(fail.DoNarrowScopes)
		} else {
			e.Fail.Advise(fail.DoCheckClient, c.Definition.ClientPlace())
		}
	}
	return e
}

// later is the failure of a request that may work later, and how long the provider asks to wait.
func (c *Client) later(a *answer, words string) (*fail.Error, time.Duration) {
	title := c.Definition.Title
	if a.status >= 500 && a.status != http.StatusServiceUnavailable || a.status == http.StatusRequestTimeout || a.status == http.StatusProxyAuthRequired {
		return fail.New(fail.Unavailable, "%s has a problem: %s", title, a.withStatus(words)), 0
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
