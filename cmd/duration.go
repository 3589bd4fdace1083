package cmd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/session"
)

// duration is a flag value that knows days, because logins last for days.
type duration time.Duration

func (d *duration) String() string {
	if d == nil || *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type is the name of the value in the help.
func (d *duration) Type() string { return "DURATION" }

func (d *duration) Set(s string) error {
	clean, err := account.Clean("duration", s)
	if err != nil {
		return errDuration
	}
	v, err := parseDuration(clean)
	*d = duration(v)
	return err
}

var errDuration = errors.New("not a duration such as 90s, 5m, 48h or 3d")

// parseDuration reads what time.ParseDuration reads, and days (3d, 1.5d). It refuses negative durations.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n < 0 || n > 36500 {
			return 0, errDuration
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errDuration
	}
	return d, nil
}

// span formats a length of time in the largest unit that still says something, rounded down, so that it
// never promises more than there is.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}

// relative formats an expiry relative to now. The zero time means that none is known.
func relative(t, now time.Time) string {
	if t.IsZero() {
		return "no expiry"
	}
	if d := t.Sub(now); d > 0 {
		return "in " + span(d)
	}
	return span(now.Sub(t)) + " ago"
}

// lifetime formats how long a token is valid that was just issued: "60 min", although a second has passed.
func lifetime(c *session.Credential) string {
	return span(c.AccessExpiresAt.Sub(c.ObtainedAt).Round(time.Second))
}
