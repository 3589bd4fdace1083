// Package session is the life of an account: log in, return a valid token, revoke, inspect. Stores and
// providers meet only here and in package refresh.
package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/refresh"
	"github.com/tokencli/tokencli/internal/store"
)

// Secret is text that is masked however it is printed; see package credential.
type Secret = credential.Secret

// Credential is what is kept for an account; see package credential.
type Credential = credential.Credential

// Presentation is how an API takes a token; see package oauth.
type Presentation = oauth.Presentation

// GrantStatic is the grant of a token that was created by hand.
const GrantStatic = string(credential.Static)

// Options are the settings of a session.
type Options struct {
	// Store is keychain, file, vault, env or memory; empty: keychain.
	Store string
	// StateDir is the folder of locks, names, encrypted and rescue files. Only the env store and reading
	// from the keychain work without one.
	StateDir string
	// DefinitionDir is the folder of the user's definitions.
	DefinitionDir string
	Getenv        func(string) string
	// Environ is the environment that commands get, less its secrets; os.Environ if nil.
	Environ func() []string
	// Defaults are the settings of an account in the configuration file; nil: there are none.
	Defaults func(account.Name) Defaults
	// Tell receives messages for the user, one line each; nil: they are dropped.
	Tell func(string)
	// Now is the clock of this machine; time.Now if nil. A session on a shared store replaces it with the clock that
	// its machines agree on.
	Now       func() time.Time
	UserAgent string
	// DiscardRotated allows a refresh whose new refresh token cannot be kept.
	DiscardRotated bool
	// OnRotate is the command, as an argument vector, that receives a new refresh token in the env store.
	OnRotate []string
	// NoPrompt treats a locked keychain as a failure even if the user could be asked to unlock it.
	NoPrompt bool
}

// Defaults are what the configuration file says of an account.
type Defaults struct {
	ClientID    string
	RedirectURI string
	Scopes      []string
	Grant       string
	Inputs      map[string]string // of the definition, by name
}

// Session works on the accounts of one store. It is safe for concurrent use.
type Session struct {
	Options
	Store   store.Store
	Catalog provider.Catalog

	bounds refresh.Bounds

	discovering sync.Mutex // held while metadata is read or requested
	servers     documents[oauth.Metadata]
	resources   documents[oauth.ResourceMetadata]
}

// Open returns a session on the store that the options name. It opens neither the store nor a connection.
func Open(o Options) (*Session, error) {
	s := &Session{Options: o, Catalog: provider.Catalog{Dir: o.DefinitionDir}}
	switch o.Store {
	case "", "keychain":
		options := store.KeychainOptions{StateDir: o.StateDir, Notify: o.Tell}
		if o.NoPrompt {
			options.CanPrompt = func() bool { return false }
		}
		s.Store = store.NewKeychain(options)
	case "file":
		s.Store = &store.File{
			Dir:        o.StateDir,
			Key:        credential.Secret(o.Getenv(account.FileKey)),
			Passphrase: credential.Secret(o.Getenv(account.FilePassphrase)),
		}
	case "vault":
		v := store.NewVault(store.VaultOptions{
			Getenv: o.Getenv, StateDir: o.StateDir, CheckNetwork: oauth.CheckEnvironment, Notify: o.Tell, Now: o.Now,
		})
		s.Store, s.Now = v, v.Now
	case "env":
		s.Store = s.envStore()
	case "memory":
		s.Store = &store.Memory{}
	default:
		return nil, fail.New(fail.Usage, "unknown store %q", redact.Scrub(o.Store, 40)).Advise(fail.DoChooseStore)
	}
	return s, nil
}

func (s *Session) envStore() store.Store {
	return store.Env{
		Getenv:  s.Getenv,
		Environ: s.Environ,
		Known:   s.Catalog.Known,
		Describe: func(ctx context.Context, name account.Name) (*store.EnvProvider, error) {
			d, err := s.definitionOf(ctx, &credential.Credential{Account: name})
			if err != nil {
				return nil, err
			}
			p := &store.EnvProvider{Grants: d.Grants, Origin: d.Origin(), ClientKey: d.UsesClientKey()}
			if d.Assertion != nil {
				p.NoAssertion = s.refresher().HasAssertion(name, d)
			}
			return p, nil
		},
		Providers: func() []string {
			names, err := s.Catalog.Names()
			if err != nil {
				s.tell("warning: %v", err)
			}
			return names
		},
	}
}

