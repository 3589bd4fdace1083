// Package callback receives the authorization code of a login: from the browser, by a listener on the
// loopback interface (RFC 8252 7.3) that shows a page, or from the user, who pastes it. The redirect URI
// decides which.
//
// The port is bound before the browser opens, and only on loopback. A response that does not belong to
// this login is refused and the wait continues; it ends with the right response, the provider's refusal, the
// deadline or an interrupt. The page reports success only after the login succeeded. All messages go to
// one writer, and text from outside is made safe to print first.
package callback

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/terminal"
)

// Options configure a Receiver.
type Options struct {
	// RedirectURI is the configured one. It is used byte for byte, except for a port 0.
	RedirectURI string
	// State is what was sent and must come back (RFC 6749 10.12). If it is empty, no response with a state
	// is accepted.
	State string
	// StateOptional accepts a response without a state and marks the answer; one with a different state is
	// refused all the same.
	StateOptional bool
	// Issuer is what the parameter `iss` must be (RFC 9207 2.4). If it is empty, the parameter is ignored.
	Issuer string
	// IssuerRequired ends the login if the parameter is missing.
	IssuerRequired bool

	// Title is the provider's name as users know it. Default: "the provider".
	Title string
	// Account is the account's name. Default: none is shown.
	Account string
	// Next is the command that the page suggests after a login. Default: none.
	Next string
	// CodeLife is how long a code can be used. It is shown where one is to be pasted; 0: unknown.
	CodeLife time.Duration
	// ExactPort warns about port 0: the provider expects the port that was registered.
	ExactPort bool

	// TLSCert and TLSKey are the user's PEM files for an https redirect URI on loopback. Default: a
	// self-signed certificate.
	TLSCert, TLSKey string
	// StateDir is the folder that keeps the self-signed certificate. Default: none; the certificate then
	// is for this login only.
	StateDir string

	// NoBrowser opens no browser.
	NoBrowser bool
	// Browser is the command that opens an address; a %s in it is replaced with the address, which is
	// otherwise appended. Default: BROWSER in Environ, which is a list of such commands; else
	// SystemOpener, unless there is evidently no display.
	Browser string
	// SystemOpener is the command that calls OpenBySystem, with the address as its last argument, in a
	// process of its own. Default: none.
	SystemOpener []string
	// Open opens the address instead of any command, for a program that is its own browser. Its error
	// counts as that of a browser that cannot be started.
	Open func(ctx context.Context, address string) error
	// Environ is the environment of the opener, and tells what kind of machine this is. It must hold no
	// secret. Default: that of this process without its secrets.
	Environ []string

	// Stdin is read for a pasted code if it is not a terminal and either the code can come in no other
	// way or NoBrowser is set. Default: none.
	Stdin           io.Reader
	StdinIsTerminal bool
	// OpenTerminal opens the terminal; an error means that there is none. A result that has
	// SetReadDeadline is read only while the login waits. Default: the controlling terminal.
	OpenTerminal func() (io.ReadCloser, error)

	// Stderr receives all messages. Default: none are printed.
	Stderr io.Writer
	// Columns is the width of the terminal that Stderr is; 0: it is not one.
	Columns int
	// Quiet drops all messages except warnings, a certificate's fingerprint and what must be opened or
	// pasted.
	Quiet bool
}

// Answer is an authorization code that may be exchanged: its state and issuer have been checked.
type Answer struct {
	// Code is the authorization code. It is used once and short-lived, but a secret until then.
	Code string
	// StateMissing says that the response carried no state (see Options.StateOptional). It is not set for
	// a bare code, which never carries one.
	StateMissing bool
	// Pasted says that the user pasted the code.
	Pasted bool
	// Params are all parameters of the response.
	Params url.Values
	// SetOwner sets whose login it is, for the browser's page. It is never nil and must be called before
	// Finish.
	SetOwner func(owner string)
	// Finish tells the browser's page, which waits for it, how the exchange went: nil for success. It is
	// never nil, does not block and may be called more than once; the first call counts. If the code was
	// pasted, no page waits and it changes nothing.
	Finish func(error)
}

// String keeps the code out of messages and logs.
func (a Answer) String() string { return "authorization code " + redact.Mask }

// GoString does the same for %#v.
func (a Answer) GoString() string { return a.String() }

// Receiver waits for one authorization code.
type Receiver struct {
	opts      Options
	redirect  *redirect
	uri       string // the redirect URI with the port that was bound
	port      int
	listeners []*listener
	server    *http.Server
	cert      *certificate // nil without TLS
	console   *console
	page      *pages

	// authorize is the address that Receive was given, to recognise it when it is pasted.
	authorize *url.URL
	partial   partial // what was pasted of an address so far

	hold time.Duration // how long a page waits for Finish

	reported sync.Map // what is reported only once
	result   chan result

	mu       sync.Mutex
	settled  bool // the login is decided: a code, a refusal, or the deadline
	visits   visits
	inFlight int
	idle     chan struct{} // closed and replaced whenever inFlight drops to 0

	finishOnce sync.Once
	finished   chan struct{} // closed by the first Finish
	owner      string        // read after finished
	outcome    error         // read after finished
	grace      time.Duration // closeGrace, but for tests
	linger     time.Duration // closeLinger, but for tests
	closeOnce  sync.Once
	closed     chan struct{}
}

// pageHold is a little more than the 30 s that a token request may take.
const pageHold = 35 * time.Second

