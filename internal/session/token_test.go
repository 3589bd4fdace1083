package session

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/sandbox"
)

func TestInterruptedBeforeTheMark(t *testing.T) {
	w := newWorld(t)
	c := w.login(moloniOn)
	ctx, cancel := context.WithCancel(t.Context())
	s, f := w.withStore()
	f.put = func(*credential.Credential) error { cancel(); return nil } // between lock and mark
	_, err := s.Refresh(ctx, moloniOn)
	mustFail(t, err, fail.Interrupted, "")
	w.asked(moloniOn, 0)
	if !w.kept(moloniOn).Equal(c) {
		t.Error("the login was changed")
	}
}

func TestInterruptedAfterTheMark(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	ctx, cancel := context.WithCancel(t.Context())
	w.onArrival("refresh", cancel)
	_, err := w.session().Refresh(ctx, moloniOn)
	mustFail(t, err, fail.Interrupted, "saved first")
	if c := w.kept(moloniOn); c.Generation != 2 || !c.Presented.IsZero() {
		t.Error("the refresh was not saved")
	}
	w.onArrival("refresh", func() {})
	w.works(moloniOn)
}

func TestStoreThatCannotBeWrittenSpendsNothing(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	s, f := w.withStore()
	f.put = anything
	_, err := s.Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Store, "no space left")
	w.asked(moloniOn, 0)
	// A token that is still good is handed out.
	w.pass(59*time.Minute + 30*time.Second)
	mustToken(t, s, moloniOn, time.Minute)
	if !w.hasSaid("the present token is valid for") {
		t.Error("no warning")
	}
	w.asked(moloniOn, 0)
	w.works(moloniOn)
}

// The mark may be there after a Put that failed. Nothing was sent then, so the next run just works.
func TestMarkThatFailsAfterItWasWritten(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	s, f := w.withStore()
	f.then = anything
	_, err := s.Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Store, "no space left")
	w.asked(moloniOn, 0)
	w.works(moloniOn)
}

func TestAnswerThatIsLost(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	// The request never arrived: the mark stays, because nobody can know, and the next try works.
	w.fault(sandbox.Fault{Provider: "moloni-on", On: "refresh", Kind: "drop"})
	_, err := w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Unavailable, "")
	if w.kept(moloniOn).Presented.IsZero() {
		t.Error("the mark is gone")
	}
	w.works(moloniOn)
	if !w.hasSaid("whether it reached the provider is unknown") {
		t.Error("it is not said what is known")
	}

	// It arrived, and the token is spent: tried once, and then a person is asked for.
	w.fault(sandbox.Fault{Provider: "moloni-on", On: "refresh", Kind: "drop_reply"})
	_, err = w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Unavailable, "")
	_, err = w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.LoginNeeded, "seems to have spent the refresh token")
	if n := w.server.Stats()["moloni-on"].Requests["refresh"]; n != 4 {
		t.Errorf("%d requests", n)
	}
	_, err = w.session().Token(t.Context(), moloniOn, 48*time.Hour)
	mustFail(t, err, fail.LoginNeeded, "the login ended on")
}

func TestAnswerThatSpendsNothing(t *testing.T) {
	for _, fault := range []sandbox.Fault{
		{Kind: "429", Seconds: 3600},
		{Kind: "503", Seconds: 3600},
		{Kind: "error", Error: "invalid_client", Description: "the client secret is wrong"},
	} {
		w := newWorld(t)
		c := w.login(moloniOn)
		fault.On = "refresh"
		w.fault(fault)
		if _, err := w.session().Refresh(t.Context(), moloniOn); err == nil {
			t.Fatalf("%s: no error", fault.Kind)
		}
		if !w.kept(moloniOn).Equal(c) {
			t.Errorf("%s: the login was changed", fault.Kind)
		}
		w.works(moloniOn)
	}
}

func TestAnswerOfWhichOnlyTheRefreshTokenIsGood(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	pair, err := w.server.Mint("moloni-on", "", "")
	if err != nil {
		t.Fatal(err)
	}
	broken := sandbox.Fault{
		On: "refresh", Kind: "status", Status: 200,
		Body: `{"accessToken": {"a": 1}, "refreshToken": "` + pair.RefreshToken + `"}`,
	}
	w.fault(broken)
	_, err = w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Unavailable, "no usable access token")
	if w.kept(moloniOn).RefreshToken.Reveal() != pair.RefreshToken {
		t.Error("the new refresh token was not kept")
	}
	w.works(moloniOn)

	// The same, and it cannot be saved.
	pair, err = w.server.Mint("moloni-on", "", "")
	if err != nil {
		t.Fatal(err)
	}
	broken.Body = `{"accessToken": null, "refreshToken": "` + pair.RefreshToken + `"}`
	w.fault(broken)
	s, f := w.withStore()
	f.put = onlyMarks
	_, err = s.Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Store, "could not be saved")
	w.works(moloniOn)
}

