package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tokencli/tokencli/internal/fail"
)

// EnsureDir makes path a folder that only this user can use, with parents as needed. A folder that exists
// and is readable by others is closed to them. One that is a symbolic link, belongs to another user or can
// be written by others is refused, because its content may be theirs, and so is one that another user could
// replace (see CheckParents); nothing is created then.
func EnsureDir(path string) error {
	if path == "" {
		return homeless()
	}
	path = filepath.Clean(path)
	if err := CheckParents(path); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := mkdir(path); err != nil {
			return unwritable(path, "cannot be created", err).Advise(fail.DoSetStateDir)
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
			return failure(path, "cannot be closed to other users", err).Advise(fail.DoChmod, "700", shown(path))
		}
	}
	return nil
}

// mkdir creates a folder. If another process is faster, that is no failure.
func mkdir(path string) error {
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Best effort: the folder need not outlast a power cut before a file is in it, and that is flushed
	// itself.
	_ = syncDir(parent)
	return nil
}

// CheckDir refuses, without changing anything, a folder that EnsureDir would refuse. One that does not
// exist is no failure.
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
	if err := CheckParents(path); err != nil {
		return err
	}
	return checkDir(path, info)
}

func checkDir(path string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return fail.New(fail.Store, "%s is a symbolic link", shown(path)).
			Advise(fail.DoSetStateDir)
	case !info.IsDir():
		return fail.New(fail.Store, "%s is not a folder", shown(path)).
			Advise(fail.DoMoveAwayOrSetStateDir, shown(path))
	}
	return check(path, info, State)
}

// ReadDir returns the names of the regular files in a folder of the kind that EnsureDir makes, and
// none if the folder does not exist.
func ReadDir(path string) ([]string, error) {
	if err := CheckDir(path); err != nil {
		return nil, err
	}
	entries, err := Entries(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		// A link is not followed and not skipped silently: reading it fails.
		if entry.Type().IsRegular() || entry.Type()&fs.ModeSymlink != 0 {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Entries returns what is in a folder of any kind, and nothing if the folder does not exist.
func Entries(path string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(path, err)
	}
	return entries, nil
}

// CheckTrusted refuses a configuration or definition file, or a folder of such files, that another user
// owns, can write or could replace. Links are followed; a path that leads nowhere is no failure.
func CheckTrusted(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unreadable(path, err)
	}
	if err := CheckParents(path); err != nil {
		return err
	}
	return check(path, info, Config)
}
