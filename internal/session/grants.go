package session

import (
	"context"
	"errors"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/refresh"
)

// The logins that need no browser.

func (p *plan) static() *credential.Credential {
	c := p.credential()
	c.AccessToken = p.flags.StaticToken
	c.ObtainedAt = p.now()
	c.Generation++
	return &c
}

// scopes returns the scopes that the login requests. Those for which its request has no place are not requested, so they
// are not taken for granted either.
func (p *plan) scopes() []string {
	scopes := p.lookup.scopes()
	if len(scopes) == 0 || p.takesScopes() {
		return scopes
	}
	p.tell("warning: %s takes no scopes with this grant; not requested: %s", p.definition.Title, printable(scopes))
	return nil
}

func (p *plan) takesScopes() bool {
	path := "token." + string(p.grant)
	switch p.grant {
	case credential.AuthorizationCode:
		path = "authorize"
	case credential.DeviceCode:
		path = "device_authorization"
	}
	d := p.client.Definition
	request := d.Request(path)
	if request == nil {
		return true // what is not described has a place for everything
	}
	return d.Params(provider.KindAt(path), request).Hold("{scope}")
}

func (p *plan) mint(ctx context.Context) (*credential.Credential, error) {
	scopes := p.scopes()
	if err := p.register(ctx, "", scopes); err != nil {
		return nil, err
	}
	reply, err := p.refresher().Mint(ctx, p.client, p.name, p.grant, p.registration, scopes)
	if err != nil {
		return nil, err
	}
	return p.granted(p.credential(), reply, scopes), nil
}

// password exchanges a user name and a password for tokens (RFC 6749 4.3). The password is not kept.
func (p *plan) password(ctx context.Context) (*credential.Credential, error) {
	scopes := p.scopes()
	if err := p.register(ctx, "", scopes); err != nil {
		return nil, err
	}
	username := p.name.Own(p.Getenv, account.Username)
	password := p.name.Own(p.Getenv, account.Password)
	var err error
	if username == "" && p.flags.Ask != nil {
		if username, err = p.flags.Ask.Ask(p.definition.Title + " user name"); err != nil {
			return nil, err
		}
	}
	if password == "" && p.flags.Ask != nil {
		if password, err = p.flags.Ask.AskSecret(p.definition.Title + " password (not shown, not kept)"); err != nil {
			return nil, err
		}
	}
	if username == "" || password == "" {
		return nil, fail.New(fail.Usage, "%s: the password grant needs a user name and a password", p.name).
			Advise(fail.DoSetPassword, p.name.Var(account.Username), p.name.Var(account.Password))
	}
	reply, err := p.client.Password(ctx, p.registration, username, password, scopes)
	if err != nil {
		var e *oauth.Error
		if errors.As(err, &e) && e.Ended && fail.Advice(e.Fail) == nil {
			e.Fail.Advise(fail.DoCheckPassword)
		}
		return nil, p.salvage(ctx, p.credential(), err)
	}
	return p.granted(p.credential(), reply, scopes), nil
}

// importRefreshToken refreshes the login of another tool once (RFC 6749 6).
func (p *plan) importRefreshToken(ctx context.Context) (*credential.Credential, error) {
	if err := p.findClient(); err != nil {
		return nil, err
	}
	if p.registration.ID == "" { // the token belongs to the client of the other tool
		return nil, p.missingClient()
	}
	c := p.credential()
	c.RefreshToken, c.RedirectURI = p.flags.RefreshToken, p.redirectURI()
	reply, err := p.client.Refresh(ctx, p.registration, c.RefreshToken.Reveal(), c.RedirectURI)
	if err != nil {
		return nil, p.salvage(ctx, c, err)
	}
	var asked []string // the refresh asks for none: those that the other tool was granted stay
	return p.granted(c, reply, asked), nil
}

// salvage keeps the refresh token of a reply whose access token cannot be used, and returns the failure.
func (p *plan) salvage(ctx context.Context, c credential.Credential, err error) error {
	var e *oauth.Error
	if !errors.As(err, &e) || e.Salvage == nil {
		return err
	}
	next := refresh.Apply(c, e.Salvage)
	next.AccessToken = ""
	if keepErr := p.keep(ctx, &next); keepErr != nil {
		return keepErr
	}
	return err
}