// A process that does not share our lock (another machine with the same keychain) refreshed meanwhile.
func TestRefusalAfterAnotherRefreshed(t *testing.T) {
	w := newWorld(t)
	old := w.login(moloniOn)
	w.expire(moloniOn, "refresh")
	other := *old
	var once sync.Once
	w.onArrival("refresh", func() {
		once.Do(func() {
			pair, err := w.server.Mint("moloni-on", "", "")
			if err != nil {
				t.Error(err)
			}
			other.AccessToken, other.RefreshToken = credential.Secret(pair.AccessToken), credential.Secret(pair.RefreshToken)
			other.Generation = 2
			w.put(&other)
		})
	})
	c, err := w.session().Refresh(t.Context(), moloniOn)
	if err != nil || !c.Equal(&other) {
		t.Fatalf("Refresh = %v, %v; want what the other one saved", c, err)
	}
	w.asked(moloniOn, 1)
	w.works(moloniOn)
}

// What the other one saved is over as well, and is refreshed; that refresh cannot be saved.
func TestRefusalAfterAnotherRefreshedLongAgo(t *testing.T) {
	w := newWorld(t)
	old := w.login(moloniOn)
	w.expire(moloniOn, "refresh")
	w.pass(2 * time.Hour)
	var once sync.Once
	w.onArrival("refresh", func() {
		once.Do(func() {
			pair, err := w.server.Mint("moloni-on", "", "")
			if err != nil {
				t.Error(err)
			}
			other := *old
			other.RefreshToken = credential.Secret(pair.RefreshToken)
			other.Generation = 2
			w.put(&other)
		})
	})
	s, f := w.withStore()
	f.put = onlyMarks
	c, err := usable(s.Token(t.Context(), moloniOn, time.Minute))
	if c == nil || !c.Fresh(w.now(), time.Minute) {
		t.Errorf("Token = %v", c)
	}
	mustFail(t, err, fail.Store, "could not be saved")
	w.asked(moloniOn, 2)
	w.works(moloniOn)
}

// Compare before clear: what somebody saved meanwhile is not overwritten with a mark.
func TestRefusalDoesNotMarkWhatIsNewer(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.expire(moloniOn, "refresh")
	w.pass(2 * time.Hour)
	n := int64(1)
	w.onArrival("refresh", func() {
		// Each time another login that is over, so that no try finds one that will do.
		n++
		c := w.kept(moloniOn)
		c.Generation = 10 * n
		c.RefreshToken = credential.Secret(string(rune('a'+n)) + "-refresh-token")
		w.put(c)
	})
	_, err := w.session().Token(t.Context(), moloniOn, time.Minute)
	mustFail(t, err, fail.LoginNeeded, "refused the login")
	if c := w.kept(moloniOn); !c.Ended.IsZero() || c.Generation != 10*n {
		t.Errorf("a newer login was marked as ended: generation %d", c.Generation)
	}
	w.asked(moloniOn, 2)
}

// A provider may hand out the same refresh token again: it is the generation that tells.
func TestRefusalComparesTheGeneration(t *testing.T) {
	w := newWorld(t)
	old := w.login(moloniOn)
	w.expire(moloniOn, "refresh")
	newer := *old
	newer.Generation, newer.AccessToken = 7, "a-newer-token"
	w.onArrival("refresh", func() { w.put(&newer) })
	c, err := w.session().Refresh(t.Context(), moloniOn)
	if err != nil || c.AccessToken != "a-newer-token" {
		t.Errorf("Refresh = %v, %v", c, err)
	}
	if c := w.kept(moloniOn); !c.Equal(&newer) {
		t.Error("what was newer was changed")
	}
}

func TestRefusalAfterTheLoginWasForgotten(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.expire(moloniOn, "refresh")
	w.onArrival("refresh", func() {
		if err := w.session().Store.Delete(context.Background(), moloniOn); err != nil {
			t.Error(err)
		}
	})
	_, err := w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.NotLoggedIn, "")
	_, err = w.session().Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.NotLoggedIn, "") // and it did not come back
}

