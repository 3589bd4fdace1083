package oauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// recording is what a peer sent over one connection, before net/http makes sense of it. net/http drops the
// body of an answer whose framing is wrong, and what a wrong Content-Length leaves over; a refresh token in
// there would be lost.
type recording struct {
	mu    sync.Mutex
	bytes []byte
}

func (r *recording) body() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if _, body, ok := bytes.Cut(r.bytes, []byte(end)); ok {
			return bytes.Clone(body)
		}
	}
	return bytes.Clone(r.bytes)
}

// ok reports whether the status line says 200.
func (r *recording) ok() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.HasPrefix(r.bytes, []byte("HTTP/1.")) && bytes.HasPrefix(r.bytes[min(8, len(r.bytes)):], []byte(" 200"))
}

type recordingKey struct{}

// record returns a context in which the connection of a request is recorded.
func record(ctx context.Context) (context.Context, *recording) {
	r := new(recording)
	return context.WithValue(ctx, recordingKey{}, r), r
}

// recordedConn is a connection that copies what is read to its recording.
type recordedConn struct {
	net.Conn
	to *recording
}

func (c *recordedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.to.mu.Lock()
	defer c.to.mu.Unlock()
	c.to.bytes = append(c.to.bytes, p[:min(n, maxRecorded-len(c.to.bytes))]...)
	return n, err
}

// maxRecorded leaves room for the header.
const maxRecorded = maxReply + maxHeader

// recording wraps a connection if the context asks for it.
func wrap(ctx context.Context, conn net.Conn) net.Conn {
	if r, ok := ctx.Value(recordingKey{}).(*recording); ok {
		return &recordedConn{Conn: conn, to: r}
	}
	return conn
}

// dialPlain dials for plain HTTP and for a proxy. What a tunnel carries is recorded encrypted, which does no
// harm.
func dialPlain(dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return wrap(ctx, conn), nil
	}
}

// dialTLS dials and performs the TLS handshake, so that the recording has the plain text.
func dialTLS(dial dialer, config *tls.Config) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(addr)
		if err == nil {
			own := config.Clone()
			own.ServerName = host
			secure := tls.Client(conn, own)
			ctx, cancel := context.WithTimeout(ctx, handshakeTime)
			defer cancel()
			if err = secure.HandshakeContext(ctx); err == nil {
				return wrap(ctx, secure), nil
			}
		}
		_ = conn.Close()
		return nil, err
	}
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)
