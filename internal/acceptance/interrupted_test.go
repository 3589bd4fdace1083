//go:build unix && !race

// Not under the race detector: its processes take so long to begin and to end that most signals meet them there.

package acceptance

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

// TestInterruptedRefreshes sends SIGTERM, SIGINT or SIGHUP to refreshes at random moments, until fifty in each store
// were hit after the provider had spent the refresh token, and looks for a login that was lost.
func TestInterruptedRefreshes(t *testing.T) {
	const wanted, atMost = 50, 1000
	for _, store := range []string{"file", "keychain"} {
		t.Run(store, func(t *testing.T) {
			if store == "keychain" && !keychainWanted() {
				t.Skip("no keychain may be written to: .ci/with-keyring go test")
			}
			t.Parallel()
			const name, provider = "moloni-on/interrupted", "moloni-on"
			s := newStage(t)
			if err := s.Variables(s.variable); err != nil {
				t.Fatal(err)
			}
			s.variable["BROWSER"] = "fakebrowser"
			if store == "keychain" {
				s.variable.UseKeychain()
			}
			run := func(hit syscall.Signal, at time.Duration, args ...string) (state *os.ProcessState, said string) {
				t.Helper()
				var stderr bytes.Buffer
				cmd := exec.CommandContext(t.Context(), "tokencli", args...)
				cmd.Env, cmd.Stderr = s.environ(), &stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if hit != 0 {
					time.Sleep(at)
					_ = cmd.Process.Signal(hit) // it may have ended
				}
				var exit *exec.ExitError
				if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				return cmd.ProcessState, stderr.String()
			}
			if state, said := run(0, 0, "login", name); state.ExitCode() != 0 {
				t.Fatal(said)
			}
			// What is on its way for a while can be hit there.
			if err := s.Inject(sandbox.Fault{Provider: provider, On: "refresh", Kind: "delay_reply", Milliseconds: 20, Times: -1}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if state, said := run(0, 0, "refresh", name); state.ExitCode() != 0 {
				t.Fatal(said)
			}
			long := time.Since(began)

			middle, early, whole := 0, 0, 0
			for i := 0; middle < wanted; i++ {
				if i == atMost {
					t.Fatalf("%d of %d were hit in the middle, %d before, %d after", middle, i, early, whole)
				}
				// Alternately: `token` begins to listen later.
				args := []string{"refresh", name}
				if i%2 == 0 {
					args = []string{"token", name, "--min-ttl", "9000h"}
				}
				before := s.Stats()[provider].Refreshes
				state, said := run([]syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}[i/2%3], rand.N(long), args...)
				spent := s.Stats()[provider].Refreshes > before
				killed := state.Sys().(syscall.WaitStatus).Signaled()
				switch {
				case strings.Contains(said, "cut off"):
					t.Fatalf("%d: the refresh before left its mark: %s", i, said)
				case killed && spent:
					whole++ // at its very end; had it not been saved, the next refresh would say so
				case state.ExitCode() == 130 && spent:
					middle++
				case killed || state.ExitCode() == 130:
					early++
				case state.ExitCode() == 0 && spent:
					whole++
				default:
					t.Fatalf("%d: %s ended with %v: %s", i, args[0], state, said)
				}
			}
			t.Logf("%d were hit in the middle, %d before, %d after", middle, early, whole)
			if state, said := run(0, 0, "refresh", name); state.ExitCode() != 0 || strings.Contains(said, "cut off") {
				t.Errorf("the login is not what it was: %v %s", state, said)
			}
			if n := s.Stats()[provider].ReusedRefreshTokens; n > 0 {
				t.Errorf("a spent refresh token was sent %d times", n)
			}
		})
	}
}
