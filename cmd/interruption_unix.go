//go:build unix

package cmd

import (
	"os"
	"os/signal"
	"syscall"
)

// ending returns the signals that cancel the context. A terminal sends SIGQUIT too, and SIGHUP when its window is
// closed. Signals that are ignored stay so: SIGHUP under nohup, those of the terminal in the background of a script.
func ending() []os.Signal {
	signals := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	return signals
}

// outlivePipes turns a write to a closed pipe into an error. By default SIGPIPE ends the process, even
// during a refresh that is not saved yet. Unlike ignoring the signal, this is not inherited by children.
func outlivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
