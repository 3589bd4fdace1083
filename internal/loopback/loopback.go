// Package loopback knows the addresses that can only be this machine, to which a secret may go over plain http.
package loopback

import (
	"context"
	"net"
	"net/netip"
	"strings"
)

// Is reports whether a host, without a port, is this machine beyond doubt: an address literal of the loopback
// network, or `localhost`, which Dial reaches without asking a name server.
func Is(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// Dial dials `localhost` as the two loopback literals: neither DNS nor a hosts file may decide where a secret goes
// over plain http. It dials all other hosts as d does.
func Dial(d *net.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || !strings.EqualFold(host, "localhost") {
			return d.DialContext(ctx, network, addr)
		}
		conn, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return conn, nil
		}
		if conn, err6 := d.DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
			return conn, nil
		}
		return nil, err
	}
}
