package session

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/safefile"
	"github.com/tokencli/tokencli/internal/store"
)

// What a diagnosis wants to know: nothing here changes an account, asks a person or sends a secret.

// Prove writes, reads and deletes a record of no account.
func (s *Session) Prove(ctx context.Context) error { return s.prove(ctx) }

// Reach asks whether the provider can be reached.
func (s *Session) Reach(ctx context.Context, provider string) (*oauth.Reached, error) {
	client, err := s.client(account.Name{Provider: provider})
	if err != nil {
		return nil, err
	}
	return client.Reach(ctx)
}

// Outlook is what the next login or renewal of an account would work with.
type Outlook struct {
	Definition *provider.Definition
	// Kept is the stored credential; nil: not logged in.
	Kept  *credential.Credential
	Grant credential.Grant // of the stored login, else of one that would be made
	// ClientID is empty, and Secret false, where there is none.
	ClientID string
	Secret   bool
	// OtherClient is the variable that names another client than the stored login was made with.
	OtherClient string
	// RedirectURI is empty where none is set and where the grant has none.
	RedirectURI string
}

// Outlook looks up what an account has. It does not take in a rescue file.
func (s *Session) Outlook(ctx context.Context, name account.Name) (*Outlook, error) {
	d, err := s.Definition(name.Provider)
	if err != nil {
		return nil, err
	}
	o := &Outlook{Definition: d}
	o.Kept, err = s.Store.Get(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	p := &plan{name: name, definition: d, old: o.Kept}
	set := s.defaults(name)
	o.ClientID = cmp.Or(name.Lookup(s.Getenv, account.ClientID), set.ClientID)
	if o.Kept != nil {
		o.Grant = o.Kept.Grant
		o.OtherClient = s.otherClient(o.Kept)
		o.ClientID = cmp.Or(o.Kept.ClientID, o.ClientID)
		o.Secret = o.Kept.ClientSecret != ""
	} else if err := s.chooseGrant(p); err == nil {
		o.Grant = p.grant
	} else if set.Grant != "" && set.Grant != GrantStatic {
		return nil, err
	}
	o.Secret = o.Secret || name.Lookup(s.Getenv, account.ClientSecret) != ""
	if o.Grant == credential.AuthorizationCode {
		o.RedirectURI = s.lookupRedirectURI(p)
	}
	return o, nil
}

// Rescue is a rescue file that waits to be taken in.
type Rescue struct {
	Path    string
	Store   string // the kind of the store that it is meant for
	Account account.Name
}

// Rescues lists the rescue files, those of other stores too.
func (s *Session) Rescues() ([]Rescue, error) {
	if s.StateDir == "" {
		return nil, nil
	}
	folder := filepath.Join(s.StateDir, "rescue")
	files, err := safefile.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var waiting []Rescue
	for _, file := range files {
		stem, ok := strings.CutSuffix(file, ".json")
		if !ok {
			continue
		}
		kind, rest, _ := strings.Cut(stem, "-")
		rest, _, _ = strings.Cut(rest, "+") // in the env store, the token that was replaced
		if name, ok := account.FromFile(rest); ok {
			waiting = append(waiting, Rescue{Path: filepath.Join(folder, file), Store: kind, Account: name})
		}
	}
	return waiting, nil
}
