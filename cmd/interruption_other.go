//go:build !unix

package cmd

import (
	"os"
	"syscall"
)

// ending returns the signals that cancel the context.
func ending() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

func outlivePipes() {}
