//go:build unix

package cmd

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

// TestRunChild is for the systems on which a process cannot be replaced; where it can, it is tested all
// the same.
func TestRunChild(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		script string
		code   int
	}{
		{"exit 0", 0},
		{"exit 7", 7},
		{`test "$GIVEN" = yes && test -z "$HOME"`, 0},
		{"kill -TERM $$", 143},
		{"kill -KILL $$", 137},
		{"kill -INT $$", 130},
	} {
		a := &app{stdin: os.Stdin, stdout: io.Discard}
		err := a.runChild(sh, []string{"sh", "-c", test.script}, []string{"GIVEN=yes"})
		var code exitCode
		if !errors.As(err, &code) && err != nil || int(code) != test.code {
			t.Errorf("%s: %v", test.script, err)
		}
	}
	err = (&app{stdout: io.Discard}).runChild(filepath.Join(t.TempDir(), "nothing"), []string{"nothing"}, nil)
	if fail.KindOf(err) != notFound {
		t.Errorf("a program that is gone: %v", err)
	}
}

func TestRunChildPassesSignalsOn(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	ready := filepath.Join(t.TempDir(), "ready")
	go func() {
		for give := time.Now().Add(time.Minute); time.Now().Before(give); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(ready); err == nil {
				break
			}
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
	a := &app{stdin: os.Stdin, stdout: io.Discard}
	err = a.runChild(sh, []string{"sh", "-c", `trap 'exit 3' TERM; : > "` + ready + `"; while :; do sleep 0.02; done`}, os.Environ())
	if code := exitCode(0); !errors.As(err, &code) || code != 3 {
		t.Errorf("%v", err)
	}
}

func TestSetVariable(t *testing.T) {
	environ := []string{"A=1", "AB=2", "=C:=C:\\", "A=3", "B"}
	if got := setVariable(environ, "A", "new"); !slices.Equal(got, []string{"AB=2", "=C:=C:\\", "B", "A=new"}) {
		t.Errorf("%q", got)
	}
	if !slices.Equal(environ, []string{"A=1", "AB=2", "=C:=C:\\", "A=3", "B"}) {
		t.Errorf("the environment was changed: %q", environ)
	}
}
