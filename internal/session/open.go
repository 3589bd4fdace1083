package session

import (
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/store"
)

// Secret is a text that is masked however it is printed; see package credential.
type Secret = credential.Secret

// Credential is what is kept for an account; see package credential.
type Credential = credential.Credential

// The grants that the command line has to tell apart.
const (
	GrantCode   = string(credential.AuthorizationCode)
	GrantStatic = string(credential.Static)
)

// Valid is the state of an account whose access token can be used.
const Valid = credential.Valid

// Options are the settings of a session.
type Options struct {
	// Store is keychain, file, env or memory; empty: keychain.
	Store string
	// StateDir is the folder of locks, names, encrypted and rescue files; empty: there is none, which
	// only the env store and a read of the keychain can do without.
	StateDir string
	// DefinitionDir is the folder of the user's definitions.
	DefinitionDir string
	Getenv        func(string) string
	Environ       func() []string
	Defaults      func(account.Name) Defaults
	Tell          func(string)
	// Now is the clock; time.Now when nil.
	Now       func() time.Time
	UserAgent string
	// DiscardRotated allows a renewal whose new refresh token cannot be kept.
	DiscardRotated bool
	// OnRotate is the command that is handed a new refresh token in the env store.
	OnRotate []string
	// NoPrompt takes a locked keychain for a failure even where a person could be asked to unlock it.
	NoPrompt bool
}

// Open returns a session on the store of that kind. It touches neither the store nor the network.
func Open(o Options) (*Session, error) {
	s := &Session{
		Catalog:        provider.Catalog{Dir: o.DefinitionDir},
		StateDir:       o.StateDir,
		Getenv:         o.Getenv,
		Defaults:       o.Defaults,
		Tell:           o.Tell,
		Now:            o.Now,
		UserAgent:      o.UserAgent,
		DiscardRotated: o.DiscardRotated,
		OnRotate:       o.OnRotate,
		Environ:        o.Environ,
	}
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
	case "env":
		s.Store = store.Env{
			Getenv:  o.Getenv,
			Environ: o.Environ,
			Known:   s.Catalog.Known,
			Describe: func(name string) ([]string, string, error) {
				d, err := s.Definition(name)
				if err != nil {
					return nil, "", err
				}
				return d.Grants, d.Origin(), nil
			},
			Providers: func() []string {
				names, err := s.Catalog.Names()
				if err != nil {
					s.tell("warning: %v", err)
				}
				return names
			},
		}
	case "memory":
		s.Store = &store.Memory{}
	default:
		return nil, fail.New(fail.Usage, "there is no store %q", redact.Scrub(o.Store, 40)).
			WithHint("TOKENCLI_STORE is keychain, file or env")
	}
	return s, nil
}

// InitKeyFile makes a key for the file store in a file that is not there yet, and returns the file's
// absolute path and the public key.
func InitKeyFile(path string) (absolute, recipient string, err error) { return store.InitKeyFile(path) }
