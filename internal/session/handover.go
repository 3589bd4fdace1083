package session

import (
	"context"
	"os/exec"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/refresh"
)

// checkHandOver refuses to hand over a login that has no refresh token, or to a command that cannot be run.
func (p *plan) checkHandOver() error {
	switch p.grant {
	case credential.AuthorizationCode, credential.DeviceCode, credential.Password:
	default:
		return fail.New(fail.Usage, "the grant %s has no refresh token to hand over", p.grant)
	}
	if p.definition.Token[provider.Refresh] == nil {
		return fail.New(fail.Usage, "%s has no refresh tokens to hand over", p.definition.Title)
	}
	if _, err := exec.LookPath(p.flags.HandOver[0]); err != nil {
		return fail.New(fail.Usage, "the command for the new login cannot be run: %w", refresh.LookupError(err)).Advise(fail.DoPutCommand)
	}
	return nil
}

// handOver passes the new login to the command. If the command does not accept it, the login is revoked: its
// refresh token is then nowhere.
func (p *plan) handOver(ctx context.Context, c *credential.Credential) error {
	var cause error
	if c.RefreshToken == "" {
		cause = fail.New(fail.Refused, "%s issued no refresh token", p.definition.Title)
	} else if err := p.refresher().RunHook(ctx, "hand over", p.flags.HandOver, c, func() {}); err != nil {
		cause = fail.New(fail.Store, "the command for the new login %w", err)
	} else {
		return nil
	}
	byHand, err := p.end(context.WithoutCancel(ctx), p.client, c)
	if err == nil && !byHand {
		return fail.New(fail.KindOf(cause), "%w; the login was revoked", cause)
	}
	token, at := "refresh token", c.RefreshExpiresAt
	if c.RefreshToken == "" {
		token, at = "access token", c.AccessExpiresAt
	}
	return fail.New(fail.Store, "%w; the login could not be revoked, and its %s stays valid %s", cause, token, until(at, p.now()))
}
