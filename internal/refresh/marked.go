package refresh

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/store"
)

// marked is an attempt in a store that can be written: the mark is a field of the stored credential, so
// that setting it proves the store writable.
type marked struct {
	*flight
	release func()
	space   *space                 // kept free for a rescue file; nil: none
	before  *credential.Credential // as it was read under the lock
	held    *credential.Credential // what the store holds by what this attempt did
}

func (m *marked) begin(ctx context.Context) (*credential.Credential, error) {
	if done, err := m.acquire(ctx); err != nil || done != nil {
		return done, err
	}
	// The previous holder of the lock may have refreshed, or left a rescue file: then the refresh token
	// in the store is spent.
	c, err := m.LoadLocked(ctx, m.seen.Account)
	m.before, m.held = c, c
	return c, err
}

// acquire acquires the account's lock, or returns what another process stored meanwhile, if that is enough.
func (m *marked) acquire(ctx context.Context) (done *credential.Credential, err error) {
	name := m.seen.Account
	release, err := m.lock(ctx, name, func() bool {
		if c, err := m.Store.Get(ctx, name); err == nil && m.satisfied(c) {
			done = c
		}
		return done == nil
	})
	if err != nil || done != nil {
		return done, err
	}
	m.release = release
	return nil, nil
}

func (m *marked) mark(ctx context.Context, c *credential.Credential) error {
	next, err := m.prepare(c)
	if err != nil || next.Equal(c) {
		return err
	}
	if err := m.Store.Swap(ctx, c, next); err != nil {
		return err
	}
	m.held = next
	return nil
}

// prepare returns c with the mark, after it made sure that the outcome can be kept.
func (m *marked) prepare(c *credential.Credential) (*credential.Credential, error) {
	m.before, m.held = c, c
	if !c.Presented.IsZero() {
		m.tellCutOff(c.Account, c.Presented)
	}
	next := *c
	if m.want.Refused {
		next.RefusedAt = m.Now()
	}
	if c.RefreshToken != "" && m.client.Definition.Rotates() {
		if err := m.reserve(c); err != nil {
			return nil, err
		}
		next.Presented = m.Now()
	}
	return &next, nil
}

// reserve takes the space for a rescue file while the refresh token is still good: a folder that cannot be
// written, or a disk that is full, shows in time.
func (m *marked) reserve(c *credential.Credential) (err error) {
	if m.space == nil && !m.Store.Traits().Volatile {
		m.space, err = m.reserveSpace(c)
	}
	return err
}

func (m *marked) commit(ctx context.Context, next *credential.Credential) (*credential.Credential, error) {
	return m.save(ctx, m.held, next, m.space)
}

// abort leaves the mark of an earlier refresh, whose outcome is still unknown.
func (m *marked) abort(ctx context.Context) {
	next := *m.before
	next.RefusedAt = m.held.RefusedAt
	if !next.Equal(m.held) {
		m.replace(ctx, &next)
	}
}

func (m *marked) reread(ctx context.Context) (*credential.Credential, error) {
	return m.Store.Get(context.WithoutCancel(ctx), m.seen.Account)
}

func (m *marked) ended(ctx context.Context, refusal *oauth.Error) error {
	next := *m.before
	next.Presented, next.Ended, next.EndedReason = time.Time{}, m.Now(), cmp.Or(refusal.Code, "refused by the provider")
	m.replace(ctx, &next)
	return loginAgain(next.Account, "%s", seemsSpent(refusal, m.before.Presented)).Because(refusal)
}

// replace stores next unless another process changed the credential without our lock.
func (m *marked) replace(ctx context.Context, next *credential.Credential) {
	switch err := m.Store.Swap(context.WithoutCancel(ctx), m.held, next); {
	case err == nil:
		m.held = next
	case !errors.Is(err, store.ErrChanged):
		m.tell("warning: %v", err)
	}
}

func (m *marked) kept() string { return "the refreshed login was saved first" }

func (m *marked) end() {
	m.space.free()
	if m.release != nil {
		m.release()
	}
}

// savePause is the pause between two tries to save.
const savePause = 250 * time.Millisecond

// save stores next in the place of held (nil: of nothing), whatever happens to ctx. It tries for a while and
// then writes the rescue file into the space. A credential that another process stored meanwhile, without our
// lock, is kept and returned if it has a higher generation than held: it is the later successor.
func (r *Refresher) save(ctx context.Context, held, next *credential.Credential, space *space) (*credential.Credential, error) {
	ctx = context.WithoutCancel(ctx)
	var err error
	for stop := time.Now().Add(cmp.Or(r.Bounds.Save, saveTime)); ; {
		if err = r.Store.Swap(ctx, held, next); err == nil {
			return next, nil
		}
		changed := errors.Is(err, store.ErrChanged)
		if changed {
			now, readErr := r.Store.Get(ctx, next.Account)
			switch {
			case readErr != nil && !absent(readErr):
				err, changed = readErr, false
			case held != nil && now != nil && now.Generation > held.Generation:
				return now, nil
			default:
				held = now
			}
		}
		switch {
		case changed: // at once, over what was just read
		case time.Now().After(stop):
			return nil, r.unsaved(next, err, space)
		default:
			time.Sleep(savePause)
		}
	}
}

// unsaved writes the rescue file of a credential that could not be stored.
func (r *Refresher) unsaved(c *credential.Credential, cause error, space *space) error {
	space.free()
	e := fail.New(fail.Store, "the new tokens of %s could not be saved: %w", c.Account, cause)
	path := r.RescuePath(c.Account)
	if err := r.writeRescue(path, c); err != nil {
		e.Text += "; nor could a rescue file be written: " + err.Error()
		return &UnsavedError{c, e.Advise(fail.DoLogInAfterwards, c.Account)}
	}
	return &UnsavedError{c, e.Advise(fail.DoImportRescue, path)}
}

// Keep stores a new login under the account's lock, so that no refresh of the old one can overwrite it. There
// is no second try for a code that is spent: what cannot be stored goes to a rescue file.
func (r *Refresher) Keep(ctx context.Context, c *credential.Credential) error {
	ctx = context.WithoutCancel(ctx)
	release, err := r.lock(ctx, c.Account, always)
	if err != nil {
		c.Generation++ // it has to count as newer than what the holder of the lock is about to save
		return r.unsaved(c, err, nil)
	}
	defer release()
	held, err := r.Store.Get(ctx, c.Account)
	if err != nil && !absent(err) {
		c.Generation++ // a refresh may have been saved that cannot be read now
	}
	for stored := held; stored != c; held = stored {
		if stored != nil && stored.Generation >= c.Generation {
			c.Generation = stored.Generation + 1 // stored meanwhile, without our lock: the login is newer
		}
		if stored, err = r.save(ctx, held, c, nil); err != nil {
			return err
		}
	}
	r.DropRescue(c.Account)
	return nil
}

// absent reports whether err says that the store has no credential of the account.
func absent(err error) bool { return errors.Is(err, store.ErrNotFound) }
