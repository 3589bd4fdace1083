package oauth

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/provider"
)

// Reply is what a token endpoint granted. The zero time stands for "not said, and no default".
type Reply struct {
	AccessToken      credential.Secret
	TokenType        string
	RefreshToken     credential.Secret // empty: none was sent
	Scopes           []string          // nil: not said
	RequestedAt      time.Time         // by the local clock
	AccessExpiresAt  time.Time
	RefreshExpiresAt time.Time
	// Notes say what of the reply could not be read and what is assumed instead.
	Notes []string
}

// read reads the answer to a token request. It judges by the body first: there are providers that report
// an error with status 200.
func (c *Client) read(a *answer) (*Reply, error) {
	object, what := a.object()
	if object == nil {
		if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
			return nil, c.refusal(a, nil) // such a reply may be plain text
		}
		return nil, c.nonsense(a, what)
	}
	if a.status < 200 || a.status > 299 {
		return nil, c.refusal(a, object)
	}
	names := c.Definition.Reply
	r := &Reply{RequestedAt: a.asked}
	access, refresh := stringAt(object, names.AccessToken), stringAt(object, names.RefreshToken)
	if credential.Printable(refresh) {
		r.RefreshToken = credential.Secret(refresh)
		r.RefreshExpiresAt = c.expiry(r, a, object, "refresh token", names.RefreshExpiresIn, names.RefreshExpiresAt, c.Definition.Lifetimes.Refresh)
	}
	if access == "" && refresh == "" {
		if code, ok := textAt(object, c.Definition.Errors.Code); ok && code != "" {
			return nil, c.refusal(a, object)
		}
	}
	if !credential.Printable(access) {
		e := c.nonsense(a, "no usable access token")
		if r.RefreshToken != "" {
			e.Salvage = r
		}
		return nil, e
	}
	r.AccessToken = credential.Secret(access)
	r.TokenType = stringAt(object, names.TokenType)
	if !credential.Printable(r.TokenType) {
		r.TokenType = "Bearer"
	}
	r.Scopes = scopesAt(object, names.Scope)
	r.AccessExpiresAt = c.expiry(r, a, object, "access token", names.ExpiresIn, names.ExpiresAt, c.Definition.Lifetimes.Access)
	return r, nil
}

// expiry works out when a token ends, by the local clock: the life that the reply states, or implies by
// an instant, is counted from the request. What is unreadable or over gives way to the default.
func (c *Client) expiry(r *Reply, a *answer, object map[string]any, what string, in, at provider.Names, standard time.Duration) time.Time {
	var life time.Duration
	stated := false
	if v, ok := valueAt(object, at); ok {
		stated = true
		life = lifeUntil(v, serverNow(a))
	}
	if v, ok := valueAt(object, in); ok && life <= 0 {
		stated = true
		life = seconds(v)
	}
	if life > 0 {
		return a.asked.Add(life)
	}
	assumed := "no end is"
	if standard > 0 {
		assumed = standard.String() + " is"
	}
	if stated {
		r.Notes = append(r.Notes, "the expiry of the "+what+" could not be read; "+assumed+" assumed")
	}
	if standard == 0 {
		return time.Time{}
	}
	return a.asked.Add(standard)
}

// serverNow returns the provider's clock at the time of the answer, or the local one where the reply
// does not tell.
func serverNow(a *answer) time.Time {
	if t, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return t
	}
	return a.asked
}

const year = 365 * 24 * time.Hour

// longest is the longest life that is believed; beyond it a number means something else.
const longest = 100 * year

// seconds reads a number of seconds, which some services write as a text. What is no such number, or no
// believable one, is 0.
func seconds(v any) time.Duration {
	n, ok := number(v)
	if !ok || n < 0 || n > longest.Seconds() {
		return 0
	}
	return time.Duration(n * float64(time.Second))
}

