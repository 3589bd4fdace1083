package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/refresh"
	"github.com/tokencli/tokencli/internal/store"
)

// State is what an account needs, in one word.
type State string

// The states, as `status` prints them.
const (
	Valid       State = "valid"        // the access token can be used
	Refreshable State = "refreshable"  // the next use refreshes it
	LoginNeeded State = "login_needed" // the user has to log in
)

// Status is what can be said about an account without a secret.
type Status struct {
	Grant            credential.Grant
	State            State
	AccessExpiresAt  time.Time // zero: never, or unknown
	RefreshExpiresAt time.Time
	// Blocked is why the account cannot be refreshed without the user; nil: it can.
	Blocked error
	Ended   bool // the provider refused the refresh token
	// Refreshing is the mark of the process that is refreshing the account, in a shared store; nil: none.
	Refreshing *store.Lease
	// Vanished: the account is in the list of names, but its credential is gone from the store.
	Vanished bool
	// NotBefore is when the provider starts to accept a refresh; zero: at once.
	NotBefore time.Time
	Scopes    []string
	Store     string
}

// Accounts returns the names of the accounts in the store, sorted.
func (s *Session) Accounts(ctx context.Context) ([]account.Name, error) { return s.Store.List(ctx) }

// Status describes an account. It contacts no provider.
func (s *Session) Status(ctx context.Context, name account.Name) (*Status, error) {
	c, lease, err := s.read(ctx, name)
	switch {
	case absent(err) && s.vanished(ctx, name):
		return &Status{
			State: LoginNeeded, Vanished: true, Store: s.Store.Kind(),
			Blocked: vanishedError(name),
		}, nil
	case err != nil:
		return nil, s.explainAbsence(name, err)
	}
	d, err := s.definitionOf(ctx, c)
	if err != nil {
		d = nil // the user's definition is gone or broken, which `provider lint` reports
	}
	st := &Status{
		Grant: c.Grant, AccessExpiresAt: c.AccessExpiresAt, RefreshExpiresAt: c.RefreshExpiresAt,
		Ended: !c.Ended.IsZero(), Scopes: c.Scopes, Store: s.Store.Kind(),
	}
	if lease != nil && lease.Marked {
		st.Refreshing = lease
	}
	st.State, st.Blocked = s.state(c, d)
	if st.State == Valid {
		st.NotBefore = s.notBefore(c)
	}
	return st, nil
}

// read returns the credential and, from a shared store, who is refreshing it.
func (s *Session) read(ctx context.Context, name account.Name) (*credential.Credential, *store.Lease, error) {
	shared, ok := s.Store.(store.Leaser)
	if !ok {
		c, err := s.Store.Get(ctx, name)
		return c, nil, err
	}
	lease, err := shared.Lease(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	return lease.Credential, lease, nil
}

func vanishedError(name account.Name) error {
	return fail.New(fail.LoginNeeded, "%s: the credential is gone from the store", name).Advise(fail.DoLogInOrForget, name)
}

// vanished reports whether an account without a credential is in the list of names: its credential was
// deleted by something else than tokencli.
func (s *Session) vanished(ctx context.Context, name account.Name) bool {
	names, err := s.Store.List(ctx)
	return err == nil && slices.Contains(names, name)
}

// state returns the state of a credential, and why it cannot be refreshed without the user; nil: it can.
func (s *Session) state(c *credential.Credential, d *provider.Definition) (State, error) {
	_, blocked := s.refresher().Method(c, d, false)
	switch {
	case c.Fresh(s.now(), 0):
		return Valid, blocked
	case blocked == nil:
		return Refreshable, nil
	}
	return LoginNeeded, blocked
}

// Static reports whether the token was created by hand, so that there is nothing to refresh.
func (st *Status) Static() bool { return st.Grant == credential.Static }

// Refreshes reports whether the account can be refreshed without the user.
func (st *Status) Refreshes() bool { return st.Blocked == nil }

// Expired reports whether the login has ended, has expired or has no refresh token.
func (st *Status) Expired() bool { return errors.Is(st.Blocked, refresh.ErrExpired) }

// EndsWithin reports whether one of the tokens expires within d.
func (st *Status) EndsWithin(d time.Duration, now time.Time) bool {
	return expiresBy(st.AccessExpiresAt, now.Add(d)) || expiresBy(st.RefreshExpiresAt, now.Add(d))
}

// NeedsLogin reports whether the user has to log in, now or within d.
func (st *Status) NeedsLogin(d time.Duration, now time.Time) bool {
	switch {
	case st.State == LoginNeeded, st.Ended && !st.Refreshes():
		return true
	case d <= 0, st.Refreshes() && st.Grant.Mints():
		return false
	case st.Refreshes():
		return expiresBy(st.RefreshExpiresAt, now.Add(d))
	}
	return expiresBy(st.AccessExpiresAt, now.Add(d))
}

func expiresBy(t, limit time.Time) bool { return !t.IsZero() && !t.After(limit) }

// CheckEmpty returns the failure of a store without logins that cannot be used (fail.Store), or that is
// probably not the one that was meant (fail.LoginNeeded): a job without the settings of the user's shell must
// not report success.
func (s *Session) CheckEmpty(ctx context.Context) error {
	if s.Store.Traits().ReadOnly {
		return nil
	}
	if err := store.Check(ctx, s.Store); err != nil {
		return err
	}
	others, err := store.Others(ctx, s.StateDir, s.Store.Kind())
	if err != nil || len(others) == 0 {
		return err
	}
	return fail.New(fail.LoginNeeded, "the %s store is empty, but the %s store has logins", s.Store.Kind(), strings.Join(others, " store and the ")).
		Advise(fail.DoChooseOther, others[0])
}
