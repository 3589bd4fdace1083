//go:build unix

package cmd

import (
	"syscall"

	"github.com/tokencli/tokencli/internal/coredump"
)

// become replaces this process by the command, which so gets the signals, the terminal and the exit code. It
// returns only if that fails.
func (a *app) become(path string, command, environ []string) error {
	coredump.Allow()
	return cannotStart(command[0], syscall.Exec(path, command, environ))
}
