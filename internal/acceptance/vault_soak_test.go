//go:build linux

package acceptance

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	soakRounds   = flag.Int("vault-rounds", 0, "rounds at expiry of eight machines with three processes each")
	soakKills    = flag.Int("vault-kills", 0, "rounds in which the process that refreshes is killed")
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
		if tm.refreshes() != round || tm.reused() != 0 {
			t.Fatalf("round %d: %d refreshes, %d reused", round, tm.refreshes(), tm.reused())
		}
	}
	t.Logf("%d rounds of 24 processes on 8 machines: %d refreshes, %d reused", *soakRounds, tm.refreshes(), tm.reused())
}

// The process that refreshes is killed at a random moment. Before its request has left, nothing is lost.
func TestVaultSoakKills(t *testing.T) {
	if *soakKills == 0 {
		t.Skip("make vault-soak")
	}
	tm := newVaultTeam(t)
	var before, between, after, lost int
	for round := range *soakKills {
		tm.write("moloni-on", copyOf(tm.record), true)
		sent := tm.refreshes()
		cmd := tm.command("m1", "token", "moloni-on")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(80 * time.Millisecond))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		sent = tm.refreshes() - sent
		again := tm.refreshes()
		out, err := tm.command("m1", "token", "moloni-on").CombinedOutput()
		again = tm.refreshes() - again
		var exit *exec.ExitError
		switch {
		case err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 4 || sent == 0):
			t.Errorf("round %d: %d sent, then %v: %s", round, sent, err, out)
		case err != nil:
			lost++
			between++
		case sent == 0 && again != 1:
			t.Errorf("round %d: nothing was sent, and then %d refreshes", round, again)
		case sent == 0:
			before++
		default:
			after++
		}
	}
	t.Logf("%d kills: %d before the request, %d between the request and the save (%d logins lost), %d after the save",
		*soakKills, before, between, lost, after)
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
	t.Logf("%d accounts, 4 machines: %d refreshes, %d reused, in %v", *soakAccounts, tm.refreshes(), tm.reused(), time.Since(start).Round(time.Second))
	if tm.refreshes() != *soakAccounts || tm.reused() != 0 {
		t.Error("not each account was refreshed once")
	}
}
