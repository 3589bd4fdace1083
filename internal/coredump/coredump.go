// Package coredump keeps the memory of this process, and with it tokens, out of core dumps, without
// changing the limits of the processes that it starts. What the user's own debugger, or root, reads from a
// live process is not prevented.
package coredump

import "os/exec"

// Run runs a command with the limit on core dumps that this process was started with.
func Run(cmd *exec.Cmd) error {
	if err := Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// Start starts a command with the limit on core dumps that this process was started with. If two commands
// start at the same time, one of them may get the limit 0.
func Start(cmd *exec.Cmd) error {
	Allow()
	defer Disable()
	return cmd.Start()
}
