//go:build linux

package acceptance

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

var vaultOutages = flag.Int("vault-outages", 0, "rounds of outages at each moment of a refresh, each longer than the last; 0: one at some moments")

// outage is a way in which Vault does not work.
type outage struct {
	name string
	// plan makes Vault fail from a moment on, until end.
	plan func(tm *vaultTeam, at moment) plan
	end  func(tm *vaultTeam) error
}

// slowAnswer is longer than tokencli waits for one (10 s).
const slowAnswer = 12 * time.Second

var outages = []outage{
	{
		name: "sealed",
		plan: func(tm *vaultTeam, at moment) plan {
			return plan{at: at, act: func(context.Context) { tm.check(tm.vault.seal()) }}
		},
		end: func(tm *vaultTeam) error { return tm.vault.unseal() },
	},
	{
		name: "killed",
		plan: func(tm *vaultTeam, at moment) plan {
			return plan{at: at, drop: true, act: func(context.Context) { tm.vault.kill() }}
		},
		end: func(tm *vaultTeam) error { return tm.vault.restart() },
	},
	{
		name: "full",
		plan: func(_ *vaultTeam, at moment) plan {
			return plan{at: at, trouble: func(*http.Request, http.Handler) *httptest.ResponseRecorder {
				answer := httptest.NewRecorder()
				answer.WriteHeader(http.StatusTooManyRequests)
				_, _ = answer.WriteString(`{"errors":["request path \"secret/data/tokencli/moloni-on\": rate limit quota exceeded"]}`)
				return answer
			}}
		},
	},
	{
		name: "slow",
		plan: func(_ *vaultTeam, at moment) plan {
			return plan{at: at, trouble: func(r *http.Request, vault http.Handler) *httptest.ResponseRecorder {
				time.Sleep(slowAnswer)
				answer := httptest.NewRecorder()
				vault.ServeHTTP(answer, r)
				return answer
			}}
		},
	},
	{
		name: "answers dropped",
		plan: func(_ *vaultTeam, at moment) plan {
			return plan{at: at, drop: at.handled, trouble: func(r *http.Request, vault http.Handler) *httptest.ResponseRecorder {
				vault.ServeHTTP(httptest.NewRecorder(), r)
				return nil
			}}
		},
	},
}

func (tm *vaultTeam) check(err error) {
	tm.t.Helper()
	if err != nil {
		tm.t.Error(err)
	}
}

// endure runs `token` on a machine while Vault does not work from a moment on, until it is back or the process
// has ended. During the outage begun is called.
func (tm *vaultTeam) endure(o outage, at moment, back time.Duration, machine string, begun func()) outcome {
	tm.t.Helper()
	p := o.plan(tm, at)
	var once sync.Once
	end := func() {
		once.Do(func() {
			tm.gate.arm(plan{})
			if o.end != nil {
				tm.check(o.end(tm))
			}
		})
	}
	act, came := p.act, make(chan struct{})
	p.act = func(ctx context.Context) {
		close(came)
		if act != nil {
			act(ctx)
		}
		begun()
		time.AfterFunc(back, end)
	}
	tm.gate.arm(p)
	got := tm.token(machine)
	end()
	select {
	case <-came:
	default:
		tm.t.Fatalf("%s, %v: the process ended before: %+v", o.name, at, got)
	}
	return got
}

// Vault does not work from a moment of a refresh on, and is back before the mark is too old. No refresh token is
// spent twice, no login is lost, and no rescue file is needed. Other processes run during the outage and after it.
func TestVaultOutages(t *testing.T) {
	for _, o := range outages {
		if o.name == "slow" && *vaultOutages == 0 {
			continue // takes minutes
		}
		t.Run(o.name, func(t *testing.T) {
			backs := []time.Duration{2 * time.Second, 20 * time.Second, 50 * time.Second}[:*vaultOutages]
			before, between, after := moments()
			all := slices.Concat(before, between, after)
			if *vaultOutages == 0 {
				backs, all = []time.Duration{time.Second}, []moment{{3, true}, {5, false}, {5, true}}
			}
			t.Parallel()
			tm := newDiskTeam(t)
			for _, back := range backs {
				for _, at := range all {
					tm.outage(o, at, back, !slices.Contains(before, at))
				}
			}
		})
	}
}

// outage is one round. With sent, the refresh token is spent, so that the process has to end with its success.
func (tm *vaultTeam) outage(o outage, at moment, back time.Duration, sent bool) {
	tm.t.Helper()
	what := fmt.Sprintf("%s for %v, %v", o.name, back, at)
	tm.expire()
	start := tm.tally()
	others := make(chan []outcome, 1)
	first := tm.endure(o, at, back, "m1", func() { go func() { others <- tm.crowd("m2") }() })
	if first.exit != 0 && (first.exit != 7 || sent) {
		tm.t.Errorf("%s: %+v", what, first)
	}
	all := tm.crowd("m1", "m3")
	for _, other := range append(<-others, first) {
		if other.exit == 0 {
			all = append(all, other)
		} else if other.exit != 7 || other.stdout != "" {
			tm.t.Errorf("%s: another process: %+v", what, other)
		}
	}
	tm.mustAgree(what, all)
	if got := tm.since(start); got != (tally{sent: 1, spent: 1}) {
		tm.t.Errorf("%s: %v", what, got)
	}
	if rescues := tm.mustKeepNothing(); rescues != nil {
		tm.t.Errorf("%s: rescue files %q", what, rescues)
	}
}

// Vault is not back before the mark is too old: the new tokens are in a rescue file, which the next run imports,
// and nowhere else on a disk.
func TestVaultOutagesBeyondTheBound(t *testing.T) {
	if *vaultOutages == 0 {
		t.Skip("takes minutes: make vault-test")
	}
	for _, o := range outages {
		for _, at := range []moment{{3, true}, {4, false}, {4, true}, {5, false}} {
			if *vaultOutages == 1 && at != (moment{5, false}) || o.name == "killed" && at.request == 3 {
				continue // the mark's answer is lost: nothing is sent
			}
			t.Run(fmt.Sprintf("%s, %v", o.name, at), func(t *testing.T) {
				t.Parallel()
				tm := newDiskTeam(t)
				tm.expire()
				first := tm.endure(o, at, time.Hour, "m1", func() {})
				if first.exit != 7 || first.stdout == "" {
					t.Errorf("%+v", first)
				}
				if rescues := tm.mustKeepNothing(); len(rescues) != 1 {
					t.Errorf("rescue files %q", rescues)
				}
				first.exit = 0
				tm.mustAgree("afterwards", slices.Concat([]outcome{first}, tm.crowd("m1"), tm.crowd("m2")))
				if rescues := tm.mustKeepNothing(); rescues != nil {
					t.Errorf("rescue files %q", rescues)
				}
				if got := tm.tally(); got != (tally{sent: 1, spent: 1}) {
					t.Error(got)
				}
			})
		}
	}
}
