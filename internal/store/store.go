// Package store is where credentials are kept: the operating system's keychain, encrypted files, the
// environment, or memory, behind one small interface. Locks between processes live here too.
package store

import (
	"context"
	"errors"
	"io/fs"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
)

// Store keeps credentials, one self-contained record an account. Implementations are safe for use by
// several goroutines and processes at once; a reader sees an old or a new record, never a mixture.
// Writers of the same account must hold its lock (see Locks): the last writer wins.
//
// Failures are of kind fail.Store, say which store it was, and hold no secret.
type Store interface {
	// Kind returns the name that settings and `status` use: keychain, file, env or memory.
	Kind() string
	// Get returns the account's credential, or an error that wraps ErrNotFound where none is kept.
	// A record that cannot be read, is damaged or was written by something else is a failure, not an
	// absence.
	Get(ctx context.Context, name account.Name) (*credential.Credential, error)
	// Put saves the credential, replacing any other of the account, and returns only after it was read
	// back and found equal. After a failure the old record or the new one is there, whole. A store that
	// keeps nothing answers errors.ErrUnsupported. A record that Get cannot read is not overwritten.
	Put(ctx context.Context, c *credential.Credential) error
	// Delete forgets the account. Deleting what is not there is no failure.
	Delete(ctx context.Context, name account.Name) error
	// List returns the names of the accounts, sorted. It opens no secret.
	List(ctx context.Context) ([]account.Name, error)
}

// ErrNotFound says that nothing is kept for an account.
var ErrNotFound = fs.ErrNotExist

// ErrReadOnly says that a store keeps nothing.
var ErrReadOnly = errors.ErrUnsupported
