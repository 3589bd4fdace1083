package callback

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty opens a terminal of its own: what is written to the first is typed on the second.
func pty(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	raw, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if controlErr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); controlErr != nil || err != nil {
		t.Skipf("no pseudo-terminals here: %v, %v", controlErr, err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return person, terminal
}

// loginOn runs a login whose controlling terminal is the given one, in its foreground or not.
func loginOn(t *testing.T, terminal *os.File, uri string, foreground bool) (*exec.Cmd, *output) {
	t.Helper()
	command := []string{os.Args[0]}
	if !foreground {
		// A shell with job control puts what it starts in the background into a group of its own.
		command = []string{"/bin/sh", "-mc", os.Args[0] + " & wait"}
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "RECEIVE_TEST_AS=login", "RECEIVE_TEST_URI="+uri)
	out := new(output)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func waitFor(t *testing.T, out *output, want string) {
	t.Helper()
	for range 6000 {
		if strings.Contains(out.String(), want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %q in:\n%s", want, out)
}

func freePort(t *testing.T) string {
	t.Helper()
	r, _ := listen(t, Options{})
	_ = r.Close()
	return portOfURI(t, r.RedirectURI())
}

// The terminal is read by the default OpenTerminal, and the reading ends with the login.
func TestPasteOnRealTerminal(t *testing.T) {
	for _, way := range []string{"pasted", "browser"} {
		t.Run(way, func(t *testing.T) {
			person, terminal := pty(t)
			uri := "http://127.0.0.1:" + freePort(t) + "/callback"
			cmd, out := loginOn(t, terminal, uri, true)
			waitFor(t, out, "or paste")
			address := uri + "?code=the-code&state=" + testState
			if way == "pasted" {
				_, _ = io.WriteString(person, address+"\n")
			} else {
				go func() { _, _ = ask("GET", address) }()
			}
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			for _, want := range []string{fmt.Sprintf("code the-code pasted %v", way == "pasted"), "reader gone"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
		})
	}
}

// A process in the background is stopped when it reads from its terminal; a login that listens can do
// without.
func TestBackgroundDoesNotRead(t *testing.T) {
	_, terminal := pty(t)
	uri := "http://127.0.0.1:" + freePort(t) + "/callback"
	cmd, out := loginOn(t, terminal, uri, false)
	waitFor(t, out, "provider.example")
	if _, err := ask("GET", uri+"?code=the-code&state="+testState); err != nil {
		t.Fatal(err)
	}
	waitFor(t, out, "code the-code pasted false")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if strings.Contains(out.String(), "or paste") {
		t.Errorf("asked to paste:\n%s", out)
	}
}
