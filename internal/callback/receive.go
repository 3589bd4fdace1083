// Package callback is how an authorization code comes back from the browser: by a listener on the
// loopback interface (RFC 8252 7.3) and the page it shows, or by a person who pastes it. The redirect
// URI decides which; there are no modes.
//
// Its rules: a port is bound before anything is opened, and only on loopback. A reply that does not
// belong to this login is refused and the wait goes on; nothing but the right one, the provider's own
// no, the end of the time or an interrupt ends it. The browser is told that a login worked only once
// it did. Everything said to a person goes to one writer; whatever came from outside is scrubbed first.
package callback

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Options is all that a Receiver needs.
type Options struct {
	// RedirectURI is the one in the configuration. It is used byte for byte, but for a port 0.
	RedirectURI string
	// State is what was sent along and must come back (RFC 6749 10.12). Empty: no reply that carries a
	// state is right.
	State string
	// StateOptional accepts a reply without a state, and says so in the answer; one with a different
	// state is refused all the same. Default: a missing state is a wrong one.
	StateOptional bool
	// Issuer is what a parameter `iss` must be (RFC 9207 2.4). Empty: the parameter is not looked at.
	Issuer string
	// IssuerRequired ends the login where the parameter is missing.
	IssuerRequired bool

	// Title is the provider's name for people. Default: "the provider".
	Title string
	// Account is the account's name. Default: none is mentioned.
	Account string
	// CodeLife is how long a code can be used. It is said where one is to be pasted; 0: not known.
	CodeLife time.Duration
	// ExactPort warns about port 0: the provider wants the port that was registered.
	ExactPort bool

	// TLSCert and TLSKey are PEM files for an https redirect URI on loopback. Default: a certificate for
	// localhost, 127.0.0.1 and ::1 is made, valid for a day and never written down.
	TLSCert, TLSKey string

	// NoBrowser opens none.
	NoBrowser bool
	// Browser is the command that opens an address; %s in it stands for the address, which otherwise
	// comes last. Default: BROWSER in Environ, a list of such commands; else the system's own opener,
	// unless there is evidently no screen.
	Browser string
	// Open opens the address instead of any command, for a program that is its own browser. Its error
	// counts as that of a browser that cannot be started.
	Open func(ctx context.Context, address string) error
	// Environ is the environment of the opener and tells what kind of machine this is. It must hold no
	// secret. Default: that of this process without its secrets.
	Environ []string

	// Stdin is read for a pasted code where it is no terminal and either the code can come no other way
	// or NoBrowser is set. Default: there is none.
	Stdin           io.Reader
	StdinIsTerminal bool
	// OpenTerminal opens the terminal for reading; an error says that there is none. A result that has
	// SetReadDeadline is read only for as long as the login waits. Default: the controlling terminal.
	OpenTerminal func() (io.ReadCloser, error)

	// Stderr takes everything that is said to the person. Default: nothing is said.
	Stderr io.Writer
	// StderrIsTerminal shows the time that is left.
	StderrIsTerminal bool
}

// Answer is an authorization code that may be exchanged: the rules about state and issuer hold.
type Answer struct {
	// Code is the authorization code. It is used once and short-lived, but a secret until then.
	Code string
	// StateMissing says that the reply carried no state (see Options.StateOptional). It is not set for a
	// bare code: that carries none by its nature.
	StateMissing bool
	// Pasted says that a person brought the code.
	Pasted bool
	// Params are all parameters of the reply.
	Params url.Values
	// Finish tells the browser's page, which is waiting for it, how the exchange went: nil for well. It
	// is never nil, does not block and may be called more than once; the first call counts. Where the
	// code was pasted no page is waiting and it changes nothing.
	Finish func(error)
}

// String keeps the code out of messages and logs.
func (a Answer) String() string { return "authorization code " + redact.Mask }

// GoString does the same for %#v.
func (a Answer) GoString() string { return a.String() }