// Listen prepares to receive: it checks the redirect URI, loads or creates the certificate and binds the
// port. Failures are of kind Usage, or Store if the kept certificate is unsafe. The Receiver must be closed.
func Listen(opts Options) (*Receiver, error) {
	if opts.Environ == nil {
		opts.Environ = account.Environ(os.Environ())
	}
	if opts.OpenTerminal == nil {
		opts.OpenTerminal = func() (io.ReadCloser, error) { return terminal.Open() }
	}
	to, err := parseRedirect(opts.RedirectURI)
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		opts:     opts,
		redirect: to,
		uri:      opts.RedirectURI,
		console:  newConsole(opts),
		hold:     pageHold,
		grace:    closeGrace,
		linger:   closeLinger,
		result:   make(chan result, 1),
		idle:     make(chan struct{}),
		finished: make(chan struct{}),
		closed:   make(chan struct{}),
	}
	r.page = newPages(r.title(), redact.Printable(opts.Account), redact.Printable(opts.Next))
	if !to.listens() {
		return r, nil
	}
	if to.way == overTLS {
		if r.cert, err = chooseCertificate(opts); err != nil {
			return nil, err
		}
	}
	bound, port, err := bind(to, r.title())
	if err != nil {
		return nil, err
	}
	r.port = port
	r.listeners = r.guard(bound)
	r.uri = to.withPort(port)
	r.server = r.newServer()
	return r, nil
}

// RedirectURI returns the redirect URI to send to the provider: the configured one byte for byte, with
// the port that was bound in place of a port 0.
func (r *Receiver) RedirectURI() string { return r.uri }

// Receive prints the address of the authorization page, opens the browser and waits for the code. validFor is how
// long the address works, which is then for one use; 0: no limit is known. It is called once. It fails with kind Refused if the provider refuses, LoginNeeded if ctx's deadline passes,
// Interrupted if ctx is cancelled, and Usage if the input ends where a code had to be pasted.
func (r *Receiver) Receive(ctx context.Context, authorizeURL string, validFor time.Duration) (*Answer, error) {
	u, err := url.Parse(authorizeURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		// Anything else must not reach an opener, which could take it for an option or a file.
		return nil, fail.New(fail.Usage, "the authorization page of %s has no usable address", r.title())
	}
	r.authorize = u
	pasted := r.openPaste()
	defer func() { pasted.stop() }()
	if pasted == nil && !r.redirect.listens() {
		return nil, fail.New(fail.Usage, "%sno terminal and no input to paste a code into", r.prefix()).
			Advise(fail.DoPaste, r.account())
	}
	var commands [][]string
	if r.opts.Open == nil {
		commands = r.openers(runtime.GOOS, authorizeURL)
	}
	r.announce(authorizeURL, validFor, r.opts.Open != nil || len(commands) > 0, pasted != nil)
	for _, l := range r.listeners {
		go func() { _ = r.server.Serve(l.serve()) }()
	}
	switch {
	case r.opts.Open != nil:
		go func() { r.checkOpened(r.opts.Open(ctx, authorizeURL)) }()
	case len(commands) > 0:
		go func() { r.checkOpened(r.open(commands)) }()
	}
	defer r.console.close()
	for {
		select {
		case res := <-r.result:
			return res.answer, res.err
		case p, more := <-pasted.pastes():
			if more {
				r.take(p)
				continue
			}
			if !r.redirect.listens() {
				return r.fail(fail.New(fail.Usage, "%sthe input ended before a code was pasted", r.prefix()).
					Advise(fail.DoPaste, r.account()))
			}
			pasted = r.afterEnd(pasted)
		case <-ctx.Done():
			return r.fail(r.cancelled(ctx))
		case <-r.closed:
			return r.fail(fail.New(fail.Interrupted, "%slogin closed", r.prefix()))
		}
	}
}

func (r *Receiver) take(p paste) {
	for _, res := range r.parsePasted(p) {
		switch {
		case res.decided():
			if r.settle(res) && res.err != nil {
				r.finish(res.err)
			}
		case res.rejection != blank:
			r.console.notify("%s", res.rejection.ofPaste(r.shownURI()))
		}
	}
}

// fail ends the login with err, unless it was decided in the same moment.
func (r *Receiver) fail(err error) (*Answer, error) {
	if r.settle(result{err: err}) {
		r.finish(err)
	}
	res := <-r.result
	return res.answer, res.err
}

func (r *Receiver) cancelled(ctx context.Context) error {
	var err *fail.Error
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fail.New(fail.LoginNeeded, "%slogin timed out: no code arrived", r.prefix()).
			Advise(fail.DoLogInWithMoreTime, r.account())
	} else {
		err = fail.New(fail.Interrupted, "%slogin interrupted", r.prefix())
	}
	return err.Because(ctx.Err())
}

// settle decides the login. It reports false if it was decided before.
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

// answer returns the answer for a code whose response was accepted.
func (r *Receiver) answer(code string, params url.Values) *Answer {
	return &Answer{Code: code, Params: params, SetOwner: r.setOwner, Finish: r.finish}
}

func (r *Receiver) setOwner(owner string) {
	select {
	case <-r.finished:
	default:
		r.owner = redact.Scrub(owner, 200)
	}
}

func (r *Receiver) finish(err error) {
	r.finishOnce.Do(func() {
		r.outcome = err
		close(r.finished)
	})
}

// first reports whether it is called with key for the first time.
func (r *Receiver) first(key any) bool {
	_, before := r.reported.LoadOrStore(key, true)
	return !before
}

func (r *Receiver) title() string {
	return cmp.Or(redact.Scrub(r.opts.Title, 80), "the provider")
}

func (r *Receiver) account() string { return redact.Scrub(r.opts.Account, 140) }

func (r *Receiver) prefix() string {
	if r.opts.Account == "" {
		return ""
	}
	return r.account() + ": "
}

func (r *Receiver) shownURI() string { return redact.Scrub(r.uri, 200) }
