//go:build linux

package acceptance

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
)

// What doctor says of a Vault store, with a fix for each warning and problem.
func TestVaultDoctor(t *testing.T) {
	s := newVaultShop(t)
	s.call("PUT", "sys/policies/acl/destroyer", map[string]any{"policy": `path "secret/data/tokencli/*" { capabilities = ["create", "read", "update"] }`})
	bare := s.call("POST", "auth/token/create", map[string]any{"policies": []string{"borrower"}, "no_default_policy": true})["auth"].(map[string]any)["client_token"].(string)
	few := s.call("POST", "auth/token/create", map[string]any{"policies": []string{"borrower"}, "num_uses": 1000})["auth"].(map[string]any)["client_token"].(string)
	expired := s.token("1s", "refresher")
	time.Sleep(2 * time.Second)
	sealed := s.sealed()
	for name, test := range map[string]struct {
		env  map[string]string
		exit int
		want []string // each is in a finding, as "STATE TEXT; FIX"
	}{
		"all well": {
			map[string]string{"VAULT_TOKEN": s.token("100h30m", "refresher")},
			0,
			[]string{
				"ok vault, by TOKENCLI_STORE: Vault 1.", "ok the Vault token expires in 100h", " and is renewable;", "ok the mount secret is a KV engine of version 2",
				"ok the Vault token may log in, refresh and revoke",
			},
		},
		"root": {
			nil, 0,
			[]string{"ok the Vault token does not expire", "warning the Vault token has the policy root, which allows everything; use a token with one of the policies in docs/team.md"},
		},
		"a borrower": {map[string]string{"VAULT_TOKEN": s.token("100h30m", "borrower")}, 0, []string{"ok the Vault token may read, but neither log in nor refresh"}},
		"a token that expires soon": {
			map[string]string{"VAULT_TOKEN": s.token("1h30m", "borrower")},
			0,
			[]string{"warning the Vault token expires in 1h", "is renewable; run `vault login` for a new one, or let a Vault agent extend it"},
		},
		"a token for few uses":   {map[string]string{"VAULT_TOKEN": few}, 0, []string{"warning the Vault token can be used only 99"}},
		"a token without lookup": {map[string]string{"VAULT_TOKEN": bare}, 0, []string{"ok the lifetime of the Vault token is not known", "warning what the Vault token may do is not known"}},
		"no right to delete": {
			map[string]string{"VAULT_TOKEN": s.token("100h30m", "destroyer")},
			0,
			[]string{
				"warning the policies of the Vault token do not allow list, so the accounts are not found; extend the policy of the token for secret/metadata",
				"warning the policies of the Vault token do not allow delete on the metadata of moloni-on: ",
			},
		},
		"no right to read": {
			map[string]string{"VAULT_TOKEN": s.token("100h30m", "stranger")},
			7,
			[]string{"problem the policies of the Vault token do not allow read on secret/data/tokencli/"},
		},
		"an expired token": {map[string]string{"VAULT_TOKEN": expired}, 7, []string{"problem Vault refused the token: it has expired", "; set VAULT_TOKEN, run `vault login`"}},
		"sealed":           {map[string]string{"VAULT_ADDR": sealed}, 7, []string{"problem vault, by TOKENCLI_STORE: Vault at " + sealed + " is sealed; unseal it: vault operator unseal"}},
		"no server":        {map[string]string{"VAULT_ADDR": "http://127.0.0.1:1"}, 7, []string{"problem vault, by TOKENCLI_STORE: Vault at http://127.0.0.1:1 cannot be reached", "; check that http://127.0.0.1:1 is the right address"}},
		"no address":       {map[string]string{"VAULT_ADDR": ""}, 2, []string{"problem vault, by TOKENCLI_STORE: the vault store has no address: VAULT_ADDR is not set; set VAULT_ADDR"}},
		"version 1":        {map[string]string{"TOKENCLI_VAULT_MOUNT": "old"}, 2, []string{"problem the mount old of Vault is a KV engine of version 1"}},
		"no mount":         {map[string]string{"TOKENCLI_VAULT_MOUNT": "nowhere"}, 2, []string{"problem the mount nowhere of Vault does not exist"}},
		"a slow clock":     {map[string]string{"VAULT_ADDR": s.seenBy(10 * time.Minute)}, 0, []string{"warning this machine's clock is wrong: it is ", " behind Vault's; Vault's clock is used; set the clock: "}},
		"a JWT": {
			map[string]string{"VAULT_TOKEN": "", "TOKENCLI_VAULT_AUTH": "jwt", "TOKENCLI_VAULT_ROLE": "tokencli", "TOKENCLI_VAULT_JWT": s.jwt(s.ours, jwtAudience, "acme/shop", 300)},
			0,
			[]string{"each run logs in for one"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := filepath.Join(t.TempDir(), "report.txt")
			port, err := harness.FreePort() // doctor tries the port, and would meet the others there
			if err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"TOKENCLI_MOLONI_ON_REDIRECT_URI": "http://127.0.0.1:" + port + "/callback"}
			maps.Copy(env, test.env)
			exit, stdout, stderr := s.run(env, "doctor", "moloni-on", "--offline", "--json", "--bundle", report)
			var findings []struct{ Check, State, Text, Fix string }
			if err := json.Unmarshal([]byte(stdout), &findings); err != nil {
				t.Fatalf("%v: %s%s", err, stdout, stderr)
			}
			var lines []string
			for _, f := range findings {
				if f.Check == "store" {
					lines = append(lines, f.State+" "+f.Text+"; "+f.Fix)
				}
				if f.State != "ok" && f.Fix == "" {
					t.Errorf("no fix: %+v", f)
				}
			}
			text := strings.Join(lines, "\n")
			if exit != test.exit || slices.ContainsFunc(test.want, func(part string) bool { return !strings.Contains(text, part) }) {
				t.Errorf("exit %d, want %d and %q, got:\n%s", exit, test.exit, test.want, stdout)
			}
			published, err := os.ReadFile(report)
			if token := test.env["VAULT_TOKEN"]; err != nil || token != "" && strings.Contains(string(published)+stdout+stderr, token) {
				t.Errorf("the report holds the token, or: %v", err)
			}
		})
	}
}
