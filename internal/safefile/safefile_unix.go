//go:build unix

package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tokencli/tokencli/internal/fail"
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

// Identity tells a file from a copy of it.
func Identity(info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprint(stat.Dev, " ", stat.Ino)
}

// maxLinks bounds the symbolic links on a path, as the kernel does.
const maxLinks = 40

// CheckParents refuses a path that another user could make lead elsewhere: every folder on it, and every
// link, must belong to this user or to root, and nobody else may write the folder, unless it is sticky
// (as /tmp is), so that only the owner of an entry can replace it. OpenSSH checks authorized_keys in the
// same way (auth_secure_path of its sshd). Links are followed; what does not exist is not checked.
func CheckParents(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return failure(path, "cannot be checked", err)
	}
	at, rest := "/", strings.Split(filepath.Clean(path), "/")
	for links := 0; ; {
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			return nil
		case err != nil:
			return unreadable(at, err)
		}
		who, shared := inspect(info)
		switch {
		case who == another:
			return belongsToAnother(at)
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return unreadable(path, syscall.ELOOP)
			}
			target, err := os.Readlink(at)
			if err != nil {
				return unreadable(at, err)
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			at, rest = "/", append(strings.Split(filepath.Clean(target), "/"), rest...)
			continue
		case info.IsDir() && shared&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 && len(rest) > 0:
			return fail.New(fail.Store, "%s can be written by other users, who could replace what is in it", shown(at)).
				Advise(fail.DoChmod, "go-w", shown(at))
		}
		for len(rest) > 0 && rest[0] == "" {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

// closeToOthers removes the permissions of everybody but the owner from a folder. The owner's own bits
// stay as they are: a folder that is read-only on purpose is not opened.
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

// syncDir makes changes to the entries of a folder survive a power cut.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	// Some file systems cannot flush a folder, and there is no other way on them.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// patiently calls do once: here, an open file can be replaced and deleted.
func patiently(do func() error) error { return do() }