// Receiver waits for one authorization code.
type Receiver struct {
	opts      Options
	target    *target
	uri       string // the redirect URI with the port that was bound
	port      int
	listeners []net.Listener
	server    *http.Server
	cert      *certificate // nil without TLS
	voice     *voice
	page      *pages

	// authorize is the address that Receive was given, to recognise it when it is pasted.
	authorize *url.URL

	hold time.Duration // how long a page waits for Finish
	tick time.Duration // how often the time left is shown

	said   sync.Map // of flaw, and of notes that are given once
	result chan result

	mu       sync.Mutex
	settled  bool // the login is decided: a code, a refusal, or the end of the time
	closing  bool
	inFlight int           // requests being answered
	idle     chan struct{} // closed when closing and none is left

	finishOnce sync.Once
	finished   chan struct{} // closed by the first Finish
	outcome    error         // how it went; read after finished
	closeOnce  sync.Once
	closed     chan struct{}
}

type result struct {
	answer *Answer
	err    error
}

const (
	// pageHold is a little more than the 30 s that a token request may take.
	pageHold = 35 * time.Second
	// closeGrace is how long Close waits for the browser to take its page.
	closeGrace = 2 * time.Second
)

// Listen prepares to receive: it checks the redirect URI, reads or makes the certificate and binds the
// port. Failures are of kind Usage. The Receiver must be closed.
func Listen(opts Options) (*Receiver, error) {
	if opts.Environ == nil {
		opts.Environ = account.Environ(os.Environ())
	}
	if opts.OpenTerminal == nil {
		opts.OpenTerminal = openTerminal
	}
	t, err := parseTarget(opts.RedirectURI)
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		opts:     opts,
		target:   t,
		uri:      opts.RedirectURI,
		voice:    newVoice(opts.Stderr, opts.StderrIsTerminal && canRedraw(runtime.GOOS, opts.Environ)),
		hold:     pageHold,
		tick:     time.Second,
		result:   make(chan result, 1),
		idle:     make(chan struct{}),
		finished: make(chan struct{}),
		closed:   make(chan struct{}),
	}
	r.page = newPages(r.title(), redact.Printable(opts.Account))
	if !t.listens() {
		return r, nil
	}
	if t.way == overTLS {
		if r.cert, err = loadCertificate(opts.TLSCert, opts.TLSKey); err != nil {
			return nil, err
		}
	}
	if r.listeners, r.port, err = bind(t, r.title()); err != nil {
		return nil, err
	}
	r.listeners = r.prepare(r.listeners)
	r.uri = t.withPort(r.port)
	r.server = r.newServer()
	return r, nil
}

// RedirectURI returns the redirect URI to send to the provider: the configured one byte for byte, with
// the port that was bound in place of a port 0.
func (r *Receiver) RedirectURI() string { return r.uri }

// Receive prints the address of the authorization page, opens the browser and waits for the code. It is
// called once. It fails with kind Refused when the provider says no, LoginNeeded when ctx's deadline
// passes, Interrupted when ctx is cancelled, and Usage when input ends where a code had to be pasted.
func (r *Receiver) Receive(ctx context.Context, authorizeURL string) (*Answer, error) {
	u, err := url.Parse(authorizeURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		// Whatever else it is must not reach an opener, which could take it for an option or a file.
		return nil, fail.New(fail.Usage, "the authorization page of %s has no usable address", r.title())
	}
	r.authorize = u
	for _, l := range r.listeners {
		go func() { _ = r.server.Serve(l) }()
	}
	pasted := r.openPaste()
	if pasted == nil && !r.target.listens() {
		return nil, fail.New(fail.Usage, "%sthere is no terminal and no input to paste a code into", r.prefix()).
			WithHint("run `%s` on a terminal, or write the code or the address to its standard input", r.command())
	}
	if r.opts.Open != nil {
		r.introduce(authorizeURL, true, pasted != nil)
		go func() { r.opened(r.opts.Open(ctx, authorizeURL)) }()
	} else {
		commands := r.openers(runtime.GOOS, authorizeURL)
		r.introduce(authorizeURL, len(commands) > 0, pasted != nil)
		if len(commands) > 0 {
			go r.open(commands)
		}
	}
	defer r.voice.done()
	return r.wait(ctx, pasted)
}

