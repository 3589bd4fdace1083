package session

import (
	"context"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/refresh"
	"github.com/tokencli/tokencli/internal/sandbox"
)

func TestLoginDuringARefresh(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	result := make(chan error, 1)
	saved := make(chan struct{})
	w.onArrival("refresh", func() {
		go func() {
			_, err := w.session().Login(context.Background(), moloniOn, Login{StaticToken: "the-new-login"})
			result <- err
			close(saved)
		}()
		time.Sleep(100 * time.Millisecond) // it has read the old login, or waits for the lock
	})
	if _, err := w.session().Refresh(t.Context(), moloniOn); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	<-saved
	if c := w.kept(moloniOn); c.AccessToken != "the-new-login" || c.Generation <= 2 {
		t.Errorf("the new login was overwritten: generation %d", c.Generation)
	}
}

// A process without our lock, on another machine with the same keychain, stores something while the login is
// being saved: the login of the user is the newer one.
func TestLoginIsNewerThanWhatIsStoredMeanwhile(t *testing.T) {
	w := newWorld(t)
	other := w.login(moloniOn)
	s, f := w.withStore()
	n := 0
	f.put = func(c *credential.Credential) error {
		if n++; c.AccessToken == "the-new-login" && n < 4 {
			other.Generation += 5
			w.put(other)
		}
		return nil
	}
	if _, err := s.Login(t.Context(), moloniOn, Login{StaticToken: "the-new-login"}); err != nil {
		t.Fatal(err)
	}
	if c := w.kept(moloniOn); c.AccessToken != "the-new-login" || c.Generation <= other.Generation {
		t.Errorf("the new login was dropped: generation %d", c.Generation)
	}
}

// A refresh that waited for the lock goes on with the new login.
func TestRefreshAfterALogin(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.pass(2 * time.Hour)
	seen := w.kept(moloniOn)
	if _, err := w.session().Login(t.Context(), moloniOn, Login{StaticToken: "the-new-login"}); err != nil {
		t.Fatal(err)
	}
	c, err := w.session().refresher().Refresh(t.Context(), seen, refresh.Want{MinTTL: time.Minute})
	if err != nil || c.AccessToken != "the-new-login" {
		t.Errorf("Refresh = %v, %v", c, err)
	}
	w.asked(moloniOn, 0)
}

// The code is spent when the lock turns out to be taken for good: the login waits in the rescue file, and
// counts as newer than what the holder of the lock saves.
func TestLoginThatCannotHaveTheLock(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	locked, done := make(chan struct{}), make(chan struct{})
	w.onArrival("refresh", func() { close(locked); <-done })
	refreshed := make(chan error, 1)
	go func() {
		_, err := w.session().Refresh(context.Background(), moloniOn)
		refreshed <- err
	}()
	<-locked
	s := w.session()
	s.bounds.Lock = 50 * time.Millisecond
	_, err := s.Login(t.Context(), moloniOn, Login{StaticToken: "the-new-login"})
	close(done)
	mustFail(t, err, fail.Store, "could not be saved")
	if err := <-refreshed; err != nil {
		t.Fatal(err)
	}
	if c := mustToken(t, w.session(), moloniOn, 0); c.AccessToken != "the-new-login" {
		t.Error("the new login is lost")
	}
	if c := w.kept(moloniOn); c.AccessToken != "the-new-login" {
		t.Error("the new login was not taken in")
	}
}

func TestLoginThatCannotBeSaved(t *testing.T) {
	for what, broken := range map[string]func(*flaky){
		"write": func(f *flaky) {
			f.put = func(c *credential.Credential) error {
				if c.Account == moloniOn {
					return errFull
				}
				return nil
			}
		},
		"read, too": func(f *flaky) {
			f.put = func(c *credential.Credential) error {
				if c.Account == moloniOn {
					return errFull
				}
				f.get = func() error { return errFull } // after the store was proved
				return nil
			}
		},
	} {
		w := newWorld(t)
		c := w.login(moloniOn)
		s, f := w.withStore()
		broken(f)
		_, err := s.Login(t.Context(), moloniOn, Login{StaticToken: "the-new-login"})
		mustFail(t, err, fail.Store, "could not be saved")
		if what != "write" {
			// A refresh that was under way saves what it got.
			c.Generation++
			w.put(c)
		}
		if c := mustToken(t, w.session(), moloniOn, 0); c.AccessToken != "the-new-login" {
			t.Errorf("%s: the new login is lost", what)
		}
	}
}

