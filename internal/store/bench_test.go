package store

import (
	"testing"

	"filippo.io/age"

	"github.com/tokencli/tokencli/internal/credential"
)

// What a fresh token costs in the file store: the key is parsed at every call of the program.
func BenchmarkFileGet(b *testing.B) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	dir, key := b.TempDir(), credential.Secret(identity.String())
	if err := put(b.Context(), &File{Dir: dir, Key: key}, sample(mollie, 1)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (&File{Dir: dir, Key: key}).Get(b.Context(), mollie); err != nil {
			b.Fatal(err)
		}
	}
}
