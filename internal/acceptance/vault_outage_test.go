//go:build linux

package acceptance

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

var vaultOutages = flag.Int("vault-outages", 0, "rounds of outages at each moment of a refresh, each longer than the last; 0: some at two moments")

// outage is a way in which Vault does not work.
type outage struct {
	name string
	// plan makes Vault fail from a moment on, until end.
	plan func(tm *vaultTeam, at moment) plan
	end  func(tm *vaultTeam) error
	// harmless: it may last for long, and a refresh succeeds all the same.
	harmless bool
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
				return refusal(http.StatusTooManyRequests, "request path \"secret/data/tokencli/moloni-on\": rate limit quota exceeded")
			}}
		},
	},
	{
		name: "disk full",
		plan: func(_ *vaultTeam, at moment) plan {
			return plan{at: at, trouble: func(r *http.Request, vault http.Handler) *httptest.ResponseRecorder {
				if r.Method == http.MethodPost {
					return refusal(http.StatusInternalServerError, "1 error occurred:\n\t* no space left on device\n\n")
				}
				return passed(r, vault)
			}}
		},
	},
	{
		name: "slow",
		plan: func(_ *vaultTeam, at moment) plan {
			return plan{at: at, trouble: func(r *http.Request, vault http.Handler) *httptest.ResponseRecorder {
				time.Sleep(slowAnswer)
				return passed(r, vault)
			}}
		},
	},
	{
		name: "answers dropped",
		plan: func(_ *vaultTeam, at moment) plan {
			return plan{at: at, drop: true, trouble: func(r *http.Request, vault http.Handler) *httptest.ResponseRecorder {
				passed(r, vault)
				return nil
			}}
		},
	},
	{
		name: "answers to writes dropped", harmless: true,
		plan: func(_ *vaultTeam, at moment) plan {
			return plan{at: at, trouble: func(r *http.Request, vault http.Handler) *httptest.ResponseRecorder {
				if answer := passed(r, vault); r.Method != http.MethodPost {
					return answer
				}
				return nil
			}}
		},
	},
}

func passed(r *http.Request, vault http.Handler) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	vault.ServeHTTP(answer, r)
	return answer
}

func refusal(status int, text string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	answer.WriteHeader(status)
	_ = json.NewEncoder(answer).Encode(map[string]any{"errors": []string{text}})
	return answer
}

func (tm *vaultTeam) check(err error) {
	tm.t.Helper()
	if err != nil {
		tm.t.Error(err)
	}
}

// endure runs `token` on a machine while Vault does not work from a moment on. Then begun is called. The outage
// lasts until end is called, and no longer than back.
func (tm *vaultTeam) endure(o outage, at moment, back time.Duration, begun func()) (got outcome, end func()) {
	tm.t.Helper()
	end = sync.OnceFunc(func() {
		tm.gate.arm(plan{})
		if o.end != nil {
			tm.check(o.end(tm))
		}
	})
	p := o.plan(tm, at)
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
	got = tm.token("m1")
	select {
	case <-came:
	default:
		tm.t.Fatalf("%s, %v: the process ended before: %+v", o.name, at, got)
	}
	return got, end
}

// Vault does not work from a moment of a refresh on, and is back before the mark is too old. No refresh token is
// spent twice, no login is lost, and no rescue file is needed. Other processes run during the outage and after it.
func TestVaultOutages(t *testing.T) {
	t.Parallel()
	for _, o := range outages {
		if *vaultOutages == 0 && !slices.Contains([]string{"sealed", "killed", "answers dropped"}, o.name) {
			continue
		}
		t.Run(o.name, func(t *testing.T) {
			backs := []time.Duration{2 * time.Second, 20 * time.Second, 50 * time.Second}[:*vaultOutages]
			before, between, after := moments()
			all := slices.Concat(before, between, after)
			if *vaultOutages == 0 {
				backs, all = []time.Duration{time.Second}, []moment{{3, true}, {5, false}}
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
	first, end := tm.endure(o, at, back, func() { go func() { others <- tm.crowd("m2") }() })
	end()
	if first.exit != 0 && (first.exit != 7 || sent || o.harmless) {
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
	tm.mustAgreeOnOne(what, all, tm.since(start))
}

// Vault is not back before the mark is too old: the new tokens are in a rescue file, which the next run imports,
// and nowhere else on a disk.
func TestVaultOutagesBeyondTheBound(t *testing.T) {
	if *vaultOutages == 0 {
		t.Skip("takes minutes: make vault-test")
	}
	t.Parallel()
	for _, o := range outages {
		for _, at := range []moment{{3, true}, {4, false}, {4, true}, {5, false}} {
			if *vaultOutages == 1 && at != (moment{5, false}) {
				continue
			}
			if p := o.plan(nil, at); o.harmless || p.drop && at.request == 3 {
				continue // without an answer to the mark, nothing is sent
			}
			t.Run(fmt.Sprintf("%s, %v", o.name, at), func(t *testing.T) {
				t.Parallel()
				newDiskTeam(t).longOutage(o, at)
			})
		}
	}
}

func (tm *vaultTeam) longOutage(o outage, at moment) {
	tm.expire()
	first, end := tm.endure(o, at, time.Hour, func() {})
	if first.exit != 7 || first.stdout == "" {
		tm.t.Errorf("%+v", first)
	}
	first.exit = 0
	// As long as the outage lasts, the machine prints the new token.
	if got := tm.token("m1"); got.exit != 7 || got.stdout != first.stdout {
		tm.t.Errorf("during the outage: %+v", got)
	}
	end()
	if rescues := tm.mustKeepNothing(); len(rescues) != 1 {
		tm.t.Errorf("rescue files %q", rescues)
	}
	tm.mustAgree("afterwards", slices.Concat([]outcome{first}, tm.crowd("m1"), tm.crowd("m2")))
	if rescues := tm.mustKeepNothing(); rescues != nil {
		tm.t.Errorf("rescue files %q", rescues)
	}
	if got := tm.tally(); got != (tally{sent: 1, spent: 1}) {
		tm.t.Error(got)
	}
}
