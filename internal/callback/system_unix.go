//go:build unix

package callback

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// openTerminal opens the controlling terminal anew, so that the poller's non-blocking mode is not that
// of the shell's own descriptors.
func openTerminal() (io.ReadCloser, error) {
	return os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
}

// inForeground reports whether this process may read from its terminal t without being stopped. What is
// no file is no terminal either.
func inForeground(t io.Reader) bool {
	c, ok := t.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	foreground := true
	_ = raw.Control(func(fd uintptr) {
		group, err := unix.IoctlGetInt(int(fd), unix.TIOCGPGRP)
		foreground = err != nil || group == unix.Getpgrp()
	})
	return foreground
}

// detach puts the opener in a session of its own: an interrupt in the terminal ends the login and not
// the browser, and a browser for terminals cannot take this one.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func isTaken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

func isDenied(err error) bool { return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) }
