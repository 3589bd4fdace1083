package session

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
	"github.com/tokencli/tokencli/internal/store"
)

// A rescue file holds a credential that was renewed and could not be saved. It is the one place where a
// credential lies in the clear: the old refresh token is spent, so the choice is this or a lost login.

const maxRescue = 1 << 20

func (s *Session) rescuePath(name account.Name) string {
	return filepath.Join(s.StateDir, "rescue", s.Store.Kind()+"-"+name.File()+".json")
}

// rescueWaits is asked on every call, so it costs one system call.
func (s *Session) rescueWaits(name account.Name) bool {
	if s.StateDir == "" || !s.keeps() {
		return false
	}
	_, err := os.Lstat(s.rescuePath(name))
	return err == nil
}

// rescue writes a rescue file.
func (s *Session) rescue(path string, c *credential.Credential) error {
	text, err := credential.Encode(c)
	if err != nil {
		return err
	}
	return s.writeState(path, text)
}

// writeState writes a file into a folder of the state folder.
func (s *Session) writeState(path string, text []byte) error {
	// The state folder itself first: it is private even where only the inner folder would be made.
	if err := safefile.EnsureDir(s.StateDir); err != nil {
		return err
	}
	if err := safefile.EnsureDir(filepath.Dir(path)); err != nil {
		return err
	}
	return safefile.WriteAtomic(path, text)
}

// reserve takes the space of a rescue file for c, before its refresh token is spent: a folder that cannot
// be written or a disk that is full shows in time, and a disk that fills up meanwhile does no harm.
func (r *renewal) reserve(c *credential.Credential) error {
	if r.free != nil || r.Store.Traits().Volatile {
		return nil
	}
	text, err := credential.Encode(c)
	if err != nil {
		return fail.New(fail.Store, "the credential of %s cannot be stored: %w", c.Account, err)
	}
	// The new tokens may be longer. Random bytes take their space on a file system that compresses, too.
	space := make([]byte, 2*len(text)+16<<10)
	_, _ = rand.Read(space) // never fails
	path := filepath.Join(r.StateDir, "rescue", r.Store.Kind()+"-"+c.Account.File()+".space")
	if err := r.writeState(path, space); err != nil {
		return err
	}
	r.free = sync.OnceFunc(func() {
		if err := safefile.Remove(path); err != nil {
			r.tell("warning: %v", err)
		}
	})
	return nil
}

// readRescue returns the credential in a rescue file, and nil where there is none.
func readRescue(path string, name account.Name) (*credential.Credential, error) {
	text, err := safefile.Read(path, maxRescue, safefile.Private)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := credential.Decode(name, text)
	if err != nil {
		return nil, fail.New(fail.Store, "the rescue file %s: %w", redact.Printable(path), err).
			WithHint("move it away; then, if the login does not work any more, tokencli login %s", name)
	}
	return c, nil
}

// takeIn moves the credential of a rescue file into the store and deletes the file. A file that is older
// than what the store holds is only deleted. The rescued credential is returned only together with the
// error of a store that still cannot take it. The account's lock is held.
func (s *Session) takeIn(ctx context.Context, name account.Name) (*credential.Credential, error) {
	if !s.rescueWaits(name) {
		return nil, nil
	}
	path := s.rescuePath(name)
	rescued, err := readRescue(path, name)
	if rescued == nil {
		return nil, err // where there is no error, another process was faster
	}
	kept, err := s.Store.Get(ctx, name)
	older := err == nil && kept.Generation >= rescued.Generation
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err == nil && !older {
		if err = s.Store.Put(ctx, rescued); err == nil {
			s.tell("the login of %s was taken in from %s", name, path)
		}
	}
	switch {
	case fail.Is(err, fail.Interrupted):
		return nil, err
	case err != nil:
		return rescued, fail.New(fail.Store, "the login in %s cannot be taken in yet: %w", redact.Printable(path), err).
			WithHint("%s", fail.HintOf(err))
	}
	s.dropRescue(name)
	return nil, nil
}

// dropRescue deletes the rescue file of an account that was taken in, logged in anew or revoked.
func (s *Session) dropRescue(name account.Name) {
	if s.rescueWaits(name) {
		if err := safefile.Remove(s.rescuePath(name)); err != nil {
			s.tell("warning: %v", err)
		}
	}
}
