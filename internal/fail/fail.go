// Package fail says what went wrong in the few kinds that a script can act on. Each kind is an exit
// code; the numbers are frozen. An error names the thing in one line; advice rides along as a hint and
// is printed in one place, by the command line.
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
	Unforeseen  Kind = 1   // a defect, or a case nobody thought of
	Usage       Kind = 2   // flag, name, definition, configuration or setting
	NotLoggedIn Kind = 3   // nothing is kept for the account
	LoginNeeded Kind = 4   // a person has to log in again
	Refused     Kind = 5   // the provider refused for another reason
	Unavailable Kind = 6   // the provider cannot be reached or answers nonsense
	Store       Kind = 7   // the store, or its lock, cannot be used
	Interrupted Kind = 130 // SIGINT or SIGTERM
)

// Error is a failure of a known kind. Its text is one line without a full stop.
type Error struct {
	Kind Kind
	Text string
	Hint string // what the user can do; may be empty
	Err  error  // the cause, for errors.Is and errors.As; not printed
}

// New returns a failure of the given kind. A %w among the verbs keeps the cause findable.
func New(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Text: err.Error(), Err: errors.Unwrap(err)}
}

// Error returns the text without the hint.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithHint sets the advice and returns e, so that a failure and its mend stand in one statement.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// KindOf returns the kind of err: that of the outermost Error in its chain, Interrupted for a cancelled
// context, and Unforeseen for everything else. It must not be called with nil.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return Interrupted
	}
	return Unforeseen
}

// Is reports whether err is a failure of the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// HintOf returns the advice of the outermost Error in the chain that has one.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
