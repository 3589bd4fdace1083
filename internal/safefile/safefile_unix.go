//go:build unix

package safefile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const (
	noFollow = syscall.O_NOFOLLOW
	nonBlock = syscall.O_NONBLOCK
)

// inspect returns whose a file is, and the permission bits of everybody but the owner.
func inspect(info fs.FileInfo) (owner, fs.FileMode) {
	shared := info.Mode().Perm() & 0o077
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(stat.Uid) == os.Geteuid():
		return mine, shared
	case ok && stat.Uid == 0:
		return roots, shared
	}
	return another, shared
}

// closeToOthers takes the permissions of everybody but the owner from a folder. The owner's own bits stay
// as they are: a folder that was made read-only on purpose is not opened.
func closeToOthers(path string) error {
	f, err := os.OpenFile(path, syscall.O_DIRECTORY|OpenFlags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := f.Chmod(info.Mode() &^ 0o077); err != nil {
		return err
	}
	// Some file systems accept the change and keep what they have.
	if info, err = f.Stat(); err != nil {
		return err
	}
	if _, shared := inspect(info); shared != 0 {
		return errors.New("its file system keeps no permissions")
	}
	return nil
}

// wasLink reports whether an open failed because a link was not followed.
func wasLink(err error) bool {
	return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) // FreeBSD says EMLINK
}

// syncDir makes changes to the entries of a folder outlast a power cut.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	// File systems that cannot flush a folder say so; there is nothing else to be done on them.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// patiently calls do once: an open file is in nobody's way here.
func patiently(do func() error) error { return do() }
