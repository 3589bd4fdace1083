//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"
)

// ending returns the signals that end the context. SIGHUP comes when a terminal window is closed or a
// connection is lost; who started tokencli with nohup has it ignored.
func ending() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// outlivePipes makes a write to a pipe that nobody reads an error. By default SIGPIPE ends the process, and
// with it a renewal that is not saved yet. Children get the default back, which they would not if the
// signal were ignored.
func outlivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
