//go:build unix && !darwin && !linux

package store

import "net"

// peerUID reports that who serves a socket is not known here.
func peerUID(*net.UnixConn) (uid int, known bool, err error) { return 0, false, nil }
