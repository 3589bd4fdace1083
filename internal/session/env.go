package session

import (
	"context"
	"errors"
	"os/exec"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
)

// withoutKeeping renews for a store that keeps nothing. A refresh token that would be replaced is not
// spent unless somebody takes the new one: it would be lost with this process.
func (r *renewal) withoutKeeping(ctx context.Context, c *credential.Credential) (*credential.Credential, error) {
	m, err := r.means(c)
	if err != nil {
		return nil, err
	}
	if err := r.completeEnv(c); err != nil {
		return nil, err
	}
	var reply *oauth.Reply
	switch {
	case m.mint:
		reply, err = r.client.ClientCredentials(ctx, m.registration, c.Scopes)
	case len(r.OnRotate) > 0:
		return r.handingOver(ctx, c, m)
	case r.client.Definition.Rotates() && !r.DiscardRotated:
		return nil, fail.New(fail.LoginNeeded, "%s: a renewal replaces the refresh token, and the new one could not be kept; nothing was sent", c.Account).
			WithHint("hand it to a command (TOKENCLI_ON_ROTATE), use a store that keeps it (TOKENCLI_STORE=file), set %s, or allow the loss with --discard-rotated", c.Account.Var(account.AccessToken))
	default:
		reply, err = r.client.Refresh(ctx, m.registration, c.RefreshToken.Reveal(), r.repeated(c))
	}
	if err != nil {
		return nil, err
	}
	renewed := apply(*c, reply)
	if !m.mint && !r.DiscardRotated && renewed.RefreshToken != c.RefreshToken {
		r.tell("warning: %s replaced the refresh token, which it is not known to do, and the new one is lost; set TOKENCLI_ON_ROTATE", r.client.Definition.Title)
	}
	if ctx.Err() != nil {
		return nil, fail.New(fail.Interrupted, "%s: interrupted", c.Account)
	}
	return &renewed, nil
}

// completeEnv names what is missing in the environment for a renewal.
func (r *renewal) completeEnv(c *credential.Credential) error {
	switch {
	case c.ClientID == "":
		return missing(r.client.Definition, c.Account, account.ClientID)
	case c.ClientSecret == "" && r.client.Definition.SecretRequired():
		return missing(r.client.Definition, c.Account, account.ClientSecret)
	}
	return nil
}

// handingOver renews under the account's lock and hands a new refresh token to OnRotate. Nothing is sent
// before the command, the lock, the record of what was spent and the place of the rescue file are known
// to be usable.
func (r *renewal) handingOver(ctx context.Context, c *credential.Credential, m *means) (*credential.Credential, error) {
	if _, err := exec.LookPath(r.OnRotate[0]); err != nil {
		return nil, fail.New(fail.Usage, "on_rotate: %s cannot be run: %v; nothing was sent", program(r.OnRotate), notFound(err)).
			WithHint("name a program that is in PATH, or its path; what follows are its arguments")
	}
	release, _, err := r.lock(ctx, c.Account, never)
	if err != nil {
		return nil, err
	}
	defer release()
	spent, err := r.readSpent(c.Account)
	if err != nil {
		return nil, err
	}
	rescued, err := r.deliverRescued(ctx, spent, c)
	if rescued != nil && (err != nil || !r.force && rescued.Fresh(r.now(), r.minTTL)) {
		return rescued, err
	}
	if err != nil {
		return nil, err
	}
	if rescued != nil {
		c = rescued
	}
	known := spent.find(fingerprint(c))
	switch {
	case known == nil:
	case known.By != "":
		return nil, fail.New(fail.LoginNeeded, "%s: the refresh token in %s was replaced on %s, and the new one was handed to on_rotate; nothing was sent",
			c.Account, c.Account.Var(account.RefreshToken), known.At.Local().Format("2006-01-02 15:04")).
			WithHint("start again with the value that on_rotate saved; within one job renew once and pass the access token on")
	default:
		r.tell("%s: a renewal on %s was cut off, and whether it reached the provider is unknown; the refresh token is tried once more",
			c.Account, known.At.Local().Format("2006-01-02 15:04"))
	}
	if err := r.reserve(c); err != nil {
		return nil, err
	}
	defer r.free()
	before := spent.clone()
	spent.note(c, nil, r.now())
	if err := r.writeSpent(c.Account, spent); err != nil {
		return nil, err
	}
	reply, err := r.client.Refresh(ctx, m.registration, c.RefreshToken.Reveal(), r.repeated(c))
	if err != nil {
		return nil, r.notRenewed(ctx, c, before, spent, err)
	}
	renewed := apply(*c, reply)
	if renewed.RefreshToken == c.RefreshToken {
		r.keepSpent(c.Account, before)
	} else if err := r.handOver(ctx, spent, c, &renewed); err != nil {
		return &renewed, err
	}
	for _, note := range reply.Notes {
		r.tell("%s: %s", c.Account, note)
	}
	if ctx.Err() != nil {
		return nil, fail.New(fail.Interrupted, "%s: interrupted; a new refresh token was handed to on_rotate first", c.Account)
	}
	return &renewed, nil
}

// notFound cuts the name off an error of exec.LookPath.
func notFound(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// notRenewed sets the record right after a renewal that failed.
func (r *renewal) notRenewed(ctx context.Context, c *credential.Credential, before, spent *spentTokens, err error) error {
	var e *oauth.Error
	switch {
	case !errors.As(err, &e): // no request was made
		r.keepSpent(c.Account, before)
	case e.Salvage != nil && e.Salvage.RefreshToken != c.RefreshToken:
		salvaged := *c
		salvaged.RefreshToken, salvaged.RefreshExpiresAt = e.Salvage.RefreshToken, e.Salvage.RefreshExpiresAt
		salvaged.AccessToken, salvaged.AccessExpiresAt = "", time.Time{}
		if err := r.handOver(ctx, spent, c, &salvaged); err != nil {
			return err
		}
	case e.Ended:
		known := before.find(fingerprint(c))
		r.keepSpent(c.Account, before.without(fingerprint(c)))
		again := loginAgain(c.Account, "%v", e)
		if known != nil {
			again = loginAgain(c.Account, "%v; the renewal that was cut off on %s seems to have spent the refresh token", e, known.At.Local().Format("2006-01-02 15:04"))
		}
		again.Err = e
		return again.WithHint("log in where there is a browser, and put the new refresh token into %s", c.Account.Var(account.RefreshToken))
	case e.Unspent:
		r.keepSpent(c.Account, before)
	}
	return err
}
