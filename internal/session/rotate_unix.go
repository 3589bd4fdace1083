//go:build unix

package session

import (
	"os/exec"
	"syscall"
)

// setApart gives the command a process group of its own: Ctrl-C at the terminal, which ends tokencli only
// after the command, must not end the command itself.
func setApart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
