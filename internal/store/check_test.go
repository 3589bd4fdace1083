package store

import (
	"runtime"
	"slices"
	"testing"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

func TestCheckFindsAnUnusableStore(t *testing.T) {
	f := newFile(t)
	for name, s := range map[string]Store{"file": f, "memory": new(Memory), "env": Env{}, "keychain": newDrawer(0).keychain(t)} {
		if err := Check(t.Context(), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check(t.Context(), &File{Dir: f.Dir}); !fail.Is(err, fail.Usage) {
		t.Errorf("a file store without a key: %v", err)
	}
	if err := Check(t.Context(), &File{Dir: f.Dir, Key: credential.Secret("/no/such/key")}); !fail.Is(err, fail.Usage) {
		t.Errorf("a file store with a missing key file: %v", err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/no/such/bus")
	if runtime.GOOS == "linux" {
		if err := Check(t.Context(), NewKeychain(KeychainOptions{})); !fail.Is(err, fail.Store) {
			t.Errorf("no keychain: %v", err)
		}
	}
	if names, err := f.List(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("Check left %v, %v", names, err)
	}
}

func TestOthersHaveLogins(t *testing.T) {
	f := newFile(t)
	others := func(kind string, want ...string) {
		t.Helper()
		if got, err := Others(t.Context(), f.Dir, kind); err != nil || !slices.Equal(got, want) {
			t.Errorf("beside %s: %v, %v, want %v", kind, got, err, want)
		}
	}
	others("env")
	mustPut(t, f, sample(mollie, 1))
	others("keychain", "file")
	others("file")
	if err := (Names{Dir: f.Dir, Folder: "names"}).Add(shopB); err != nil {
		t.Fatal(err)
	}
	others("vault", "file", "keychain")
	others("file", "keychain")
}
