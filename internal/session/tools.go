package session

import (
	"context"
	"errors"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/refresh"
)

// TokenRefused says that a server outside the provider's API refused a token. If it is the account's present
// one and can be refreshed, it is refreshed: at most once a minute per account.
func (s *Session) TokenRefused(ctx context.Context, name account.Name, token string) error {
	c, err := s.load(ctx, name)
	if err != nil {
		return s.usable(err)
	}
	if c.AccessToken.Reveal() != token || s.CanRefresh(ctx, c) != nil {
		return nil //nolint:nilerr // there is nothing that a refusal could change
	}
	_, err = s.warnUnsaved(s.refreshRefused(ctx, c))
	if errors.Is(err, refresh.ErrTooSoon) {
		return nil
	}
	return err
}

// Transport returns a transport for the API of an account that keeps connections for further requests and passes
// answers on as they are. The account's token is read when the first request is sent.
func (s *Session) Transport(ctx context.Context, name account.Name, minTTL time.Duration) (*oauth.Transport, error) {
	client, err := s.clientFor(ctx, name)
	if err != nil {
		return nil, err
	}
	client.KeepAlive()
	client.Unchanged()
	return &oauth.Transport{Client: client, Tokens: &tokens{session: s, name: name, minTTL: minTTL, client: client}}, nil
}