// A refusal that the store cannot be asked about is not believed.
func TestRefusalWhileTheStoreCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.fault(sandbox.Fault{On: "refresh", Kind: "error", Error: "invalid_grant"})
	s, f := w.withStore()
	w.onArrival("refresh", func() { f.get = func() error { return errFull } })
	_, err := s.Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Store, "no space left")
	w.onArrival("refresh", func() {})
	if !w.kept(moloniOn).Ended.IsZero() {
		t.Error("the login was marked as ended")
	}
	w.works(moloniOn)
}

// Taking the mark back must not take back what somebody else saved.
func TestUnmarkLeavesWhatIsNewer(t *testing.T) {
	w := newWorld(t)
	old := w.login(moloniOn)
	newer := *old
	newer.Generation = 7
	w.fault(sandbox.Fault{On: "refresh", Kind: "429", Seconds: 3600})
	w.onArrival("refresh", func() { w.put(&newer) })
	_, err := w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Unavailable, "retry later")
	if w.kept(moloniOn).Generation != 7 {
		t.Error("a newer login was overwritten")
	}
}

func TestEndedLogin(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.fault(sandbox.Fault{On: "refresh", Kind: "error", Error: "invalid_grant"})
	_, err := w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.LoginNeeded, "refused the login")
	// Its access token is good until it ends; then nobody is asked.
	mustToken(t, w.session(), moloniOn, time.Minute)
	w.pass(2 * time.Hour)
	_, err = w.session().Token(t.Context(), moloniOn, time.Minute)
	mustFail(t, err, fail.LoginNeeded, "the login ended on")
	w.asked(moloniOn, 1)
	// A changed client secret lifts the mark.
	w.setenv(moloniOn.Var(account.ClientSecret), "a-new-secret")
	_, err = w.session().Token(t.Context(), moloniOn, time.Minute)
	mustFail(t, err, fail.Refused, "client")
	w.asked(moloniOn, 2)
	// So does asking for it.
	w.setenv(moloniOn.Var(account.ClientSecret), "")
	w.works(moloniOn)
}

// With id and secret at hand a dead refresh token means minting, and no mark is left behind when that
// has to wait.
func TestMintAfterADeadRefreshToken(t *testing.T) {
	w := newWorld(t)
	w.login(monta)
	w.expire(monta, "refresh")
	w.fault(sandbox.Fault{Provider: "monta", On: "token", Kind: "503", Seconds: 3600})
	_, err := w.session().Refresh(t.Context(), monta)
	mustFail(t, err, fail.Unavailable, "retry later")
	if c := w.kept(monta); !c.Presented.IsZero() || !c.Ended.IsZero() {
		t.Error("a mark was left behind")
	}
	w.forget()
	if _, err := w.session().Refresh(t.Context(), monta); err != nil {
		t.Fatal(err)
	}
	if w.hasSaid("cut off") {
		t.Error("a refresh that came to its end is called cut off")
	}
	if n := w.server.Stats()["monta"].Mints; n != 1 {
		t.Errorf("%d mints", n)
	}
	w.works(monta)
}

func TestNothingToRefreshWith(t *testing.T) {
	w := newWorld(t)
	c := w.login(moloniOn)
	c.RefreshToken = ""
	w.put(c)
	w.pass(2 * time.Hour)
	_, err := w.session().Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.LoginNeeded, "there is no refresh token")
}

func TestLockThatIsNotHad(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	release, _, err := w.locks().Try(t.Context(), moloniOn)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	s := w.session()
	s.bounds.Lock = 50 * time.Millisecond
	_, err = s.Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Store, "could not acquire the lock for moloni-on")
	// Half a minute is left: it is handed out with a warning.
	w.pass(59*time.Minute + 30*time.Second)
	mustToken(t, s, moloniOn, time.Minute)
	if !w.hasSaid("the present token is valid for 30s") {
		t.Errorf("said: %q", w.said)
	}
	w.asked(moloniOn, 0)
}

func TestRevokedWhileARefreshWaits(t *testing.T) {
	w := newWorld(t)
	w.login(moneybird)
	release, _, err := w.locks().Try(t.Context(), moneybird)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	read := make(chan struct{})
	go func() {
		s, f := w.withStore()
		var once sync.Once
		f.get = func() error { once.Do(func() { close(read) }); return nil }
		_, err := s.Refresh(context.Background(), moneybird)
		result <- err
	}()
	<-read
	if err := w.session().Store.Delete(t.Context(), moneybird); err != nil {
		t.Fatal(err)
	}
	release()
	mustFail(t, <-result, fail.NotLoggedIn, "moneybird")
	w.asked(moneybird, 0)
}