// VaultTokenState is what a diagnosis finds of the token for Vault; see package store.
type VaultTokenState = store.VaultTokenState

// VaultRights is what that token may do; see package store.
type VaultRights = store.VaultRights

// Vault returns the store if it is Vault, for a diagnosis; else nil.
func (s *Session) Vault() *store.Vault {
	v, _ := s.Store.(*store.Vault)
	return v
}

func (s *Session) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Session) tell(format string, args ...any) {
	if s.Tell != nil {
		s.Tell(fmt.Sprintf(format, args...))
	}
}

// Definition returns the provider's definition with the base URL of the settings applied. What metadata says is
// read from the cache. An address that depends on an input is empty.
func (s *Session) Definition(ctx context.Context, name string) (*provider.Definition, error) {
	c, err := s.known(ctx, name)
	if err != nil {
		return nil, err
	}
	return c.Definition, nil
}

// Presentation returns how the API takes the token of a credential, and the provider's title. It needs no metadata.
func (s *Session) Presentation(c *credential.Credential) (Presentation, string, error) {
	d, err := s.Catalog.Find(c.Account.Provider)
	if err != nil {
		return Presentation{}, "", err
	}
	p, err := s.PresentationOf(d, c)
	return p, d.Title, err
}

// PresentationOf is Presentation for a caller that has read the definition.
func (s *Session) PresentationOf(d *provider.Definition, c *credential.Credential) (Presentation, error) {
	values, err := s.values(c, d)
	if err != nil {
		return Presentation{}, err
	}
	return oauth.NewPresentation(d, values)
}

// values returns what fills the placeholders of a definition for a login.
func (s *Session) values(c *credential.Credential, d *provider.Definition) (map[string]string, error) {
	inputs := c.Inputs
	if s.Store.Traits().ReadOnly { // nothing is kept with such a login
		var err error
		if inputs, err = (&lookup{Session: s, name: c.Account, definition: d}).inputs(); err != nil {
			return nil, err
		}
	}
	all := map[string]string{"client_id": c.ClientID}
	maps.Copy(all, inputs)
	maps.Copy(all, c.Kept)
	return all, nil
}

// known returns what is known of a provider without a login and without a request to it.
func (s *Session) known(ctx context.Context, name string) (*oauth.Config, error) {
	d, err := s.Catalog.Find(name)
	if err != nil {
		return nil, err
	}
	return s.resolve(ctx, d, nil, s.discovered)
}

// definitionOf returns the definition of a login's provider, with the inputs and kept fields of the login, for
// commands that only read.
func (s *Session) definitionOf(ctx context.Context, c *credential.Credential) (*provider.Definition, error) {
	d, err := s.Catalog.Find(c.Account.Provider)
	if err != nil {
		return nil, err
	}
	values, err := s.values(c, d)
	if err != nil {
		return nil, err
	}
	discover := s.discovered
	if s.needsNoMetadata(c) {
		discover = noMetadata
	}
	config, err := s.resolve(ctx, d, values, discover)
	if err != nil {
		return nil, err
	}
	return config.Definition, nil
}

func (s *Session) resolve(ctx context.Context, d *provider.Definition, values map[string]string, discover oauth.Discover) (*oauth.Config, error) {
	if _, err := (account.Name{Provider: d.Name}).Setting(s.Getenv, account.BaseURL); err != nil {
		return nil, err
	}
	return oauth.Resolve(ctx, d, values, discover, s.base(d.Name))
}

// base returns the base URL of a provider in the settings.
func (s *Session) base(name string) oauth.Base {
	of := account.Name{Provider: name}
	return oauth.Base{URL: of.Own(s.Getenv, account.BaseURL), Setting: of.Var(account.BaseURL)}
}

