// Package sandbox holds strict local stand-ins of the five built-in providers: their authorization
// pages, token endpoints and a little of their APIs, for trying tokencli out, for `tokencli demo`, and
// for tests of tokencli and of the user's own code.
//
// Its rules: a request that the provider's documentation does not allow is refused, in the provider's
// own error form, with the reason; nothing but loopback may steer it; everything is kept in memory and
// nothing it hands out is good anywhere else. Where no source tells what a provider does, a comment says
// "unknown" and what the stand-in chooses. The facts behind them are in docs/providers.md.
//
// Each provider lives under its own name (/mollie/oauth2/tokens), the control for tests under /_sandbox/.
package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The values of Config.Consent.
const (
	ConsentAsk   = "ask"   // a page with the buttons Allow and Deny
	ConsentAllow = "allow" // the browser is sent back with a code at once
	ConsentDeny  = "deny"  // the browser is sent back with access_denied at once
)

// Config says which providers are played, and how. The zero value is all five as documented, with a
// consent page. Maps have the provider's name as their key.
type Config struct {
	// Providers to play; empty means those of Definitions, or all five where it is empty too.
	Providers []string

	// Definitions are the texts of definition files. Each is played by a stand-in made from it, in place of
	// the built-in provider of that name.
	Definitions [][]byte

	// AccessLife, RefreshLife and CodeLife replace the documented lives at every provider played; zero
	// keeps each provider's own. With an AccessLife, Moneybird's replies carry expires_in.
	AccessLife, RefreshLife, CodeLife time.Duration

	// Consent is ConsentAsk (also when empty), ConsentAllow or ConsentDeny.
	Consent string

	// RedirectURIs are the registered ones. For a provider without a list, every URI that keeps the
	// provider's rule counts as registered.
	RedirectURIs map[string][]string

	// ClientID and ClientSecret replace the default client of a provider.
	ClientID, ClientSecret map[string]string

	// Username and Password are the one user that Moloni's password grant knows; empty means the default.
	Username, Password string

	// GrantScopes caps what a consent gives: of the scopes asked for, only these are granted.
	GrantScopes map[string][]string

	// Rotate says whether a refresh replaces the refresh token, against the provider's own way. Meant
	// for Moneybird, where it is not known; the default there is true.
	Rotate map[string]bool

	// OmitState makes a provider omit the state from its response, as one report says of Moloni.
	OmitState map[string]bool

	// ExpiracyFormat is how Moloni ON writes an instant, which no source tells: "rfc3339" (also when
	// empty), "sql", "epoch", "epoch_ms", "seconds" (the life, not an instant) or "text" (unreadable).
	ExpiracyFormat string

	// FractionDigits of Monta's instants, 0 to 9; nil means 6, as in its documentation.
	FractionDigits *int

	// Now is the clock, safe for concurrent use; nil means time.Now.
	Now func() time.Time

	// Event, if set, is called once for every request, in the order in which they were decided, never
	// twice at a time, and before the answer leaves. It must not send requests to the Server itself.
	Event func(Event)
}

// Variable is one setting of the environment.
type Variable struct{ Name, Value string }

// StaticToken is a credential that the stand-ins accept without any login.
type StaticToken struct {
	Provider string
	Kind     string // what the provider calls it
	Value    string
}

// Server plays the providers. It is an http.Handler; all methods are safe for concurrent use.
type Server struct {
	cfg      Config
	now      func() time.Time
	pages    *pages
	fraction int
	dialects []dialect // in the order in which they are shown

	mu        sync.Mutex // guards everything below, and the providers
	providers map[string]*provider
	faults    []*Fault
	files     map[string]time.Time // download keys and their ends
	seq       int
	queue     []Event // decided, not yet delivered

	deliver sync.Mutex // held while events are handed out, so that they stay in order
}

// builtin lists the hand-written stand-ins in the order in which they are shown.
func builtin() []dialect {
	return []dialect{moloniOn(), moloni(), mollie(), moneybird(), monta()}
}

// Providers returns the names of the providers that can be played.
func Providers() []string { return namesOf(builtin()) }

