package cmd

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// duration is a flag value that knows days: renewals and logins are thought of in days.
type duration time.Duration

func (d *duration) String() string {
	if d == nil || *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *duration) Type() string { return "duration" }

func (d *duration) Set(s string) error {
	v, err := parseDuration(s)
	*d = duration(v)
	return err
}

var errDuration = errors.New("not a duration such as 90s, 5m, 48h or 3d")

// parseDuration reads what time.ParseDuration reads, and whole or broken days (3d, 1.5d). What is
// negative is refused.
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
