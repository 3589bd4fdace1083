package acceptance

import (
	"os"
	"testing"
)

// The callback's page and the sandbox's consent page share one design, but no code: the sandbox is what the
// callback is tested against.
func TestPagesShareOneStyle(t *testing.T) {
	callback, err := os.ReadFile("../callback/page.css")
	if err != nil {
		t.Fatal(err)
	}
	sandbox, err := os.ReadFile("../sandbox/page.css")
	if err != nil {
		t.Fatal(err)
	}
	if string(callback) != string(sandbox) {
		t.Error("internal/callback/page.css and internal/sandbox/page.css differ: copy one over the other")
	}
}
