package refresh

import (
	"cmp"
	"context"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/store"
)

func (r *Refresher) locks() store.Locks {
	return store.Locks{
		Dir: r.StateDir, Store: r.Store.Kind(),
		Notice: func(name account.Name) {
			r.tell("waiting for another tokencli process that is refreshing %s", name)
		},
	}
}

// lock acquires the account's lock within the bound. While another process holds it, waitOn is asked after
// each of its turns whether the lock is still wanted; if not, nothing is locked and release does nothing.
func (r *Refresher) lock(ctx context.Context, name account.Name, waitOn func() bool) (release func(), err error) {
	if r.Store.Traits().Volatile {
		return func() {}, nil
	}
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(r.Bounds.Lock, lockTime))
	defer cancel()
	locks := r.locks()
	for {
		release, ok, err := locks.Try(bounded, name)
		if err != nil || ok {
			return release, err
		}
		if err := locks.Wait(bounded, name); err != nil {
			return nil, err
		}
		if !waitOn() {
			return func() {}, nil
		}
	}
}

// Locked runs work while the account is locked.
func (r *Refresher) Locked(ctx context.Context, name account.Name, work func() error) error {
	release, err := r.lock(ctx, name, always)
	if err != nil {
		return err
	}
	defer release()
	return work()
}

func always() bool { return true }
