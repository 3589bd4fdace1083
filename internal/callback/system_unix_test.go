//go:build unix

package callback

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An interrupt on the terminal goes to its whole session: the browser must not be in it.
func TestBrowserHasItsOwnSession(t *testing.T) {
	dir := t.TempDir()
	script, file := filepath.Join(dir, "browser"), filepath.Join(dir, "pid")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $$ >"+file+".new\nmv "+file+".new "+file+"\nexec sleep 5\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	begin(t, Options{Browser: script, Environ: []string{"PATH=" + os.Getenv("PATH")}})
	for range 300 {
		text, err := os.ReadFile(file)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if session, err := unix.Getsid(pid); err != nil || session != pid {
			t.Errorf("session %d of process %d, %v", session, pid, err)
		}
		_ = unix.Kill(pid, unix.SIGTERM)
		return
	}
	t.Fatal("the browser was not started")
}
