package session

import (
	"os/exec"
	"syscall"
)

// setApart keeps Ctrl-C at the console, which ends tokencli only after the command, from the command.
func setApart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
