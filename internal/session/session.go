// Package session is the life of an account: log in, hand out a valid token, renew, revoke. It is the
// only place where stores and the wire meet, and holds the rules that keep a login from being lost.
package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/store"
)

// Session works on the accounts of one store. Its zero fields have working defaults where a field says
// so. It is safe for concurrent use.
type Session struct {
	Store   store.Store
	Catalog provider.Catalog
	// StateDir is the folder of locks and rescue files. A store that keeps nothing needs none.
	StateDir string
	// Getenv reads the environment.
	Getenv func(string) string
	// Defaults are the settings of an account in the configuration file; nil: there are none.
	Defaults func(account.Name) Defaults
	// Tell receives remarks for the person, one line each; nil: nobody listens.
	Tell func(text string)
	// UserAgent is what the provider is told.
	UserAgent string
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// DiscardRotated allows a renewal whose new refresh token cannot be kept.
	DiscardRotated bool
	// OnRotate is the command, as an argument vector, that is handed a new refresh token where the store
	// keeps nothing; empty: there is none.
	OnRotate []string
	// Environ is the environment that OnRotate gets, less its secrets; os.Environ when nil.
	Environ func() []string

	bounds bounds
}

// bounds are those of the contract for one account where they are zero.
type bounds struct{ lock, save, rotate time.Duration }

// Defaults are what the configuration file says of an account.
type Defaults struct {
	ClientID    string
	RedirectURI string
	Scopes      []string
	Grant       string
}

const (
	lockTime   = 60 * time.Second
	saveTime   = 5 * time.Second
	rotateTime = 60 * time.Second
)

func (s *Session) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Session) tell(format string, args ...any) {
	if s.Tell != nil {
		s.Tell(fmt.Sprintf(format, args...))
	}
}

// Definition returns the provider's definition with the base URL of the settings applied.
func (s *Session) Definition(name string) (*provider.Definition, error) {
	d, err := s.Catalog.Find(name)
	if err != nil {
		return nil, err
	}
	setting := account.Name{Provider: name}.Var(account.BaseURL)
	return d.At(s.Getenv(setting), setting)
}

func (s *Session) client(name account.Name) (*oauth.Client, error) {
	d, err := s.Definition(name.Provider)
	if err != nil {
		return nil, err
	}
	return &oauth.Client{Definition: d, HTTP: oauth.NewHTTP(), UserAgent: s.UserAgent, Now: s.Now}, nil
}

// keeps reports whether the store can take a renewed credential.
func (s *Session) keeps() bool { return !s.Store.Traits().ReadOnly }

// get returns the account's credential: that of a rescue file, where one is waiting to be taken in, else
// the store's. Absence is fail.NotLoggedIn. A credential that comes together with an error is the newest
// that can be read, and nothing of it may be spent.
func (s *Session) get(ctx context.Context, name account.Name) (c *credential.Credential, err error) {
	if !s.rescueWaits(name) {
		return s.stored(ctx, name)
	}
	lockErr := s.underLock(ctx, name, func() error {
		c, err = s.current(ctx, name)
		return nil
	})
	if lockErr == nil {
		return c, err
	}
	if fail.Is(lockErr, fail.Store) {
		c, _ = s.stored(ctx, name)
	}
	return c, lockErr
}

// current is get for a caller that holds the account's lock.
func (s *Session) current(ctx context.Context, name account.Name) (*credential.Credential, error) {
	rescued, err := s.takeIn(ctx, name)
	switch {
	case rescued != nil, fail.Is(err, fail.Interrupted):
		return rescued, err
	case err != nil:
		c, _ := s.stored(ctx, name)
		return c, err
	}
	return s.stored(ctx, name)
}

func (s *Session) stored(ctx context.Context, name account.Name) (*credential.Credential, error) {
	c, err := s.Store.Get(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.notLoggedIn(name, err)
	}
	return c, err
}

// checkClient refuses to use a login that another client made than the one that the settings name.
func (s *Session) checkClient(c *credential.Credential) error {
	if variable := s.otherClient(c); variable != "" {
		return loginAgain(c.Account, "%s names another client than this login was made with; nothing was sent", variable)
	}
	return nil
}

