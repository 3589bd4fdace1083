package store

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// Names is the list of accounts, and nothing else about them, for a store that cannot be listed or whose records may be
// deleted by something else. Each account is an empty file in a folder of the state folder, so that adding and removing
// need no lock between processes. Losing the list loses no credential.
//
// Failures are of kind fail.Store. It is safe for use by several goroutines and processes at once.
type Names struct {
	Dir    string // the state folder; adding a name creates it
	Folder string // in the state folder
}

// Add adds an account to the list. Adding it again is no failure.
func (n Names) Add(name account.Name) error {
	path, err := n.path(name, safefile.EnsureDir)
	if err != nil {
		return err
	}
	if err := safefile.Create(path, nil); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Remove removes an account from the list. If it is not on it, that is no failure.
func (n Names) Remove(name account.Name) error {
	path, err := n.path(name, safefile.CheckDir)
	if err != nil {
		return err
	}
	return safefile.Remove(path)
}

// List returns the accounts on the list, sorted: none if there is no state folder. Files that are not
// named as an account are skipped.
func (n Names) List() ([]account.Name, error) { return listFolder(n.Dir, n.Folder, "") }

func (n Names) path(name account.Name, check func(string) error) (string, error) {
	if err := valid(name); err != nil {
		return "", err
	}
	folder, err := subfolder(n.Dir, n.Folder, check)
	return filepath.Join(folder, name.File()), err
}

// subfolder returns the path of a folder in the state folder, after check accepted both.
func subfolder(dir, name string, check func(string) error) (string, error) {
	if err := check(dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, check(path)
}

// listFolder returns the accounts whose file names, with the suffix, are in a folder of the state folder.
func listFolder(dir, name, suffix string) ([]account.Name, error) {
	folder, err := subfolder(dir, name, safefile.CheckDir)
	if err != nil {
		return nil, err
	}
	files, err := safefile.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []account.Name
	for _, file := range files {
		if stem, ok := strings.CutSuffix(file, suffix); ok {
			if name, ok := account.FromFile(stem); ok {
				names = append(names, name)
			}
		}
	}
	account.Sort(names)
	return names, nil
}

// absent is the error for an account that is not in the store.
func absent(name account.Name) error {
	return fail.New(fail.NotLoggedIn, "not logged in to %s", name).Advise(fail.DoLogIn, name).Because(ErrNotFound)
}

// ended returns the failure for a context that has ended: an interruption if it was cancelled, a failure of
// the store if its deadline passed. Otherwise it returns nil.
func ended(ctx context.Context) error {
	err := ctx.Err()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fail.New(fail.Interrupted, "interrupted").Because(err)
	}
	return fail.New(fail.Store, "the store did not answer in time").Advise(fail.DoTryAgain).Because(err)
}

// usable returns the failure for a context that has ended or an invalid name.
func usable(ctx context.Context, name account.Name) error {
	if err := ended(ctx); err != nil {
		return err
	}
	return valid(name)
}

// valid returns the failure for a name that account.Parse would not return: it must not become part of a
// path.
func valid(name account.Name) error {
	parsed, err := account.Parse(name.String())
	if err == nil && parsed != name {
		err = fail.New(fail.Usage, "%q is not an account name", redact.Scrub(name.String(), 80))
	}
	return err
}
