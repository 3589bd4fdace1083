package fail_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestKindsAreTheFrozenExitCodes(t *testing.T) {
	for kind, code := range map[fail.Kind]int{
		fail.Internal: 1, fail.Usage: 2, fail.NotLoggedIn: 3, fail.LoginNeeded: 4,
		fail.Refused: 5, fail.Unavailable: 6, fail.Store: 7, fail.Interrupted: 130,
	} {
		if int(kind) != code {
			t.Errorf("kind %d, want %d", kind, code)
		}
	}
}

func TestKindAndHintOfAChain(t *testing.T) {
	inner := fail.New(fail.Store, "locked").WithHint("unlock %s", "it")
	tests := []struct {
		name string
		err  error
		kind fail.Kind
		hint string
	}{
		{"plain error", errors.New("x"), fail.Internal, ""},
		{"cancelled", context.Canceled, fail.Interrupted, ""},
		{"cancelled, wrapped", fmt.Errorf("reading: %w", context.Canceled), fail.Interrupted, ""},
		{"deadline", context.DeadlineExceeded, fail.Internal, ""},
		{"failure", inner, fail.Store, "unlock it"},
		{"failure, wrapped", fmt.Errorf("a: %w", inner), fail.Store, "unlock it"},
		{"the outer kind counts, the inner hint is found", fail.New(fail.Usage, "b: %w", inner), fail.Usage, "unlock it"},
		{"the outer hint counts", fail.New(fail.Usage, "b: %w", inner).WithHint("outer"), fail.Usage, "outer"},
		{"through a wrapper that is no failure", fail.New(fail.Refused, "c: %w", fmt.Errorf("b: %w", inner)), fail.Refused, "unlock it"},
		{"a failure that was caused by cancellation keeps its kind", fail.New(fail.Store, "%w", context.Canceled), fail.Store, ""},
		{"joined", errors.Join(errors.New("x"), inner), fail.Store, "unlock it"},
		{"no hint anywhere", fail.New(fail.Usage, "b: %w", fail.New(fail.Store, "a")), fail.Usage, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fail.KindOf(tt.err); got != tt.kind {
				t.Errorf("kind %d, want %d", got, tt.kind)
			}
			if got := fail.HintOf(tt.err); got != tt.hint {
				t.Errorf("hint %q, want %q", got, tt.hint)
			}
			if !fail.Is(tt.err, tt.kind) {
				t.Errorf("Is(%d) is false", tt.kind)
			}
		})
	}
	if fail.Is(nil, fail.Internal) {
		t.Error("nil is a failure")
	}
	if fail.HintOf(nil) != "" {
		t.Error("nil has a hint")
	}
}

func TestErrorIsItsTextAndKeepsItsCause(t *testing.T) {
	err := fail.New(fail.Store, "%s cannot be read: %w", "x.age", fs.ErrNotExist).WithHint("look")
	if got, want := err.Error(), "x.age cannot be read: file does not exist"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	var e *fail.Error
	if !errors.As(fmt.Errorf("again: %w", err), &e) || e != err {
		t.Error("the failure is not found in a chain")
	}
}
