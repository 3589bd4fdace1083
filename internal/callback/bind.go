package callback

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"

	"github.com/tokencli/tokencli/internal/fail"
)

// maxTries bounds the search for a port that is free in both families.
const maxTries = 20

var errInUse = errors.New("the port is in use")

// bind listens on every address of to, all on one port.
func bind(to *redirect, title string) ([]net.Listener, int, error) {
	for range maxTries {
		listeners, port, err := bindOnce(to)
		if err == nil {
			return listeners, port, nil
		}
		if to.port == 0 && errors.Is(err, errInUse) {
			continue
		}
		return nil, 0, bindFailure(to, title, err)
	}
	return nil, 0, bindFailure(to, title, errInUse)
}

func bindOnce(to *redirect) (listeners []net.Listener, port int, err error) {
	port = to.port
	for i, addr := range to.addrs {
		network := "tcp4"
		if addr.Is6() {
			network = "tcp6"
		}
		l, err := new(net.ListenConfig).Listen(context.Background(), network, netip.AddrPortFrom(addr, uint16(port)).String())
		if err != nil {
			if isInUse(err) {
				err = errInUse
			} else if i > 0 {
				// This machine has no IPv6. A port in use is different: the browser may connect to it and
				// hand the code to whatever listens there.
				continue
			}
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, 0, err
		}
		port = l.Addr().(*net.TCPAddr).Port
		listeners = append(listeners, l)
	}
	return listeners, port, nil
}

func bindFailure(to *redirect, title string, err error) error {
	port := strconv.Itoa(to.port)
	switch {
	case errors.Is(err, errInUse):
		return fail.New(fail.Usage, "port %s of %s is in use, so another program would receive the login", port, to.host).
			Advise(fail.DoFreePort, port, title)
	case isDenied(err):
		return fail.New(fail.Usage, "port %s of %s is not permitted for this user: %w", port, to.host, err).Advise(fail.DoChoosePort, title)
	}
	return fail.New(fail.Usage, "cannot listen on port %s of %s: %w", port, to.host, err).Advise(fail.DoChoosePort, title)
}
