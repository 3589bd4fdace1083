package session

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/safefile"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// rescued makes a login that was refreshed and could not be saved, and returns the refreshed credential.
func (w *world) rescued(name account.Name) *credential.Credential {
	w.t.Helper()
	s, f := w.withStore()
	f.put = onlyMarks
	c, err := usable(s.Refresh(context.Background(), name))
	if c == nil || !fail.Is(err, fail.Store) {
		w.t.Fatalf("Refresh = %v, %v; want a credential and a failure of the store", c, err)
	}
	w.mustBeThere(w.rescuePath(name), true)
	return c
}

func TestRefreshThatCannotBeSavedIsRescued(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	c := w.rescued(moloniOn)
	info, err := os.Stat(w.rescuePath(moloniOn))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the rescue file is open to others: %v, %v", info.Mode(), err)
	}
	// The file store has a key of its own.
	text, err := os.ReadFile(w.rescuePath(moloniOn))
	if err != nil || !strings.HasPrefix(string(text), "age-encryption.org/") {
		t.Errorf("the rescue file is not encrypted: %v", err)
	}
	if got := mustToken(t, w.session(), moloniOn, time.Minute); !got.Equal(c) {
		t.Error("another credential than the rescued one")
	}
	if !w.kept(moloniOn).Equal(c) {
		t.Error("the rescued credential is not in the store")
	}
	w.mustBeThere(w.rescuePath(moloniOn), false)
	w.asked(moloniOn, 1)
	w.works(moloniOn)
}

// The one who waits for the lock finds a store whose refresh token is spent.
func TestRescueFileThatAppearsDuringTheWait(t *testing.T) {
	for _, mended := range []bool{true, false} {
		w := newWorld(t)
		w.login(moloniOn)
		w.pass(2 * time.Hour)
		waiting := make(chan struct{})
		var wg sync.WaitGroup
		w.onArrival("refresh", func() {
			wg.Go(func() {
				s, f := w.withStore()
				read := 0
				f.get = func() error {
					if read++; read == 1 {
						close(waiting)
					}
					return nil
				}
				if !mended {
					f.put = anything
				}
				c, err := usable(s.Token(context.Background(), moloniOn, time.Minute))
				if c == nil || !c.Fresh(w.now(), time.Minute) || mended != (err == nil) {
					t.Errorf("mended %v: the one who waited got %v, %v", mended, c, err)
				}
			})
			<-waiting
		})
		w.rescued(moloniOn)
		w.onArrival("refresh", func() {})
		wg.Wait()
		w.asked(moloniOn, 1)
		w.mustBeThere(w.rescuePath(moloniOn), !mended)
		w.works(moloniOn)
	}
}

func TestRescueFileThatCannotBeTakenIn(t *testing.T) {
	for what, broken := range map[string]func(*flaky){
		"write": func(f *flaky) { f.put = anything },
		"read":  func(f *flaky) { f.get = func() error { return errFull } },
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.login(moloniOn)
			c := w.rescued(moloniOn)
			s, f := w.withStore()
			broken(f)
			// Its token is good, and the caller is told all the same.
			got, err := usable(s.Token(t.Context(), moloniOn, time.Minute))
			if got == nil || !got.Equal(c) {
				t.Fatalf("Token = %v", got)
			}
			mustFail(t, err, fail.Store, "cannot be imported yet")
			// Nothing is spent as long as nothing can be saved, and no new login is asked for.
			_, err = s.Refresh(t.Context(), moloniOn)
			mustFail(t, err, fail.Store, "cannot be imported yet")
			w.pass(2 * time.Hour)
			_, err = s.Token(t.Context(), moloniOn, time.Minute)
			mustFail(t, err, fail.Store, "cannot be imported yet")
			_, err = s.Login(t.Context(), moloniOn, Login{StaticToken: "x"})
			mustFail(t, err, fail.Store, "cannot be imported yet")
			err = s.Revoke(t.Context(), moloniOn, false)
			mustFail(t, err, fail.Store, "cannot be imported yet")
			w.asked(moloniOn, 1)
			w.mustBeThere(w.rescuePath(moloniOn), true)
			w.works(moloniOn)
		})
	}
}

func TestRescueFileThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	c := w.login(moneybird)
	damage := func() {
		if err := safefile.EnsureDir(filepath.Dir(w.rescuePath(moneybird))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.rescuePath(moneybird), []byte(`{"tokencli":1,"acc`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage()
	got, err := usable(w.session().Token(t.Context(), moneybird, 0))
	if got == nil || got.AccessToken != c.AccessToken {
		t.Errorf("the fresh token in the store is not handed out: %v", got)
	}
	mustFail(t, err, fail.Store, "not a credential that tokencli wrote")
	// What is in the store may be spent.
	_, err = w.session().Refresh(t.Context(), moneybird)
	mustFail(t, err, fail.Store, "rescue file")
	err = w.session().Revoke(t.Context(), moneybird, false)
	mustFail(t, err, fail.Store, "rescue file")
	w.asked(moneybird, 0)
	w.mustBeThere(w.rescuePath(moneybird), true)

	if _, err := w.session().Login(t.Context(), moneybird, Login{StaticToken: "static-token"}); err != nil {
		t.Errorf("a new login does not replace it: %v", err)
	}
	if !w.hasSaid("the new login replaces it") {
		t.Error("nothing is said about it")
	}
	w.mustBeThere(w.rescuePath(moneybird), false)

	damage()
	if err := w.session().Revoke(t.Context(), moneybird, true); err != nil {
		t.Errorf("it cannot be forgotten: %v", err)
	}
	w.mustBeThere(w.rescuePath(moneybird), false)
	damage()
	mustFail(t, w.session().Revoke(t.Context(), moneybird, true), fail.NotLoggedIn, "not logged in")
	w.mustBeThere(w.rescuePath(moneybird), false)
}

func TestRescueFileOlderThanTheStore(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	c := w.rescued(moloniOn)
	newer := *c
	newer.Generation++
	newer.AccessToken = "a-newer-token"
	w.put(&newer)
	if got := mustToken(t, w.session(), moloniOn, 0); got.AccessToken != "a-newer-token" {
		t.Error("an older credential replaced a newer one")
	}
	w.mustBeThere(w.rescuePath(moloniOn), false)
}

func TestRescueFileOfAnAccountThatIsNotInTheStore(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.rescued(moloniOn)
	if err := w.session().Store.Delete(t.Context(), moloniOn); err != nil {
		t.Fatal(err)
	}
	mustToken(t, w.session(), moloniOn, time.Minute)
	w.works(moloniOn)
}

// A disk that is full, or a folder that cannot be written, shows before the refresh token is spent.
func TestPlaceOfTheRescueFileIsProvedFirst(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.pass(2 * time.Hour)
	if err := os.WriteFile(filepath.Join(w.dir, "rescue"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := w.session().Token(t.Context(), moloniOn, time.Minute)
	mustFail(t, err, fail.Store, "rescue is not a folder")
	w.asked(moloniOn, 0)
	if !w.kept(moloniOn).Presented.IsZero() {
		t.Error("the login is marked though nothing was sent")
	}
}

func TestSpaceForTheRescueFileIsKept(t *testing.T) {
	w := newWorld(t)
	c := w.login(moloniOn)
	text, err := credential.Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	space := strings.TrimSuffix(w.rescuePath(moloniOn), ".age") + ".space"
	checked := false
	w.onArrival("refresh", func() {
		checked = true
		if info, err := os.Stat(space); err != nil || info.Size() < int64(2*len(text)) {
			t.Errorf("no space is kept for the rescue file: %v", err)
		}
	})
	s, f := w.withStore()
	f.put = func(c *credential.Credential) error {
		if c.Presented.IsZero() {
			w.mustBeThere(space, true)
			return errFull
		}
		return nil
	}
	if _, err := s.Refresh(t.Context(), moloniOn); !fail.Is(err, fail.Store) || !checked {
		t.Fatal(err)
	}
	w.mustBeThere(space, false)
	w.works(moloniOn)
	w.mustBeThere(space, false)
}

func TestRescueIsTheLastWay(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	s, f := w.withStore()
	f.put = func(c *credential.Credential) error {
		if !c.Presented.IsZero() {
			return nil
		}
		_ = os.RemoveAll(filepath.Join(w.dir, "rescue"))
		_ = os.WriteFile(filepath.Join(w.dir, "rescue"), nil, 0o600)
		return errFull
	}
	c, err := usable(s.Refresh(t.Context(), moloniOn))
	if c == nil {
		t.Error("the access token is lost as well")
	}
	mustFail(t, err, fail.Store, "nor could a rescue file be written")
}

func TestSaveIsTriedForAWhile(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	s, f := w.withStore()
	s.bounds.Save = 10 * time.Second
	failures := 2
	f.put = func(c *credential.Credential) error {
		if c.Presented.IsZero() && failures > 0 {
			failures--
			return errFull
		}
		return nil
	}
	if _, err := s.Refresh(t.Context(), moloniOn); err != nil {
		t.Error(err)
	}
	w.mustBeThere(w.rescuePath(moloniOn), false)
	w.works(moloniOn)
}

// A Put may fail after it wrote: the rescue file is then a copy of what is there.
func TestSaveThatFailsAfterItWrote(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	s, f := w.withStore()
	f.then = func(c *credential.Credential) error {
		if c.Presented.IsZero() {
			return errFull
		}
		return nil
	}
	if _, err := s.Refresh(t.Context(), moloniOn); !fail.Is(err, fail.Store) {
		t.Fatal(err)
	}
	w.mustBeThere(w.rescuePath(moloniOn), true)
	mustToken(t, w.session(), moloniOn, time.Minute)
	w.mustBeThere(w.rescuePath(moloniOn), false)
	w.works(moloniOn)
}

func TestCancelledCallLeavesTheRescueFile(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.rescued(moloniOn)
	ctx, cancel := context.WithCancel(t.Context())
	s, f := w.withStore()
	f.get = func() error { cancel(); return nil }
	c, err := usable(s.Token(ctx, moloniOn, 0))
	if c != nil {
		t.Error("a credential is handed out after an interruption")
	}
	mustFail(t, err, fail.Interrupted, "interrupted")
	w.mustBeThere(w.rescuePath(moloniOn), true)
	w.works(moloniOn)
}

// Where the lock cannot be had, a token that is good is good.
func TestRescueFileWhileTheLockIsTaken(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.rescued(moloniOn)
	release, _, err := w.locks().Try(t.Context(), moloniOn)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	s := w.session()
	s.bounds.Lock = 50 * time.Millisecond
	c, err := usable(s.Token(t.Context(), moloniOn, time.Minute))
	if c == nil {
		t.Error("the fresh token in the store is not handed out")
	}
	mustFail(t, err, fail.Store, "could not acquire the lock for moloni-on")
	w.asked(moloniOn, 1)
}

func TestRevokeEndsWhatWasRescued(t *testing.T) {
	w := newWorld(t)
	w.login(moneybird)
	// The rescue file appears while the revocation waits for the lock.
	waiting := make(chan struct{})
	result := make(chan error, 1)
	w.onArrival("refresh", func() {
		go func() {
			s := w.session()
			s.Tell = func(string) {}
			close(waiting)
			result <- s.Revoke(context.Background(), moneybird, false)
		}()
		<-waiting
		time.Sleep(50 * time.Millisecond) // it is now waiting for the lock, or soon
	})
	s, f := w.withStore()
	f.put = onlyMarks
	c, err := usable(s.Refresh(t.Context(), moneybird))
	if c == nil || !fail.Is(err, fail.Store) {
		t.Fatalf("Refresh = %v, %v", c, err)
	}
	if err := <-result; err != nil {
		t.Fatalf("Revoke: %v", err)
	}
	w.mustBeThere(w.rescuePath(moneybird), false)
	w.onArrival("refresh", func() {})
	w.put(c)
	_, err = w.session().Refresh(t.Context(), moneybird)
	mustFail(t, err, fail.LoginNeeded, "ended")
}

// A revoked login does not come back out of a rescue file.
func TestRescueFileOfARevokedLogin(t *testing.T) {
	w := newWorld(t)
	w.login(moneybird)
	w.rescued(moneybird)
	if err := w.session().Revoke(t.Context(), moneybird, false); err != nil {
		t.Fatal(err)
	}
	_, err := w.session().Token(t.Context(), moneybird, 0)
	mustFail(t, err, fail.NotLoggedIn, "moneybird")
	w.login(moneybird)
	w.rescued(moneybird)
	if err := w.session().Revoke(t.Context(), moneybird, true); err != nil {
		t.Fatal(err)
	}
	_, err = w.session().Token(t.Context(), moneybird, 0)
	mustFail(t, err, fail.NotLoggedIn, "moneybird")
}

func TestRevokeForgetsNothingWhenTheProviderIsDown(t *testing.T) {
	w := newWorld(t)
	w.login(moneybird)
	w.fault(sandbox.Fault{Provider: "moneybird", On: "revoke", Kind: "drop", Times: -1})
	err := w.session().Revoke(t.Context(), moneybird, false)
	mustFail(t, err, fail.Unavailable, "")
	w.works(moneybird)
	w.server.ClearFaults()
	if err := w.session().Revoke(t.Context(), moneybird, false); err != nil {
		t.Fatal(err)
	}
	mustFail(t, w.session().Revoke(t.Context(), moneybird, false), fail.NotLoggedIn, "moneybird")
	// Moloni ON has no way: it is said what stays alive.
	w.login(moloniOn)
	if err := w.session().Revoke(t.Context(), moloniOn, false); err != nil {
		t.Fatal(err)
	}
	if !w.hasSaid("has no revocation endpoint") || !w.hasSaid("the refresh token stays valid until") {
		t.Errorf("said: %q", w.said)
	}
}
