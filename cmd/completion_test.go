package cmd

import (
	"context"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/session"
	"github.com/tokencli/tokencli/internal/store"
)

// silent is a store that never answers, whatever becomes of its caller.
type silent struct{ store.Store }

func (silent) Get(context.Context, account.Name) (*credential.Credential, error) { select {} }

func TestCompletionDoesNotWaitForTheStore(t *testing.T) {
	s, err := session.Open(session.Options{Store: "memory", Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	s.Store = silent{s.Store}
	if states := statesInTime(t.Context(), s, []account.Name{{Provider: "mollie"}}); len(states) > 0 {
		t.Errorf("%v", states)
	}
}
