package oauth

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/provider"
)

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
