//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

// peer is the provider's side of one store: a sandbox, and in front of it a record of who asked for what
// and what became of it. Every process is given an address of its own (/pN/ before the path), so that a
// request is known to be that process's.
type peer struct {
	url    string
	server *sandbox.Server
	http   *http.Server
	ahead  atomic.Int64 // how far the sandbox's clock is from the real one
	trap   atomic.Int64 // requests that followed a redirect

	accounts map[string]*ledger // by provider
	garbled  func(kind string)  // is told of each answer that is garbled
}

// ledger is what a provider knows of its one account here.
type ledger struct {
	decide sync.Mutex // one refresh is decided at a time; its answer may be held back much longer

	mu     sync.Mutex
	life   time.Duration
	waits  []*wait
	tokens map[string]issued    // every access token ever handed out
	spent  map[string]*exchange // refresh tokens, by what spent them
	reused []*reuse
	all    []*exchange
	lies   int // refusals that called a login ended that was not, since the last calm
	random *rand.Rand
	calm   bool // no answer is garbled
}

// lie is what such a refusal says.
const lie = "this login has ended, which is a lie"

type issued struct {
	at   time.Time
	life time.Duration // 0: the client was not told
}

// exchange is a refresh that the provider has carried out.
type exchange struct {
	process  int
	decided  time.Time
	answered time.Time // when the answer had left; zero: it never did
	lost     string    // the fault that kept the new refresh token from the client
	garbled  *garbled  // what is sent in place of the answer
}

// reuse is a spent refresh token that was sent again.
type reuse struct {
	process int
	first   *exchange
}

// wait holds a refresh up, once.
type wait struct {
	kind string // delay, delay_reply or hang
	long time.Duration
	held chan int // receives the number of the process that waits
}

func newPeer(listener net.Listener, providers []string, redirects map[string][]string, seed uint64, garbled func(string)) (*peer, error) {
	p := &peer{url: "http://" + listener.Addr().String(), accounts: map[string]*ledger{}, garbled: garbled}
	for i, provider := range providers {
		p.accounts[provider] = &ledger{
			tokens: map[string]issued{}, spent: map[string]*exchange{},
			random: rand.New(rand.NewPCG(seed, uint64(i))), // it has to be repeatable
		}
	}
	var err error
	p.server, err = sandbox.New(sandbox.Config{
		Providers:    providers,
		Consent:      sandbox.ConsentAllow,
		RedirectURIs: redirects,
		AccessLife:   4 * time.Second,
		RefreshLife:  30 * 24 * time.Hour,
		Now:          func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) },
	})
	if err != nil {
		return nil, err
	}
	p.http = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.http.Serve(listener) }() // ends with Close
	return p, nil
}

// setLife changes how long the access tokens live that are handed out from now on.
func (p *peer) setLife(provider string, life time.Duration) error {
	l := p.accounts[provider]
	l.decide.Lock()
	defer l.decide.Unlock()
	l.life = life
	return p.server.SetLifetimes(sandbox.Lifetimes{Provider: provider, Access: life.String()})
}

func (p *peer) hold(provider string, w *wait) {
	l := p.accounts[provider]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits = append(l.waits, w)
}

// calm calls off what was to go wrong.
func (p *peer) calm(provider string) {
	var others []sandbox.Fault
	for _, f := range p.server.Faults() {
		if f.Provider != provider {
			others = append(others, f)
		}
	}
	p.server.ClearFaults()
	for _, f := range others {
		_ = p.server.Inject(f) // it was taken before
	}
	l := p.accounts[provider]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits, l.calm = nil, true
}

// stir lets answers be garbled, until calm.
func (p *peer) stir(provider string) {
	l := p.accounts[provider]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calm = false
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/p"), "/")
	process, err := strconv.Atoi(number)
	if err != nil {
		p.trap.Add(1)
		http.NotFound(w, r)
		return
	}
	provider, _, _ := strings.Cut(rest, "/")
	l := p.accounts[provider]
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if l == nil || err != nil {
		http.NotFound(w, r)
		return
	}
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = "/"+rest, ""
	inner.Body = io.NopCloser(bytes.NewReader(body))
	sent := refreshTokenIn(r, body)

	var held *wait
	if sent != "" {
		held = l.nextWait()
	}
	if held != nil && held.kind != "delay_reply" {
		held.tell(process)
		if !pause(r, held.long) || held.kind == "hang" {
			panic(http.ErrAbortHandler)
		}
	}
	out, x := l.ask(p.server, provider, inner, process, sent)
	if held != nil && held.kind == "delay_reply" {
		held.tell(process)
		if !pause(r, held.long) {
			panic(http.ErrAbortHandler)
		}
	}
	if out == nil {
		panic(http.ErrAbortHandler)
	}
	if x != nil && x.garbled != nil {
		p.garbled(x.garbled.kind)
		err = x.garbled.send(w)
	} else {
		err = pass(out, w)
	}
	if err == nil && x != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		x.answered = time.Now()
	}
}

