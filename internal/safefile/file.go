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
)

const (
	tempPrefix = ".tokencli-"
	tempSuffix = ".tmp"
	// staleAfter is the age from which a temporary file counts as left by a crashed run. A live one
	// lasts milliseconds.
	staleAfter = time.Hour
)

// Read returns the content of a regular file that meets the demands of its class. More than limit bytes
// are refused. The error for a file that does not exist wraps fs.ErrNotExist.
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
	if class == Config {
		if err := CheckParents(path); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if int64(len(data)) > limit {
		return nil, fail.New(fail.Store, "%s is larger than %d bytes", shown(path), limit).
			Advise(fail.DoMoveAway, shown(path))
	}
	return data, nil
}

func checkFile(path string, info fs.FileInfo, class Class) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return isLink(path)
	}
	if !info.Mode().IsRegular() {
		return fail.New(fail.Store, "%s is not a regular file", shown(path)).
			Advise(fail.DoMoveAway, shown(path))
	}
	return check(path, info, class)
}

// WriteAtomic makes data the content of path, with mode 0600, in a folder that exists: readers and
// crashes see the old file or the new one, whole. A link at path is replaced, not followed. A failure
// leaves no new file behind. Temporary files that crashed runs left in the folder are deleted when they
// are an hour old.
func WriteAtomic(path string, data []byte) error {
	dir := filepath.Dir(path)
	temp, err := writeTemp(dir, data)
	if err != nil {
		return unwritable(path, "cannot be written", err).Advise(fail.DoCheckDisk, shown(dir))
	}
	if err := patiently(func() error { return os.Rename(temp, path) }); err != nil {
		_ = os.Remove(temp)
		return unwritable(path, "cannot be replaced", err).Advise(fail.DoCheckDisk, shown(dir))
	}
	if err := syncDir(dir); err != nil {
		return unwritable(path, "was written but may not survive a power cut", err).Advise(fail.DoCheckDisk, shown(dir))
	}
	removeStale(dir, path)
	return nil
}

// writeTemp writes data to a new file in dir, flushed to the disk, and returns its path. If it fails, it
// leaves no file behind.
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

// removeStale deletes temporary files that are much older than the file just written. Both times come
// from the file system, so a process with a wrong clock does not delete another's live file.
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

// Create writes a new file, with mode 0600. If the file exists, nothing is changed and the error wraps
// fs.ErrExist.
func Create(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return failure(path, "is not overwritten", err).Advise(fail.DoMoveAway, shown(path))
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
		return unwritable(path, "cannot be written", err).Advise(fail.DoCheckDisk, shown(filepath.Dir(path)))
	}
	return nil
}

// Remove deletes a file, or the link at path, and flushes that to the disk. If there is none, that is no
// failure.
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
		return unwritable(path, "cannot be deleted", err).Advise(fail.DoCheckDisk, shown(dir))
	}
	return nil
}
