package store

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

// testReadOnly checks what Store promises of a read-only store, which open returns with a credential of
// mollie and none of shopB.
func testReadOnly(t *testing.T, s Store) {
	t.Helper()
	if !s.Traits().ReadOnly {
		t.Fatal("not read-only")
	}
	c, err := s.Get(t.Context(), mollie)
	if err != nil || c.Account != mollie {
		t.Fatalf("Get = %v, %v", c, err)
	}
	// What is absent is a missing setting, not a login.
	c, err = s.Get(t.Context(), shopB)
	if !fail.Is(err, fail.Usage) || errors.Is(err, ErrNotFound) || c != nil {
		t.Errorf("Get of an absent account = %v, %v, want a usage failure", c, err)
	}
	checkError(t, err)
	if names, err := s.List(t.Context()); err != nil || !slices.Equal(names, []account.Name{mollie}) {
		t.Errorf("List = %v, %v", names, err)
	}
	for call, err := range map[string]error{
		"Put":    put(t.Context(), s, sample(mollie, 1)),
		"Swap":   s.Swap(t.Context(), nil, sample(shopB, 1)),
		"Delete": s.Delete(t.Context(), mollie),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s = %v, want ErrReadOnly", call, err)
		}
	}
	for _, name := range []account.Name{{}, {Provider: "../up"}, {Provider: "mollie", Label: "../x"}, {Provider: "A"}} {
		if c, err := s.Get(t.Context(), name); err == nil || c != nil {
			t.Errorf("Get accepted the account name %q", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errGet := s.Get(ctx, mollie)
	_, errList := s.List(ctx)
	for call, err := range map[string]error{"Get": errGet, "List": errList} {
		if !fail.Is(err, fail.Interrupted) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context = %v, want an interruption", call, err)
		}
	}
}

func TestEnv(t *testing.T) {
	env := map[string]string{"TOKENCLI_MOLLIE_ACCESS_TOKEN": contractAccess, "TOKENCLI_MOLLIE_CLIENT_SECRET": contractSecret}
	testReadOnly(t, Env{
		Getenv: func(name string) string { return env[name] },
		Known:  func(string) error { return nil },
		Describe: func(context.Context, account.Name) (*EnvProvider, error) {
			return &EnvProvider{Origin: "https://api.example.test"}, nil
		},
		Providers: func() []string { return []string{"mollie"} },
	})
}
