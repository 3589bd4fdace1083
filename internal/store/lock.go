package store

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// Locks keeps processes, and the goroutines of one process, from refreshing the same account at the same
// time. Each account has an empty file in a folder of the state folder ("locks-file" for the store "file").
// It is never deleted: two processes could then lock two files of the same name. The operating system
// releases a lock when its holder dies. Stores do not share locks: the same account in two stores is two
// logins.
//
// Waits are bounded by the context alone. A deadline that passes is a failure of kind fail.Store, a
// cancelled context one of kind fail.Interrupted; both wrap the context's error.
type Locks struct {
	Dir   string // the state folder, created if needed
	Store string // the kind of the store
	// Notice is called once, after a second, from the goroutine that waits. It may be nil.
	Notice func(account.Name)
}

const (
	noticeAfter = time.Second
	firstPause  = 2 * time.Millisecond
	// longestPause is how late a waiter may notice that the lock is free. 200 waiters that poll this often
	// cost a few hundredths of a processor.
	longestPause = 50 * time.Millisecond
)

// Try takes the account's lock if no other process or goroutine holds it, and reports whether it did. The
// caller must call release, which never fails, may be called more than once, and ignores the context.
// Callers that find the lock taken Wait for its holder to finish, check whether it has done their work
// too, and try again only if not: so a crowd that wants the same refresh waits for one.
func (l Locks) Try(ctx context.Context, name account.Name) (release func(), ok bool, err error) {
	lock, err := l.open(ctx, name)
	if err != nil {
		return nil, false, err
	}
	ok, err = lock.TryLock()
	switch {
	case err != nil:
		return nil, false, l.failure(name, err)
	case !ok:
		return nil, false, nil
	}
	return releaser(lock), true, nil
}

// Hold waits for the account's lock and takes it. The caller must call release (see Try).
func (l Locks) Hold(ctx context.Context, name account.Name) (release func(), err error) {
	for {
		release, ok, err := l.Try(ctx, name)
		if err != nil || ok {
			return release, err
		}
		if err := l.Wait(ctx, name); err != nil {
			return nil, err
		}
	}
}

// Wait returns when no process holds the account's lock. All waiters return together. It takes no lock:
// another process may hold it by the time Wait returns.
func (l Locks) Wait(ctx context.Context, name account.Name) error {
	lock, err := l.open(ctx, name)
	if err != nil {
		return err
	}
	if err := l.poll(ctx, name, lock.TryRLock); err != nil {
		return err
	}
	releaser(lock)()
	return nil
}

func (l Locks) open(ctx context.Context, name account.Name) (*flock.Flock, error) {
	if err := usable(ctx, name); err != nil {
		return nil, err
	}
	folder, err := subfolder(l.Dir, l.folder(), safefile.EnsureDir)
	if err != nil {
		return nil, err
	}
	// Some network file systems lock only files that are open for writing.
	return flock.New(filepath.Join(folder, name.File()+".lock"),
		flock.SetFlag(os.O_CREATE|os.O_RDWR|safefile.OpenFlags), flock.SetPermissions(0o600)), nil
}

func (l Locks) folder() string { return "locks-" + l.Store }

// poll calls try until it succeeds, at intervals that grow and vary so that waiters do not poll in step.
// The blocking call of the operating system cannot be interrupted.
func (l Locks) poll(ctx context.Context, name account.Name, try func() (bool, error)) error {
	start, noticed := time.Now(), l.Notice == nil
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		ok, err := try()
		if err != nil {
			return l.failure(name, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return timedOut(ctx, name, time.Since(start))
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		if !noticed && time.Since(start) >= noticeAfter {
			noticed = true
			l.Notice(name)
		}
	}
}

func timedOut(ctx context.Context, name account.Name, waited time.Duration) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ended(ctx)
	}
	return fail.New(fail.Store, "could not acquire the lock for %s within %.0fs: another tokencli process is refreshing it", name, max(1, waited.Seconds())).
		Advise(fail.DoEndHolder).Because(ctx.Err())
}

func (l Locks) failure(name account.Name, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fail.New(fail.Store, "cannot use the lock for %s in %s: %w", name, redact.Printable(filepath.Join(l.Dir, l.folder())), err).
		Advise(fail.DoSetStateDir)
}

func releaser(lock *flock.Flock) func() {
	// Unlock fails only for a descriptor that is closed, and then the lock is released.
	return sync.OnceFunc(func() { _ = lock.Unlock() })
}
