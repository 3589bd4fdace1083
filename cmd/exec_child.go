package cmd

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/tokencli/tokencli/internal/coredump"
	"github.com/tokencli/tokencli/internal/fail"
)

// runChild runs the command as a child, for systems on which a process cannot be replaced. It passes
// signals on and returns the child's exit code.
func (a *app) runChild(path string, command, environ []string) error {
	child := &exec.Cmd{
		Path: path, Args: command, Env: environ,
		Stdin: a.stdin, Stdout: a.stdout, Stderr: os.Stderr,
	}
	// From here on signals are for the child. A console sends its own to both, and passing them on fails
	// there without harm.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := coredump.Start(child); err != nil {
		return cannotStart(command[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = child.Process.Signal(s)
		case err := <-ended:
			if code := exitOf(child.ProcessState); code != 0 {
				return exitCode(code)
			}
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				return fail.New(fail.Internal, "cannot wait for the command: %w", err)
			}
			return nil
		}
	}
}

// exitOf returns the exit code of a process as a shell would: 128 and the signal's number for a signal.
func exitOf(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
