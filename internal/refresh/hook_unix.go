//go:build unix

package refresh

import (
	"os/exec"
	"syscall"
)

// detach gives the command a process group of its own: Ctrl-C at the terminal, which ends tokencli only after
// the command, must not end the command itself.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
