package refresh

import (
	"context"
	"path/filepath"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

// Mint gets a token for an account by a grant that needs no user (see credential.Grant.Mints). An assertion is
// fetched and checked before anything is sent to the provider.
func (r *Refresher) Mint(ctx context.Context, client *oauth.Client, name account.Name, grant credential.Grant, by oauth.Registration, scopes []string) (*oauth.Reply, error) {
	var assertion string
	if grant.Asserts() {
		source, err := r.assertion(name, client.Definition)
		if err != nil {
			return nil, err
		}
		source.HTTP = client.HTTP
		if assertion, err = source.Get(ctx); err != nil {
			return nil, err
		}
	}
	return client.Mint(ctx, string(grant), by, assertion, scopes)
}

// assertion returns where the account's assertion comes from.
func (r *Refresher) assertion(name account.Name, d *provider.Definition) (*jwt.Source, error) {
	a := d.Assertion
	if a == nil {
		return nil, fail.New(fail.Usage, "the definition of %s has no assertion", d.Name).Advise(fail.DoShowProvider, d.Name)
	}
	path := a.Path
	if path != "" && !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(d.Path), path) // not against the folder in which tokencli is run
	}
	return &jwt.Source{From: a.From, Audience: a.Audience, Path: path, Variable: name.Var(account.Assertion), Getenv: r.Getenv}, nil
}

// HasAssertion returns the fail.Usage of an account whose assertion is missing, and nil if there is one. It contacts
// nobody.
func (r *Refresher) HasAssertion(name account.Name, d *provider.Definition) error {
	source, err := r.assertion(name, d)
	if err != nil {
		return err
	}
	return source.Available()
}