// otherClient returns the variable that names another client than the one that made the login; empty: none
// does.
func (s *Session) otherClient(c *credential.Credential) (variable string) {
	if id := c.Account.Own(s.Getenv, account.ClientID); id != "" && c.ClientID != "" && id != c.ClientID {
		return c.Account.Var(account.ClientID)
	}
	return ""
}

// mayUse checks that a token that is about to be used belongs to where the settings point, and to the client
// that they name. An access token in the environment belongs to where the environment points.
func (s *Session) mayUse(c *credential.Credential, d *provider.Definition) error {
	if c.Origin == "" && !s.keeps() {
		return nil
	}
	if err := checkOrigin(c, d); err != nil {
		return err
	}
	return s.checkClient(c)
}

// notLoggedIn is the failure of an account that nothing is kept of. Where there is no such provider either,
// the name is misspelt, and that is what is said.
func (s *Session) notLoggedIn(name account.Name, cause error) error {
	if _, err := s.Catalog.Find(name.Provider); err != nil {
		var unknown *fail.Error
		if errors.As(err, &unknown) {
			e := *unknown
			e.Err = errors.Join(unknown.Err, cause)
			return &e
		}
		return err
	}
	e := fail.New(fail.NotLoggedIn, "not logged in to %s", name).WithHint("tokencli login %s", name)
	for _, setting := range []string{account.AccessToken, account.RefreshToken} {
		if name.Own(s.Getenv, setting) != "" {
			e.Hint += "; " + name.Var(setting) + " counts only with TOKENCLI_STORE=env"
		}
	}
	e.Err = cause
	return e
}

// absent reports whether err says that nothing is kept of an account.
func absent(err error) bool { return errors.Is(err, store.ErrNotFound) && !fail.Is(err, fail.Store) }

// loginAgain is the failure for which only a person can do something.
func loginAgain(name account.Name, format string, args ...any) *fail.Error {
	return fail.New(fail.LoginNeeded, "%s: "+format, append([]any{name}, args...)...).WithHint("tokencli login %s", name)
}

// locks returns the locks of the accounts in this store.
func (s *Session) locks() store.Locks {
	return store.Locks{
		Dir: s.StateDir, Store: s.Store.Kind(),
		Notice: func(name account.Name) {
			s.tell("waiting for another tokencli that is renewing %s", name)
		},
	}
}

// lock takes the account's lock, waiting with the bound. When another process has it, done is asked
// whether that one's work is enough, before and after the lock is had: then release is nil and the
// credential is returned.
func (s *Session) lock(ctx context.Context, name account.Name, done func(*credential.Credential) bool) (release func(), c *credential.Credential, err error) {
	if s.Store.Traits().Volatile {
		return func() {}, nil, nil
	}
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(s.bounds.lock, lockTime))
	defer cancel()
	locks := s.locks()
	for {
		release, ok, err := locks.Try(bounded, name)
		if err != nil || ok {
			return release, nil, err
		}
		if err := locks.Wait(bounded, name); err != nil {
			return nil, nil, err
		}
		if c, err := s.Store.Get(ctx, name); err == nil && done(c) {
			return nil, c, nil
		}
	}
}

// never is the answer of those who have to have the lock themselves.
func never(*credential.Credential) bool { return false }

// underLock runs work while the account is locked.
func (s *Session) underLock(ctx context.Context, name account.Name, work func() error) error {
	release, _, err := s.lock(ctx, name, never)
	if err != nil {
		return err
	}
	defer release()
	return work()
}

// checkOrigin refuses to send a credential to another place than it came from.
func checkOrigin(c *credential.Credential, d *provider.Definition) error {
	if origin := d.Origin(); c.Origin != origin {
		return loginAgain(c.Account, "this login belongs to %s, but the settings point to %s; nothing was sent", c.Origin, origin).
			WithHint("set %s back, or `tokencli revoke --local %s` and log in there", account.Name{Provider: c.Account.Provider}.Var(account.BaseURL), c.Account)
	}
	return nil
}
