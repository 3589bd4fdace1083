package store

import (
	"context"
	"errors"
	"time"
)

// library keeps items through a library whose calls cannot be interrupted, which is how go-keyring
// reaches the keychains of macOS and Windows. Each call runs in a goroutine of its own; one that timed out
// is left behind, which is bearable because the process ends with the failure.
type library struct {
	options  KeychainOptions
	patience *patience
	// asks says that the system may stop a call to ask the user for a password or for consent.
	asks bool

	getItem    func(service, user string) (string, error)
	setItem    func(service, user, text string) error
	deleteItem func(service, user string) error
	isAbsent   func(error) bool
	explain    func(error) error
}

func (l *library) close() {}

func (l *library) get(ctx context.Context, user string) (string, error) {
	return call(ctx, l, func() (string, error) { return l.getItem(service, user) })
}

// set ignores the label: macOS and Windows show service and user.
func (l *library) set(ctx context.Context, user, _, text string) error {
	_, err := call(ctx, l, func() (struct{}, error) { return struct{}{}, l.setItem(service, user, text) })
	return err
}

func (l *library) remove(ctx context.Context, user string) error {
	_, err := call(ctx, l, func() (struct{}, error) { return struct{}{}, l.deleteItem(service, user) })
	return err
}

var errSilent = errors.New("no answer")

// call runs f within the patience that is left, or without a limit if the user can be asked.
func call[T any](ctx context.Context, l *library, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1) // so that a call that timed out can still end
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	var r result
	wait := func() error {
		var over <-chan time.Time
		if deadline := l.patience.deadline(); !deadline.IsZero() {
			over = time.After(time.Until(deadline))
		}
		select {
		case r = <-done:
			return r.err
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return errSilent
		}
	}
	var err error
	if l.asks && l.options.CanPrompt() {
		err = l.patience.forPerson(l.options.Notify, "waiting for the keychain: the system may be asking you for its password", wait)
	} else {
		err = wait()
	}
	switch {
	case err == nil, ctx.Err() != nil:
		return r.value, err
	case l.isAbsent(err):
		return r.value, errNoItem
	case errors.Is(err, errSilent) && l.asks:
		return r.value, locked(err, "the keychain does not answer: it may be waiting for its password")
	case errors.Is(err, errSilent):
		return r.value, unusable(err, "it does not answer")
	}
	return r.value, l.explain(err)
}
