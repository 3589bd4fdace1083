//go:build unix

package coredump

import (
	"sync"
	"syscall"
)

// original returns the limit that this process was started with.
var original = sync.OnceValues(func() (syscall.Rlimit, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit)
	return limit, err
})

// Disable makes this process leave no core dump. It does its best: a system that refuses is no reason to
// give no token.
func Disable() {
	if limit, err := original(); err == nil {
		limit.Cur = 0 // the hard limit stays, so that Allow can raise it again
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
	undumpable()
}

// Allow gives this process the limit that it was started with, for the command that it starts or becomes.
func Allow() {
	if limit, err := original(); err == nil {
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit)
	}
}
