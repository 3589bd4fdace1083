package session

import (
	"context"
	"errors"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/store"
)

// Status is what can be told about an account without a secret.
type Status struct {
	Account          account.Name
	Grant            credential.Grant
	State            credential.State
	AccessExpiresAt  time.Time // zero: never, or not known
	RefreshExpiresAt time.Time
	Renews           bool // there is a refresh token, or a client that mints
	Ended            bool // the provider refused the refresh token
	Scopes           []string
	Store            string
}

// Accounts returns the names of the accounts in the store, sorted.
func (s *Session) Accounts(ctx context.Context) ([]account.Name, error) { return s.Store.List(ctx) }

// Status tells about an account. It asks no provider and renews nothing.
func (s *Session) Status(ctx context.Context, name account.Name) (*Status, error) {
	c, err := s.Store.Get(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.notLoggedIn(name, err)
	}
	if err != nil {
		return nil, err
	}
	now := s.now()
	st := &Status{
		Account: name, Grant: c.Grant, State: c.State(now),
		AccessExpiresAt: c.AccessExpiresAt, RefreshExpiresAt: c.RefreshExpiresAt,
		Renews: c.Renewable(now), Ended: !c.Ended.IsZero(),
		Scopes: c.Scopes, Store: s.Store.Kind(),
	}
	if st.State == credential.Refreshable && !s.mayRenew(c) {
		st.State = credential.LoginNeeded
	}
	return st, nil
}

// mayRenew reports whether what a renewal brings can be kept, or need not be: a refresh token that is
// replaced at every use is not spent where the new one would be lost.
func (s *Session) mayRenew(c *credential.Credential) bool {
	if s.keeps() || c.Mintable() || len(s.OnRotate) > 0 || s.DiscardRotated {
		return true
	}
	d, err := s.Definition(c.Account.Provider)
	return err != nil || !d.Rotates()
}

// Static reports whether the token was made by hand, so that there is nothing to renew.
func (st *Status) Static() bool { return st.Grant == credential.Static }

// Dead reports whether only a person can do something: the login was ended, and it is not one that mints
// its own tokens.
func (st *Status) Dead() bool {
	return st.Grant != credential.ClientCredentials && (st.Ended || !st.Renews)
}

// EndsWithin reports whether a person, or a renewal, is needed within d.
func (st *Status) EndsWithin(d time.Duration, now time.Time) bool {
	limit := now.Add(d)
	for _, t := range []time.Time{st.AccessExpiresAt, st.RefreshExpiresAt} {
		if !t.IsZero() && !t.After(limit) {
			return true
		}
	}
	return false
}

// NeedsLogin reports whether a person has to log in, now or within d.
func (st *Status) NeedsLogin(d time.Duration, now time.Time) bool {
	if st.State == credential.LoginNeeded || st.Ended && st.Grant != credential.ClientCredentials {
		return true
	}
	if d <= 0 || st.Grant == credential.ClientCredentials {
		return false
	}
	limit := now.Add(d)
	if st.Renews {
		return !st.RefreshExpiresAt.IsZero() && !st.RefreshExpiresAt.After(limit)
	}
	return !st.AccessExpiresAt.IsZero() && !st.AccessExpiresAt.After(limit)
}
