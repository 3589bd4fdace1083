// Package safefile reads and writes files that other users of the machine must not read or change. It
// refuses what somebody else may have planted instead of mending it, and it replaces files as a whole.
//
// What is checked on Unix: the owner, the permission bits (which on Linux include access control lists),
// the kind of the file, and links. On Windows: the kind of the file and links only; who may read and
// write there follows from the access list that a user's profile folder hands down.
//
// Every failure is of kind fail.Store, names the path, and holds nothing of a file's content. All
// functions are safe for use by several goroutines and processes at once.
package safefile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	// Config is a file that tokencli is told to believe: it belongs to this user or to root, and nobody
	// else can write it. Links are followed, because people keep such files in a repository; what
	// counts is the file at the end.
	Config
	// Key is a Config file that holds a secret: nobody else can read it. One that belongs to root may
	// be readable by its group, which is how a service is handed a key that it cannot change.
	Key
)

// OpenFlags are to be added when a file of the state folder is opened by other means: a symbolic link is
// then not followed, and a named pipe does not make the caller wait.
const OpenFlags = noFollow | nonBlock

const (
	tempPrefix = ".tokencli-"
	tempSuffix = ".tmp"
	// staleAfter is the age at which a temporary file is taken for that of a crashed run. A live one
	// lasts milliseconds.
	staleAfter = time.Hour
)

// EnsureDir makes path a folder that only this user can use, with parents as needed. A folder that is
// there and readable by others is closed to them; one that is a symbolic link, belongs to somebody else
// or can be written by others is refused, because its content may be theirs.
func EnsureDir(path string) error {
	if path == "" {
		return homeless()
	}
	path = filepath.Clean(path)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := mkdir(path); err != nil {
			return failure(path, "cannot be made", err).WithHint("make its parent folder writable, or set TOKENCLI_STATE_DIR to a folder of your own")
		}
		info, err = os.Lstat(path)
	}
	if err != nil {
		return unreadable(path, err)
	}
	if err := checkDir(path, info); err != nil {
		return err
	}
	if _, shared := inspect(info); shared != 0 {
		if err := closeToOthers(path); err != nil {
			return failure(path, "cannot be closed to other users", err).WithHint("chmod 700 %s", shown(path))
		}
	}
	return nil
}

// mkdir makes a folder that is not there. That another process is faster is no failure.
func mkdir(path string) error {
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Best effort: that the folder outlasts a power cut is of no use before something is in it, and
	// then that is flushed itself.
	_ = syncDir(parent)
	return nil
}

// CheckDir refuses, without changing anything, a folder that EnsureDir would refuse. One that is not
// there is no failure.
func CheckDir(path string) error {
	if path == "" {
		return homeless()
	}
	path = filepath.Clean(path)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unreadable(path, err)
	}
	return checkDir(path, info)
}

func checkDir(path string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return fail.New(fail.Store, "%s is a symbolic link", shown(path)).
			WithHint("set TOKENCLI_STATE_DIR to the folder it points to")
	case !info.IsDir():
		return fail.New(fail.Store, "%s is not a folder", shown(path)).
			WithHint("move it away, or set TOKENCLI_STATE_DIR to a folder of your own")
	}
	return check(path, info, State)
}

// ReadDir returns the names of the regular files in a folder of the kind that EnsureDir makes, and
// none where the folder is not there.
func ReadDir(path string) ([]string, error) {
	if err := CheckDir(path); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(path, err)
	}
	var names []string
	for _, entry := range entries {
		// A link is not followed, and not passed over in silence either: reading it fails.
		if entry.Type().IsRegular() || entry.Type()&fs.ModeSymlink != 0 {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// CheckTrusted refuses a configuration or definition file, or a folder of such, that another user owns
// or can write. Links are followed; a path that leads nowhere is no failure.
func CheckTrusted(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unreadable(path, err)
	}
	return check(path, info, Config)
}

// Read returns the content of a regular file that meets the demands of its class. More than limit bytes
// are refused. The error for a file that is not there wraps fs.ErrNotExist.
func Read(path string, limit int64, class Class) ([]byte, error) {
	flags := os.O_RDONLY | nonBlock
	if class == State || class == Private {
		flags |= noFollow
	}
	var f *os.File
	err := patiently(func() (err error) {
		f, err = os.OpenFile(path, flags, 0)
		return err
	})
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, unreadable(path, err)
	}
	if err := checkFile(path, info, class); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if int64(len(data)) > limit {
		return nil, fail.New(fail.Store, "%s is larger than %d bytes", shown(path), limit).
			WithHint("move it away, or name another")
	}
	return data, nil
}

