package callback

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"

	"github.com/tokencli/tokencli/internal/fail"
)

const (
	// maxConnections bounds what is served at once. A browser opens a handful; more wait.
	maxConnections = 32
	// maxTries bounds the search for a port that is free in both families.
	maxTries = 20
)

// bind listens on every address of t, all on one port.
func bind(t *target, title string) ([]net.Listener, int, error) {
	for range maxTries {
		listeners, port, err := bindOnce(t)
		if err == nil {
			return listeners, port, nil
		}
		if t.port == 0 && errors.Is(err, errTaken) {
			continue
		}
		return nil, 0, explain(t, title, err)
	}
	return nil, 0, explain(t, title, errTaken)
}

var errTaken = errors.New("the port is in use")

func bindOnce(t *target) (listeners []net.Listener, port int, err error) {
	port = t.port
	for i, addr := range t.addrs {
		network := "tcp4"
		if addr.Is6() {
			network = "tcp6"
		}
		l, err := new(net.ListenConfig).Listen(context.Background(), network, netip.AddrPortFrom(addr, uint16(port)).String())
		if err != nil {
			if isTaken(err) {
				err = errTaken
			} else if i > 0 {
				// This machine has no IPv6. A port in use is another matter: the browser may dial it
				// and hand the code to whoever listens there.
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

func explain(t *target, title string, err error) error {
	port := strconv.Itoa(t.port)
	other := "choose another port with --redirect-uri, one that is registered at " + title
	switch {
	case errors.Is(err, errTaken):
		return fail.New(fail.Usage, "port %s of %s is in use, so the browser's answer would go to another program", port, t.host).
			WithHint("end the program that listens on port %s (perhaps another login), or %s", port, other)
	case isDenied(err):
		return fail.New(fail.Usage, "port %s of %s may not be used by this user: %w", port, t.host, err).
			WithHint("%s", other)
	}
	return fail.New(fail.Usage, "port %s of %s cannot be listened on: %w", port, t.host, err).WithHint("%s", other)
}

// prepare wraps the bound listeners for the server: connections are counted, and what speaks the wrong
// protocol is noticed.
func (r *Receiver) prepare(listeners []net.Listener) []net.Listener {
	slots := make(chan struct{}, maxConnections)
	prepared := make([]net.Listener, len(listeners))
	for i, l := range listeners {
		g := &gate{Listener: l, slots: slots, closed: make(chan struct{})}
		if r.cert != nil {
			// The server itself answers plain HTTP here with a sentence.
			prepared[i] = tls.NewListener(g, &tls.Config{
				Certificates: []tls.Certificate{r.cert.pair},
				MinVersion:   tls.VersionTLS12,
				NextProtos:   []string{"http/1.1"},
			})
			continue
		}
		g.onTLS = func() {
			if r.once("tls") {
				r.voice.say("the browser spoke https to %s, as an https-only mode makes it do", r.shownURI())
				r.voice.say("still waiting: let it use http there, or paste the address it landed on")
			}
		}
		prepared[i] = g
	}
	return prepared
}

// gate is a listener with a bound on the connections that are open at once.
type gate struct {
	net.Listener
	slots  chan struct{}
	onTLS  func() // called for a connection that begins with a TLS handshake; nil: that is as it should be
	once   sync.Once
	closed chan struct{}
}

// Accept waits for a free slot, then for a connection.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case g.slots <- struct{}{}:
	case <-g.closed:
		return nil, http.ErrServerClosed
	}
	c, err := g.Listener.Accept()
	if err != nil {
		<-g.slots
		return nil, err
	}
	return &guarded{Conn: c, gate: g, unread: true}, nil
}

// Close frees the port.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Listener.Close()
}

type guarded struct {
	net.Conn
	gate   *gate
	unread bool
	once   sync.Once
}

// recordHandshake is the first byte of every TLS connection (RFC 8446 5.1).
const recordHandshake = 0x16

// Read looks at the first byte of the connection.
func (c *guarded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.unread {
		c.unread = false
		if p[0] == recordHandshake && c.gate.onTLS != nil {
			c.gate.onTLS()
			_ = c.Close()
			return 0, io.EOF
		}
	}
	return n, err
}

// Close gives the slot back.
func (c *guarded) Close() error {
	c.once.Do(func() { <-c.gate.slots })
	return c.Conn.Close()
}
