package session

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/refresh"
	"github.com/tokencli/tokencli/internal/sandbox"
	"github.com/tokencli/tokencli/internal/store"
	"github.com/tokencli/tokencli/internal/store/vaultfake"
)

// team is a world in which several machines share a Vault server.
type team struct {
	*world
	vault *vaultfake.Server
	http  *httptest.Server
}

func newTeam(t *testing.T, change ...func(*sandbox.Config)) *team {
	t.Helper()
	vault := new(vaultfake.Server)
	return &team{world: newWorld(t, change...), vault: vault, http: vault.Start(t)}
}

// machine is a new process on a machine of that name, with a state folder of its own.
func (tm *team) machine(name string) *Session {
	getenv := func(variable string) string {
		switch variable {
		case account.VaultAddr:
			return tm.http.URL
		case account.VaultToken:
			return tm.vault.Token
		}
		return tm.getenv(variable)
	}
	dir := filepath.Join(filepath.Dir(tm.dir), name)
	return &Session{
		Store:   store.NewVault(store.VaultOptions{StateDir: dir, Getenv: getenv}),
		Options: Options{StateDir: dir, Getenv: getenv, Environ: tm.environ, Tell: tm.tell, Now: tm.now},
		bounds:  refresh.Bounds{Lock: 20 * time.Second, Save: time.Second, Mark: time.Minute},
	}
}

// share puts a login into Vault.
func (tm *team) share(name account.Name) *credential.Credential {
	tm.t.Helper()
	c := tm.login(name)
	if err := tm.machine("first").Store.Swap(tm.t.Context(), nil, c); err != nil {
		tm.t.Fatal(err)
	}
	return c
}

// expired makes the access token of the record too old.
func (tm *team) expired(name account.Name) {
	tm.t.Helper()
	v := tm.machine("first").Store
	c, err := v.Get(tm.t.Context(), name)
	if err != nil {
		tm.t.Fatal(err)
	}
	next := *c
	next.AccessExpiresAt = tm.now().Add(-time.Minute)
	if err := v.Swap(tm.t.Context(), c, &next); err != nil {
		tm.t.Fatal(err)
	}
}

// marked leaves the mark of a process on another machine that is killed.
func (tm *team) marked(machine string, name account.Name) {
	tm.t.Helper()
	v := tm.machine(machine).Store.(store.Leaser)
	lease, err := v.Lease(tm.t.Context(), name)
	if err != nil {
		tm.t.Fatal(err)
	}
	next := *lease.Credential
	next.Presented = tm.now()
	if err := v.Claim(tm.t.Context(), lease, &next); err != nil {
		tm.t.Fatal(err)
	}
}

// Among all machines, a token is refreshed once, whether the refresh token is replaced or new ones are minted.
func TestVaultRefreshesOnceAmongMachines(t *testing.T) {
	for _, name := range []account.Name{moloniOn, moneybird, monta} {
		t.Run(name.String(), func(t *testing.T) {
			tm := newTeam(t)
			tm.share(name)
			for round := 1; round <= 3; round++ {
				tm.expired(name)
				tokens := make(chan string, 24)
				var wg sync.WaitGroup
				for n := range 24 {
					s := tm.machine(fmt.Sprint("machine", n%8))
					wg.Go(func() {
						c, err := s.Token(t.Context(), name, 0)
						if err != nil {
							t.Error(err)
							return
						}
						tokens <- c.AccessToken.Reveal()
					})
				}
				wg.Wait()
				close(tokens)
				first := ""
				for token := range tokens {
					if first == "" {
						first = token
					}
					if token != first {
						t.Errorf("round %d: two different tokens", round)
					}
				}
				st := tm.server.Stats()[name.Provider]
				if got := st.Requests["refresh"] + st.Requests["token"]; got != round || st.ReusedRefreshTokens != 0 {
					t.Errorf("round %d: %d requests, %d reused", round, got, st.ReusedRefreshTokens)
				}
			}
		})
	}
}

