//go:build linux

package acceptance

import (
	"bytes"
	"flag"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	soakRounds   = flag.Int("vault-rounds", 0, "rounds at expiry of eight machines with three processes each")
	soakKills    = flag.Int("vault-kills", 0, "rounds in which a process is killed, at one moment of a refresh after the other; at least each once")
	soakAccounts = flag.Int("vault-accounts", 0, "accounts that four machines refresh at the same time")
)

// Eight machines find the token expired at the same time, again and again: one refresh each time.
func TestVaultSoakRounds(t *testing.T) {
	if *soakRounds == 0 {
		t.Skip("make vault-soak")
	}
	tm := newVaultTeam(t)
	for round := 1; round <= *soakRounds; round++ {
		tm.write("moloni-on", tm.read("moloni-on"), false)
		tokens := make(chan string, 24)
		var wg sync.WaitGroup
		for n := range 24 {
			wg.Go(func() {
				var stderr bytes.Buffer
				cmd := tm.command(fmt.Sprint("m", n%8), "token", "moloni-on")
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				if err != nil {
					t.Errorf("round %d: %v: %s", round, err, stderr.String())
				}
				tokens <- string(out)
			})
		}
		wg.Wait()
		first := <-tokens
		for range 23 {
			if token := <-tokens; token != first {
				t.Errorf("round %d: two different tokens", round)
			}
		}
		if got := tm.tally(); got != (tally{sent: round, spent: round}) {
			t.Fatalf("round %d: %v", round, got)
		}
	}
	t.Logf("%d rounds of 24 processes on 8 machines: %v", *soakRounds, tm.tally())
}

// Four machines refresh all of many accounts at the same time: each account once.
func TestVaultSoakAccounts(t *testing.T) {
	if *soakAccounts == 0 {
		t.Skip("make vault-soak")
	}
	tm := newVaultTeam(t)
	for n := range *soakAccounts {
		tm.write(fmt.Sprintf("moloni-on/a%05d", n), copyOf(tm.record), true)
	}
	start := time.Now()
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			cmd := tm.command(fmt.Sprint("m", n), "refresh", "--all", "--within", "30m", "--jobs", "8")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out[:min(len(out), 2000)])
			}
			t.Logf("machine %d: %d MiB", n, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss>>10)
		})
	}
	wg.Wait()
	t.Logf("%d accounts, 4 machines: %v, in %v", *soakAccounts, tm.tally(), time.Since(start).Round(time.Second))
	if got := tm.tally(); got != (tally{sent: *soakAccounts, spent: *soakAccounts}) {
		t.Error("not each account was refreshed once")
	}
}
