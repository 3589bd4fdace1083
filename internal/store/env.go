package store

import (
	"context"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// Env takes credentials from the environment, for CI. It keeps nothing: Put and Delete answer
// ErrReadOnly. What is missing is a setting, so Get fails with fail.Usage and never with ErrNotFound.
type Env struct {
	Getenv func(string) string
	// Environ lists the environment, for List; it may be nil.
	Environ func() []string
	// Known fails for a provider that there is none of. It is all that is asked about one whose access token
	// is given: to decode a definition would take longer than everything else.
	Known func(provider string) error
	// Describe tells what the store has to know of a provider: its grants, and the origin that its
	// credentials belong to.
	Describe func(provider string) (grants []string, origin string, err error)
	// Providers lists the names of the providers, for List.
	Providers func() []string
}

// Kind returns "env".
func (e Env) Kind() string { return "env" }

// Traits returns ReadOnly.
func (e Env) Traits() Traits { return Traits{ReadOnly: true} }

// Get makes a credential of the account's variables. An access token is used as it is, and so counts as
// static; next comes a refresh token, and then a client that mints its own tokens.
func (e Env) Get(ctx context.Context, name account.Name) (*credential.Credential, error) {
	if err := usable(ctx, name); err != nil {
		return nil, err
	}
	c := &credential.Credential{
		Account:      name,
		ClientID:     name.Lookup(e.Getenv, account.ClientID),
		ClientSecret: credential.Secret(name.Lookup(e.Getenv, account.ClientSecret)),
		RedirectURI:  name.Lookup(e.Getenv, account.RedirectURI),
		Scopes:       credential.SplitScopes(name.Lookup(e.Getenv, account.Scopes)),
		AccessToken:  credential.Secret(strings.TrimSpace(name.Own(e.Getenv, account.AccessToken))),
		RefreshToken: credential.Secret(strings.TrimSpace(name.Own(e.Getenv, account.RefreshToken))),
	}
	for _, given := range []struct {
		setting string
		token   credential.Secret
	}{{account.AccessToken, c.AccessToken}, {account.RefreshToken, c.RefreshToken}} {
		if given.token != "" && !given.token.Printable() {
			return nil, fail.New(fail.Usage, "%s holds no token: there are blanks or control characters in it, or letters that cannot stand in a header", name.Var(given.setting))
		}
	}
	if c.AccessToken != "" {
		c.Grant = credential.Static
		return c, e.Known(name.Provider)
	}
	grants, origin, err := e.Describe(name.Provider)
	if err != nil {
		return nil, err
	}
	c.Origin = origin
	mints := slices.Contains(grants, string(credential.ClientCredentials))
	switch {
	case mints && c.ClientID != "" && c.ClientSecret != "":
		c.Grant = credential.ClientCredentials
	case c.RefreshToken != "":
		c.Grant = credential.AuthorizationCode
	default:
		wanted := []string{name.Var(account.AccessToken), name.Var(account.RefreshToken)}
		if mints {
			wanted = []string{name.Var(account.ClientID) + " and " + name.Var(account.ClientSecret), wanted[0]}
		}
		return nil, fail.New(fail.Usage, "%s is not in the environment (TOKENCLI_STORE=env)", name).
			WithHint("set %s", strings.Join(wanted, " or "))
	}
	return c, nil
}

// Put answers ErrReadOnly.
func (e Env) Put(context.Context, *credential.Credential) error { return ErrReadOnly }

// Swap answers ErrReadOnly.
func (e Env) Swap(context.Context, *credential.Credential, *credential.Credential) error {
	return ErrReadOnly
}

// Delete answers ErrReadOnly.
func (e Env) Delete(context.Context, account.Name) error { return ErrReadOnly }

// List returns the accounts that have a token, or a client of their own, in the environment. A variable
// does not tell '-' from '_' and '.' in a name; '-' is taken.
func (e Env) List(ctx context.Context) ([]account.Name, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	var names []account.Name
	for _, provider := range e.Providers() {
		candidates := []account.Name{{Provider: provider}}
		stem := account.Name{Provider: provider}.Var("") // ends with one underscore
		if e.Environ != nil {
			for _, entry := range e.Environ() {
				variable, value, _ := strings.Cut(entry, "=")
				label, ok := strings.CutPrefix(variable, stem+"_")
				if !ok || value == "" {
					continue
				}
				for _, setting := range []string{account.AccessToken, account.RefreshToken, account.ClientID} {
					if label, ok := strings.CutSuffix(label, "_"+setting); ok {
						label = strings.ReplaceAll(strings.ToLower(label), "_", "-")
						if account.ValidPart(label) {
							candidates = append(candidates, account.Name{Provider: provider, Label: label})
						}
					}
				}
			}
		}
		for _, name := range candidates {
			if _, err := e.Get(ctx, name); err == nil && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	sortNames(names)
	return names, nil
}