func namesOf(dialects []dialect) []string {
	var names []string
	for _, d := range dialects {
		names = append(names, d.name)
	}
	return names
}

// New returns a Server, or an error that names the setting that makes no sense.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, now: cfg.Now, pages: newPages(), fraction: 6}
	if s.now == nil {
		s.now = time.Now
	}
	set(&s.cfg.Consent, ConsentAsk)
	set(&s.cfg.Username, "user@sandbox.example.test")
	set(&s.cfg.Password, "sandbox-moloni-password")
	if cfg.FractionDigits != nil {
		s.fraction = *cfg.FractionDigits
	}
	err := s.make()
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s.Reset()
	return s, nil
}

// make lists the stand-ins.
func (s *Server) make() error {
	s.dialects = builtin()
	all := len(s.cfg.Providers) == 0
	for _, text := range s.cfg.Definitions {
		made, err := makeDialect(text, s.now())
		if err != nil {
			return err
		}
		s.dialects = slices.DeleteFunc(s.dialects, func(d dialect) bool { return d.name == made.name })
		s.dialects = append(s.dialects, made)
		if all {
			s.cfg.Providers = append(s.cfg.Providers, made.name)
		}
	}
	return nil
}

func (s *Server) check() error {
	known := namesOf(s.dialects)
	for _, name := range slices.Concat(s.cfg.Providers, keys(s.cfg.RedirectURIs), keys(s.cfg.ClientID), keys(s.cfg.ClientSecret),
		keys(s.cfg.GrantScopes), keys(s.cfg.Rotate), keys(s.cfg.OmitState)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown provider %q (known: %s)", name, strings.Join(known, ", "))
		}
	}
	if !slices.Contains([]string{ConsentAsk, ConsentAllow, ConsentDeny}, s.cfg.Consent) {
		return fmt.Errorf("unknown consent %q (known: ask, allow, deny)", s.cfg.Consent)
	}
	if s.fraction < 0 || s.fraction > 9 {
		return fmt.Errorf("fraction digits %d are not between 0 and 9", s.fraction)
	}
	if s.cfg.AccessLife < 0 || s.cfg.RefreshLife < 0 || s.cfg.CodeLife < 0 {
		return errors.New("a life is negative")
	}
	if _, ok := expiracyFormats[s.cfg.ExpiracyFormat]; !ok {
		return fmt.Errorf("unknown expiracy format %q", s.cfg.ExpiracyFormat)
	}
	return nil
}

func keys[M ~map[string]V, V any](m M) []string { return slices.Sorted(maps.Keys(m)) }

// Reset deletes every token, code, fault and count, and puts the lives back to those of Config.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.providers = map[string]*provider{}
	s.faults = nil
	s.files = map[string]time.Time{}
	for _, d := range s.dialects {
		if len(s.cfg.Providers) == 0 || slices.Contains(s.cfg.Providers, d.name) {
			s.providers[d.name] = newProvider(d, s.cfg)
		}
	}
}

// played returns the providers in the order in which they are shown. The lock is held.
func (s *Server) played() []*provider {
	var list []*provider
	for _, d := range s.dialects {
		if st := s.providers[d.name]; st != nil {
			list = append(list, st)
		}
	}
	return list
}

// Variables returns the environment that points tokencli at the stand-ins served under base.
func (s *Server) Variables(base string) []Variable {
	s.mu.Lock()
	defer s.mu.Unlock()
	base = strings.TrimRight(base, "/")
	var vars []Variable
	for _, st := range s.played() {
		prefix := "TOKENCLI_" + variableName(st.name)
		vars = append(vars,
			Variable{prefix + "_BASE_URL", base + "/" + st.name},
			Variable{prefix + "_CLIENT_ID", st.clientID})
		if !st.noSecret {
			vars = append(vars, Variable{prefix + "_CLIENT_SECRET", st.clientSecret})
		}
		for _, v := range st.more {
			vars = append(vars, Variable{prefix + v.Name, v.Value})
		}
		if st.job {
			vars = append(vars,
				Variable{"ACTIONS_ID_TOKEN_REQUEST_URL", base + "/" + st.name + idTokenPath + "?api-version=2.0"},
				Variable{"ACTIONS_ID_TOKEN_REQUEST_TOKEN", jobToken})
		}
		if st.passwordGrant {
			vars = append(vars,
				Variable{prefix + "_USERNAME", s.cfg.Username},
				Variable{prefix + "_PASSWORD", s.cfg.Password})
		}
		if st.sampleRedirect != "" {
			redirect := st.sampleRedirect
			if list := s.cfg.RedirectURIs[st.name]; len(list) > 0 {
				redirect = list[0]
			}
			vars = append(vars, Variable{prefix + "_REDIRECT_URI", redirect})
		}
	}
	return vars
}