// clientFor is clientOf for the stored login of an account. Where every login has the same addresses, it reads none.
func (s *Session) clientFor(ctx context.Context, name account.Name) (*oauth.Client, error) {
	d, err := s.Catalog.Find(name.Provider)
	if err != nil {
		return nil, err
	}
	c := &credential.Credential{Account: name}
	readOnly := s.Store.Traits().ReadOnly
	if len(d.Placeholders()) > 0 || d.Discovers() && !readOnly {
		if c, err = s.load(ctx, name); err != nil {
			return nil, err
		}
		if err = refresh.CheckInputs(c, d); err != nil && !readOnly {
			return nil, err
		}
	}
	return s.clientWith(ctx, d, c)
}

// clientOf returns a client for a login, with its inputs and kept fields.
func (s *Session) clientOf(ctx context.Context, c *credential.Credential) (*oauth.Client, error) {
	d, err := s.Catalog.Find(c.Account.Provider)
	if err != nil {
		return nil, err
	}
	return s.clientWith(ctx, d, c)
}

// clientWith is clientOf for a caller that has read the definition.
func (s *Session) clientWith(ctx context.Context, d *provider.Definition, c *credential.Credential) (*oauth.Client, error) {
	values, err := s.values(c, d)
	if err != nil {
		return nil, err
	}
	return s.client(ctx, c.Account, d, values, func(ctx context.Context, d *provider.Definition) (*oauth.Metadata, error) {
		return s.discover(ctx, d, c)
	})
}

// client returns a client for an account with these inputs and kept fields.
func (s *Session) client(
	ctx context.Context, name account.Name, d *provider.Definition, values map[string]string, discover oauth.Discover,
) (*oauth.Client, error) {
	if err := name.CheckSettings(s.Getenv); err != nil {
		return nil, err
	}
	config, err := s.resolve(ctx, d, values, discover)
	if err != nil {
		return nil, err
	}
	return &oauth.Client{Config: config, HTTP: oauth.NewHTTP(), UserAgent: s.UserAgent, Now: s.Now}, nil
}

func (s *Session) refresher() *refresh.Refresher {
	environ := s.Environ
	if environ == nil {
		environ = os.Environ
	}
	r := &refresh.Refresher{
		Store: s.Store, StateDir: s.StateDir, Getenv: s.Getenv, Environ: environ, Tell: s.Tell, Now: s.now,
		DiscardRotated: s.DiscardRotated, OnRotate: s.OnRotate, Bounds: s.bounds,
	}
	r.Client = func(ctx context.Context, c *credential.Credential) (*oauth.Client, error) {
		d, err := s.Catalog.Find(c.Account.Provider)
		if err != nil {
			return nil, err
		}
		if err := r.CheckIssuer(c, d); err != nil { // before another issuer is asked for metadata
			return nil, err
		}
		return s.clientWith(ctx, d, c)
	}
	return r
}

// load returns the account's credential, which may come from a rescue file; see refresh.Refresher.Load.
func (s *Session) load(ctx context.Context, name account.Name) (*credential.Credential, error) {
	c, err := s.refresher().Load(ctx, name)
	if err != nil {
		return nil, s.explainAbsence(name, err)
	}
	return c, nil
}

// explainAbsence makes the failure of a missing credential say what the user can do.
func (s *Session) explainAbsence(name account.Name, err error) error {
	if !absent(err) {
		return err
	}
	if _, unknown := s.Catalog.Find(name.Provider); unknown != nil {
		// The name is misspelt, and that is what helps.
		var e *fail.Error
		if errors.As(unknown, &e) {
			joined := *e
			joined.Err = errors.Join(e.Err, err)
			return &joined
		}
		return unknown
	}
	e := fail.New(fail.NotLoggedIn, "not logged in to %s", name).Advise(fail.DoLogIn, name)
	for _, setting := range []string{account.AccessToken, account.RefreshToken} {
		if name.Own(s.Getenv, setting) != "" {
			e.Advise(fail.DoLogInOrEnv, name, name.Var(setting))
		}
	}
	return e.Because(err)
}

// absent reports whether err says that the store has no credential of an account.
func absent(err error) bool { return errors.Is(err, store.ErrNotFound) }

// mayUse checks that a token that is about to be used belongs to where the settings point, and to the client
// that they name.
func (s *Session) mayUse(c *credential.Credential, d *provider.Definition) error {
	return s.refresher().CheckUse(c, d)
}
