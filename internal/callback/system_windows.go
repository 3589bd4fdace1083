package callback

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// detach gives a command no console and a process group of its own: Ctrl-C or a closed console ends the
// login but not the browser.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}

func isInUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }

// isDenied is also true for the ports that Hyper-V and WSL reserve.
func isDenied(err error) bool { return errors.Is(err, windows.WSAEACCES) }
