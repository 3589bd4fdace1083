package refresh

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

// Method is how a credential can be refreshed. If both ways are open, minting follows a refusal of the
// refresh token.
type Method struct {
	Client  oauth.Registration // what the client authenticates with
	Refresh bool               // with the refresh token (RFC 6749 6)
	Mint    bool               // by repeating a grant that needs no user
}

// Method decides whether and how a credential can be refreshed; the failure says why not. It is the only
// place that decides this. The definition may be nil: what only it can tell is then assumed to be in order.
// With force the provider is to be contacted even if the login has ended or expired.
func (r *Refresher) Method(c *credential.Credential, d *provider.Definition, force bool) (*Method, error) {
	name := c.Account
	if err := Moved(c); err != nil {
		return nil, err
	}
	if c.Grant == credential.Static {
		e := fail.New(fail.Usage, "%s is a static token, which cannot be refreshed", name).Advise(fail.DoReplaceToken, name)
		if r.Store.Traits().ReadOnly {
			e.Advise(fail.DoSetVariable, name.Var(account.AccessToken)+" to a valid token")
		}
		return nil, e
	}
	if err := r.CheckUse(c, d); err != nil {
		return nil, err
	}
	readOnly := r.Store.Traits().ReadOnly
	if readOnly && d != nil {
		if err := missingClient(c, d); err != nil {
			return nil, err
		}
	}
	by, err := r.Registration(c, d)
	if err != nil {
		return nil, err
	}
	m := &Method{Client: by}
	key := r.clientKey(c)
	cannotMint := r.cannotMint(c, d, by.Secret != "" || key != "")
	m.Mint = cannotMint == nil
	ended := !c.Ended.IsZero() && by.Secret == c.ClientSecret.Reveal() && key == c.ClientKey && !force
	expired := c.RefreshExpired(r.Now()) && !force
	m.Refresh = c.RefreshToken != "" && !ended && !expired && (d == nil || d.Token[provider.Refresh] != nil)
	if readOnly && m.Mint {
		m.Refresh = false // minting replaces nothing that could not be kept
	}
	switch {
	case m.Refresh && readOnly && !r.DiscardRotated && len(r.OnRotate) == 0 && d != nil && d.Rotates():
		return nil, fail.New(fail.LoginNeeded, "%s: a refresh replaces the refresh token, and the new one could not be kept; nothing was sent", name).
			Advise(fail.DoKeepRotated, name.Var(account.AccessToken))
	case m.Refresh || m.Mint:
		return m, nil
	case c.Grant.Asserts():
		return nil, cannotMint
	}
	why := "there is no refresh token"
	switch {
	case ended:
		why = fmt.Sprintf("the login ended on %s: %s", c.Ended.UTC().Format(time.DateOnly), c.EndedReason)
	case c.RefreshToken != "" && expired:
		why = "the login expired on " + c.RefreshExpiresAt.UTC().Format(time.DateOnly)
	case c.RefreshToken == "" && !c.Fresh(r.Now(), 0):
		why = "the access token has expired and there is no refresh token"
	}
	return nil, loginAgain(name, "%s", why).Because(ErrExpired)
}

// cannotMint returns why the grant of a credential cannot be repeated; nil: it can. A client that can authenticate
// has a secret or a key.
func (r *Refresher) cannotMint(c *credential.Credential, d *provider.Definition, authenticates bool) error {
	switch {
	case c.Grant.Asserts() && d == nil, c.Grant == credential.ClientCredentials && c.ClientID != "" && authenticates:
		return nil
	case c.Grant.Asserts():
		return r.HasAssertion(c.Account, d)
	}
	return ErrExpired
}

// ErrExpired says that a credential cannot be refreshed because the login has ended or expired, or has no
// refresh token.
var ErrExpired = errors.New("the login has expired")

// Moved returns the failure of a login that was moved to another store, or is being moved, and nil otherwise. The
// living copy is the one there.
func Moved(c *credential.Credential) error {
	if c.MovedTo == "" {
		return nil
	}
	return fail.New(fail.LoginNeeded, "the login of %s was moved to the %s store", c.Account, c.MovedTo).Advise(fail.DoUseMovedLogin, c.MovedTo, c.Account).Because(ErrExpired)
}

