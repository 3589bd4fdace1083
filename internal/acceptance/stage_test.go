//go:build unix

package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// stage is what a test of a whole login has around it: a sandbox that asks for consent, and the environment of a user
// who has set up nothing but the file store and the way to the sandbox.
type stage struct {
	*harness.Sandbox
	home     string
	variable harness.Environment // PATH leads to tokencli
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{home: newHome(t)}
	var err error
	if s.Sandbox, err = harness.Start(sandbox.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	if s.variable, err = harness.NewEnvironment(s.home, filepath.Join(s.home, "key.txt")); err != nil {
		t.Fatal(err)
	}
	delete(s.variable, "NO_COLOR")
	s.BaseURLs(s.variable)
	return s
}

// newHome returns a folder that is removed at the end of the test. The shells of a terminal that was closed may still
// be writing their history to it, on which the removal of t.TempDir fails.
func newHome(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "home") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if err := os.RemoveAll(dir); err == nil {
				return
			} else if time.Now().After(end) {
				t.Error(err)
				return
			}
		}
	})
	return dir
}

func (s *stage) environ() []string { return s.variable.List() }

// needs skips a test where a program is missing, but fails it where everything has to be there.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("TOKENCLI_TEST_KEYCHAIN") == "required" || strings.EqualFold(os.Getenv("CI"), "true") {
			t.Fatalf("%s is not installed, and nothing may be skipped here", program)
		}
		t.Skipf("%s is not installed", program)
	}
}