func TestVaultWaitsForAnotherMachine(t *testing.T) {
	tm := newTeam(t)
	tm.share(moloniOn)
	tm.marked("other", moloniOn)
	s := tm.machine("here")
	s.bounds.Lock = 300 * time.Millisecond

	// A token that is still valid is printed, with a warning.
	c, err := s.Token(t.Context(), moloniOn, 100*time.Hour)
	if err != nil || !c.Fresh(tm.now(), 0) || !tm.hasSaid("warning: moloni-on is being refreshed on ") {
		t.Errorf("%v, %q", err, tm.said)
	}
	tm.expired(moloniOn)
	tm.marked("other", moloniOn)
	var wg sync.WaitGroup
	for range 3 { // one waits for the other machine, and two for the lock of this one
		wg.Go(func() {
			if _, err := s.Token(t.Context(), moloniOn, 0); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "is being refreshed on ") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	tm.asked(moloniOn, 0)

	// The other one finishes while this one waits.
	s.bounds.Lock = 20 * time.Second
	time.AfterFunc(300*time.Millisecond, func() {
		if _, err := tm.machine("other").Refresh(t.Context(), moloniOn); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Token(t.Context(), moloniOn, 0); err != nil {
		t.Error(err)
	}
	tm.asked(moloniOn, 1)
}

// The mark of a dead process is taken over, at once by its own machine, by others when it is too old. Its
// refresh token is tried once.
func TestVaultTakesOver(t *testing.T) {
	tm := newTeam(t)
	tm.share(moloniOn)
	tm.expired(moloniOn)
	tm.marked("here", moloniOn)
	start := time.Now()
	if _, err := tm.machine("here").Token(t.Context(), moloniOn, 0); err != nil || !tm.hasSaid("trying the refresh token once more") {
		t.Errorf("%v, %q", err, tm.said)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("its own machine waited %v", took)
	}
	tm.expired(moloniOn)
	tm.marked("here", moloniOn)
	s := tm.machine("other")
	s.bounds.Mark = time.Second
	start = time.Now()
	if _, err := s.Token(t.Context(), moloniOn, 0); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < 500*time.Millisecond {
		t.Errorf("another machine waited only %v", took)
	}
	tm.asked(moloniOn, 2)
}

// After a refusal, the refresh token that another machine stored meanwhile is left to that machine while it refreshes.
func TestVaultRefusedWhileAnotherRefreshes(t *testing.T) {
	tm := newTeam(t)
	tm.share(moloniOn)
	tm.expired(moloniOn)
	tm.fault(sandbox.Fault{On: "refresh", Kind: "error", Error: "invalid_grant"})
	var once sync.Once
	tm.onArrival("refresh", func() {
		once.Do(func() {
			v := tm.machine("other").Store
			c, err := v.Get(t.Context(), moloniOn)
			if err != nil {
				t.Error(err)
				return
			}
			next := *c
			next.RefreshToken = "of-the-other-machine"
			if err := v.Swap(t.Context(), c, &next); err != nil {
				t.Error(err)
				return
			}
			tm.marked("other", moloniOn)
		})
	})
	s := tm.machine("here")
	s.bounds.Lock = 2 * time.Second
	_, err := s.Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.Store, "is being refreshed on ")
	tm.asked(moloniOn, 1)
}

// down makes the server answer as a sealed one to the requests for which which returns true.
func (tm *team) down(which func(r *http.Request) bool) {
	tm.vault.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if !which(r) {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"errors":["Vault is sealed"]}`))
		return true
	}
}

// Whatever write fails, nothing is spent twice and nothing is lost.
func TestVaultDownBetweenSteps(t *testing.T) {
	for name, test := range map[string]struct {
		writes func(n int32) bool // which writes fail
		back   time.Duration      // until when
		asked  int
		kind   fail.Kind
		rescue bool
	}{
		"at the mark":               {func(n int32) bool { return n >= 1 }, time.Hour, 0, fail.Store, false},
		"at the save, for a moment": {func(n int32) bool { return n >= 2 }, 1500 * time.Millisecond, 1, 0, false},
		"at the save, for long":     {func(n int32) bool { return n >= 2 }, time.Hour, 1, fail.Store, true},
	} {
		t.Run(name, func(t *testing.T) {
			tm := newTeam(t)
			tm.share(moloniOn)
			tm.expired(moloniOn)
			s := tm.machine("here")
			s.bounds.Save = 4 * time.Second
			var writes, failing atomic.Int32
			var since time.Time
			tm.down(func(r *http.Request) bool {
				if failing.Load() > 0 {
					return time.Since(since) < test.back
				}
				if r.Method == http.MethodPost && test.writes(writes.Add(1)) {
					since = time.Now()
					failing.Store(1)
					return true
				}
				return false
			})
			c, err := s.Token(t.Context(), moloniOn, 0)
			tm.asked(moloniOn, test.asked)
			switch {
			case test.kind == 0 && err != nil:
				t.Error(err)
			case test.kind == 0:
				if !c.Fresh(tm.now(), 0) {
					t.Error("no fresh token")
				}
			default:
				mustFail(t, err, test.kind, "is sealed")
			}
			tm.mustBeThere(s.refresher().RescuePath(moloniOn), test.rescue)
			if test.rescue && Unsaved(err) == nil {
				t.Error("the access token is not handed out")
			}
			tm.down(func(*http.Request) bool { return false })
			if _, err := tm.machine("here").Refresh(t.Context(), moloniOn); err != nil {
				t.Errorf("the login is lost: %v", err)
			}
			tm.asked(moloniOn, test.asked+1)
			tm.mustBeThere(s.refresher().RescuePath(moloniOn), false)
		})
	}
}

// A policy that may only read: a valid token is printed, and otherwise nothing is sent.
func TestVaultReadOnlyPolicy(t *testing.T) {
	tm := newTeam(t)
	tm.share(moloniOn)
	s := tm.machine("job")
	forbid := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`))
		return true
	}
	tm.vault.Intercept = forbid
	if _, err := s.Token(t.Context(), moloniOn, 100*time.Hour); err != nil || !tm.hasSaid("do not allow update on secret/data/tokencli/moloni-on") {
		t.Errorf("%v, %q", err, tm.said)
	}
	tm.vault.Intercept = nil
	tm.expired(moloniOn)
	tm.vault.Intercept = forbid
	_, err := s.Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.Store, "do not allow update on secret/data/tokencli/moloni-on")
	tm.asked(moloniOn, 0)
}

