package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// devicePath is the page on which the user enters the code of a device login, within the provider.
const devicePath = "/_device"

// standardInterval is the pause between two polls (RFC 8628 3.2), and slowDown what a poll that comes too early adds
// to it (3.5).
const (
	standardInterval = 5 * time.Second
	slowDown         = 5 * time.Second
)

// device is a device login that waits for its user (RFC 8628 3.2).
type device struct {
	userCode string
	scopes   []string
	expires  time.Time
	interval time.Duration
	next     time.Time // before it, a poll comes too early
	decision string    // allow or deny; empty: none yet
	used     bool
}

// newUserCode returns a code as RFC 8628 6.1 suggests it: without vowels, and none of it looks like another.
func newUserCode() string {
	code := random(8, "BCDFGHJKLMNPQRSTVWXZ")
	return code[:4] + "-" + code[4:]
}

// startDevice makes the codes of a device login. Where consent needs no user, it is decided already.
func (c *request) startDevice(scopes []string) *reply {
	d := &device{
		userCode: newUserCode(), scopes: c.st.allowed(scopes), interval: c.st.interval,
		expires: after(c.now, c.st.lives.code), next: c.now,
	}
	value := c.st.newCode()
	c.st.devices[value] = d
	page := c.base() + devicePath
	body := map[string]any{
		"device_code": value, "user_code": d.userCode, "verification_uri": page,
		"verification_uri_complete": page + "?user_code=" + d.userCode,
		"interval":                  int64(d.interval / time.Second),
	}
	if !d.expires.IsZero() {
		body["expires_in"] = int64(d.expires.Sub(c.now) / time.Second)
	}
	out := jsonReply(http.StatusOK, body).why("a device code; the user enters the user code at " + devicePath)
	if c.srv.cfg.Consent == ConsentAsk {
		return out
	}
	d.decision = c.srv.cfg.Consent
	return out.counts(func(s *Stats) { s.decided(d.decision) })
}

// poll turns a device code into tokens once the user has allowed it (RFC 8628 3.5).
func (c *request) poll(value string) (granted, *problem) {
	waits := func(code, format string, args ...any) *problem {
		return &problem{kind: badGrant, code: code, text: fmt.Sprintf(format, args...)}
	}
	d := c.st.devices[value]
	switch {
	case d == nil:
		return granted{}, bad(badGrant, "the device code is unknown")
	case d.used:
		return granted{}, bad(badGrant, "the device code was used before: it is good for one login")
	case over(c.now, d.expires):
		return granted{}, waits("expired_token", "the device code has expired: it was valid for %s", c.st.lives.code)
	case c.now.Before(d.next):
		d.interval += slowDown
		d.next = c.now.Add(d.interval)
		return granted{}, waits("slow_down", "polled too early: from now on wait %s between two polls", d.interval)
	}
	d.next = c.now.Add(d.interval)
	switch d.decision {
	case ConsentDeny:
		return granted{}, waits("access_denied", "the user denied access")
	case ConsentAllow:
		d.used = true
		return granted{
			pair: c.st.issue(c.now, &family{scopes: d.scopes}), reason: "tokens for a device code",
			count: func(s *Stats) { s.Exchanges++ },
		}, nil
	}
	return granted{}, waits("authorization_pending", "the user has not decided yet")
}

// waiting returns the device login with this user code that can be decided, or nil. Case and hyphens do not count.
func (st *provider) waiting(now time.Time, userCode string) *device {
	plain := func(code string) string { return strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(code), "-", "")) }
	for _, d := range st.devices {
		if plain(d.userCode) == plain(userCode) && d.decision == "" && !over(now, d.expires) {
			return d
		}
	}
	return nil
}

func (s *Stats) decided(decision string) {
	if decision == ConsentAllow {
		s.Allowed++
	} else {
		s.Denied++
	}
}

// devicePage asks the user for the code and the consent, in one form.
func (c *request) devicePage() *reply {
	q, p := c.query()
	if p == nil {
		p = q.only("user_code")
	}
	if p != nil {
		return c.refusedPage(p)
	}
	return c.srv.pages.device(c, q["user_code"]).why("asking the user for the code and consent")
}

func (c *request) deviceDecided() *reply {
	v, p := c.values("form")
	if p == nil {
		p = v.exactly("user_code", "decision")
	}
	if p == nil && v["decision"] != ConsentAllow && v["decision"] != ConsentDeny {
		p = bad(badRequest, "the decision is neither allow nor deny")
	}
	if p != nil {
		return c.refusedPage(p)
	}
	d := c.st.waiting(c.now, v["user_code"])
	if d == nil {
		return c.refusedPage(bad(badRequest, "no device waits with this code"))
	}
	d.decision = v["decision"]
	return c.srv.pages.deviceDone(c, d.decision == ConsentAllow).why("consent decided on the device page: " + d.decision).
		counts(func(s *Stats) { s.decided(d.decision) })
}

// DeviceControl steers device logins.
type DeviceControl struct {
	Provider string `json:"provider,omitempty"` // empty: every one
	// Decision is "allow", "deny" or "expire", for the login with UserCode, or for all that wait; empty: none.
	Decision string `json:"decision,omitempty"`
	UserCode string `json:"user_code,omitempty"`
	// Interval is the pause in seconds between the polls of device logins from now on; nil: as it is.
	Interval *int `json:"interval,omitempty"`
}

// SteerDevice decides device logins in place of their users, and returns how many.
func (s *Server) SteerDevice(v DeviceControl) (int, error) {
	if v.Decision != "" && !slices.Contains([]string{ConsentAllow, ConsentDeny, "expire"}, v.Decision) {
		return 0, fmt.Errorf("unknown decision %q (known: allow, deny, expire)", clean(v.Decision))
	}
	if v.Interval != nil && (*v.Interval < 0 || *v.Interval > 3600) {
		return 0, errors.New("the interval is not between 0 and 3600 seconds")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.plays(v.Provider); err != nil {
		return 0, err
	}
	decided := 0
	for name, st := range s.providers {
		if v.Provider != "" && v.Provider != name {
			continue
		}
		if v.Interval != nil {
			st.interval = time.Duration(*v.Interval) * time.Second
		}
		decided += st.steer(s.now(), v)
	}
	if v.UserCode != "" && decided == 0 {
		return 0, errors.New("no device waits with this code")
	}
	return decided, nil
}

func (st *provider) steer(now time.Time, v DeviceControl) (decided int) {
	only := st.waiting(now, v.UserCode)
	for _, d := range st.devices {
		if v.Decision == "" || d.decision != "" || over(now, d.expires) || v.UserCode != "" && d != only {
			continue
		}
		decided++
		if v.Decision == "expire" {
			d.expires = now
			continue
		}
		d.decision = v.Decision
		st.stats.decided(v.Decision)
	}
	return decided
}
