package credential_test

import (
	"testing"

	"github.com/tokencli/tokencli/internal/credential"
)

// What every store does with what it has read.
func BenchmarkDecode(b *testing.B) {
	c := full()
	text, err := credential.Encode(c)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := credential.Decode(c.Account, text); err != nil {
			b.Fatal(err)
		}
	}
}
