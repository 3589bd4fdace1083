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
)

// Revoke ends the login at the provider, where it has a way, and forgets it. Local only forgets. When the
// provider cannot be asked nothing is forgotten, so that it can be tried again.
func (s *Session) Revoke(ctx context.Context, name account.Name, local bool) error {
	if !s.keeps() {
		return fail.New(fail.Usage, "the env store keeps nothing: there is nothing to forget").
			WithHint("unset the variables, and end the login at the provider")
	}
	client, unknown := s.client(name)
	switch {
	case unknown != nil && !local:
		return unknown
	case unknown != nil:
		// The user's definition is gone or broken; what is kept can be forgotten all the same.
		client = &oauth.Client{Definition: &provider.Definition{Title: name.Provider}}
	}
	return s.underLock(ctx, name, func() error {
		// A rescue file holds the newer tokens; the provider has to be told those.
		c, err := s.current(ctx, name)
		switch {
		case local && c != nil:
			err = nil
		case local && err != nil:
			c, err = s.stored(ctx, name)
		}
		if absent(err) {
			var missing *fail.Error
			if errors.As(err, &missing) && missing.Kind == fail.NotLoggedIn {
				missing.Hint = "tokencli status shows the accounts"
			}
			s.dropRescue(name)
			_ = s.Store.Delete(ctx, name) // the name may still be on the list
			if unknown != nil {
				return unknown
			}
			return err
		}
		if err != nil {
			return err
		}
		byHand := true
		if !local && c.Grant != credential.Static {
			// Also where nothing would be sent: settings that point elsewhere mean another login.
			if err := s.mayUse(c, client.Definition); err != nil {
				return err
			}
			if byHand, err = s.end(ctx, client, c); err != nil {
				return err
			}
		}
		// What the provider has ended must be forgotten, whatever happened to ctx.
		ctx := context.WithoutCancel(ctx)
		if err := s.Store.Delete(ctx, name); err != nil {
			return err
		}
		s.dropRescue(name)
		if byHand {
			s.sayByHand(client, c, local)
		} else {
			s.tell("%s: the login was ended at %s and forgotten", name, client.Definition.Title)
		}
		return nil
	})
}

// end asks the provider to end the tokens. byHand reports that it has no way to.
func (s *Session) end(ctx context.Context, client *oauth.Client, c *credential.Credential) (byHand bool, err error) {
	if client.Definition.Revoke.Request == nil {
		return true, nil
	}
	registration := oauth.Registration{ID: c.ClientID, Secret: c.ClientSecret.Reveal()}
	if secret := c.Account.Own(s.Getenv, account.ClientSecret); secret != "" {
		registration.Secret = secret
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

// sayByHand tells what forgetting alone leaves alive, for how long, and where to end it.
func (s *Session) sayByHand(client *oauth.Client, c *credential.Credential, local bool) {
	d := client.Definition
	switch {
	case c.Grant == credential.Static:
		s.tell("%s: forgotten here; the token itself stays valid until it is deleted at %s", c.Account, d.Title)
	case local:
		s.tell("%s: forgotten here; nothing was ended at %s", c.Account, d.Title)
	default:
		s.tell("%s: forgotten here; %s has no way to end a login from outside", c.Account, d.Title)
	}
	if c.Grant != credential.Static {
		s.tell("the access token stays valid %s", until(c.AccessExpiresAt, s.now()))
		if c.RefreshToken != "" && c.Ended.IsZero() {
			s.tell("the refresh token stays valid %s", until(c.RefreshExpiresAt, s.now()))
		}
	}
	if d.Revoke.Manual != "" {
		s.tell("to end it now: %s", d.Revoke.Manual)
	}
}

func until(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "until it is ended by hand"
	case !t.After(now):
		return "no longer (it ended " + t.UTC().Format(time.RFC3339) + ")"
	}
	return "until " + t.UTC().Format(time.RFC3339)
}
