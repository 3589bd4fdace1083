//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Open opens the controlling terminal anew, so that the poller's non-blocking mode does not become that
// of the shell's own descriptors.
func Open() (*os.File, error) {
	return os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
}

// InForeground reports whether this process may read from the terminal f without being stopped.
func InForeground(f *os.File) bool {
	foreground := true
	_ = control(f, func(fd int) error {
		group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		foreground = err != nil || group == unix.Getpgrp()
		return err
	})
	return foreground
}

// control calls do with the descriptor of f, without putting f into blocking mode as Fd does.
func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var doErr error
	if err := raw.Control(func(fd uintptr) { doErr = do(int(fd)) }); err != nil {
		return err
	}
	return doErr
}

// prepare switches the terminal's line editing and echo off and keeps both off until restore is called,
// except while the process is stopped: a shell may set its own mode then, or rely on ours being gone.
func prepare(f *os.File, _ bool, resumed func()) (*keys, func(), error) {
	var former unix.Termios
	err := control(f, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, getTermios)
		if err == nil {
			former = *t
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	mode := former
	// Interrupts and the translation of carriage returns stay.
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Iflag |= unix.ICRNL
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	set := func(mode unix.Termios) error {
		return control(f, func(fd int) error { return unix.IoctlSetTermios(fd, setTermios, &mode) })
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGCONT)
	if !signal.Ignored(syscall.SIGTSTP) {
		signal.Notify(signals, syscall.SIGTSTP)
	}
	if err := set(mode); err != nil {
		signal.Stop(signals)
		return nil, nil, err
	}
	var watch sync.WaitGroup
	watch.Go(func() {
		for s := range signals {
			switch {
			case s == syscall.SIGTSTP:
				_ = set(former)
				_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
			case InForeground(f):
				// In the background, changing the mode would stop the process again.
				if set(mode) == nil && resumed != nil {
					resumed()
				}
			}
		}
	})
	restore := func() {
		signal.Stop(signals) // from here nothing sends
		close(signals)
		watch.Wait()
		if InForeground(f) {
			_ = set(former)
		}
	}
	return &keys{
		erase: mode.Cc[unix.VERASE], eraseWord: mode.Cc[unix.VWERASE], eraseLine: mode.Cc[unix.VKILL], end: mode.Cc[unix.VEOF],
	}, restore, nil
}
