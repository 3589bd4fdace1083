//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"
)

// ending returns the signals that cancel the context. SIGHUP is sent when a terminal window is closed or a
// connection is lost; under nohup it is ignored.
func ending() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// outlivePipes turns a write to a closed pipe into an error. By default SIGPIPE ends the process, even
// during a refresh that is not saved yet. Unlike ignoring the signal, this is not inherited by children.
func outlivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