// StaticTokens returns the credentials that are accepted without a login.
func (s *Server) StaticTokens() []StaticToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []StaticToken
	for _, st := range s.played() {
		for _, t := range st.statics {
			list = append(list, StaticToken{Provider: st.name, Kind: t.kind, Value: t.value})
		}
	}
	return list
}

// ServeHTTP answers one request: it is read whole, decided under the lock, told to Config.Event, and
// only then written, so that a client that has the answer can also see its event and its count.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.read(r)
	if c.op == opControl {
		out := s.control(c, r.RemoteAddr)
		s.tellOf(c, nil, out)
		out.write(w)
		return
	}
	f := s.pick(c)
	if f != nil && f.rule().waitFirst && !pause(r.Context(), f.wait()) {
		s.tellOf(c, f, (&reply{}).why("the client left before the request was handled"))
		panic(http.ErrAbortHandler)
	}
	out := s.decide(c, f)
	s.tell()
	if f != nil {
		switch rule := f.rule(); {
		case rule.end == endHang:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case !rule.waitFirst && !pause(r.Context(), f.wait()):
			panic(http.ErrAbortHandler)
		case rule.end == endDrop:
			panic(http.ErrAbortHandler) // the server closes the connection and sends nothing
		}
	}
	out.write(w)
}

// decide carries the request out, unless the fault keeps it from that, and lets the fault shape the reply.
func (s *Server) decide(c *request, f *Fault) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.now()
	var out *reply
	if f == nil || f.handles() {
		out = s.handle(c)
	} else {
		out = &reply{status: http.StatusOK}
	}
	out.set("Date", c.now.UTC().Format(http.TimeFormat))
	if f != nil {
		f.shape(c, out)
	}
	s.count(c, f, out)
	s.note(c, f, out)
	return out
}

// handle finds the endpoint and asks it. The lock is held.
func (s *Server) handle(c *request) *reply {
	switch {
	case c.op == opFile:
		return s.download(c)
	case c.st == nil:
		return textReply(http.StatusNotFound, "unknown provider").why("the path names no provider that is played")
	case c.tooLong:
		return c.refuse(&problem{kind: badRequest, text: "the body is longer than 1 MiB", status: http.StatusRequestEntityTooLarge})
	case c.op == opConsent && c.route == nil:
		return c.consentGiven()
	case c.route != nil:
		return c.route.handle(c)
	case len(c.allowed) > 0:
		return c.refuse(bad(badMethod, "the method %s is not taken here", clean(c.method))).
			set("Allow", strings.Join(c.allowed, ", "))
	}
	return c.refuse(bad(notFound, "%s", c.st.missing(c)))
}

// pause waits for d and reports whether the client is still there.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return ctx.Err() == nil
}

// random returns n characters of the alphabet that nobody can guess.
func random(n int, alphabet string) string {
	out := make([]byte, n)
	for i := range out {
		letter, _ := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet)))) // never fails: crypto/rand ends the program instead
		out[i] = alphabet[letter.Int64()]
	}
	return string(out)
}

const (
	hexDigits = "0123456789abcdef"
	alnum     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// uuid returns a random UUID (RFC 9562 5.4).
func uuid() string {
	h := random(32, hexDigits)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-" + random(1, "89ab") + h[17:20] + "-" + h[20:]
}
