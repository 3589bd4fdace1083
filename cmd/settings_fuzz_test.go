package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"", "---\n", "null\n", "[]\n", "store: file\noutput: header\nmin_ttl: 2m\n", "store: nowhere\n", "min_ttl: -1s\n", "min_ttl: 1e9d\n",
		"on_rotate: [/usr/bin/save, --to, ci]\n", "on_rotate: ['']\n", "on_rotate: [\"a\\0b\"]\n", "on_rotate: save\n",
		"accounts:\n  - name: mollie/shop-b\n    client_id: app_1\n    redirect_uri: https://localhost:9000/callback\n    scopes: [payments.read]\n    grant: password\n",
		"accounts:\n  - name: mollie\n  - name: mollie\n", "accounts:\n  - name: ../x\n", "accounts:\n  - &a {name: mollie}\n  - *a\n",
		"client_secret: hunter2\n", "store: !!binary aGk=\n", "store: \"\\u001b[31m\"\n", "store: file\nstore: env\n", "a: &a [*a, *a]\n", "<<: {store: file}\n",
		"store: file\n---\nstore: env\n", "{", "\x00", "\xff", "\xef\xbb\xbfstore: file\n", "? {}\n: {}\n",
	} {
		f.Add([]byte(seed), "")
	}
	for _, command := range []string{"save --to ci", `["save","a b"]`, `["",""]`, "[", " ", "[null]", `["a\u0000"]`} {
		f.Add([]byte("store: env\n"), command)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, onRotate string) {
		if err := os.WriteFile(filepath.Join(dir, "config.yaml"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		environment := map[string]string{"TOKENCLI_CONFIG_DIR": dir, "TOKENCLI_STATE_DIR": dir, "TOKENCLI_ON_ROTATE": onRotate}
		s, err := readSettings(func(name string) string { return environment[name] })
		if err != nil {
			if !fail.Is(err, fail.Usage) && len(text) <= maxConfig {
				t.Errorf("kind of failure: %v", err)
			}
			if line := oneLine(err.Error()); line == "" || redact.Printable(line) != line {
				t.Errorf("not fit for a terminal: %q", line)
			}
			return
		}
		if !slices.Contains(stores, s.Store) || s.Output != "" && !validOutput(s.Output) || s.MinTTL < 0 {
			t.Errorf("store %q, output %q, min_ttl %s", s.Store, s.Output, s.MinTTL)
		}
		if len(s.OnRotate) > 0 && (s.OnRotate[0] == "" || checkArgv(s.OnRotate) != nil) {
			t.Errorf("on_rotate %q", s.OnRotate)
		}
		for name := range s.accounts {
			if again, err := account.Parse(name.String()); err != nil || again != name {
				t.Errorf("account %q: %v", name, err)
			}
		}
	})
}
