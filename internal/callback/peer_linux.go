package callback

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// otherUser reports whether the other end of conn, which was made on this machine, belongs to another user
// than this process, and to whom. Root is trusted: it forwards ports for containers and virtual machines.
func otherUser(conn net.Conn) (uid int, other bool) {
	ours, ok := conn.LocalAddr().(*net.TCPAddr)
	theirs, alsoOK := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !alsoOK {
		return 0, false
	}
	port := ours.AddrPort().Port()
	rows := append(readSockets("/proc/net/tcp", port), readSockets("/proc/net/tcp6", port)...)
	return judgePeer(rows, ours.AddrPort(), theirs.AddrPort(), os.Getuid())
}

// judgePeer finds the other end of a connection among the machine's sockets. A socket that its process has
// closed already belongs to nobody in that table: then the other end could have been anyone's, and no
// browser leaves before it has its page. If the table does not hold the other end although the connection
// is alive, that end is on another system (Windows with WSL), and nothing is known.
func judgePeer(rows []socket, ours, theirs netip.AddrPort, self int) (uid int, other bool) {
	var listening, alive bool
	for _, row := range rows {
		switch {
		case row.local == unmapped(theirs) && row.remote == unmapped(ours):
			if row.inode == 0 {
				return unknownUser, true
			}
			return row.uid, row.uid != self && row.uid != 0
		case row.local == unmapped(ours) && row.state == socketListening:
			listening = true
		case row.local == unmapped(ours) && row.remote == unmapped(theirs):
			alive = row.state == socketEstablished
		}
	}
	return unknownUser, listening && !alive
}

// The states of sockets (include/net/tcp_states.h).
const (
	socketEstablished = 0x01
	socketListening   = 0x0a
)

// socket is a row of /proc/net/tcp (Documentation/networking/proc_net_tcp.rst).
type socket struct {
	local, remote netip.AddrPort
	state         uint64
	uid           int
	inode         uint64
}

// readSockets returns the sockets with the port at one end that a file lists; none if it cannot be read.
func readSockets(path string, port uint16) []socket {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	needle := fmt.Appendf(nil, ":%04X ", port)
	var rows []socket
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if !bytes.Contains(lines.Bytes(), needle) {
			continue
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			continue
		}
		local, localOK := parseEndpoint(fields[1])
		remote, remoteOK := parseEndpoint(fields[2])
		state, stateErr := strconv.ParseUint(fields[3], 16, 8)
		uid, uidErr := strconv.Atoi(fields[7])
		inode, inodeErr := strconv.ParseUint(fields[9], 10, 64)
		if localOK && remoteOK && stateErr == nil && uidErr == nil && inodeErr == nil {
			rows = append(rows, socket{local, remote, state, uid, inode})
		}
	}
	return rows
}

// parseEndpoint reads ADDRESS:PORT in hex. The address is printed as 32-bit words in the machine's order.
func parseEndpoint(text string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
