//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// others are the programs that are installed and print a token that is kept for them: this one, if they
// can be handed one.
func (b *bench) others(token string) (commands []*command, err error) {
	if have("secret-tool") {
		commands = append(commands, &command{
			name: "secret-tool lookup", argv: []string{"secret-tool", "lookup", "service", "tokencli", "username", "monta"}, env: b.env, // prints the whole record
		})
	}
	if have("gh") {
		// From its file, which takes it less time than the keychain.
		dir := filepath.Join(b.home, "gh")
		hosts := "github.com:\n    oauth_token: " + token + "\n    user: bench\n    git_protocol: https\n"
		if err := writeAll(dir, "hosts.yml", hosts); err != nil {
			return nil, err
		}
		commands = append(commands, &command{
			name: "gh auth token, from its file", argv: []string{"gh", "auth", "token"}, want: token,
			env: append(without(without(b.env, "GH_"), "GITHUB_"), "GH_CONFIG_DIR="+dir),
		})
	}
	if have("pass") && have("gpg") {
		pass, err := b.pass(token)
		if err != nil {
			return nil, err
		}
		commands = append(commands, pass)
	}
	// An agent that holds the token; it has to run, and to know the account.
	if account := os.Getenv("BENCH_OIDC"); have("oidc-token") && account != "" {
		commands = append(commands, &command{name: "oidc-token", argv: []string{"oidc-token", account}, env: b.env})
	}
	return commands, nil
}

// pass keeps the token in a password store of its own, whose key has no passphrase.
func (b *bench) pass(token string) (*command, error) {
	ring := filepath.Join(b.home, "gnupg")
	if err := os.Mkdir(ring, 0o700); err != nil {
		return nil, err
	}
	env := append(slices.Clone(b.env), "GNUPGHOME="+ring, "PASSWORD_STORE_DIR="+filepath.Join(b.home, "pass"))
	for _, step := range []struct{ line, stdin string }{
		{"gpg --batch --quiet --pinentry-mode loopback --passphrase= --quick-generate-key bench@example.com default default never", ""},
		{"pass init bench@example.com", ""},
		{"pass insert --echo token", token + "\n"},
	} {
		if err := b.feed(env, step.stdin, strings.Fields(step.line)...); err != nil {
			return nil, err
		}
	}
	return &command{name: "pass show", argv: []string{"pass", "show", "token"}, env: env, want: token}, nil
}

func writeAll(dir, name, text string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
}
