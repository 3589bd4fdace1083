package store

import (
	"context"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// Env takes credentials from the environment, for CI. It is read-only: Swap and Delete return
// ErrReadOnly. If a variable is missing, Get fails with fail.Usage and never with ErrNotFound.
type Env struct {
	Getenv func(string) string
	// Environ lists the environment, for List; it may be nil.
	Environ func() []string
	// Known returns an error for an unknown provider. It is all that is needed if there is an access
	// token: decoding a definition would take longer than everything else.
	Known func(provider string) error
	// Describe returns what the store needs to know of an account's provider.
	Describe func(context.Context, account.Name) (*EnvProvider, error)
	// Providers lists the names of the providers, for List.
	Providers func() []string
}

// EnvProvider is what Env needs to know of a provider.
type EnvProvider struct {
	Grants []string
	Origin string // that its credentials belong to
	// ClientKey: its clients authenticate with a key in place of a secret.
	ClientKey bool
	// NoAssertion is why the account has no assertion for those of Grants that need one; nil: it has one.
	NoAssertion error
}

// Kind returns "env".
func (e Env) Kind() string { return "env" }

// Traits returns ReadOnly.
func (e Env) Traits() Traits { return Traits{ReadOnly: true} }

// Get returns a credential made from the account's variables. An access token is used as it is and so
// counts as static; next come a client that mints its own tokens, a refresh token, and an assertion.
func (e Env) Get(ctx context.Context, name account.Name) (*credential.Credential, error) {
	if err := usable(ctx, name); err != nil {
		return nil, err
	}
	c, err := e.read(name)
	if err != nil {
		return nil, err
	}
	if c.AccessToken != "" {
		c.Grant = credential.Static
		return c, e.Known(name.Provider)
	}
	p, err := e.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	c.Origin = p.Origin
	mints := slices.Contains(p.Grants, string(credential.ClientCredentials))
	asserts := slices.IndexFunc(p.Grants, func(grant string) bool { return credential.Grant(grant).Asserts() })
	proof, proves := account.ClientSecret, c.ClientSecret
	if p.ClientKey {
		proof, proves = account.ClientKey, c.ClientKey
	}
	switch {
	case mints && c.ClientID != "" && proves != "":
		c.Grant = credential.ClientCredentials
	case c.RefreshToken != "":
		c.Grant = credential.AuthorizationCode
	case asserts >= 0 && p.NoAssertion == nil:
		c.Grant = credential.Grant(p.Grants[asserts])
	case asserts >= 0:
		return nil, fail.New(fail.Usage, "%s is not in the environment (TOKENCLI_STORE=env): %w", name, p.NoAssertion)
	default:
		wanted := []string{name.Var(account.AccessToken), name.Var(account.RefreshToken)}
		if mints {
			wanted = []string{name.Var(account.ClientID) + " and " + name.Var(proof), wanted[0]}
		}
		return nil, fail.New(fail.Usage, "%s is not in the environment (TOKENCLI_STORE=env)", name).
			Advise(fail.DoSetVariable, strings.Join(wanted, " or "))
	}
	return c, nil
}

func (e Env) read(name account.Name) (*credential.Credential, error) {
	values := make(map[string]string)
	for _, setting := range []string{
		account.ClientID, account.ClientSecret, account.ClientKey, account.RedirectURI, account.Scopes, account.AccessToken, account.RefreshToken,
	} {
		value, err := name.LoginSetting(e.Getenv, setting)
		if err != nil {
			return nil, err
		}
		token := setting == account.AccessToken || setting == account.RefreshToken
		if token && value != "" && !credential.Printable(value) {
			return nil, fail.New(fail.Usage, "%s does not hold a token: it contains a character that a token cannot have", name.Var(setting)).
				Advise(fail.DoCopyAgain, name.Var(setting))
		}
		values[setting] = value
	}
	return &credential.Credential{
		Account:      name,
		ClientID:     values[account.ClientID],
		ClientSecret: credential.Secret(values[account.ClientSecret]),
		ClientKey:    credential.Secret(values[account.ClientKey]),
		RedirectURI:  values[account.RedirectURI],
		Scopes:       credential.SplitScopes(values[account.Scopes]),
		AccessToken:  credential.Secret(values[account.AccessToken]),
		RefreshToken: credential.Secret(values[account.RefreshToken]),
	}, nil
}

// Swap returns ErrReadOnly.
func (e Env) Swap(context.Context, *credential.Credential, *credential.Credential) error {
	return ErrReadOnly
}

// Delete returns ErrReadOnly.
func (e Env) Delete(context.Context, account.Name) error { return ErrReadOnly }

// List returns the accounts that have a token, an assertion or a client of their own in the environment. A variable
// does not distinguish '-' from '_' and '.' in a name; the names returned have '-'.
func (e Env) List(ctx context.Context) ([]account.Name, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	providers := e.Providers()
	candidates := make(map[account.Name]bool)
	for _, provider := range providers {
		candidates[account.Name{Provider: provider}] = true
	}
	if e.Environ != nil {
		for _, entry := range e.Environ() {
			variable, value, _ := strings.Cut(entry, "=")
			name, setting, ok := account.ParseVar(variable, providers)
			if ok && value != "" && slices.Contains([]string{account.AccessToken, account.RefreshToken, account.ClientID, account.Assertion}, setting) {
				candidates[name] = true
			}
		}
	}
	var names []account.Name
	for name := range candidates {
		if _, err := e.Get(ctx, name); err == nil {
			names = append(names, name)
		}
	}
	account.Sort(names)
	return names, nil
}
