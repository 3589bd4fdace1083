// Package proxy forwards the requests of programs that never hold a token to one account's API, with the
// token attached on the way. A program presents a key of this run where the token would be. Requests reach
// the API's origin and the paths below its address, and nothing else.
package proxy

import (
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
)

// Proxy serves one account. Its fields must not change while it serves.
type Proxy struct {
	Account string
	Key     string // what programs present; see NewKey
	// Transport presents the token of the account, keeps requests at the API's origin, and refreshes once
	// if the API refuses the token.
	Transport *oauth.Transport
	Rules     Rules
	Audit     *Audit      // nil: no audit
	Failed    func(error) // receives each failure of tokencli itself; safe for concurrent use
}

// NewKey returns a random key for one run.
func NewKey() string { return "tokencli-proxy-" + strings.ToLower(rand.Text()) }

// Path returns the path of the API, below which requests are forwarded.
func (p *Proxy) Path() string {
	u, err := url.Parse(p.Transport.Client.Definition.API.URL)
	if err != nil {
		return "/"
	}
	return u.EscapedPath()
}

type server struct {
	*Proxy
	api       *url.URL // paths below it are forwarded
	endpoints []string // the paths of the provider's OAuth endpoints at the API's host, which are not
	present   oauth.Presentation
}

// Server returns an HTTP server for the proxy.
func (p *Proxy) Server() (*http.Server, error) {
	config := p.Transport.Client.Config
	api, err := url.Parse(config.Definition.API.URL)
	if err != nil || api.Host == "" {
		return nil, fail.New(fail.Usage, "the definition of %s has no api.url", config.Definition.Name).
			Advise(fail.DoShowProvider, config.Definition.Name)
	}
	s := &server{Proxy: p, api: api, present: config.Presentation}
	for _, address := range config.Endpoints() {
		// An endpoint at the API's own address (GraphQL with a login mutation, say) cannot be told apart, and
		// one that is not below it is not reached.
		u, err := url.Parse(address)
		if err == nil && u.Host == api.Host && strings.HasPrefix("/"+canonical(u.Path), strings.TrimSuffix("/"+canonical(api.Path), "/")+"/") {
			s.endpoints = append(s.endpoints, canonical(u.Path))
		}
	}
	return &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		DisableGeneralOptionsHandler: true, // OPTIONS * needs the key, too
	}, nil
}

func (s *server) handler() http.Handler {
	reverse := &httputil.ReverseProxy{
		Transport: s.Transport,
		Rewrite:   s.rewrite,
		// Server-sent events and long answers arrive as they are sent.
		FlushInterval:  -1,
		BufferPool:     buffers{},
		ModifyResponse: s.modifyResponse,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, err error) { s.forwardingFailed(w, err) },
	}
	forward := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal := s.check(r)
		if refusal == nil {
			refusal = keepBody(w, r)
		}
		if refusal != nil {
			refusal.write(w)
			return
		}
		reverse.ServeHTTP(w, r)
	})
	if s.Audit == nil {
		return forward
	}
	return s.Audit.wrap(s.Account, forward)
}

// check refuses a request that must not be forwarded. It removes the key from the request.
func (s *server) check(r *http.Request) *refusal {
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return forbidden("the proxy of tokencli does not forward %s", r.Method)
	case !s.present.Holds(r, s.Key):
		return &refusal{
			http.StatusUnauthorized, "tokencli_key_required",
			"the key of this proxy is missing or wrong; present it where the token would be",
		}
	}
	s.present.Remove(r)
	switch {
	case r.URL.Host != "" && !isLocal(r):
		return forbidden("the proxy of tokencli forwards to %s only", s.api.Host)
	case !s.below(r.URL):
		return forbidden("the proxy of tokencli forwards paths below %s only", s.api.Path)
	case s.isEndpoint(r.URL):
		return forbidden("the proxy of tokencli does not forward requests to OAuth endpoints")
	case r.Header.Get("Upgrade") != "":
		return forbidden("the proxy of tokencli does not forward upgrades of the connection, such as websockets")
	}
	return s.Rules.check(r)
}

// isLocal reports whether an address in absolute form (RFC 9112 3.2.2) is the proxy's own.
func isLocal(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return r.URL.Host == addr.String() || strings.EqualFold(r.URL.Host, net.JoinHostPort("localhost", port))
}

func (s *server) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host = s.api.Scheme, s.api.Host
	r.Out.Host = ""
	r.Out.Trailer = r.In.Trailer // it is filled in while the body is read
	// The program's own headers, or none, are passed on.
	for _, name := range []string{"User-Agent", "Accept"} {
		if _, ok := r.Out.Header[name]; !ok {
			r.Out.Header[name] = nil
		}
	}
	s.Rules.strip(r.Out.Header)
}

// forwardingFailed answers for a provider that did not.
func (s *server) forwardingFailed(w http.ResponseWriter, err error) {
	var refused *oauth.RefusedError
	if errors.As(err, &refused) {
		_ = refused.Answer.Body.Close()
	}
	r := &refusal{http.StatusBadGateway, "tokencli_unreachable", err.Error()}
	switch fail.KindOf(err) {
	case fail.LoginNeeded, fail.NotLoggedIn:
		r.status, r.code = http.StatusServiceUnavailable, "tokencli_login_needed"
	case fail.Store, fail.Usage:
		r.status, r.code = http.StatusServiceUnavailable, "tokencli_unusable"
	}
	if r.status == http.StatusServiceUnavailable && s.Failed != nil {
		s.Failed(err)
	}
	r.write(w)
}

// buffers lends the buffers in which bodies are copied.
type buffers struct{}

var pool = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (buffers) Get() []byte  { return pool.Get().(*[32 << 10]byte)[:] }
func (buffers) Put(b []byte) { pool.Put((*[32 << 10]byte)(b)) }
