package callback

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// maxConnections bounds what is open at once. A browser opens a handful.
	maxConnections = 32
	// firstByteTimeout closes connections that send nothing. Browsers open some in advance, and open
	// another when one was closed.
	firstByteTimeout = time.Second
)

// guard wraps the bound listeners for the server.
func (r *Receiver) guard(bound []net.Listener) []*listener {
	crowd := new(crowd)
	guarded := make([]*listener, len(bound))
	for i, l := range bound {
		guarded[i] = &listener{Listener: l, crowd: crowd, onStranger: r.reportStranger}
		if r.cert != nil {
			// The server itself answers plain HTTP here with a sentence.
			guarded[i].onPlain = r.reportPlain
			guarded[i].tls = &tls.Config{
				Certificates: []tls.Certificate{r.cert.pair},
				MinVersion:   tls.VersionTLS12,
				NextProtos:   []string{"http/1.1"},
			}
		} else {
			guarded[i].onTLS = r.reportTLS
		}
	}
	return guarded
}

func (r *Receiver) reportTLS() {
	if r.first("tls") {
		r.console.notify("warning: the browser used https for %s, as its https-only mode does; still waiting: allow http there, or paste the address it ended up on", r.shownURI())
	}
}

func (r *Receiver) reportPlain() {
	if r.first("plain") {
		r.console.notify("warning: the browser used http for %s; still waiting: the redirect URI that is registered at %s has to begin with https", r.shownURI(), r.title())
	}
}

func (r *Receiver) reportStranger(uid int) {
	who := "an unknown user"
	if uid != unknownUser {
		who = "another user (uid " + strconv.Itoa(uid) + ")"
	}
	if r.first("stranger") {
		r.console.notify("warning: refused a connection to %s from %s of this machine; still waiting", r.shownURI(), who)
	}
}

// unknownUser stands for the user of a socket that has none any more.
const unknownUser = -1

// listener serves this user alone, as far as the system can tell, and never lets silent connections keep
// out the browser.
type listener struct {
	net.Listener
	crowd      *crowd
	tls        *tls.Config   // nil: plain HTTP
	onTLS      func()        // called for a connection that begins with a TLS handshake; nil: expected
	onPlain    func()        // called for a connection that does not; nil: expected
	onStranger func(uid int) // called for a connection of another user
}

// serve returns what the server accepts connections from.
func (l *listener) serve() net.Listener {
	if l.tls != nil {
		return tls.NewListener(l, l.tls)
	}
	return l
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: conn, listener: l, silent: true}
		if l.crowd.join(c) {
			return c, nil
		}
		_ = conn.Close()
	}
}

// crowd are the open connections, oldest first.
type crowd struct {
	mu          sync.Mutex
	connections []*connection
}

// join adds c. If there are too many connections, the oldest silent one is closed, or else the oldest whose request is
// not complete; if all are being answered, c is refused.
func (w *crowd) join(c *connection) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.connections) >= maxConnections {
		oldest := slices.IndexFunc(w.connections, func(c *connection) bool { return c.silent })
		if oldest < 0 {
			oldest = slices.IndexFunc(w.connections, func(c *connection) bool { return !c.complete })
		}
		if oldest < 0 {
			return false
		}
		_ = w.connections[oldest].Conn.Close()
		w.connections = slices.Delete(w.connections, oldest, oldest+1)
	}
	c.timer = time.AfterFunc(firstByteTimeout, c.closeIfSilent)
	w.connections = append(w.connections, c)
	return true
}

func (w *crowd) leave(c *connection) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.connections, c); i >= 0 {
		w.connections = slices.Delete(w.connections, i, i+1)
	}
}

// connection is one that knows whether it has sent anything.
type connection struct {
	net.Conn
	listener *listener
	timer    *time.Timer
	silent   bool // guarded by crowd.mu
	complete bool // a whole request arrived; guarded by crowd.mu
	read     bool // only used by the goroutine that reads
}

type connectionKey struct{}

// withConnection is the ConnContext of the server.
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, conn)
}

// setComplete keeps the connection of a request that is being answered.
func setComplete(ctx context.Context) {
	if c, ok := ctx.Value(connectionKey{}).(*connection); ok {
		c.listener.crowd.mu.Lock()
		defer c.listener.crowd.mu.Unlock()
		c.complete = true
	}
}

func (c *connection) closeIfSilent() {
	c.listener.crowd.mu.Lock()
	defer c.listener.crowd.mu.Unlock()
	if c.silent {
		_ = c.Conn.Close()
	}
}

// recordHandshake is the first byte of every TLS connection (RFC 8446 5.1).
const recordHandshake = 0x16

// Read looks at the first bytes of the connection before the server does.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 || c.read {
		return n, err
	}
	c.read = true
	c.timer.Stop()
	c.listener.crowd.mu.Lock()
	c.silent = false
	c.listener.crowd.mu.Unlock()
	// Another user may have read the address of the authorization page from the browser's command line,
	// and be handing over a login of their own.
	uid, other := otherUser(c.Conn)
	switch {
	case other:
		c.listener.onStranger(uid)
	case p[0] == recordHandshake && c.listener.onTLS != nil:
		c.listener.onTLS()
	case p[0] != recordHandshake && c.listener.onPlain != nil:
		c.listener.onPlain()
		return n, err
	default:
		return n, err
	}
	_ = c.Close()
	return 0, io.EOF
}

// Close makes room for another connection.
func (c *connection) Close() error {
	c.timer.Stop()
	c.listener.crowd.leave(c)
	return c.Conn.Close()
}
