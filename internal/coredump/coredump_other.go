//go:build unix && !linux

package coredump

// undumpable has no counterpart here.
func undumpable() {}
