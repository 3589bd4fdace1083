package refresh

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
	"github.com/tokencli/tokencli/internal/store"
)

// A rescue file holds a credential that was refreshed and could not be saved. It is encrypted if the store
// has a key; otherwise it is in the clear, readable by this user alone: the old refresh token is spent, so
// the alternative is a lost login.

const (
	rescueFolder = "rescue"
	maxRescue    = 1 << 20
)

// rescueSuffixes are those of rescue files in the clear and of encrypted ones.
var rescueSuffixes = [...]string{".json", ".age"}

// RescuePath returns where the account's rescue file is, if there is one.
func (r *Refresher) RescuePath(name account.Name) string { return r.rescueFile(name.File()) }

func (r *Refresher) rescueFile(stem string) string {
	suffix := rescueSuffixes[0]
	if _, encrypts := r.Store.(store.Sealer); encrypts {
		suffix = rescueSuffixes[1]
	}
	return filepath.Join(r.StateDir, rescueFolder, r.Store.Kind()+"-"+stem+suffix)
}

// hasRescue is asked on every call, so it costs one system call.
func (r *Refresher) hasRescue(name account.Name) bool {
	return r.StateDir != "" && !r.Store.Traits().ReadOnly && exists(r.RescuePath(name))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (r *Refresher) writeRescue(path string, c *credential.Credential) error {
	text, err := credential.Encode(c)
	if err != nil {
		return err
	}
	if sealer, ok := r.Store.(store.Sealer); ok {
		if text, err = sealer.Seal(text); err != nil {
			return err
		}
	}
	return r.writeState(path, text)
}

// readRescue returns the credential in a rescue file. The error for a file that does not exist wraps
// os.ErrNotExist.
func (r *Refresher) readRescue(path string, name account.Name) (*credential.Credential, error) {
	text, err := safefile.Read(path, maxRescue, safefile.Private)
	if err != nil {
		return nil, err
	}
	if sealer, ok := r.Store.(store.Sealer); ok && !bytes.HasPrefix(text, []byte("{")) {
		if text, err = sealer.Unseal(text); err != nil {
			return nil, fail.New(fail.Store, "the rescue file %s: %w", redact.Printable(path), err).Advise(fail.DoMoveRescue, name)
		}
	}
	c, err := credential.Decode(name, text)
	if err != nil {
		return nil, fail.New(fail.Store, "the rescue file %s: %w", redact.Printable(path), err).Advise(fail.DoMoveRescue, name)
	}
	return c, nil
}

// writeState writes a file into a folder of the state folder.
func (r *Refresher) writeState(path string, text []byte) error {
	// The state folder itself first: it must be private even if only the inner folder has to be created.
	if err := safefile.EnsureDir(r.StateDir); err != nil {
		return err
	}
	if err := safefile.EnsureDir(filepath.Dir(path)); err != nil {
		return err
	}
	return safefile.WriteAtomic(path, text)
}

// space is disk space that is kept free for a rescue file. A nil space is none.
type space struct {
	path string
	once sync.Once
	tell func(string, ...any)
}

// reserveSpace takes the space of a rescue file for c.
func (r *Refresher) reserveSpace(c *credential.Credential) (*space, error) {
	text, err := credential.Encode(c)
	if err != nil {
		return nil, err
	}
	// The new tokens may be longer. Random bytes take their space even on a file system that compresses.
	content := make([]byte, 2*len(text)+16<<10)
	_, _ = rand.Read(content) // never fails
	path := filepath.Join(r.StateDir, rescueFolder, r.Store.Kind()+"-"+c.Account.File()+".space")
	if err := r.writeState(path, content); err != nil {
		return nil, err
	}
	return &space{path: path, tell: r.tell}, nil
}

// free returns the space, once.
func (s *space) free() {
	if s == nil {
		return
	}
	s.once.Do(func() {
		if err := safefile.Remove(s.path); err != nil {
			s.tell("warning: %v", err)
		}
	})
}

// Load returns the account's credential: that of a rescue file, which is imported into the store, else the
// store's. An UnsavedError carries the newest credential that can be read while a rescue file cannot be
// imported; its access token can be used, and nothing of it may be sent to the token endpoint.
func (r *Refresher) Load(ctx context.Context, name account.Name) (c *credential.Credential, err error) {
	if !r.hasRescue(name) {
		return r.Store.Get(ctx, name)
	}
	lockErr := r.Locked(ctx, name, func() error {
		c, err = r.LoadLocked(ctx, name)
		return nil
	})
	if lockErr != nil {
		return nil, r.orStored(ctx, name, lockErr)
	}
	return c, err
}

// LoadLocked is Load for a caller that holds the account's lock.
func (r *Refresher) LoadLocked(ctx context.Context, name account.Name) (*credential.Credential, error) {
	if err := r.importRescue(ctx, name); err != nil {
		var unsaved *UnsavedError
		if errors.As(err, &unsaved) {
			return nil, err
		}
		return nil, r.orStored(ctx, name, err)
	}
	return r.Store.Get(ctx, name)
}

// orStored adds the stored credential to a failure to import a rescue file.
func (r *Refresher) orStored(ctx context.Context, name account.Name, err error) error {
	if !fail.Is(err, fail.Store) {
		return err
	}
	if c, readErr := r.Store.Get(ctx, name); readErr == nil {
		return &UnsavedError{c, err}
	}
	return err
}

// importRescue moves the credential of a rescue file into the store and deletes the file. A file that is
// older than the stored credential is only deleted. If the store still cannot be written, the error is an
// UnsavedError with the rescued credential. The caller holds the account's lock.
func (r *Refresher) importRescue(ctx context.Context, name account.Name) error {
	if !r.hasRescue(name) {
		return nil
	}
	path := r.RescuePath(name)
	rescued, err := r.readRescue(path, name)
	if errors.Is(err, os.ErrNotExist) {
		return nil // another process was faster
	}
	if err != nil {
		return err
	}
	held, err := r.Store.Get(ctx, name)
	older := err == nil && held.Generation >= rescued.Generation
	if absent(err) {
		held, err = nil, nil
	}
	if err == nil && !older {
		if err = r.Store.Swap(ctx, held, rescued); err == nil {
			r.tell("imported the login of %s from %s", name, path)
		}
	}
	switch {
	case fail.Is(err, fail.Interrupted):
		return err
	case err != nil:
		return &UnsavedError{rescued, fail.New(fail.Store, "the login in %s cannot be imported yet: %w", redact.Printable(path), err)}
	}
	r.DropRescue(name)
	return nil
}

// DropRescue deletes the rescue file of an account whose login was imported, replaced or revoked.
func (r *Refresher) DropRescue(name account.Name) {
	if r.hasRescue(name) {
		r.drop(r.RescuePath(name))
	}
}

func (r *Refresher) drop(path string) {
	if err := safefile.Remove(path); err != nil {
		r.tell("warning: %v", err)
	}
}

// UnreadableRescue reports whether the account has a rescue file that cannot be read, and why.
func (r *Refresher) UnreadableRescue(name account.Name) error {
	if !r.hasRescue(name) {
		return nil
	}
	_, err := r.readRescue(r.RescuePath(name), name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Rescue is a rescue file that waits to be imported.
type Rescue struct {
	Path    string
	Store   string // the kind of the store that it is meant for
	Account account.Name
}

// Rescues lists the rescue files in the state folder, those of other stores too.
func (r *Refresher) Rescues() ([]Rescue, error) {
	if r.StateDir == "" {
		return nil, nil
	}
	folder := filepath.Join(r.StateDir, rescueFolder)
	files, err := safefile.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var waiting []Rescue
	for _, file := range files {
		for _, suffix := range rescueSuffixes {
			stem, ok := strings.CutSuffix(file, suffix)
			if !ok {
				continue
			}
			kind, rest, _ := strings.Cut(stem, "-")
			rest, _, _ = strings.Cut(rest, "+") // in a read-only store, the token that was replaced
			if name, ok := account.FromFile(rest); ok {
				waiting = append(waiting, Rescue{Path: filepath.Join(folder, file), Store: kind, Account: name})
			}
		}
	}
	return waiting, nil
}
