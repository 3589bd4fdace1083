package session

import (
	"context"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// Move moves the login of an account to the store of another session, so that no second living copy remains: it
// marks the record here, writes the new one, reads it back, and leaves a pointer without tokens. It holds the
// account's lock in both stores. If it is cut off, the next call finishes it.
func (s *Session) Move(ctx context.Context, to *Session, name account.Name) error {
	for _, one := range []*Session{s, to} {
		if one.Store.Traits().ReadOnly {
			return fail.New(fail.Usage, "the %s store is read-only: no login can be moved from it or to it", one.Store.Kind()).Advise(fail.DoChooseStore)
		}
	}
	if s.Store.Kind() == to.Store.Kind() {
		return fail.New(fail.Usage, "the login of %s is in the %s store already", name, to.Store.Kind()).Advise(fail.DoChooseStore)
	}
	if err := to.Prove(ctx, name); err != nil {
		return err
	}
	return s.refresher().Locked(ctx, name, func() error {
		return to.refresher().Locked(ctx, name, func() error {
			c, err := s.refresher().LoadLocked(ctx, name)
			if err != nil {
				return s.explainAbsence(name, err)
			}
			// From here on, a signal must not leave a login that is in two places.
			return s.move(context.WithoutCancel(ctx), to, c)
		})
	})
}

func (s *Session) move(ctx context.Context, to *Session, c *credential.Credential) error {
	kind, pointer := to.Store.Kind(), isPointer(c)
	if c.MovedTo != "" && (c.MovedTo != kind || pointer) {
		return fail.New(fail.Usage, "the login of %s was moved to the %s store already", c.Account, c.MovedTo).
			Advise(fail.DoUseMovedLogin, c.MovedTo, c.Account)
	}
	there, err := to.Store.Get(ctx, c.Account)
	switch {
	case absent(err):
		there = nil
	case err != nil:
		return err
	}
	arrived := there != nil && !isPointer(there)
	if arrived && (c.MovedTo == "" || there.Generation < c.Generation) {
		return fail.New(fail.Usage, "the %s store holds another login of %s", kind, c.Account).Advise(fail.DoRevokeThere, kind, c.Account)
	}
	marked := *c
	marked.MovedTo = kind
	if c.MovedTo == "" {
		if err := s.Store.Swap(ctx, c, &marked); err != nil {
			return err
		}
	}
	if !arrived {
		if err := s.arrive(ctx, to, &marked, there); err != nil {
			return err
		}
	}
	left := &credential.Credential{
		Account: c.Account, Grant: c.Grant, Origin: c.Origin, Origins: c.Origins, ClientID: c.ClientID, Generation: c.Generation + 1, MovedTo: kind,
	}
	if err := s.Store.Swap(ctx, &marked, left); err != nil {
		return err
	}
	s.tell("%s: moved from the %s store to the %s store", c.Account, s.Store.Kind(), kind)
	return nil
}

// arrive writes the login into the new store, in the place of a pointer or of nothing. If it is certain that it
// did not arrive, the mark here is taken back.
func (s *Session) arrive(ctx context.Context, to *Session, marked, there *credential.Credential) error {
	next := *marked
	next.MovedTo = ""
	if there != nil {
		next.Generation = max(next.Generation, there.Generation+1)
	}
	err := to.Store.Swap(ctx, there, &next)
	if err == nil {
		var back *credential.Credential
		if back, err = to.Store.Get(ctx, next.Account); err == nil && back.Equal(&next) {
			return nil
		}
	}
	if err == nil {
		err = fail.New(fail.Store, "the %s store does not hold what was written to it", to.Store.Kind()).Advise(fail.DoTryAgain)
	}
	now, readErr := to.Store.Get(ctx, next.Account)
	if untouched := absent(readErr) && there == nil || readErr == nil && there != nil && now.Equal(there); untouched {
		before := next
		before.Generation = marked.Generation
		if undo := s.Store.Swap(ctx, marked, &before); undo != nil {
			s.tell("warning: %v", undo)
		}
		return err
	}
	s.tell("whether the login of %s arrived in the %s store is unknown; move it again to finish", next.Account, to.Store.Kind())
	return err
}

// isPointer reports whether a record says only where the login is now.
func isPointer(c *credential.Credential) bool {
	return c.MovedTo != "" && c.AccessToken == "" && c.RefreshToken == ""
}
