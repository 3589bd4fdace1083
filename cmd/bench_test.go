package cmd

import (
	"os"
	"testing"
)

// What `token` does before it opens the store.
func BenchmarkSettings(b *testing.B) {
	b.Setenv("TOKENCLI_CONFIG_DIR", b.TempDir())
	b.Setenv("TOKENCLI_STATE_DIR", b.TempDir())
	for b.Loop() {
		if _, err := readSettings(os.Getenv); err != nil {
			b.Fatal(err)
		}
	}
}

// What only the ordinary way builds.
func BenchmarkCommandTree(b *testing.B) {
	a := newApp("dev")
	for b.Loop() {
		a.root()
	}
}
