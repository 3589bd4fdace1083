//go:build unix

package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// stage is what a test of a whole login has around it: a sandbox that asks for consent, and the
// environment of a person who has set nothing up but the file store and the way to the sandbox.
type stage struct {
	server   *sandbox.Server
	url      string
	home     string
	variable map[string]string // of the environment; PATH leads to tokencli

	mu     sync.Mutex
	events []sandbox.Event
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{home: t.TempDir()}
	var err error
	s.server, err = sandbox.New(sandbox.Config{Event: func(e sandbox.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := s.server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	s.url = listener.URL
	key := filepath.Join(s.home, "key.txt")
	if err := os.WriteFile(key, []byte(scriptKey), 0o600); err != nil {
		t.Fatal(err)
	}
	s.variable = map[string]string{
		"PATH":              os.Getenv("PATH"),
		"HOME":              s.home,
		"TOKENCLI_STORE":    "file",
		"TOKENCLI_FILE_KEY": key,
		// What was meant for the sandbox must not reach a real provider.
		"HTTPS_PROXY": "http://127.0.0.1:9",
		"TZ":          "UTC",
		"LANG":        "C.UTF-8",
	}
	for _, name := range []string{"GOCOVERDIR", "GORACE"} {
		if value := os.Getenv(name); value != "" {
			s.variable[name] = value
		}
	}
	for _, provider := range sandbox.Providers() {
		s.variable[account.Name{Provider: provider}.Var(account.BaseURL)] = s.url + "/" + provider
	}
	return s
}

// client returns the id and the secret of the sandbox's client at the provider.
func (s *stage) client(provider string) (id, secret string) {
	name := account.Name{Provider: provider}
	for _, v := range s.server.Variables(s.url) {
		switch v.Name {
		case name.Var(account.ClientID):
			id = v.Value
		case name.Var(account.ClientSecret):
			secret = v.Value
		}
	}
	return id, secret
}

func (s *stage) environ() []string {
	var list []string
	for name, value := range s.variable {
		list = append(list, name+"="+value)
	}
	return list
}

// needs skips a test where a program is missing, but fails it where everything has to be there.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("TOKENCLI_TEST_KEYCHAIN") == "required" || strings.EqualFold(os.Getenv("CI"), "true") {
			t.Fatalf("%s is not installed, and nothing may be skipped here", program)
		}
		t.Skipf("%s is not installed", program)
	}
}