func pass(out *httptest.ResponseRecorder, w http.ResponseWriter) error {
	for name, values := range out.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(out.Code)
	if _, err := w.Write(out.Body.Bytes()); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

func (l *ledger) nextWait() *wait {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waits) == 0 {
		return nil
	}
	next := l.waits[0]
	l.waits = l.waits[1:]
	return next
}

func (w *wait) tell(process int) {
	select {
	case w.held <- process:
	default:
	}
}

func pause(r *http.Request, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}

// ask lets the sandbox decide, and books what it did. The answer is nil where the sandbox drops it.
func (l *ledger) ask(server *sandbox.Server, provider string, r *http.Request, process int, sent string) (out *httptest.ResponseRecorder, x *exchange) {
	l.decide.Lock()
	defer l.decide.Unlock()
	before := server.Stats()[provider]
	out = answerOf(server, r)
	after := server.Stats()[provider]

	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var granted struct {
		Access  string `json:"access_token"`
		AccessC string `json:"accessToken"`
		New     string `json:"refresh_token"`
		NewC    string `json:"refreshToken"`
	}
	readable := out != nil && out.Code < 300 && json.Unmarshal(out.Body.Bytes(), &granted) == nil
	if token := granted.Access + granted.AccessC; readable && token != "" {
		life := l.life
		if !bytes.Contains(out.Body.Bytes(), []byte("xpir")) {
			life = 0 // whatever the field is called
		}
		l.tokens[token] = issued{at: now, life: life}
	}
	if out != nil && bytes.Contains(out.Body.Bytes(), []byte(lie)) {
		l.lies++
	}
	if after.ReusedRefreshTokens > before.ReusedRefreshTokens {
		l.reused = append(l.reused, &reuse{process: process, first: l.spent[sent]})
	}
	if after.Refreshes > before.Refreshes {
		x = &exchange{process: process, decided: now}
		switch {
		case out == nil:
			x.lost = "the answer never came"
		case !readable || granted.New+granted.NewC == "":
			x.lost = "the answer held no new refresh token"
		case !l.calm && l.random.IntN(3) == 0:
			l.garble(x, out, granted.Access+granted.AccessC)
		}
		l.spent[sent] = x
		l.all = append(l.all, x)
	}
	return out, x
}

// garble changes the answer to a refresh that was granted, and books what the client can no longer know.
func (l *ledger) garble(x *exchange, out *httptest.ResponseRecorder, access string) {
	g := garble(l.random, out)
	x.garbled = &g
	if !g.whole {
		x.lost = "the answer was cut before the end of the new refresh token"
	}
	if token := l.tokens[access]; !g.told {
		token.life = 0
		l.tokens[access] = token
	}
}

// answerOf is nil where the sandbox closes the connection without an answer.
func answerOf(h http.Handler, r *http.Request) (out *httptest.ResponseRecorder) {
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler { //nolint:errorlint // a panic's value, compared as net/http does
				panic(v)
			}
			out = nil
		}
	}()
	out = httptest.NewRecorder()
	h.ServeHTTP(out, r)
	return out
}

// refreshTokenIn finds the refresh token of a refresh, wherever the provider's dialect puts it.
func refreshTokenIn(r *http.Request, body []byte) string {
	var fields map[string]any
	form, _ := url.ParseQuery(string(body))
	_ = json.Unmarshal(body, &fields)
	for _, name := range []string{"refresh_token", "refreshToken"} {
		text, _ := fields[name].(string)
		for _, value := range []string{r.URL.Query().Get(name), form.Get(name), text} {
			if value != "" && value != "refresh_token" {
				return value
			}
		}
	}
	return ""
}

// base is the address of the sandbox for one process.
func (p *peer) base(process int) string { return p.url + "/p" + strconv.Itoa(process) }

// exchangeOf is the last refresh that a process was granted; nil: none.
func (p *peer) exchangeOf(provider string, process int) *exchange {
	l := p.accounts[provider]
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range slices.Backward(l.all) {
		if x.process == process {
			return x
		}
	}
	return nil
}