func number(v any) (float64, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	default:
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// instants are the ways to write an instant that are read. The fraction of a second may have any number
// of digits. What has no zone is taken as UTC. Abbreviations of other zones are not read: what they mean
// would depend on this machine.
var instants = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 GMT", "2006-01-02 15:04:05", "2006-01-02 15:04",
	http.TimeFormat, time.RFC1123Z,
}

// lifeUntil reads an instant in any of the usual forms, and returns how far it is from now. A number is
// taken by its size: milliseconds or seconds since 1970, or a number of seconds from now. What cannot be
// read or believed is 0.
func lifeUntil(v any, now time.Time) time.Duration {
	var life time.Duration
	if n, ok := number(v); ok {
		switch {
		case n < 10*year.Seconds():
			life = seconds(v)
		case n < 1e11:
			life = time.Unix(int64(n), 0).Sub(now)
		case n < 1e14:
			life = time.UnixMilli(int64(n)).Sub(now)
		}
	} else if text, ok := v.(string); ok {
		text = strings.TrimSpace(text)
		for _, layout := range instants {
			if t, err := time.Parse(layout, text); err == nil {
				life = t.Sub(now)
				break
			}
		}
	}
	if life > longest {
		return 0
	}
	return life
}

// retryAfter returns how long to wait before trying again: Retry-After in seconds, as an HTTP date (RFC
// 9110 10.2.3) or, as one provider writes it, as an epoch second; else what the body says.
func (c *Client) retryAfter(a *answer) (time.Duration, bool) {
	now := serverNow(a)
	text := strings.TrimSpace(a.header.Get("Retry-After"))
	if text == "" {
		object, _ := a.object()
		if v, ok := valueAt(object, c.Definition.Errors.RetryIn); ok {
			wait := seconds(v)
			return wait, wait > 0
		}
		return 0, false
	}
	var wait time.Duration
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch {
		case n < 0, n > 1e11: // 1e11 is in the year 5138
			return 0, false
		case n > int64(year.Seconds()): // far more than anybody is asked to wait: an instant
			wait = time.Unix(n, 0).Sub(now)
		default:
			wait = time.Duration(n) * time.Second
		}
	} else if t, err := http.ParseTime(text); err == nil {
		wait = t.Sub(now)
	} else {
		return 0, false
	}
	if wait > year {
		return 0, false
	}
	return max(wait, 0), true
}

// valueAt returns the first of the named fields that is there and not null. A name may be a path.
func valueAt(object map[string]any, names provider.Names) (any, bool) {
	for _, name := range names {
		var v any = object
		for part := range strings.SplitSeq(name, ".") {
			m, _ := v.(map[string]any)
			v = m[part]
		}
		if v != nil {
			return v, true
		}
	}
	return nil, false
}

// textAt returns the first of the named fields that is a text or a number. Where there is none, the first
// that is something else comes as JSON, because an error may be an object or a list, or just true.
func textAt(object map[string]any, names provider.Names) (string, bool) {
	var other any
	for i := range names {
		switch v, _ := valueAt(object, names[i:i+1]); v := v.(type) {
		case string:
			if v != "" {
				return v, true
			}
		case json.Number:
			return v.String(), true
		default:
			if other == nil && v != false {
				other = v
			}
		}
	}
	if other == nil {
		return "", false
	}
	text, err := json.Marshal(other)
	return string(text), err == nil
}

// stringAt returns the first of the named fields if it is a string: a token is nothing else.
func stringAt(object map[string]any, names provider.Names) string {
	v, _ := valueAt(object, names)
	s, _ := v.(string)
	return s
}

// scopesAt returns the scopes of a reply; nil: it does not say. What cannot be a scope (RFC 6749 3.3) is
// left out.
func scopesAt(object map[string]any, names provider.Names) []string {
	v, _ := valueAt(object, names)
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var scopes []string
	for _, item := range list {
		s, _ := item.(string)
		for _, scope := range credential.SplitScopes(s) {
			if credential.Printable(scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return scopes
}