func TestLoginProvesTheStoreFirst(t *testing.T) {
	w := newWorld(t)
	s, f := w.withStore()
	f.put = anything
	_, err := s.Login(t.Context(), monta, Login{})
	mustFail(t, err, fail.Store, "no space left")
	if n := w.server.Stats()["monta"].Requests["token"]; n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

func TestLoginMints(t *testing.T) {
	w := newWorld(t)
	c, err := w.session().Login(t.Context(), monta, Login{})
	if err != nil || !w.kept(monta).Equal(c) {
		t.Fatalf("Login = %v, %v", c, err)
	}
	w.works(monta)
	w.setenv(monta.Var(account.ClientSecret), "")
	w.setenv(monta.Var(account.ClientID), "")
	named := account.Name{Provider: "monta", Label: "other"}
	_, err = w.session().Login(t.Context(), named, Login{})
	mustFail(t, err, fail.Usage, "TOKENCLI_MONTA__OTHER_CLIENT_ID is not set")
}

func TestLoginByPassword(t *testing.T) {
	w := newWorld(t)
	moloni := account.Name{Provider: "moloni"}
	c, err := w.session().Login(t.Context(), moloni, Login{Grant: "password"})
	if err != nil || c.Grant != credential.Password {
		t.Fatalf("Login = %v, %v", c, err)
	}
	w.works(moloni)
	w.setenv(moloni.Var(account.Password), "")
	_, err = w.session().Login(t.Context(), moloni, Login{Grant: "password"})
	mustFail(t, err, fail.Usage, "needs a user name and a password")
	asked := &answers{"user@sandbox.example.test", "sandbox-moloni-password"}
	w.setenv(moloni.Var(account.Username), "")
	if _, err := w.session().Login(t.Context(), moloni, Login{Grant: "password", Ask: asked}); err != nil {
		t.Error(err)
	}
}

// answers are what a person says, in this order.
type answers []string

func (a *answers) Ask(string) (string, error) {
	if len(*a) == 0 {
		return "", fail.New(fail.Interrupted, "interrupted")
	}
	text := (*a)[0]
	*a = (*a)[1:]
	return text, nil
}

func (a *answers) AskOr(label, _ string) (string, error) { return a.Ask(label) }

func (a *answers) AskSecret(label string) (string, error) { return a.Ask(label) }

func TestLoginRefusesWhatCannotWork(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	for _, test := range []struct {
		name  account.Name
		login Login
		kind  fail.Kind
		text  string
	}{
		{account.Name{Provider: "nowhere"}, Login{}, fail.Usage, "nowhere"},
		{account.Name{Provider: "moloni", Label: "on"}, Login{}, fail.Usage, "environment variables as moloni-on"},
		{monta, Login{Grant: "password"}, fail.Usage, `no grant "password"`},
		{monta, Login{Grant: "static"}, fail.Usage, "read from stdin"},
	} {
		_, err := w.session().Login(t.Context(), test.name, test.login)
		if !fail.Is(err, test.kind) {
			t.Errorf("%s %+v: %v", test.name, test.login, err)
		}
		mustFail(t, err, test.kind, test.text)
	}
	w.setenv(moloniOn.Var(account.BaseURL), "http://127.0.0.1:1")
	_, err := w.session().Login(t.Context(), moloniOn, Login{})
	mustFail(t, err, fail.Usage, "would replace that")
}

func TestLoginKeepsTheStoredClient(t *testing.T) {
	w := newWorld(t)
	w.login(monta)
	w.setenv(monta.Var(account.ClientID), "")
	w.setenv(monta.Var(account.ClientSecret), "")
	if _, err := w.session().Login(t.Context(), monta, Login{}); err != nil {
		t.Fatal(err)
	}
	w.fault(sandbox.Fault{On: "token", Kind: "drop", Times: -1})
	kept := w.kept(monta)
	if _, err := w.session().Login(t.Context(), monta, Login{}); !fail.Is(err, fail.Unavailable) {
		t.Errorf("err = %v", err)
	}
	if !w.kept(monta).Equal(kept) {
		t.Error("a login that failed changed what was kept")
	}
}