// A login does not wait for a mark, and a refresh that was in progress keeps it.
func TestVaultLoginDuringARefresh(t *testing.T) {
	tm := newTeam(t)
	tm.share(moloniOn)
	tm.expired(moloniOn)
	newer := tm.login(moloniOn)
	var once sync.Once
	tm.onArrival("refresh", func() {
		once.Do(func() {
			c := *newer
			if err := tm.machine("desk").refresher().Keep(t.Context(), &c); err != nil {
				t.Error(err)
			}
		})
	})
	c, err := tm.machine("server").Token(t.Context(), moloniOn, 0)
	if err != nil || c.AccessToken != newer.AccessToken {
		t.Errorf("the refresh returns %v, want the token of the new login", err)
	}
	kept, err := tm.machine("server").Store.Get(t.Context(), moloniOn)
	if err != nil || kept.RefreshToken != newer.RefreshToken {
		t.Errorf("the new login was overwritten: %v", err)
	}
}

func TestVaultStatusNamesWhoRefreshes(t *testing.T) {
	tm := newTeam(t)
	tm.share(moloniOn)
	st, err := tm.machine("here").Status(t.Context(), moloniOn)
	if err != nil || st.Refreshing != nil {
		t.Errorf("%+v, %v", st, err)
	}
	tm.marked("other", moloniOn)
	st, err = tm.machine("here").Status(t.Context(), moloniOn)
	if err != nil || st.Refreshing == nil || st.Refreshing.Host == "" || st.Refreshing.Age > time.Minute {
		t.Errorf("%+v, %v", st, err)
	}
	_, err = tm.machine("here").Status(t.Context(), account.Name{Provider: "mollie"})
	if !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "not logged in") {
		t.Errorf("%v", err)
	}
}

// Of several machines that refresh all accounts at the same time, each refreshes some, and each account is
// refreshed once.
func TestVaultRefreshSince(t *testing.T) {
	tm := newTeam(t)
	tm.share(moloniOn)
	time.Sleep(1100 * time.Millisecond) // the Date of a server has whole seconds
	began := time.Now()
	time.Sleep(1100 * time.Millisecond)
	for n := range 4 {
		if _, err := tm.machine(fmt.Sprint(n)).RefreshSince(t.Context(), moloniOn, began); err != nil {
			t.Error(err)
		}
	}
	tm.asked(moloniOn, 1)
	time.Sleep(2 * time.Second)
	if _, err := tm.machine("later").RefreshSince(t.Context(), moloniOn, time.Now()); err != nil {
		t.Error(err)
	}
	tm.asked(moloniOn, 2)
	if _, err := tm.machine("by name").Refresh(t.Context(), moloniOn); err != nil {
		t.Error(err)
	}
	tm.asked(moloniOn, 3)
}

// A server that takes longer to write a mark than leaves time for the refresh: nothing is sent, and the run ends.
func TestVaultTooSlowForAMark(t *testing.T) {
	tm := newTeam(t)
	tm.share(moloniOn)
	tm.expired(moloniOn)
	tm.vault.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			time.Sleep(300 * time.Millisecond)
		}
		return false
	}
	s := tm.machine("here")
	s.bounds.Mark, s.bounds.Lock = time.Second, time.Second
	_, err := s.Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.Store, "too slow")
	tm.asked(moloniOn, 0)

	tm.vault.Intercept = nil
	if _, err := s.Token(t.Context(), moloniOn, 0); err != nil {
		t.Error(err)
	}
	tm.asked(moloniOn, 1)
}
