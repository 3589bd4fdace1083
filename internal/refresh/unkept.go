package refresh

import (
	"context"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/oauth"
)

// unkept is an attempt whose outcome nothing keeps: the store is read-only, and a refresh token that is
// replaced may be lost, or is not used.
type unkept struct{ *flight }

func (u *unkept) begin(context.Context) (*credential.Credential, error) { return u.seen, nil }

func (u *unkept) mark(context.Context, *credential.Credential) error { return nil }

func (u *unkept) commit(_ context.Context, next *credential.Credential) (*credential.Credential, error) {
	if !u.DiscardRotated && u.seen.RefreshToken != "" && next.RefreshToken != u.seen.RefreshToken && !u.seen.Grant.Mints() {
		u.tell("warning: %s replaced the refresh token although its definition says that it does not, and the new one is lost; set TOKENCLI_ON_ROTATE",
			u.client.Definition.Title)
	}
	return next, nil
}

func (u *unkept) abort(context.Context) {}

func (u *unkept) reread(context.Context) (*credential.Credential, error) { return u.seen, nil }

func (u *unkept) ended(_ context.Context, refusal *oauth.Error) error {
	return replaceInEnvironment(u.seen.Account, refusal, refusal.Error())
}

func (u *unkept) kept() string { return "nothing was kept" }

func (u *unkept) end() {}
