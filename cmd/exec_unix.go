//go:build unix

package cmd

import (
	"syscall"

	"github.com/tokencli/tokencli/internal/coredump"
)

// become puts the command in the place of this process, so that signals, the terminal and the exit code
// are its own. It returns only if that fails.
func (a *app) become(path string, command, environ []string) error {
	coredump.Allow()
	return cannotStart(command[0], syscall.Exec(path, command, environ))
}
