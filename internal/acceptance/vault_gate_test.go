//go:build linux

package acceptance

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// gate is a proxy before Vault, with TLS, and before the provider. It counts the requests to both, and at one
// moment carries out a plan.
type gate struct {
	vault, provider *httptest.Server

	mu    sync.Mutex
	ways  map[*httptest.Server]http.Handler
	plan  plan
	begun bool     // the moment of the plan has come
	seen  []string // the requests since arm
}

// moment is when a request arrives, or when it was handled and its answer is due. The first request has the
// number 1.
type moment struct {
	request int
	handled bool
}

func (m moment) String() string {
	if m.handled {
		return fmt.Sprintf("request %d handled", m.request)
	}
	return fmt.Sprintf("request %d arrives", m.request)
}

// plan is what happens at a moment.
type plan struct {
	at moment
	// act is called once. Its context ends when the client has gone.
	act func(ctx context.Context)
	// drop closes the connection of the request of the moment, if it is one to Vault, without an answer.
	drop bool
	// trouble answers the requests to Vault from the moment on; nil: Vault does. If it returns nil, the
	// connection is closed without an answer.
	trouble func(r *http.Request, vault http.Handler) *httptest.ResponseRecorder
}

// newGate starts a gate, which leads nowhere yet.
func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{ways: make(map[*httptest.Server]http.Handler)}
	serve := func() *httptest.Server {
		var s *httptest.Server
		s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(s, w, r) }))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		t.Cleanup(s.Close)
		return s
	}
	g.vault, g.provider = serve(), serve()
	g.vault.StartTLS()
	g.provider.Start()
	return g
}

// certificate is that of the gate, for Vault to have the same.
func (g *gate) certificate() tls.Certificate { return g.vault.TLS.Certificates[0] }

// lead makes requests to one side of the gate arrive at an address.
func (g *gate) lead(t *testing.T, from *httptest.Server, to string, transport http.RoundTripper) {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ways[from] = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
		// A server that cannot be reached gives no answer.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}

// arm begins to count anew and waits for the moment of the plan.
func (g *gate) arm(p plan) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.plan, g.begun, g.seen = p, false, nil
}

// requests returns the requests since arm.
func (g *gate) requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// reach carries out the plan if its moment is now, and returns it if its moment has come.
func (g *gate) reach(ctx context.Context, now moment) plan {
	g.mu.Lock()
	p, first := g.plan, !g.begun && now == g.plan.at
	g.begun = g.begun || first
	begun := g.begun
	g.mu.Unlock()
	if !begun {
		return plan{}
	}
	if first && p.act != nil {
		p.act(ctx)
	}
	return p
}

func (g *gate) serve(side *httptest.Server, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // only then does a server see that the client has gone
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	client := r.Context()
	r = r.WithContext(context.WithoutCancel(client)) // what has left arrives
	r.Body = io.NopCloser(bytes.NewReader(body))
	g.mu.Lock()
	g.seen = append(g.seen, r.Method+" "+r.URL.Path)
	now, forward := moment{request: len(g.seen)}, g.ways[side]
	g.mu.Unlock()

	p := g.reach(client, now)
	if p.at == now && client.Err() != nil {
		return
	}
	var answer *httptest.ResponseRecorder
	if side == g.vault && p.trouble != nil {
		answer = p.trouble(r, forward)
	} else {
		answer = httptest.NewRecorder()
		forward.ServeHTTP(answer, r)
	}
	now.handled = true
	if p := g.reach(client, now); answer == nil || side == g.vault && p.drop && p.at.request == now.request {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
