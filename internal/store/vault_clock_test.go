package store

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/store/vaultfake"
)

// The date of an answer tells whether this machine's clock is wrong, and nothing else does.
func TestVaultClock(t *testing.T) {
	for name, test := range map[string]struct {
		server  time.Duration // that the date of the server is ahead
		stopped time.Duration // that this machine is suspended between the request and its answer
		want    time.Duration
		said    string
	}{
		"right":                {0, 0, 0, ""},
		"a little slow":        {20 * time.Second, 0, 0, ""},
		"slow":                 {10 * time.Minute, 0, 10 * time.Minute, "10m behind Vault's"},
		"fast":                 {-10 * time.Minute, 0, -10 * time.Minute, "10m ahead of Vault's"},
		"suspended":            {0, time.Hour, 0, ""},
		"suspended, and slow":  {2 * time.Hour, time.Hour, time.Hour, "1h0m behind Vault's"},
		"a server with no day": {-1, 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			answered := false
			local := func() time.Time {
				if answered {
					return time.Now().Add(test.stopped)
				}
				return time.Now()
			}
			server := &vaultfake.Server{Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
				answered = true
				w.Header().Set("Date", time.Now().Add(test.server).UTC().Format(http.TimeFormat))
				if test.server == -1 {
					w.Header()["Date"] = nil
				}
				return false
			}}
			v := newVault(t, server.Start(t).URL, nil)
			mustPut(t, v.beside(t), sample(mollie, 1))
			var said []string
			v.clock.local, v.clock.warn = local, func(text string) { said = append(said, text) }
			for range 2 {
				answered = false
				mustGet(t, v, sample(mollie, 1)) // one request
			}
			answered = false
			ahead := time.Until(v.Now())
			if off := (ahead - test.want).Abs(); off > 2*time.Second+time.Since(began) {
				t.Errorf("Now is %v ahead, want %v", ahead, test.want)
			}
			if text := strings.Join(said, "; "); !strings.Contains(text, test.said) || len(said) > 1 || test.said == "" && text != "" {
				t.Errorf("said %q, want %q once", said, test.said)
			}
		})
	}
}
