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

// expiry returns the lifetime that a reply states for a token, in seconds or by an instant, and when the
// token expires by the local clock. An unreadable or past statement counts as none; the expiry is then that of
// the definition's default.
func (c *Client) expiry(r *Reply, a *answer, object map[string]any, what string, in, at provider.Names, standard time.Duration) (life time.Duration, expires time.Time) {
	never := func(v any) bool { return what == "refresh token" && isZero(v) }
	stated := false
	if v, ok := valueAt(object, at); ok {
		stated = !never(v)
		life = lifeUntil(v, serverNow(a))
	}
	if v, ok := valueAt(object, in); ok && life <= 0 {
		stated = !never(v)
		life = seconds(v)
		if life > 50*year { // more likely seconds since 1970, if that is within ten years
			if until := lifeUntil(v, serverNow(a)); until > 0 && until < 10*year {
				life = until
			}
		}
	}
	switch {
	case life > 0:
		return life, a.asked.Add(life)
	case stated:
		r.Notes = append(r.Notes, "could not read the expiry of the "+what)
	}
	if standard == 0 {
		return 0, time.Time{}
	}
	return 0, a.asked.Add(standard)
}

func isZero(v any) bool {
	n, ok := number(v)
	return ok && n == 0
}

// serverNow returns the provider's clock at the time of the answer, or the local one if the reply does not
// tell.
func serverNow(a *answer) time.Time {
	if t, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return t
	}
	return a.asked
}

const year = 365 * 24 * time.Hour

// longest is the longest lifetime that is believed.
const longest = 100 * year

// seconds reads a number of seconds, which some services write as a string. 0: it is none, or not a
// plausible one.
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

// instantLayouts returns the forms in which an instant is read: RFC 3339 and ISO 8601, SQL, and HTTP dates.
// The fraction of a second may have any number of digits. Without a zone it is UTC. Abbreviations of other
// zones are not read, because their meaning depends on the machine.
func instantLayouts() []string {
	layouts := []string{http.TimeFormat, time.RFC1123Z, time.RFC850, time.ANSIC, "20060102T150405Z0700", "20060102T150405"}
	for _, date := range []string{"2006-01-02T", "2006-01-02 "} {
		for _, clock := range []string{"15:04:05", "15:04"} {
			for _, zone := range []string{"", "Z07:00", "Z0700", "Z07", " Z07:00", " Z0700", " Z07", " UTC", " GMT", " Z0700 UTC"} {
				layouts = append(layouts, date+clock+zone)
			}
		}
	}
	return layouts
}

// parseInstant reads an instant in any of these forms.
func parseInstant(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	text, _, _ = strings.Cut(text, "[")           // RFC 9557: the name of the zone
	text = strings.Replace(text, ":60", ":59", 1) // RFC 3339 5.7: a leap second
	if len(text) > 10 && text[0] >= '0' && text[0] <= '9' {
		text = strings.ToUpper(text) // RFC 3339 5.6: t and z may be lower case
	}
	// ISO 8601 also allows a comma before the fraction; time.Parse reads both.
	for _, layout := range instantLayouts() {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// lifeUntil returns how far an instant is from now, at most the longest lifetime: some services write the end of the
// year 9999 for never. A number is taken by its size: seconds from now, or since 1970 in seconds, milliseconds,
// microseconds or nanoseconds. 0: it cannot be read.
func lifeUntil(v any, now time.Time) time.Duration {
	var life time.Duration
	if n, ok := number(v); ok {
		switch {
		case n < 10*year.Seconds():
			life = seconds(v)
		case n < 1e11:
			life = time.UnixMilli(int64(n * 1e3)).Sub(now)
		case n < 1e12: // no instant in seconds that is used, and one of the year 2001 in milliseconds
			life = longest
		case n < 1e15:
			life = time.UnixMilli(int64(n)).Sub(now)
		case n < 1e17:
			life = time.UnixMicro(int64(n)).Sub(now)
		case n < 9e18:
			life = time.Unix(0, int64(n)).Sub(now)
		}
	} else if text, ok := v.(string); ok {
		if t, ok := parseInstant(text); ok {
			life = t.Sub(now)
		}
	}
	return min(life, longest)
}

// retryAfter returns how long to wait before trying again: Retry-After in seconds, as an HTTP date (RFC
// 9110 10.2.3) or as an epoch second, else what the body says. stated is false if nothing says so.
func (c *Client) retryAfter(a *answer) (wait time.Duration, stated bool) {
	now := serverNow(a)
	text := strings.TrimSpace(a.header.Get("Retry-After"))
	if text == "" {
		object, _ := c.object(a)
		if v, ok := valueAt(object, c.Definition.Errors.RetryIn); ok {
			wait := seconds(v)
			return wait, wait > 0
		}
		return 0, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch {
		case n < 0, n > 1e11: // 1e11 is in the year 5138
			return 0, false
		case n > int64(year.Seconds()): // too long for a wait, so it is an instant
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