// CheckUse refuses to send anything of a credential to another origin than those of its login, or in the
// name of another client. The definition may be nil.
func (r *Refresher) CheckUse(c *credential.Credential, d *provider.Definition) error {
	if d != nil && !r.Store.Traits().ReadOnly { // variables belong to where the variables point
		if err := CheckInputs(c, d); err != nil {
			return err
		}
		if err := CheckOrigins(c, d); err != nil {
			return err
		}
		if err := r.CheckIssuer(c, d); err != nil {
			return err
		}
	}
	if variable := r.OtherClient(c); variable != "" {
		return loginAgain(c.Account, "%s names another client than the one of this login; nothing was sent", variable)
	}
	return nil
}

// CheckInputs refuses a login that was made before the definition had one of its inputs.
func CheckInputs(c *credential.Credential, d *provider.Definition) error {
	for _, input := range d.Inputs {
		if c.Inputs[input.Name] == "" {
			return loginAgain(c.Account, "the definition has an input %s that this login has no value for; nothing was sent", input.Name)
		}
	}
	return nil
}

// CheckIssuer compares the issuer and the resource of the login with those of the definition, which needs no
// metadata for it. A login that knows neither is compared by its origins only.
func (r *Refresher) CheckIssuer(c *credential.Credential, d *provider.Definition) error {
	if r.Store.Traits().ReadOnly || c.Issuer == "" && c.Resource == "" {
		return nil
	}
	for _, pair := range []struct{ what, kept, now string }{
		{"issuer", c.Issuer, d.Issuer}, {"resource", c.Resource, d.Resource},
	} {
		if pair.what == "issuer" && pair.now == "" && d.Resource != "" {
			continue // the resource names it, and discovery compares that with the login's
		}
		if pair.kept != pair.now {
			return loginAgain(c.Account, "this login belongs to the %s %q, but the definition names %q; nothing was sent", pair.what, pair.kept, pair.now)
		}
	}
	return nil
}

// OtherClient returns the variable that names another client than the one of the login, or "".
func (r *Refresher) OtherClient(c *credential.Credential) (variable string) {
	if id := c.Account.Own(r.Getenv, account.ClientID); id != "" && c.ClientID != "" && id != c.ClientID {
		return c.Account.Var(account.ClientID)
	}
	return ""
}

// CheckOrigins compares the origins of the definition's endpoints with those of the login. An endpoint that
// the login did not know may be at any of its origins; a built-in definition may also add one elsewhere.
func CheckOrigins(c *credential.Credential, d *provider.Definition) error {
	origins := Origins(d)
	if now := origins[credential.TokenEndpoint]; now != c.Origin {
		return originDiffers(c, "point to "+now)
	}
	for _, endpoint := range slices.Sorted(maps.Keys(origins)) {
		origin := origins[endpoint]
		kept, ok := c.Origins[endpoint]
		switch {
		case endpoint == credential.TokenEndpoint:
			continue
		case !ok && (d.Path == "" || slices.Contains(slices.Collect(maps.Values(c.Origins)), origin)):
			continue
		case !ok:
			kept = c.Origin
		}
		if kept != origin {
			return originDiffers(c, fmt.Sprintf("put its %s endpoint at %s", endpoint, origin))
		}
	}
	return nil
}

// originDiffers is the failure of settings that would send a credential elsewhere; how they do so follows "the
// settings".
func originDiffers(c *credential.Credential, how string) error {
	return fail.New(fail.LoginNeeded, "%s: this login belongs to %s, but the settings %s; nothing was sent", c.Account, c.Origin, how).
		Advise(fail.DoRestoreOrigin, account.Name{Provider: c.Account.Provider}.Var(account.BaseURL), c.Account)
}

// loginAgain is the failure for which only a new login helps.
func loginAgain(name account.Name, format string, args ...any) *fail.Error {
	return fail.New(fail.LoginNeeded, "%s: "+format, append([]any{name}, args...)...).Advise(fail.DoLogIn, name)
}
