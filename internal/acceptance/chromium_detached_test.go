//go:build unix

package acceptance

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// xdgOpen opens an address in a real Chromium, as xdg-open does where none runs yet: in the foreground.
const xdgOpen = `#!/bin/sh
echo $$ >"$HOME/chromium.pid.part"
mv "$HOME/chromium.pid.part" "$HOME/chromium.pid"
exec chromium --headless=new --no-sandbox --disable-gpu --no-first-run --disable-dev-shm-usage \
	--disable-background-networking --remote-debugging-port=0 --user-data-dir="$HOME/profile" "$1"
`

// TestChromiumOutlivesLogin interrupts logins that opened a real Chromium, by the system's opener and by
// BROWSER. Whatever ends the login must not close the user's browser.
func TestChromiumOutlivesLogin(t *testing.T) {
	needs(t, "chromium")
	for _, name := range []string{"system opener", "BROWSER"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			opener := filepath.Join(s.home, "xdg-open")
			if err := os.WriteFile(opener, []byte(xdgOpen), 0o700); err != nil {
				t.Fatal(err)
			}
			s.variable["PATH"] = s.home + ":" + s.variable["PATH"]
			if name == "BROWSER" {
				s.variable["BROWSER"] = opener
			} else {
				s.variable["DISPLAY"] = ":99"
			}
			id, secret := s.Client("moneybird")
			s.variable["TOKENCLI_MONEYBIRD_CLIENT_SECRET"] = secret
			// Not with the context of the test: the group is ended here, as a terminal does it.
			cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "tokencli", "login", "moneybird", "--client-id", id,
				"--redirect-uri", "http://127.0.0.1:"+freePort(t)+"/callback")
			cmd.Env = s.variable.List()
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			stderr, err := cmd.StderrPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				for lines := bufio.NewScanner(stderr); lines.Scan(); {
				}
				close(ended)
			}()
			// Chromium has opened the page when it has written where it can be debugged, and asked the sandbox.
			awaitThat(t, "Chromium", func() bool {
				_, err := os.Stat(filepath.Join(s.home, "profile", "DevToolsActivePort"))
				return err == nil && len(s.Requests()) > 0
			})
			text, err := os.ReadFile(filepath.Join(s.home, "chromium.pid"))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = syscall.Kill(pid, syscall.SIGTERM)
				awaitThat(t, "the end of Chromium", func() bool { return !isRunning(t, pid) })
				// Its children write to the profile for a moment longer.
				awaitThat(t, "the end of the profile", func() bool { return os.RemoveAll(filepath.Join(s.home, "profile")) == nil })
				time.Sleep(200 * time.Millisecond)
			})
			// Ctrl-C, and then the end of the terminal.
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP} {
				_ = syscall.Kill(-cmd.Process.Pid, signal)
			}
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Fatal("something still has the login's stderr")
			}
			_ = cmd.Wait()
			time.Sleep(500 * time.Millisecond)
			if !isRunning(t, pid) {
				t.Error("Chromium ended with the login")
			}
		})
	}
}

// isRunning reports whether a process has not ended, even if nobody has collected its exit code yet.
func isRunning(t *testing.T, pid int) bool {
	t.Helper()
	state, err := exec.CommandContext(context.WithoutCancel(t.Context()), "ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(state)), "Z")
}

func awaitThat(t *testing.T, what string, so func() bool) {
	t.Helper()
	for give := time.Now().Add(time.Minute); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(give) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