func checkFile(path string, info fs.FileInfo, class Class) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return isLink(path)
	}
	if !info.Mode().IsRegular() {
		return fail.New(fail.Store, "%s is not a regular file", shown(path)).
			WithHint("move it away, or name another")
	}
	return check(path, info, class)
}

// WriteAtomic makes data the content of path, with mode 0600, in a folder that exists: readers and
// crashes see the old file or the new one, whole. A link at path is replaced, not followed. A failure
// leaves no new file behind. Temporary files that crashed runs left in the folder are removed when they
// are an hour old.
func WriteAtomic(path string, data []byte) error {
	dir := filepath.Dir(path)
	hint := "make sure that " + shown(dir) + " is writable and not full, or set TOKENCLI_STATE_DIR to another folder"
	temp, err := writeTemp(dir, data)
	if err != nil {
		return failure(path, "cannot be written", err).WithHint("%s", hint)
	}
	if err := patiently(func() error { return os.Rename(temp, path) }); err != nil {
		_ = os.Remove(temp)
		return failure(path, "cannot be replaced", err).WithHint("%s", hint)
	}
	if err := syncDir(dir); err != nil {
		return failure(path, "was written but may not outlast a power cut", err).WithHint("%s", hint)
	}
	removeStale(dir, path)
	return nil
}

// writeTemp writes data to a new file in dir, to the disk, and returns its path. It leaves nothing
// behind when it fails.
func writeTemp(dir string, data []byte) (path string, err error) {
	f, err := os.CreateTemp(dir, tempPrefix+"*"+tempSuffix) // O_EXCL and 0600
	if err != nil {
		return "", err
	}
	if err := fill(f, data); err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// removeStale removes temporary files that are much older than the file just written. Both times come
// from the file system, so that a process with a wrong clock does not take away another's live file.
func removeStale(dir, written string) {
	now, err := os.Lstat(written)
	if err != nil {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), tempPrefix) || !strings.HasSuffix(entry.Name(), tempSuffix) {
			continue
		}
		if info, err := entry.Info(); err == nil && now.ModTime().Sub(info.ModTime()) > staleAfter {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// Create writes a file that is not there yet, with mode 0600. The error for one that is there wraps
// fs.ErrExist; nothing is changed then.
func Create(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return failure(path, "is not overwritten", err).WithHint("name another file, or move this one away")
	}
	if err == nil {
		if err = fill(f, data); err == nil {
			err = syncDir(filepath.Dir(path))
		}
		if err != nil {
			_ = os.Remove(path)
		}
	}
	if err != nil {
		return failure(path, "cannot be written", err).WithHint("make sure that %s is there, writable and not full", shown(filepath.Dir(path)))
	}
	return nil
}

// Remove deletes a file, or the link at path, for good. What is not there is no failure.
func Remove(path string) error {
	err := patiently(func() error { return os.Remove(path) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir := filepath.Dir(path)
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return failure(path, "cannot be deleted", err).WithHint("make sure that %s is writable", shown(dir))
	}
	return nil
}

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
		return fail.New(fail.Store, "%s belongs to another user", shown(path)).
			WithHint("run tokencli as that user, or name one of your own")
	case shared&0o022 != 0:
		return fail.New(fail.Store, "%s can be written by other users", shown(path)).
			WithHint("look at what is in it, then: chmod go-w %s", shown(path))
	case secret && (shared&0o004 != 0 || shared&0o040 != 0 && who == mine):
		return fail.New(fail.Store, "%s can be read by other users", shown(path)).
			WithHint("chmod 600 %s", shown(path))
	}
	return nil
}

func homeless() error {
	return fail.New(fail.Store, "there is no place for the state folder: no home folder is known").
		WithHint("set HOME, or TOKENCLI_STATE_DIR to a folder of your own")
}

func isLink(path string) *fail.Error {
	return fail.New(fail.Store, "%s is a symbolic link", shown(path)).
		WithHint("put the file itself there: links are not followed in the state folder")
}

func unreadable(path string, err error) error {
	if wasLink(err) {
		return isLink(path)
	}
	return failure(path, "cannot be read", err).WithHint("make sure that it is there and that you may read it")
}

// failure returns "PATH cannot be read: permission denied", with the cause findable.
func failure(path, what string, err error) *fail.Error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		err = pathErr.Err
	case errors.As(err, &linkErr):
		err = linkErr.Err
	}
	return fail.New(fail.Store, "%s %s: %w", shown(path), what, err)
}

// shown returns a path as it may be printed.
func shown(path string) string { return redact.Printable(path) }
