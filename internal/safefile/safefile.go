// Package safefile reads and writes files that other users of the machine must not read or change. It
// refuses what another user may have planted instead of repairing it, and it replaces files as a whole.
//
// What is checked on Unix: the owner, the permission bits (which on Linux include access control lists),
// the kind of the file, links, and every folder on the path from the root. On Windows: the kind of the
// file and links only; who may read and write there follows from the access list that a user's profile
// folder hands down.
//
// Every failure is of kind fail.Store, names the path, and quotes nothing of a file's content. All
// functions are safe for use by several goroutines and processes at once.
package safefile

import (
	"errors"
	"io/fs"
	"os"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Class says what a file is for, and with that who may own, write and read it.
type Class int

const (
	// State is a file that tokencli wrote: it belongs to this user, nobody else can write it, and it is
	// no symbolic link.
	State Class = iota
	// Private is a State file with a secret in the clear: nobody else can read it.
	Private
	// Config is a file that tokencli trusts: it belongs to this user or to root, nobody else can write it,
	// and nobody else can replace it, or a link on the way to it. Links are followed, because users keep
	// such files in a repository.
	Config
	// Key is a Config file that holds a secret: nobody else can read it. One that belongs to root may
	// be readable by its group, which is how a service is handed a key that it cannot change.
	Key
)

// OpenFlags are to be added when a file of the state folder is opened by other means: a symbolic link is
// then not followed, and a named pipe does not make the caller wait.
const OpenFlags = noFollow | nonBlock

type owner int

const (
	mine owner = iota
	roots
	another
)

// check applies the demands of a class to the owner and the permission bits.
func check(path string, info fs.FileInfo, class Class) error {
	who, shared := inspect(info)
	own := class == State || class == Private
	secret := class == Private || class == Key
	switch {
	case who == another, who == roots && own:
		return belongsToAnother(path)
	case shared&0o022 != 0:
		return fail.New(fail.Store, "%s can be written by other users", shown(path)).
			Advise(fail.DoCheckAndChmod, "go-w", shown(path))
	case secret && (shared&0o004 != 0 || shared&0o040 != 0 && who == mine):
		return fail.New(fail.Store, "%s can be read by other users", shown(path)).
			Advise(fail.DoChmod, "600", shown(path))
	}
	return nil
}

func belongsToAnother(path string) error {
	return fail.New(fail.Store, "%s belongs to another user", shown(path)).Advise(fail.DoUseOwnFile, shown(path))
}

func homeless() error {
	return fail.New(fail.Store, "no place for the state folder: the home folder is unknown").Advise(fail.DoSetHome)
}

func isLink(path string) *fail.Error {
	return fail.New(fail.Store, "%s is a symbolic link", shown(path)).
		Advise(fail.DoReplaceLink, shown(path))
}

func unreadable(path string, err error) error {
	if wasLink(err) {
		return isLink(path)
	}
	return failure(path, "cannot be read", err).Advise(fail.DoCheckReadable, shown(path))
}

// unwritable is the failure of a write. A folder that is gone must not look like a credential that was
// never stored, so it does not wrap fs.ErrNotExist.
func unwritable(path, what string, err error) *fail.Error {
	f := failure(path, what, err)
	if errors.Is(err, fs.ErrNotExist) {
		f.Err = nil
	}
	return f
}

// failure returns "PATH cannot be read: permission denied", with the cause findable.
func failure(path, what string, err error) *fail.Error {
	return fail.New(fail.Store, "%s %s: %w", shown(path), what, cause(err))
}

// cause returns an error of package os without the path, which the message has already.
func cause(err error) error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		return pathErr.Err
	case errors.As(err, &linkErr):
		return linkErr.Err
	}
	return err
}

// shown returns a path as it may be printed.
func shown(path string) string { return redact.Printable(path) }
