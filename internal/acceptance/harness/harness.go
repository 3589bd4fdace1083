// Package harness starts what the acceptance tests, the soak and the benchmark have in common: a sandbox that
// records its requests, and the environment of a user whose logins are kept nowhere else. It knows tokencli only
// from outside, as a program.
package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// Key is an age identity that protects nothing but the stores of tests.
const Key = "AGE-SECRET-KEY-19T88G3THP6AP757MJXXJEQC8U7UWT28XWWLN5RMLW9VEH6F07SPQTL9G2C"

// Environment holds the variables that a process is started with.
type Environment map[string]string

// NewEnvironment makes the folder home and the file key, and returns the environment of a user who keeps logins in
// the encrypted file store. Of the caller's own environment it holds what programs and coverage need.
func NewEnvironment(home, key string) (Environment, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(key, []byte(Key+"\n"), 0o600); err != nil {
		return nil, err
	}
	env := Environment{
		"HOME":              home,
		"USERPROFILE":       home,
		"AppData":           filepath.Join(home, "config"),
		"LocalAppData":      filepath.Join(home, "state"),
		"TOKENCLI_STORE":    "file",
		"TOKENCLI_FILE_KEY": key,
		// A request that is not sent to the sandbox must not reach a real provider. No proxy is asked for an address
		// of this machine.
		"HTTPS_PROXY": "http://127.0.0.1:9",
		"NO_COLOR":    "1",
		"TERM":        "dumb",
		"LANG":        "C.UTF-8",
		"TZ":          "UTC",
	}
	env.Pass("PATH", "GOCOVERDIR", "GORACE", "SystemRoot")
	return env, nil
}

// Pass copies variables from the caller's environment, where they are set.
func (e Environment) Pass(names ...string) {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			e[name] = value
		}
	}
}

// UseKeychain keeps logins in the keychain of the session that the caller runs in.
func (e Environment) UseKeychain() {
	e["TOKENCLI_STORE"] = "keychain"
	delete(e, "TOKENCLI_FILE_KEY")
	e.Pass("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")
}

// List returns the variables in the form of os.Environ, sorted.
func (e Environment) List() []string {
	var list []string
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// Sandbox is a sandbox that is being served.
type Sandbox struct {
	*sandbox.Server
	URL string // of the control page; the stand-ins are below it

	config sandbox.Config

	mu       sync.Mutex
	listener *sandbox.Listener
	requests []string
}

// Start serves a sandbox on a free port.
func Start(config sandbox.Config) (*Sandbox, error) {
	s := &Sandbox{config: config}
	config.Event = s.record
	var err error
	if s.Server, err = sandbox.New(config); err != nil {
		return nil, err
	}
	if s.listener, err = s.Listen(context.Background(), "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.URL = s.listener.URL
	return s, nil
}

func (s *Sandbox) record(e sandbox.Event) {
	text := fmt.Sprintf("%s %s %s %s", e.Provider, e.Operation, e.Method, e.Path)
	for _, p := range e.Parameters {
		text += fmt.Sprintf(" %s:%s=%s", p.In, p.Name, p.Value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, fmt.Sprintf("%s -> %d %s", text, e.Status, e.Reason))
}

// Requests returns one line for each request since the last call of Forget.
func (s *Sandbox) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Forget drops the requests recorded so far.
func (s *Sandbox) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Stop makes the sandbox unreachable until Resume.
func (s *Sandbox) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener.Close()
}

// Resume serves the sandbox at its address again. Another process may have been given the port for a moment.
func (s *Sandbox) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		listener, err := s.Listen(context.Background(), strings.TrimPrefix(s.URL, "http://"))
		if err == nil {
			s.listener = listener
			return nil
		}
		if time.Now().After(end) {
			return err
		}
	}
}

// BaseURLs sends the requests of a user who has no client yet to the sandbox.
func (s *Sandbox) BaseURLs(env Environment) {
	for _, provider := range sandbox.Providers() {
		env[account.Name{Provider: provider}.Var(account.BaseURL)] = s.URL + "/" + provider
	}
}

// Variables sends the requests of a user to the sandbox, with its clients. Tests run side by side, so each callback
// has a port of its own unless the sandbox was started with a redirect URI.
func (s *Sandbox) Variables(env Environment) error {
	for _, v := range s.Server.Variables(s.URL) {
		env[v.Name] = v.Value
	}
	for provider, origin := range map[string]string{"moloni-on": "http://127.0.0.1", "moneybird": "http://127.0.0.1", "mollie": "https://localhost"} {
		uri := ""
		if registered := s.config.RedirectURIs[provider]; len(registered) > 0 {
			uri = registered[0]
		} else {
			port, err := FreePort()
			if err != nil {
				return err
			}
			uri = origin + ":" + port + "/callback"
		}
		env[account.Name{Provider: provider}.Var(account.RedirectURI)] = uri
	}
	return nil
}

// Client returns the id and the secret of the sandbox's client at a provider.
func (s *Sandbox) Client(provider string) (id, secret string) {
	name := account.Name{Provider: provider}
	for _, v := range s.Server.Variables(s.URL) {
		switch v.Name {
		case name.Var(account.ClientID):
			id = v.Value
		case name.Var(account.ClientSecret):
			secret = v.Value
		}
	}
	return id, secret
}

// The ports are below those that systems give to outgoing connections: such a connection could take one before the
// program under test listens on it.
const firstPort, ports = 20000, 12000

// nextPort begins at random in each process, because several may test at the same time.
var nextPort = sync.OnceValue(func() *atomic.Int64 {
	n := new(atomic.Int64)
	n.Store(rand.Int64N(ports))
	return n
})

// FreePort returns a port that is free and that this process has not been given before.
func FreePort() (string, error) {
	for range ports {
		port := strconv.FormatInt(firstPort+nextPort().Add(1)%ports, 10)
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return "", errors.New("no port is free")
}
