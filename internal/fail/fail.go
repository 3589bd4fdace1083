// Package fail classifies failures into the few kinds that a script can act on. Each kind is an exit
// code; the numbers are frozen. An error names the thing concerned in one line. What the user can do
// about it is data (Action) that the command line renders as a hint.
package fail

import (
	"context"
	"errors"
	"fmt"
)

// Kind is the class of a failure and at the same time the exit code that reports it.
type Kind int

// The kinds, by exit code. docs/exit-codes.md and `tokencli help exit-codes` explain them to users.
const (
	Internal    Kind = 1   // a bug in tokencli
	Usage       Kind = 2   // flag, name, definition, configuration or setting
	NotLoggedIn Kind = 3   // nothing is kept for the account
	LoginNeeded Kind = 4   // only a new login helps
	Refused     Kind = 5   // the provider refused for another reason
	Unavailable Kind = 6   // the provider cannot be reached or answers nonsense
	Store       Kind = 7   // the store, or its lock, cannot be used
	Interrupted Kind = 130 // SIGINT or SIGTERM
)

// Error is a failure of a known kind. Its text is one line without a full stop.
type Error struct {
	Kind Kind
	Text string
	// Do is what the user can do about it, and About what that concerns (see Action); the command line
	// renders both as a hint. The zero value means no hint.
	Do    Action
	About []string
	Hint  string // a hint in words
	Err   error  // the cause, for errors.Is and errors.As; not printed
	words string // see WordsOf
}

// New returns a failure of the given kind. Causes given with %w stay visible to errors.Is and errors.As.
func New(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Kind: kind, Text: err.Error(), Err: errors.Unwrap(err), words: Words(format, args...)}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		e.Err = errors.Join(joined.Unwrap()...)
	}
	return e
}

// Advise sets what the user can do and returns e. What the subjects are depends on the action.
func (e *Error) Advise(do Action, about ...any) *Error {
	e.Do, e.About = do, nil
	for _, subject := range about {
		e.About = append(e.About, fmt.Sprint(subject))
	}
	return e
}

// Because sets the cause, which the text does not mention, and returns e.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// Error returns the text without the hint.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// KindOf returns the kind of err: that of the outermost Error in its chain, Interrupted for a cancelled
// context, and Internal for everything else. It must not be called with nil.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return Interrupted
	}
	return Internal
}

// Is reports whether err is a failure of the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Advice returns the outermost Error in the chain of err that says what the user can do, or nil.
func Advice(err error) *Error {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return nil
		}
		if e.Do != 0 || e.Hint != "" {
			return e
		}
		err = e.Err
	}
	return nil
}

// HintOf returns the hint in words of the outermost Error in the chain that says what the user can do.
func HintOf(err error) string {
	if e := Advice(err); e != nil {
		return e.Hint
	}
	return ""
}
