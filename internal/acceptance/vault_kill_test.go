//go:build linux

package acceptance

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The requests of a refresh, as the gate counts them.
var refreshRequests = []string{
	"GET /v1/secret/data/tokencli/moloni-on",  // 1: the credential
	"GET /v1/secret/data/tokencli/moloni-on",  // 2: again, under the lock of the machine
	"POST /v1/secret/data/tokencli/moloni-on", // 3: the mark
	tokenRequest,
	"POST /v1/secret/data/tokencli/moloni-on", // 5: the new tokens
}

const tokenRequest = "POST /moloni-on/v1/auth/grant"

// moments returns every moment of a refresh, and which of them are before the refresh token is spent and which
// are between that and the end of the save.
func moments() (before, between, after []moment) {
	sent := slices.Index(refreshRequests, tokenRequest) + 1
	for n := 1; n <= len(refreshRequests); n++ {
		for _, handled := range []bool{false, true} {
			m := moment{n, handled}
			switch {
			case n < sent || m == moment{sent, false}:
				before = append(before, m)
			case n == len(refreshRequests) && handled:
				after = append(after, m)
			default:
				between = append(between, m)
			}
		}
	}
	return before, between, after
}

// killAt runs `token` on a machine and kills it at a moment.
func (tm *vaultTeam) killAt(at moment, machine string, env ...string) {
	tm.t.Helper()
	cmd := tm.command(machine, "token", "moloni-on")
	cmd.Env = append(cmd.Env, env...)
	process, killed := make(chan *os.Process, 1), make(chan struct{})
	tm.gate.arm(plan{at: at, act: func(ctx context.Context) {
		close(killed)
		_ = (<-process).Kill()
		<-ctx.Done()
	}})
	tm.check(cmd.Start())
	process <- cmd.Process
	_ = cmd.Wait()
	tm.gate.arm(plan{})
	select {
	case <-killed:
	default:
		tm.t.Fatalf("%v: the process ended before", at)
	}
}

// crowd runs `token` on the machines at the same time, two processes each.
func (tm *vaultTeam) crowd(machines ...string) []outcome {
	var wg sync.WaitGroup
	all := make([]outcome, 2*len(machines))
	for n := range all {
		wg.Go(func() { all[n] = tm.token(machines[n/2]) })
	}
	wg.Wait()
	return all
}

// mustAgree fails unless all processes printed the same token.
func (tm *vaultTeam) mustAgree(what any, all []outcome) {
	tm.t.Helper()
	for _, o := range all {
		if o.exit != 0 || o.stdout != all[0].stdout || o.stdout == "" {
			tm.t.Errorf("%v: %+v", what, o)
		}
	}
}

// The process that refreshes is killed with SIGKILL at each moment. Before the refresh token is spent, nothing is
// lost, and one process takes over. Once the new tokens are saved, nothing is lost either. Between these moments
// the login is lost: the refresh token is tried once more, and no more than once.
func TestVaultKills(t *testing.T) {
	t.Parallel()
	tm := newDiskTeam(t)
	tm.expire()
	tm.gate.arm(plan{})
	tm.mustAgree("without a kill", []outcome{tm.token("m1")})
	if got := tm.gate.requests(); !slices.Equal(got, refreshRequests) {
		t.Fatalf("the requests of a refresh are\n%s", strings.Join(got, "\n"))
	}
	before, between, after := moments()
	for _, at := range slices.Concat(before, between, after) {
		tm.expire()
		sent, spent, reused := tm.refreshes(), tm.spent(), tm.reused()
		tm.killAt(at, "m1")
		tm.mustKeepNothing()
		all := tm.crowd("m1", "m2")
		sent, spent, reused = tm.refreshes()-sent, tm.spent()-spent, tm.reused()-reused
		if slices.Contains(between, at) {
			for _, o := range all {
				if o.exit != 4 {
					t.Errorf("%v: %+v", at, o)
				}
			}
			if sent != 2 || spent != 1 || reused != 1 {
				t.Errorf("%v: %d requests, %d refreshes, %d reused", at, sent, spent, reused)
			}
			continue
		}
		tm.mustAgree(at, all)
		if spent != 1 || reused != 0 {
			t.Errorf("%v: %d refreshes, %d reused", at, spent, reused)
		}
		if rescues := tm.mustKeepNothing(); rescues != nil {
			t.Errorf("%v: rescue files %q", at, rescues)
		}
	}
}
