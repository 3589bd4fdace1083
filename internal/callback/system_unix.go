//go:build unix

package callback

import (
	"errors"
	"os/exec"
	"syscall"
)

// detach puts a command in a session of its own: Ctrl-C or a closed terminal ends the login but not the
// browser, and a browser for terminals cannot take over this one.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

func isDenied(err error) bool { return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) }
