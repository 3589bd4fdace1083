package callback

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

func openTerminal() (io.ReadCloser, error) { return os.OpenFile("CONIN$", os.O_RDWR, 0) }

// inForeground is always true: Windows stops no process for reading from its console.
func inForeground(io.Reader) bool { return true }

// detach keeps an interrupt in the console from ending the browser.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func isTaken(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }

// isDenied is also true for the ports that Hyper-V and WSL reserve.
func isDenied(err error) bool { return errors.Is(err, windows.WSAEACCES) }
