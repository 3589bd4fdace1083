package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/apiclient"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/refresh"
)

// API returns a client for the API of an account's provider. The account's token is read when the first
// request is sent, and is then valid for at least minTTL.
func (s *Session) API(ctx context.Context, name account.Name, minTTL time.Duration) (*apiclient.Client, error) {
	client, err := s.clientFor(ctx, name)
	if err != nil {
		return nil, err
	}
	t := &tokens{session: s, name: name, minTTL: minTTL, client: client}
	c := apiclient.New(client, t)
	c.Explain = t.explain
	return c, nil
}

// WhoAmI asks the provider whose token it is.
func (s *Session) WhoAmI(ctx context.Context, name account.Name, minTTL time.Duration) ([]apiclient.Detail, error) {
	c, err := s.API(ctx, name, minTTL)
	if err != nil {
		return nil, err
	}
	return c.WhoAmI(ctx)
}

// tokens are the access tokens of an account, for oauth.Transport. Requests at the same time share a refresh.
type tokens struct {
	session *Session
	name    account.Name
	minTTL  time.Duration
	client  *oauth.Client

	mu    sync.Mutex
	held  *credential.Credential
	began time.Time // when held was asked for
	until time.Time // held is not asked for again before, because a refresh just failed
}

const (
	// issuedJustNow is the age of a token up to which a refusal is believed to be about something else.
	issuedJustNow = 10 * time.Second
	// refreshPause is the time between two attempts to refresh a token that is still valid.
	refreshPause = 10 * time.Second
)

// margin is how long before its expiry a held token is refreshed: less than minTTL for one that is short-lived,
// which would otherwise be refreshed for every request.
func (t *tokens) margin() time.Duration {
	if t.held == nil {
		return t.minTTL
	}
	return min(t.minTTL, t.held.AccessExpiresAt.Sub(t.held.ObtainedAt)/10)
}

// Token returns the account's access token.
func (t *tokens) Token(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.session.now()
	if t.held != nil && (t.held.Fresh(now, t.margin()) || t.held.Fresh(now, 0) && now.Before(t.until)) {
		return t.held.AccessToken.Reveal(), nil
	}
	c, err := t.session.TokenForUse(ctx, t.name, t.margin())
	if err := t.hold(c, err); err != nil {
		return "", err
	}
	t.began, t.until = now, now.Add(refreshPause)
	return c.AccessToken.Reveal(), nil
}

// Replace refreshes a token that the API refused, unless it was issued for this request.
func (t *tokens) Replace(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.held.AccessToken.Reveal() != refused: // another request refreshed it
		return t.held.AccessToken.Reveal(), nil
	case t.session.canRefresh(t.held, t.client.Definition) != nil,
		!t.held.ObtainedAt.Before(t.began) && t.session.now().Sub(t.held.ObtainedAt) < issuedJustNow:
		return "", oauth.ErrNoOther
	}
	c, err := t.session.warnUnsaved(t.session.refreshRefused(ctx, t.held))
	if errors.Is(err, refresh.ErrTooSoon) {
		return "", oauth.ErrNoOther
	}
	if err := t.hold(c, err); err != nil {
		return "", err
	}
	return c.AccessToken.Reveal(), nil
}

// hold checks that a credential may be used for the API, and keeps it.
func (t *tokens) hold(c *credential.Credential, err error) error {
	if err != nil {
		return err
	}
	if err := t.session.mayUse(c, t.client.Definition); err != nil {
		return err
	}
	t.held = c
	return nil
}

// explain says what the user can do about a token that is not accepted.
func (t *tokens) explain(f *fail.Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch c := t.held; {
	case c == nil:
	case c.Grant == credential.Static && !t.session.Store.Traits().ReadOnly:
		f.Advise(fail.DoReplaceToken, t.name)
	case c.Grant == credential.Static:
		f.Advise(fail.DoSetVariable, t.name.Var(account.AccessToken)+" to a valid token")
	case t.session.canRefresh(c, t.client.Definition) == nil:
		f.Advise(fail.DoRefreshOrLogIn, t.name)
	default:
		f.Advise(fail.DoLogIn, t.name)
	}
}
