package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/refresh"
	"github.com/tokencli/tokencli/internal/store"
)

// What a diagnosis needs: nothing here changes an account, asks the user or sends a secret.

// Prove finds a store in which the account's login cannot be kept before the user goes to a browser and a code is
// spent. It writes, reads and deletes a record of no account, unless the store can tell without.
func (s *Session) Prove(ctx context.Context, name account.Name) error {
	if prover, ok := s.Store.(store.Prover); ok {
		return prover.Prove(ctx, name)
	}
	probe := account.Name{Provider: "tokencli-check", Label: strings.ToLower(rand.Text())}
	err := s.Store.Swap(ctx, nil, &credential.Credential{Account: probe, Grant: credential.Static})
	if deleteErr := s.Store.Delete(context.WithoutCancel(ctx), probe); err == nil {
		err = deleteErr
	}
	return err
}

// Reach asks whether the provider can be reached.
func (s *Session) Reach(ctx context.Context, provider string) (*oauth.Reached, error) {
	d, err := s.Catalog.Find(provider)
	if err != nil {
		return nil, err
	}
	l := &lookup{Session: s, name: account.Name{Provider: provider}, definition: d}
	if len(d.Inputs) > 0 {
		l.old = s.anyLogin(ctx, provider)
	}
	inputs, err := l.inputs()
	if err != nil {
		return nil, err
	}
	client, err := s.clientWith(ctx, d, &credential.Credential{Account: l.name, Inputs: inputs})
	if err != nil {
		return nil, err
	}
	return client.Reach(ctx)
}

// CheckProxies checks the proxy settings of the environment as every request does.
func CheckProxies() error { return oauth.CheckProxies() }

// CheckCertificates checks the file of certificates that the environment names as every request does.
func CheckCertificates() error { return oauth.CheckCertificates() }

// anyLogin returns a login of the provider, whose inputs say where that is; nil: there is none.
func (s *Session) anyLogin(ctx context.Context, provider string) *credential.Credential {
	names, _ := s.Store.List(ctx) // a store that cannot be used is a finding of its own
	for _, name := range names {
		if name.Provider == provider {
			if c, err := s.Store.Get(ctx, name); err == nil {
				return c
			}
		}
	}
	return nil
}

// Inspection is what the next login or refresh of an account would work with.
type Inspection struct {
	Definition *provider.Definition
	// Kept is the stored credential; nil: not logged in.
	Kept *credential.Credential
	// State is that of the stored credential, and Blocked why it cannot be refreshed without the user; nil:
	// it can.
	State   State
	Blocked error
	Grant   credential.Grant // of the stored login, else of a new one
	// ClientID is empty, and Secret false, if there is none.
	ClientID string
	Secret   bool // or a key, where the definition uses one
	// RedirectURI is empty if none is set, and for a grant without one.
	RedirectURI string
}

// Problem returns why the stored login cannot be used as it is, or nil. A valid token that nothing can refresh
// is no problem.
func (i *Inspection) Problem() error {
	if i.State == LoginNeeded || !errors.Is(i.Blocked, refresh.ErrExpired) && !fail.Is(i.Blocked, fail.Usage) || i.Kept != nil && !i.Kept.Ended.IsZero() {
		return i.Blocked
	}
	return nil
}

// Inspect looks up what an account has. It does not import a rescue file.
func (s *Session) Inspect(ctx context.Context, name account.Name) (*Inspection, error) {
	kept, err := s.Store.Get(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	d, err := s.definitionFor(ctx, name, kept)
	if err != nil {
		return nil, err
	}
	if kept == nil && s.vanished(ctx, name) {
		return &Inspection{Definition: d, State: LoginNeeded, Blocked: vanishedError(name)}, nil
	}
	l := &lookup{Session: s, name: name, definition: d, old: kept}
	i := &Inspection{Definition: d, Kept: kept, ClientID: l.clientID()}
	if kept != nil {
		i.Grant = kept.Grant
		i.ClientID = cmp.Or(kept.ClientID, i.ClientID)
		i.State, i.Blocked = s.state(kept, d)
	} else if i.Grant, err = l.grant(); err != nil && s.defaults(name).Grant != GrantStatic {
		return nil, err
	}
	if i.Secret = l.clientSecret(i.ClientID) != ""; d.UsesClientKey() {
		i.Secret = l.clientKey(i.ClientID) != ""
	}
	if i.Grant == credential.AuthorizationCode {
		i.RedirectURI = l.redirectURI()
	}
	return i, nil
}

// definitionFor is definitionOf, also for an account that is not logged in.
func (s *Session) definitionFor(ctx context.Context, name account.Name, c *credential.Credential) (*provider.Definition, error) {
	if c == nil {
		return s.Definition(ctx, name.Provider)
	}
	return s.definitionOf(ctx, c)
}

// Rescue is a rescue file that waits to be imported.
type Rescue = refresh.Rescue

// Rescues lists the rescue files in the state folder, those of other stores too.
func (s *Session) Rescues() ([]Rescue, error) { return s.refresher().Rescues() }