func (r *Receiver) wait(ctx context.Context, pasted *input) (*Answer, error) {
	deadline, bounded := ctx.Deadline()
	countdown := time.NewTicker(r.tick)
	defer countdown.Stop()
	show := func() {
		if bounded {
			r.voice.status("waiting, " + clock(time.Until(deadline)) + " left")
		}
	}
	show()
	for {
		select {
		case res := <-r.result:
			pasted.stop()
			return res.answer, res.err
		case <-countdown.C:
			show()
		case l, more := <-pasted.lines():
			if more {
				r.take(pasted, l)
				show()
				continue
			}
			if !r.target.listens() {
				return r.over(pasted, fail.New(fail.Usage, "%send of input where a code was to be pasted", r.prefix()).
					WithHint("run `%s` on a terminal, or write the code or the address to its standard input", r.command()))
			}
			pasted = r.afterEnd(pasted)
		case <-ctx.Done():
			return r.over(pasted, r.ended(ctx))
		case <-r.closed:
			return r.over(pasted, fail.New(fail.Interrupted, "%slogin closed", r.prefix()))
		}
	}
}

// over ends the login with err, unless it was decided in the same moment.
func (r *Receiver) over(pasted *input, err error) (*Answer, error) {
	pasted.stop()
	if r.settle(result{err: err}) {
		r.finish(err)
	}
	res := <-r.result
	return res.answer, res.err
}

// ended says why ctx is done.
func (r *Receiver) ended(ctx context.Context) error {
	var err *fail.Error
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fail.New(fail.LoginNeeded, "%slogin timed out: no code came back", r.prefix()).
			WithHint("run `%s` again; --timeout gives it more time", r.command())
	} else {
		err = fail.New(fail.Interrupted, "%slogin interrupted", r.prefix())
	}
	err.Err = ctx.Err()
	return err
}

// take handles one pasted line.
func (r *Receiver) take(from *input, l line) {
	if from.terminal {
		r.voice.typed(l.columns)
	}
	v := r.judgePasted(l)
	switch {
	case v.answer != nil:
		r.settle(result{answer: v.answer})
	case v.err != nil:
		if r.settle(result{err: v.err}) {
			r.finish(v.err)
		}
	case v.flaw == blank:
	default:
		r.voice.say("%s", v.flaw.pasted(r.shownURI()))
	}
}

// settle decides the login. It reports false when it was decided before.
func (r *Receiver) settle(res result) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settled {
		return false
	}
	r.settled = true
	r.result <- res
	return true
}

func (r *Receiver) isSettled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settled
}

func (r *Receiver) finish(err error) {
	r.finishOnce.Do(func() {
		r.outcome = err
		close(r.finished)
	})
}

// Close stops listening, lets the browser take the page it is waiting for (for two seconds at most) and
// frees the port. It has to be called before the process exits, or the page may be cut off. A page for
// which Finish was not called says that the terminal knows the outcome. More calls do nothing.
func (r *Receiver) Close() error {
	r.closeOnce.Do(func() {
		for _, l := range r.listeners {
			_ = l.Close()
		}
		r.mu.Lock()
		r.closing = true
		if r.inFlight == 0 {
			close(r.idle)
		}
		r.mu.Unlock()
		close(r.closed)
		if r.server == nil {
			return
		}
		grace := time.NewTimer(closeGrace)
		defer grace.Stop()
		// Not http.Server.Shutdown: that waits up to five seconds for the connections which browsers
		// open in advance and never use.
		select {
		case <-r.idle:
		case <-grace.C:
		}
		_ = r.server.Close()
	})
	return nil
}

// enter counts a request in; it reports false when the Receiver is being closed.
func (r *Receiver) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return false
	}
	r.inFlight++
	return true
}

func (r *Receiver) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight--
	if r.closing && r.inFlight == 0 {
		close(r.idle)
	}
}

// once reports whether it is called with key for the first time.
func (r *Receiver) once(key any) bool {
	_, before := r.said.LoadOrStore(key, true)
	return !before
}

func (r *Receiver) title() string {
	if t := redact.Scrub(r.opts.Title, 80); t != "" {
		return t
	}
	return "the provider"
}

func (r *Receiver) prefix() string {
	if r.opts.Account == "" {
		return ""
	}
	return redact.Scrub(r.opts.Account, 140) + ": "
}

// command returns what the person runs to log in.
func (r *Receiver) command() string {
	return strings.TrimSpace("tokencli login " + redact.Scrub(r.opts.Account, 140))
}

func (r *Receiver) shownURI() string { return redact.Scrub(r.uri, 200) }
