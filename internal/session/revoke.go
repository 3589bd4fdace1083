package session

import (
	"context"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/refresh"
)

// Revoke ends the login at the provider, if that has a way, and deletes it. With local it only deletes. If
// the provider cannot be reached nothing is deleted, so that it can be tried again.
func (s *Session) Revoke(ctx context.Context, name account.Name, local bool) error {
	if s.Store.Traits().ReadOnly {
		return fail.New(fail.Usage, "the env store is read-only: there is nothing to delete").Advise(fail.DoUnsetVariables)
	}
	if _, err := s.Catalog.Find(name.Provider); err != nil && !local {
		return err
	}
	return s.refresher().Locked(ctx, name, func() error {
		c, loadErr := s.toRevoke(ctx, name, local)
		if absent(loadErr) {
			return s.forgetName(ctx, name, loadErr, local)
		}
		if loadErr != nil {
			return loadErr
		}
		client, err := s.clientOf(ctx, c)
		switch {
		case err != nil && !local:
			return err
		case err != nil:
			// The user's definition is gone or broken; the credential can be deleted all the same.
			client = &oauth.Client{Config: &oauth.Config{Definition: &provider.Definition{Title: name.Provider}}}
		}
		return s.revokeLocked(ctx, client, c, local)
	})
}

// toRevoke returns the credential to revoke: that of a rescue file first, because it has the newer tokens. To
// delete it here only, any will do.
func (s *Session) toRevoke(ctx context.Context, name account.Name, local bool) (*credential.Credential, error) {
	c, err := s.refresher().LoadLocked(ctx, name)
	if local && err != nil {
		return s.Store.Get(ctx, name)
	}
	return c, err
}

// forgetName deletes what is left of an account without a credential: a rescue file that cannot be read and, if local,
// its name in the list of accounts.
func (s *Session) forgetName(ctx context.Context, name account.Name, absence error, local bool) error {
	s.refresher().DropRescue(name)
	names, err := s.Store.List(ctx)
	listed := err == nil && slices.Contains(names, name)
	if listed && !local {
		return fail.New(fail.NotLoggedIn, "%s: the credential is gone from the store", name).Advise(fail.DoLogInOrForget, name).Because(absence)
	}
	_ = s.Store.Delete(ctx, name)
	if listed {
		s.tell("%s: removed from the list of accounts; its credential was gone already", name)
		return nil
	}
	if explained := s.explainAbsence(name, absence); !fail.Is(explained, fail.NotLoggedIn) {
		return explained
	}
	return fail.New(fail.NotLoggedIn, "not logged in to %s", name).Advise(fail.DoShowAccounts).Because(absence)
}

func (s *Session) revokeLocked(ctx context.Context, client *oauth.Client, c *credential.Credential, local bool) error {
	byHand := true
	if err := refresh.Moved(c); err != nil && !local {
		return err
	}
	if !local && c.Grant != credential.Static {
		// Even if nothing would be sent: settings that point elsewhere mean another login.
		err := s.mayUse(c, client.Definition)
		if err != nil {
			return err
		}
		if byHand, err = s.end(ctx, client, c); err != nil {
			return err
		}
	}
	// What the provider has ended must be deleted, whatever happened to ctx.
	if err := s.Store.Delete(context.WithoutCancel(ctx), c.Account); err != nil {
		return err
	}
	s.refresher().DropRescue(c.Account)
	switch {
	case c.MovedTo != "":
		s.tell("%s: deleted here; the login itself is in the %s store", c.Account, c.MovedTo)
	case byHand:
		s.tellByHand(client, c, local)
	default:
		s.tell("%s: the login was revoked at %s and deleted here", c.Account, client.Definition.Title)
	}
	return nil
}

// end asks the provider to revoke the tokens, and deletes the client that was registered for the login. byHand: there
// is no way to revoke tokens.
func (s *Session) end(ctx context.Context, client *oauth.Client, c *credential.Credential) (byHand bool, err error) {
	if byHand, err = s.revokeTokens(ctx, client, c); err != nil || c.Registration.URI == "" {
		return byHand, err
	}
	gone, err := client.Unregister(ctx, c.Registration)
	if err == nil && !gone {
		s.tellRemains(client, c)
	}
	return byHand, err
}

func (s *Session) tellRemains(client *oauth.Client, c *credential.Credential) {
	s.tell("%s: the client %s, which was registered for the login of %s, remains at %s", c.Account, redact.Scrub(c.ClientID, 80),
		c.ObtainedAt.UTC().Format(time.DateOnly), client.Definition.Title)
}

// revokeTokens asks the provider to revoke the tokens (RFC 7009), the refresh token first.
func (s *Session) revokeTokens(ctx context.Context, client *oauth.Client, c *credential.Credential) (byHand bool, err error) {
	if client.Definition.Revoke.Request == nil {
		return true, nil
	}
	registration, err := s.refresher().Registration(c, client.Definition)
	if err != nil {
		return false, err
	}
	if c.RefreshToken != "" {
		byHand, err = client.Revoke(ctx, registration, c.RefreshToken.Reveal(), "refresh_token")
		if err != nil || byHand || client.Definition.Revoke.Family {
			return byHand, err
		}
	}
	if c.AccessToken == "" {
		return false, nil
	}
	return client.Revoke(ctx, registration, c.AccessToken.Reveal(), "access_token")
}

// tellByHand says what stays valid after the deletion, until when, and where the user can end it.
func (s *Session) tellByHand(client *oauth.Client, c *credential.Credential, local bool) {
	d := client.Definition
	switch {
	case c.Grant == credential.Static:
		s.tell("%s: deleted here; the token itself stays valid until it is deleted at %s", c.Account, d.Title)
	case local:
		s.tell("%s: deleted here; nothing was revoked at %s", c.Account, d.Title)
	default:
		s.tell("%s: deleted here; %s has no revocation endpoint", c.Account, d.Title)
	}
	if c.Grant != credential.Static {
		s.tell("the access token stays valid %s", until(c.AccessExpiresAt, s.now()))
		if c.RefreshToken != "" && c.Ended.IsZero() {
			s.tell("the refresh token stays valid %s", until(c.RefreshExpiresAt, s.now()))
		}
	}
	s.tell("to end the login now: %s", d.EndPlace(string(c.Grant)))
}

func until(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "until it is revoked by hand"
	case !t.After(now):
		return "no longer (it expired " + t.UTC().Format(time.RFC3339) + ")"
	}
	return "until " + t.UTC().Format(time.RFC3339)
}
