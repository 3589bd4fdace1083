package refresh

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/store"
)

// leased is an attempt in a store that several machines share. The mark is a lease: the process whose
// check-and-set write of it succeeds may send, and there is no other lock between machines. The local lock
// makes each machine one competitor, so that a mark with this machine's id, found under the lock, belongs to a
// dead process.
type leased struct {
	marked
	shared store.Leaser
	lease  *store.Lease
	start  time.Time // of the first wait
	claim  time.Time // when this attempt made its mark; zero: it has not
}

const (
	// markBound is the age from which a mark belongs to a dead process: everything that a living one does
	// between its mark and the end of its save is shorter.
	markBound = 75 * time.Second

	shortPoll = 50 * time.Millisecond
	longPoll  = time.Second
)

// errContended says that another process marked the credential first: the attempt begins again.
var errContended = errors.New("another process is refreshing it")

func (l *leased) begin(ctx context.Context) (*credential.Credential, error) {
	if l.release == nil {
		done, err := l.acquire(ctx)
		if err != nil {
			return nil, l.unlocked(ctx, err)
		}
		if done != nil {
			return done, nil
		}
		if err := l.importRescue(ctx, l.seen.Account); err != nil {
			return nil, err
		}
	}
	return l.await(ctx)
}

// unlocked returns the failure to acquire the lock of this machine. Its holder may itself wait for another machine.
func (l *leased) unlocked(ctx context.Context, err error) error {
	if !fail.Is(err, fail.Store) {
		return err
	}
	lease, readErr := l.shared.Lease(ctx, l.seen.Account)
	if readErr != nil {
		return err
	}
	if l.lease = lease; l.alive(time.Time{}) {
		return l.stillHeld()
	}
	return err
}

// await reads the credential until it needs no refresh any more, or no living process is refreshing it.
func (l *leased) await(ctx context.Context) (*credential.Credential, error) {
	told := false
	if l.start.IsZero() {
		l.start = time.Now()
	}
	var recovered time.Time // when the server was last seen to be up again
	down := false
	for pause := shortPoll; ; pause = min(2*pause, longPoll) {
		lease, err := l.shared.Lease(ctx, l.seen.Account)
		switch {
		case err != nil && (l.lease == nil || absent(err) || !fail.Is(err, fail.Store)):
			return nil, err
		case err != nil:
			down = true
		default:
			if down {
				down, recovered = false, time.Now()
			}
			l.lease = lease
			if l.doneSince(lease) {
				l.seen = &credential.Credential{Account: l.seen.Account, Generation: -1} // any is newer
			}
			if l.satisfied(lease.Credential) || !l.alive(recovered) {
				l.before, l.held = lease.Credential, lease.Credential
				return lease.Credential, nil
			}
		}
		if l.late() {
			return nil, cmp.Or(err, l.stillHeld())
		}
		if !told && time.Since(l.start) > time.Second {
			told = true
			l.tell("waiting for %s, which is refreshing %s", l.lease.Host, l.seen.Account)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

// alive reports whether the mark belongs to a process that may still be refreshing. After an outage of the
// server, in which the process could not save, its age counts from the recovery.
func (l *leased) alive(recovered time.Time) bool {
	age := l.lease.Age
	if !recovered.IsZero() {
		age = min(age, time.Since(recovered))
	}
	return l.lease.Marked && !l.lease.Mine && age < cmp.Or(l.Bounds.Mark, markBound)
}

// doneSince reports whether another machine refreshed the credential after the run began. Which clock the time of the
// token is from is unknown, so it decides only together with that of the server.
func (l *leased) doneSince(lease *store.Lease) bool {
	c := lease.Credential
	since := time.Since(l.want.Since)
	return !l.want.Since.IsZero() && !lease.Marked && c.Presented.IsZero() && c.Ended.IsZero() &&
		lease.SavedAgo < since && l.Now().Sub(c.ObtainedAt) < since+markBound
}

// late reports whether the attempt has waited for as long as it may wait for another process.
func (l *leased) late() bool { return time.Since(l.start) > cmp.Or(l.Bounds.Lock, lockTime) }

// stillHeld is the failure to outwait the process whose mark the credential has.
func (l *leased) stillHeld() error {
	return fail.New(fail.Store, "%s is being refreshed on %s, which began %s ago", l.seen.Account, l.lease.Host, l.lease.Age.Round(time.Second)).
		Advise(fail.DoTryAgain)
}

func (l *leased) mark(ctx context.Context, c *credential.Credential) error {
	if l.alive(time.Time{}) {
		return errContended
	}
	next, err := l.prepare(c)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := l.shared.Claim(ctx, l.lease, next); errors.Is(err, store.ErrChanged) {
		return errContended
	} else if err != nil {
		return err
	}
	l.held, l.claim = next, began
	if !slow(began, time.Now(), cmp.Or(l.Bounds.Mark, markBound)/4) {
		return nil
	}
	took := time.Since(began)
	l.abort(ctx)
	if l.late() {
		return fail.New(fail.Store, "the store is too slow for a refresh of %s: writing its mark took %s; nothing was sent", c.Account, took.Round(100*time.Millisecond)).
			Advise(fail.DoTryAgain)
	}
	return errContended
}

// slow reports whether writing the mark took so long that too little of the bound is left, by the monotonic
// clock or by the wall clock: one of them may stop while a machine is suspended.
func slow(began, now time.Time, limit time.Duration) bool {
	return now.Sub(began) > limit || now.Round(0).Sub(began.Round(0)) > limit
}

// commit retries the save until the mark is too old to protect it.
func (l *leased) commit(ctx context.Context, next *credential.Credential) (*credential.Credential, error) {
	saver := *l.Refresher
	saver.Bounds.Save = cmp.Or(l.Bounds.Save, max(saveTime, cmp.Or(l.Bounds.Mark, markBound)-time.Since(l.claim)))
	return saver.save(ctx, l.held, next, l.space)
}

// abort removes the mark even if it changed nothing else.
func (l *leased) abort(ctx context.Context) {
	next := *l.before
	next.RefusedAt = l.held.RefusedAt
	l.replace(ctx, &next)
}

// reread also reads the mark: a process that took over may be refreshing now.
func (l *leased) reread(ctx context.Context) (*credential.Credential, error) {
	lease, err := l.shared.Lease(context.WithoutCancel(ctx), l.seen.Account)
	if err != nil {
		return nil, err
	}
	l.lease = lease
	return lease.Credential, nil
}
