package store

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// clockLimit is how far the clocks of a machine and of Vault may be apart without consequence. Two machines are
// then apart by no more than a credential bears (credential.Fresh).
const clockLimit = 30 * time.Second

// vaultClock is the clock of this machine or, if that is wrong, of Vault, so that all machines agree about when
// a token was obtained and expires. It is safe for use by several goroutines.
type vaultClock struct {
	local func() time.Time
	warn  func(text string)
	ahead atomic.Int64 // time.Duration that Vault's clock is ahead of this machine's; 0: they agree
	once  sync.Once    // warns
}

func (c *vaultClock) now() time.Time { return c.local().Add(time.Duration(c.ahead.Load())) }

// compare compares the clocks by the date of an answer whose request was sent at a time of this machine. The server
// wrote the date between then and now, and cut it to a second: what that leaves open is not taken for a difference,
// which a machine that was suspended meanwhile would have.
func (c *vaultClock) compare(sent, date time.Time) {
	if date.IsZero() {
		return
	}
	least, most := date.Sub(c.local()), date.Add(time.Second).Sub(sent)
	var ahead time.Duration
	switch {
	case least > clockLimit:
		ahead = least
	case most < -clockLimit:
		ahead = most
	}
	c.ahead.Store(int64(ahead))
	if ahead != 0 {
		c.once.Do(func() { c.warn("warning: this machine's clock is " + apart(ahead) + "; Vault's is used") })
	}
}

// apart says how far this machine's clock is from Vault's.
func apart(ahead time.Duration) string {
	what := " behind Vault's"
	if ahead < 0 {
		ahead, what = -ahead, " ahead of Vault's"
	}
	return strings.TrimSuffix(ahead.Round(time.Minute).String(), "0s") + what
}
