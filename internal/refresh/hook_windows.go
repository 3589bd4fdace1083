package refresh

import (
	"os/exec"
	"syscall"
)

// detach keeps Ctrl-C at the console, which ends tokencli only after the command, from the command.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
