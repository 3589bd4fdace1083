package safefile

import (
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sys/windows"
)

const (
	// The link itself is opened, and then refused because it is no regular file.
	noFollow = windows.FILE_FLAG_OPEN_REPARSE_POINT
	nonBlock = 0
)

// inspect accepts every file: the permission bits that Go shows on Windows are made up, and access lists
// are not read.
func inspect(fs.FileInfo) (owner, fs.FileMode) { return mine, 0 }

// Identity tells a file from a copy of it, as far as its time of change does.
func Identity(info fs.FileInfo) string { return info.ModTime().String() }

// CheckParents accepts every path: who may replace folders follows from access lists, too.
func CheckParents(string) error { return nil }

func closeToOthers(string) error { return nil }

func wasLink(error) bool { return false }

// syncDir does nothing: Windows cannot flush a folder, and NTFS keeps its entries in a journal.
func syncDir(string) error { return nil }

// patiently calls do until no other process has the file open, which on Windows prevents replacing and
// deleting it. It gives up after two seconds.
func patiently(do func() error) error {
	wait := time.Millisecond
	for start := time.Now(); ; wait = min(2*wait, 50*time.Millisecond) {
		err := do()
		inUse := errors.Is(err, windows.ERROR_SHARING_VIOLATION) ||
			errors.Is(err, windows.ERROR_LOCK_VIOLATION) ||
			errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !inUse || time.Since(start) > 2*time.Second {
			return err
		}
		time.Sleep(wait)
	}
}
