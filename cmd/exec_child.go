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

// runChild runs the command as a child: for systems on which a process cannot be replaced. The child gets
// the signals, and its exit code is ours.
func (a *app) runChild(path string, command, environ []string) error {
	child := &exec.Cmd{
		Path: path, Args: command, Env: environ,
		Stdin: a.stdin, Stdout: a.stdout, Stderr: os.Stderr,
	}
	// From here on a signal is the child's business. That of a console reaches it anyway, and passing it
	// on fails there without harm.
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
				return fail.New(fail.Internal, "the command cannot be waited for: %w", err)
			}
			return nil
		}
	}
}

// exitOf returns the exit code of a process that ended; for one that a signal ended what a shell says.
func exitOf(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
