//go:build unix

package acceptance

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/creack/pty"
)

// onTerminal runs a command on a terminal of its own and prints all that the terminal shows; stderr stays what it is.
// The terminal of testscript is closed as soon as the command ends, which loses output on a busy machine.
func onTerminal() {
	cmd := exec.CommandContext(context.Background(), os.Args[1], os.Args[2:]...)
	cmd.Stderr = os.Stderr
	terminal, err := pty.Start(cmd)
	if err != nil {
		panic(err)
	}
	go func() {
		_, _ = io.Copy(terminal, os.Stdin)
	}()
	if _, err := io.Copy(os.Stdout, terminal); err != nil && !errors.Is(err, syscall.EIO) { // EIO is the end
		panic(err)
	}
	_ = cmd.Wait() // the exit code says the same
	os.Exit(cmd.ProcessState.ExitCode())
}
