package store

import (
	"context"
	"errors"
	"slices"

	"github.com/tokencli/tokencli/internal/account"
)

// Check returns the failure of a store that cannot be read, without changing anything: no account may look
// missing because the store is locked, or has no key.
func Check(ctx context.Context, s Store) error {
	if s.Traits().ReadOnly {
		return nil
	}
	_, err := s.Get(ctx, account.Name{Provider: "tokencli-check"})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Others returns the kinds of the stores, other than kind, that have logins in a state folder: if the store
// in use is empty, one of them was probably meant.
func Others(ctx context.Context, stateDir, kind string) ([]string, error) {
	var kinds []string
	for _, s := range []Store{&File{Dir: stateDir}, NewKeychain(KeychainOptions{StateDir: stateDir})} {
		if s.Kind() == kind {
			continue
		}
		names, err := s.List(ctx)
		if err != nil {
			return nil, err
		}
		if len(names) > 0 {
			kinds = append(kinds, s.Kind())
		}
	}
	slices.Sort(kinds)
	return kinds, nil
}
