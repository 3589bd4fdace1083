package coredump

import "golang.org/x/sys/unix"

// undumpable also stops programs that the kernel pipes core dumps to, such as systemd-coredump: they get
// them whatever the limit (core(5)). It keeps other processes of the user from reading the memory, too.
// The next execve takes it back (prctl(2), PR_SET_DUMPABLE).
func undumpable() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
