package session

import (
	"context"
	"errors"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/refresh"
)

// Token returns a credential whose access token is valid for at least minTTL, refreshing it first if needed
// and possible. A token that was just refreshed is returned even if its lifetime is shorter. An error for
// which Unsaved returns a credential comes with a usable token.
func (s *Session) Token(ctx context.Context, name account.Name, minTTL time.Duration) (*credential.Credential, error) {
	c, err := s.load(ctx, name)
	if err != nil {
		return nil, s.usable(err)
	}
	if c.Fresh(s.now(), minTTL) {
		return c, nil
	}
	if c.Fresh(s.now(), 0) {
		if at := s.notBefore(c); s.now().Before(at) {
			s.tell("warning: %s: the token is valid for %s, and the provider does not refresh it before %s", name,
				c.AccessExpiresAt.Sub(s.now()).Round(time.Second), at.UTC().Format(time.RFC3339))
			return c, nil
		}
	}
	refreshed, err := s.refresher().Refresh(ctx, c, refresh.Want{MinTTL: minTTL})
	switch {
	case err == nil:
		if life := refreshed.AccessExpiresAt.Sub(refreshed.ObtainedAt).Round(time.Second); life < minTTL && !refreshed.Fresh(s.now(), minTTL) {
			s.tell("warning: %s: tokens are valid for %s only, which is less than the %s that were asked for", name, lasting(life), lasting(minTTL))
		}
		return refreshed, nil
	case Unsaved(err) == nil && c.Fresh(s.now(), 0) && (fail.Is(err, fail.Unavailable) || fail.Is(err, fail.Store)):
		s.tell("warning: %v; the present token is valid for %s", err, c.AccessExpiresAt.Sub(s.now()).Round(time.Second))
		return c, nil
	}
	return nil, s.usable(s.explainAbsence(name, err))
}

// notBefore returns when the provider starts to accept a refresh of the credential; zero: at once.
func (s *Session) notBefore(c *credential.Credential) time.Time {
	d, err := s.Catalog.Find(c.Account.Provider)
	if err != nil || d.Lifetimes.RefreshNotBefore == 0 {
		return time.Time{}
	}
	return c.ObtainedAt.Add(d.Lifetimes.RefreshNotBefore)
}

// Refresh refreshes now, however long the access token is valid. It contacts the provider even if the login
// is marked as ended. A refresh by another process that was in progress counts as this one.
func (s *Session) Refresh(ctx context.Context, name account.Name) (*credential.Credential, error) {
	return s.RefreshSince(ctx, name, time.Time{})
}

// RefreshSince is Refresh for a run over many accounts that began then: in a shared store, a refresh by another
// machine since then counts as this one.
func (s *Session) RefreshSince(ctx context.Context, name account.Name, since time.Time) (*credential.Credential, error) {
	c, err := s.load(ctx, name)
	if err != nil {
		return nil, err
	}
	c, err = s.refresher().Refresh(ctx, c, refresh.Want{Force: true, Since: since})
	if err != nil {
		return nil, s.usable(s.explainAbsence(name, err))
	}
	return c, nil
}

// refreshRefused refreshes a credential whose access token an API refused although it had not expired: at
// most once a minute per account. A sooner call fails with an error that wraps refresh.ErrTooSoon: the refusal is then
// about something else.
func (s *Session) refreshRefused(ctx context.Context, c *credential.Credential) (*credential.Credential, error) {
	refreshed, err := s.refresher().Refresh(ctx, c, refresh.Want{Refused: true})
	if err != nil {
		return nil, s.usable(s.explainAbsence(c.Account, err))
	}
	return refreshed, nil
}

// CanRefresh returns why the credential cannot be refreshed without the user, or nil. It sends nothing.
func (s *Session) CanRefresh(ctx context.Context, c *credential.Credential) error {
	d, err := s.definitionOf(ctx, c)
	if err != nil {
		return err
	}
	return s.canRefresh(c, d)
}

func (s *Session) canRefresh(c *credential.Credential, d *provider.Definition) error {
	_, err := s.refresher().Method(c, d, false)
	return err
}

// Unsaved returns the credential of a failure that comes with a usable access token: a refresh that could not
// be saved, now or earlier. It returns nil for any other failure.
func Unsaved(err error) *credential.Credential {
	var unsaved *refresh.UnsavedError
	if errors.As(err, &unsaved) {
		return unsaved.Credential
	}
	return nil
}

// usable takes from a failure the credential whose access token has expired.
func (s *Session) usable(err error) error {
	var unsaved *refresh.UnsavedError
	if errors.As(err, &unsaved) && !unsaved.Credential.Fresh(s.now(), 0) {
		return unsaved.Err
	}
	return err
}

// TokenForUse is Token for a caller that uses the token itself: an unsaved refresh is a warning.
func (s *Session) TokenForUse(ctx context.Context, name account.Name, minTTL time.Duration) (*credential.Credential, error) {
	c, err := s.Token(ctx, name, minTTL)
	return s.warnUnsaved(c, err)
}

func (s *Session) warnUnsaved(c *credential.Credential, err error) (*credential.Credential, error) {
	if unsaved := Unsaved(err); unsaved != nil {
		s.tell("warning: %v", err)
		return unsaved, nil
	}
	return c, err
}

// RetryAfter returns how long the provider asked to wait in the failure of a refresh that left the login as
// it was, and 0 if waiting does not help.
func RetryAfter(err error) time.Duration {
	var e *oauth.Error
	if errors.As(err, &e) && e.Unspent && fail.Is(err, fail.Unavailable) {
		return e.RetryAfter
	}
	return 0
}

// Instant returns a time as JSON has it (RFC 3339, UTC), and nil for the zero time.
func Instant(t time.Time) *string { return refresh.Instant(t) }
