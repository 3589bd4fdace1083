//go:build soak

package cmd

import (
	"os"
	"time"
)

// A wrong clock for one process, in a binary that is never released: a static binary reads the kernel's
// clock, which no library can replace.
func init() {
	if ahead, err := time.ParseDuration(os.Getenv("TOKENCLI_SOAK_CLOCK")); err == nil {
		clock = func() time.Time { return time.Now().Add(ahead) }
	}
}
