package sandbox

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Listener is a Server that is reachable at an address.
type Listener struct {
	URL string // where it is reached, without a trailing slash

	http *http.Server
	done chan error
}

// Listen serves s at addr (host:port; port 0 picks a free one) until Close. The context is that of the
// binding alone.
func (s *Server) Listen(ctx context.Context, addr string) (*Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ln := &Listener{
		URL: "http://" + net.JoinHostPort(host, port),
		// No WriteTimeout: a fault may hold an answer back, or make it long, for as long as a test wants.
		http: &http.Server{
			Handler:           s,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       30 * time.Second,
			IdleTimeout:       60 * time.Second,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          log.New(io.Discard, "", 0),
		},
		done: make(chan error, 1),
	}
	go func() { ln.done <- ln.http.Serve(l) }()
	return ln, nil
}

// Close stops at once, hung requests included, and waits until the listener is gone.
func (l *Listener) Close() error {
	err := l.http.Close()
	if served, ok := <-l.done; ok {
		close(l.done)
		if !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
	}
	return err
}
