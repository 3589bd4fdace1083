//go:build linux

package acceptance

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
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

// killAt runs `token` on a machine and kills it at a moment, after it called meanwhile.
func (tm *vaultTeam) killAt(at moment, machine string, meanwhile func(), env ...string) {
	tm.t.Helper()
	cmd := tm.command(machine, "token", "moloni-on")
	cmd.Env = append(cmd.Env, env...)
	process, killed := make(chan *os.Process, 1), make(chan struct{})
	tm.gate.arm(plan{at: at, act: func(ctx context.Context) {
		close(killed)
		meanwhile()
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

// mustAgreeOnOne fails unless all processes printed the token of one refresh, and no file of theirs holds one.
func (tm *vaultTeam) mustAgreeOnOne(what any, all []outcome, got tally) {
	tm.t.Helper()
	tm.mustAgree(what, all)
	if want := (tally{sent: 1, spent: 1}); got != want {
		tm.t.Errorf("%v: %v, want %v", what, got, want)
	}
	if rescues := tm.mustKeepNothing(); rescues != nil {
		tm.t.Errorf("%v: rescue files %q", what, rescues)
	}
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
	all := slices.Concat(before, between, after)
	rounds := max(*soakKills, len(all))
	total, lost := tm.tally(), 0
	for round := range rounds {
		at := all[round%len(all)]
		tm.killRound(at, slices.Contains(between, at))
		if slices.Contains(between, at) {
			lost++
		}
	}
	t.Logf("%d kills at %d moments: %d logins lost, all of them between the request and the save: %v", rounds, len(all), lost, tm.since(total))
}

func (tm *vaultTeam) killRound(at moment, lost bool) {
	tm.t.Helper()
	tm.expire()
	start := tm.tally()
	tm.killAt(at, "m1", func() {})
	tm.mustKeepNothing()
	all := tm.crowd("m1", "m2")
	got := tm.since(start)
	if lost {
		for _, o := range all {
			if o.exit != 4 {
				tm.t.Errorf("%v: %+v", at, o)
			}
		}
		if want := (tally{sent: 2, spent: 1, reused: 1}); got != want {
			tm.t.Errorf("%v: %v, want %v", at, got, want)
		}
		return
	}
	tm.mustAgreeOnOne(at, all, got)
}

// A machine whose process was killed before the refresh token was spent does not come back: one of the others
// takes over when the mark is too old, and nothing is lost.
func TestVaultOutagesOfAMachine(t *testing.T) {
	if *vaultOutages == 0 {
		t.Skip("takes minutes: make vault-test")
	}
	t.Parallel()
	for _, at := range []moment{{3, true}, {4, false}} {
		t.Run(at.String(), func(t *testing.T) {
			t.Parallel()
			tm := newDiskTeam(t)
			tm.expire()
			start := time.Now()
			tm.killAt(at, "m1", func() {})
			waited := tm.crowd("m2", "m3") // for a minute
			for _, o := range waited {
				late := o.exit == 0 && time.Since(start) > 75*time.Second
				if !late && (o.exit != 7 || !strings.Contains(o.stderr, "is being refreshed on ")) {
					t.Errorf("after %v: %+v", time.Since(start), o)
				}
			}
			tm.mustAgree(at, tm.crowd("m2", "m3", "m4"))
			if got, want := tm.tally(), (tally{sent: 1, spent: 1}); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// Jobs have the read-only policy and one machine refreshes: a job that is killed at any moment, also while the
// machine refreshes, loses nothing.
func TestVaultKillsOfJobs(t *testing.T) {
	t.Parallel()
	tm := newDiskTeam(t)
	job, server := tm.policyToken("borrower"), tm.policyToken("refresher")
	tm.expire()
	tm.gate.arm(plan{})
	if got := tm.token("job", job); got.exit != 7 || !strings.Contains(got.stderr, "do not allow update on ") {
		t.Errorf("a job: %+v", got)
	}
	requests := len(tm.gate.requests())
	rounds := max(*soakKills, 2*requests)
	total := tm.tally()
	for round := range rounds {
		at := moment{1 + round/2%requests, round%2 == 1}
		tm.expire()
		refreshed := make(chan outcome, 1)
		tm.killAt(at, "job", func() { go func() { refreshed <- tm.token("server", server) }() }, job)
		tm.mustAgree(at, []outcome{<-refreshed, tm.token("job", job), tm.token("server", server)})
		if rescues := tm.mustKeepNothing(); rescues != nil {
			t.Errorf("%v: rescue files %q", at, rescues)
		}
	}
	if got, want := tm.since(total), (tally{sent: rounds, spent: rounds}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	t.Logf("%d jobs killed at %d moments: 0 logins lost: %v", rounds, 2*requests, tm.since(total))
}

// policyToken returns the setting of a Vault token with a policy of docs/team.md.
func (tm *vaultTeam) policyToken(policy string) string {
	tm.t.Helper()
	tm.vault.mustCall(tm.t, "PUT", "sys/policies/acl/"+policy, map[string]any{"policy": teamPolicy(tm.t, policy)}, nil)
	var reply struct {
		Auth struct {
			Token string `json:"client_token"`
		}
	}
	tm.vault.mustCall(tm.t, "POST", "auth/token/create", map[string]any{"policies": []string{policy}}, &reply)
	tm.secrets = append(tm.secrets, reply.Auth.Token)
	return "VAULT_TOKEN=" + reply.Auth.Token
}
