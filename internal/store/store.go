// Package store keeps credentials: in the operating system's keychain, in encrypted files, in Vault, in the
// environment or in memory, behind one small interface. The locks between processes are here too.
package store

import (
	"context"
	"errors"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// Store keeps credentials, one self-contained record per account. Implementations are safe for use by
// several goroutines and processes at once; a reader sees an old or a new record, never a mixture.
// Writers of an account hold its lock (see Locks).
//
// Failures are of kind fail.Store, name the store, and hold no secret.
type Store interface {
	// Kind returns the name that settings and `status` use: keychain, file, vault, env or memory.
	Kind() string
	// Traits returns what a caller has to know about the store beyond its methods.
	Traits() Traits
	// Get returns the account's credential, or an error that wraps ErrNotFound if there is none.
	// A record that cannot be read, is damaged or was written by another program is a failure, not an
	// absence.
	Get(ctx context.Context, name account.Name) (*credential.Credential, error)
	// Swap saves next in place of old, or of nothing if old is nil, and returns only after it was read back and found
	// equal, or a server has confirmed it. After a failure the old record or the new one is stored, whole. If the store
	// holds anything else than old, it changes nothing and returns an error that wraps ErrChanged; a record that Get
	// cannot read is not overwritten. A read-only store returns ErrReadOnly. A store that is not shared compares and
	// writes in two steps, so the caller holds the account's lock.
	Swap(ctx context.Context, old, next *credential.Credential) error
	// Delete removes the account. If there is none, that is no failure.
	Delete(ctx context.Context, name account.Name) error
	// List returns the names of the accounts, sorted. It decrypts nothing.
	List(ctx context.Context) ([]account.Name, error)
}

// Traits are the properties of a store that its callers must respect.
type Traits struct {
	// ReadOnly: Swap and Delete return ErrReadOnly. Nothing is locked, and no state folder is needed.
	ReadOnly bool
	// Shared: processes on other machines use the same records, so a lock on this machine excludes only
	// some of the writers. Swap compares and writes in one step.
	Shared bool
	// Volatile: the records end with this process and no other process sees them, so nothing is locked
	// and no rescue file could help.
	Volatile bool
}

// Sealer is implemented by a store with an encryption key of its own, for files that must be written
// beside it.
type Sealer interface {
	// Seal returns the text encrypted to the store's key. It does not contact the store.
	Seal(text []byte) ([]byte, error)
	// Unseal returns the text that Seal encrypted. The error quotes nothing of it.
	Unseal(sealed []byte) ([]byte, error)
}

// Prover is implemented by a store that can tell whether it can be written without writing a record.
type Prover interface {
	// Prove returns why the account's record cannot be written.
	Prove(ctx context.Context, name account.Name) error
}

var (
	// ErrNotFound says that the store has no credential of an account. It is an error of its own: a missing
	// file of any kind must never look like an account that is not logged in.
	ErrNotFound = errors.New("no credential")
	// ErrReadOnly says that a store cannot be written.
	ErrReadOnly = errors.ErrUnsupported
	// ErrChanged says that the store does not hold what a Swap was to replace.
	ErrChanged = errors.New("the stored credential has changed")
)

// checkOld returns the failure of a Swap if held, nil for nothing, is not what was to be replaced.
func checkOld(name account.Name, old, held *credential.Credential) error {
	if old == nil && held == nil || old != nil && held != nil && old.Equal(held) {
		return nil
	}
	return changed(name)
}

func changed(name account.Name) error {
	return fail.New(fail.Store, "another process changed the credential of %s at the same time", name).Advise(fail.DoTryAgain).Because(ErrChanged)
}
