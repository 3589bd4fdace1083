//go:build unix

package callback

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// browserScript is a browser that stays, as xdg-open does where no browser runs yet. It writes down its
// environment, its session and what its inputs and outputs are.
const browserScript = `#!/bin/sh
{ echo "address $1"; echo "pid $$"; env; } >"$SEEN.part"
readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2 >>"$SEEN.part"
mv "$SEEN.part" "$SEEN"
echo noise; echo noise >&2
exec sleep 20
`

// A browser must never end with the login, however it is started: it needs a session of its own, and no
// pipe to this process.
func TestBrowserIsDetached(t *testing.T) {
	for _, name := range []string{"system opener", "flag", "variable"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			seen, program := filepath.Join(dir, "seen"), filepath.Join(dir, "xdg-open")
			if err := os.WriteFile(program, []byte(browserScript), 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TOKENCLI_MOLLIE_CLIENT_SECRET", "planted-secret")
			opts := Options{Environ: []string{"SEEN=" + seen, "PATH=" + dir + ":" + os.Getenv("PATH"), "ONLY=this", "DISPLAY=:99"}}
			switch name {
			case "system opener":
				if runtime.GOOS == "darwin" {
					t.Skip("open is found by its path")
				}
				opts.SystemOpener = []string{os.Args[0]}
				opts.Environ = append(opts.Environ, "RECEIVE_TEST_AS=opener")
			case "flag":
				opts.Browser = program
			case "variable":
				opts.Environ = append(opts.Environ, "BROWSER="+program)
			}
			l := begin(t, opts)
			text := awaitFile(t, seen)
			var pid int
			for line := range strings.Lines(text) {
				_, _ = fmt.Sscanf(line, "pid %d", &pid)
				if strings.HasPrefix(line, "pipe:") {
					t.Error("the browser has a pipe")
				}
			}
			defer func() { _ = unix.Kill(pid, unix.SIGKILL) }()
			ours, err := unix.Getsid(0)
			if err != nil {
				t.Fatal(err)
			}
			if session, err := unix.Getsid(pid); err != nil || session == ours || session == 0 {
				t.Errorf("session %d of the browser, %d of this process; %v", session, ours, err)
			}
			if !strings.HasPrefix(text, "address "+authorize) || !strings.Contains(text, "ONLY=this") || strings.Contains(text, "planted-secret") {
				t.Errorf("the browser saw\n%s", text)
			}
			l.cancel()
			_, _ = l.end()
			_ = l.Close()
			time.Sleep(50 * time.Millisecond)
			if err := unix.Kill(pid, 0); err != nil {
				t.Errorf("the browser ended with the login: %v", err)
			}
		})
	}
}

func awaitFile(t *testing.T, path string) string {
	t.Helper()
	for range 6000 {
		if text, err := os.ReadFile(path); err == nil {
			return string(text)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the browser was not started")
	return ""
}

// The programs that doctor looks for are those that the library tries.
func TestFindOpener(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("open is always found")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	environ := []string{"DISPLAY=:99"}
	if command, tried := FindOpener(environ); command != "" || len(tried) == 0 || tried[0] != "xdg-open" {
		t.Errorf("%q, %q", command, tried)
	}
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if command, _ := FindOpener(environ); command != "xdg-open" {
		t.Errorf("%q", command)
	}
	if _, err := exec.LookPath("xdg-open"); err != nil {
		t.Fatal(err)
	}
}
