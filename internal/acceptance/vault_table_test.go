//go:build linux

package acceptance

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
)

// vaultShop is a team with a login of moloni-on in a real Vault, and everything that the rows of the table in
// docs/team.md need.
type vaultShop struct {
	t            *testing.T
	dir, address string
	env          harness.Environment
	sandbox      *harness.Sandbox
	ours, theirs *ecdsa.PrivateKey // of the issuer of ID tokens, and of another one
	id           string            // address of GitHub's service for ID tokens
	pod          string            // token of the service account of the pod in which tokencli runs; empty: no pod
}

func newVaultShop(t *testing.T) *vaultShop {
	t.Helper()
	binary := os.Getenv(vaultBinary)
	if binary == "" {
		t.Skip("no Vault server: make vault-test builds one")
	}
	address, stop, err := startVault(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s := newShopAt(t, address)
	s.call("PUT", "sys/policies/acl/refresher", map[string]any{"policy": teamPolicy(t, "refresher")})
	s.call("PUT", "sys/policies/acl/borrower", map[string]any{"policy": teamPolicy(t, "borrower")})
	s.call("PUT", "sys/policies/acl/stranger", map[string]any{"policy": `path "secret/data/other" { capabilities = ["read"] }`})
	s.call("POST", "sys/mounts/old", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	s.logins()
	return s
}

// newShopAt returns a team with a login of moloni-on in the Vault at an address.
func newShopAt(t *testing.T, address string) *vaultShop {
	t.Helper()
	s := &vaultShop{t: t, dir: t.TempDir(), address: address}
	s.env, s.sandbox = atVault(t, s.dir, map[string]string{
		"VAULT_ADDR": s.address, "VAULT_TOKEN": "root", "TOKENCLI_STATE_DIR": filepath.Join(s.dir, "state"),
	})
	delete(s.env, "TOKENCLI_FILE_KEY")
	if exit, _, stderr := s.run(nil, "login", "moloni-on"); exit != 0 {
		t.Fatal(stderr)
	}
	return s
}

// call sends a request to Vault with the root token and returns the answer.
func (s *vaultShop) call(method, path string, body any) map[string]any {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.address+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", "root")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, answer, err)
	}
	var reply map[string]any
	_ = json.Unmarshal(answer, &reply)
	return reply
}

// token returns a token of Vault with these policies.
func (s *vaultShop) token(ttl string, policies ...string) string {
	s.t.Helper()
	auth := s.call("POST", "auth/token/create", map[string]any{"policies": policies, "ttl": ttl})["auth"].(map[string]any)
	return auth["client_token"].(string)
}

// run runs tokencli with these variables beside those of the shop.
func (s *vaultShop) run(env map[string]string, args ...string) (exit int, stdout, stderr string) {
	s.t.Helper()
	all := maps.Clone(s.env)
	maps.Copy(all, env)
	cmd := exec.CommandContext(s.t.Context(), "tokencli", args...)
	cmd.Env = all.List()
	if s.pod != "" {
		inPod(cmd, s.pod)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// teamPolicy returns a policy of docs/team.md.
func teamPolicy(t *testing.T, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(teamPage(t), "```hcl\n# "+name+"\n")
	policy, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatalf("docs/team.md has no policy %q", name)
	}
	return policy
}

func teamPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs", "team.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// trouble is a row of the table in docs/team.md.
type trouble struct {
	exit    int
	message string // ends with "..." where the rest differs from machine to machine
}

var tableRow = regexp.MustCompile("(?m)^\\| ([^|]+) \\| (\\d+) \\| `([^`]+)` \\|$")

func troubleTable(t *testing.T) map[string]trouble {
	t.Helper()
	rows := make(map[string]trouble)
	for _, m := range tableRow.FindAllStringSubmatch(teamPage(t), -1) {
		exit, _ := strconv.Atoi(m[2])
		rows[m[1]] = trouble{exit, m[3]}
	}
	return rows
}

// attempt is what leads to a row: a run of tokencli with these variables.
type attempt struct {
	env    map[string]string
	args   []string // none: token moloni-on
	before func()
}

// The table of docs/team.md has every row that this test knows, and the program says what it says.
func TestVaultTable(t *testing.T) {
	s := newVaultShop(t)
	rows := troubleTable(t)
	attempts := s.attempts()
	for _, what := range slices.Sorted(maps.Keys(rows)) {
		if _, ok := attempts[what]; !ok {
			t.Errorf("the row %q is not tested", what)
		}
	}
	for what, a := range attempts {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if a.before != nil {
				a.before()
			}
			if a.args == nil {
				a.args = []string{"token", "moloni-on"}
			}
			exit, stdout, stderr := s.run(a.env, a.args...)
			message, _, _ := strings.Cut(stderr, "\n")
			message = s.example(strings.TrimPrefix(message, "tokencli: "), a.env["VAULT_ADDR"])
			want, ok := rows[what]
			prefix, open := strings.CutSuffix(want.message, "...")
			if !ok || exit != want.exit || message != want.message && (!open || !strings.HasPrefix(message, prefix)) {
				t.Errorf("| %s | %d | `%s` |\nis not in docs/team.md, which has %d, %q", what, exit, message, want.exit, want.message)
			}
			if exit != 0 && (stdout != "" || !strings.Contains(stderr, "\nhint: ")) {
				t.Errorf("a failure without a hint, or with output: %q", stderr)
			}
			for name, value := range a.env {
				if secretVariable.MatchString(name) && len(value) > 4 && strings.Contains(stdout+stderr, value) {
					t.Errorf("the value of %s is in the output", name)
				}
			}
		})
	}
}

var secretVariable = regexp.MustCompile("^(VAULT_TOKEN|TOKENCLI_VAULT_JWT|TOKENCLI_VAULT_SECRET_ID|ACTIONS_ID_TOKEN_REQUEST_TOKEN)$")

// example returns a message with the names of the docs in place of those of this test.
func (s *vaultShop) example(message, address string) string {
	const standard = "https://vault.example.com:8200"
	if address != "" {
		message = strings.ReplaceAll(message, address, standard)
	}
	return strings.NewReplacer(s.address, standard, s.dir, "/etc", "moloni-on", "mollie").Replace(message)
}

func (s *vaultShop) attempts() map[string]attempt {
	all := make(map[string]attempt)
	for _, more := range []map[string]attempt{s.wrongClocks(), s.wrongSettings(), s.wrongServers(), s.wrongRights(), s.wrongLogins()} {
		maps.Copy(all, more)
	}
	return all
}

func (s *vaultShop) wrongSettings() map[string]attempt {
	empty := filepath.Join(s.dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return map[string]attempt{
		"no address":                                 {env: map[string]string{"VAULT_ADDR": ""}},
		"an address without https://":                {env: map[string]string{"VAULT_ADDR": "vault:8200"}},
		"an http address of another machine":         {env: map[string]string{"VAULT_ADDR": "http://vault.example.com"}},
		"no token":                                   {env: map[string]string{"VAULT_TOKEN": ""}},
		"verification is switched off":               {env: map[string]string{"VAULT_SKIP_VERIFY": "true"}},
		"a CA file that is missing":                  {env: map[string]string{"VAULT_CACERT": filepath.Join(s.dir, "ca.pem")}},
		"a CA file that holds no certificate":        {env: map[string]string{"VAULT_CACERT": empty}},
		"a login method that tokencli does not know": {env: map[string]string{"TOKENCLI_VAULT_AUTH": "ldap"}},
		"a mount that does not exist":                {env: map[string]string{"TOKENCLI_VAULT_MOUNT": "kv"}},
		"a mount of another kind":                    {env: map[string]string{"TOKENCLI_VAULT_MOUNT": "cubbyhole"}},
		"a KV engine of version 1":                   {env: map[string]string{"TOKENCLI_VAULT_MOUNT": "old"}},
		"no record":                                  {env: map[string]string{"TOKENCLI_VAULT_PATH": "other"}},
	}
}

// wrongServers are addresses at which there is no Vault that can be used.
func (s *vaultShop) wrongServers() map[string]attempt {
	other := httptest.NewServer(http.NotFoundHandler())
	s.t.Cleanup(other.Close)
	encrypted := httptest.NewUnstartedServer(http.NotFoundHandler())
	encrypted.Config.ErrorLog = nil
	encrypted.StartTLS()
	s.t.Cleanup(encrypted.Close)
	certificate := filepath.Join(s.dir, "other.pem")
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encrypted.Certificate().Raw}), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.call("POST", "sys/mounts/busy", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	s.call("POST", "sys/quotas/rate-limit/busy", map[string]any{"path": "busy", "rate": 1, "interval": "1h"})
	return map[string]attempt{
		"no server at the address":      {env: map[string]string{"VAULT_ADDR": "http://127.0.0.1:1"}},
		"another server at the address": {env: map[string]string{"VAULT_ADDR": other.URL}},
		"an address with a path":        {env: map[string]string{"VAULT_ADDR": s.address + "/ui"}},
		"https to a server without TLS": {env: map[string]string{"VAULT_ADDR": strings.Replace(s.address, "http:", "https:", 1), "HTTPS_PROXY": ""}},
		"a certificate of another CA":   {env: map[string]string{"VAULT_ADDR": encrypted.URL}},
		"a certificate of another server": {env: map[string]string{
			"VAULT_ADDR": strings.Replace(encrypted.URL, "127.0.0.1", "localhost", 1), "VAULT_CACERT": certificate,
		}},
		"overloaded, after retries": {env: map[string]string{"TOKENCLI_VAULT_MOUNT": "busy"}, before: func() { s.run(map[string]string{"TOKENCLI_VAULT_MOUNT": "busy"}, "token", "moloni-on") }},
		"sealed":                    {env: map[string]string{"VAULT_ADDR": s.sealed()}},
	}
}

// sealed returns the address of a Vault that is sealed.
func (s *vaultShop) sealed() string {
	s.t.Helper()
	address, stop, err := startVault(os.Getenv(vaultBinary))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(stop)
	other := *s
	other.address = address
	other.call("PUT", "sys/seal", nil)
	return address
}

// wrongRights are tokens that may not do what they should.
func (s *vaultShop) wrongRights() map[string]attempt {
	expired, revoked := s.token("1s", "refresher"), s.token("1h", "refresher")
	borrower := map[string]string{"VAULT_TOKEN": s.token("1h", "borrower")}
	stranger := map[string]string{"VAULT_TOKEN": s.token("1h", "stranger")}
	bare := s.call("POST", "auth/token/create", map[string]any{"policies": []string{"stranger"}, "no_default_policy": true})["auth"].(map[string]any)
	return map[string]attempt{
		"a policy without read, and no default policy": {env: map[string]string{"VAULT_TOKEN": bare["client_token"].(string)}},
		"a token that Vault does not know":             {env: map[string]string{"VAULT_TOKEN": "hvs.planted"}},
		"a token that has expired":                     {env: map[string]string{"VAULT_TOKEN": expired}, before: func() { time.Sleep(2 * time.Second) }},
		"a token that was revoked": {
			env: map[string]string{"VAULT_TOKEN": revoked}, before: func() { s.call("POST", "auth/token/revoke", map[string]string{"token": revoked}) },
		},
		"a policy without read":                 {env: stranger},
		"a policy without list, at `status`":    {env: stranger, args: []string{"status"}},
		"a policy without update, at `refresh`": {env: borrower, args: []string{"refresh", "moloni-on"}},
		"a policy without update, at `login`":   {env: borrower, args: []string{"login", "moloni-on"}},
		"a policy without delete, at `revoke`":  {env: borrower, args: []string{"revoke", "--local", "moloni-on"}},
		"a mount that the policy hides":         {env: map[string]string{"VAULT_TOKEN": stranger["VAULT_TOKEN"], "TOKENCLI_VAULT_MOUNT": "kv"}},
	}
}

// wrongLogins are logins to Vault that it refuses.
func (s *vaultShop) wrongLogins() map[string]attempt {
	jwt := func(token string, more ...string) attempt {
		env := map[string]string{"VAULT_TOKEN": "", "TOKENCLI_VAULT_AUTH": "jwt", "TOKENCLI_VAULT_ROLE": "tokencli", "TOKENCLI_VAULT_JWT": token}
		for n := 0; n < len(more); n += 2 {
			env[more[n]] = more[n+1]
		}
		return attempt{env: env}
	}
	good := s.jwt(s.ours, jwtAudience, "acme/shop", 300)
	roleID := s.call("GET", "auth/approle/role/ci/role-id", nil)["data"].(map[string]any)["role_id"].(string)
	appRole := func(role, secret string) attempt {
		return attempt{env: map[string]string{"VAULT_TOKEN": "", "TOKENCLI_VAULT_AUTH": "approle", "TOKENCLI_VAULT_ROLE_ID": role, "TOKENCLI_VAULT_SECRET_ID": secret}}
	}
	return map[string]attempt{
		"no JWT":                                          jwt(""),
		"no service account":                              jwt("", "TOKENCLI_VAULT_AUTH", "kubernetes"),
		"a role that does not exist":                      jwt(good, "TOKENCLI_VAULT_ROLE", "none"),
		"a JWT for another audience":                      jwt(s.jwt(s.ours, "https://other.example", "acme/shop", 300)),
		"a GitHub job that names no audience":             jwt("", "ACTIONS_ID_TOKEN_REQUEST_URL", s.id, "ACTIONS_ID_TOKEN_REQUEST_TOKEN", requestToken),
		"a JWT with a wrong signature":                    jwt(s.jwt(s.theirs, jwtAudience, "acme/shop", 300)),
		"a JWT of another repository":                     jwt(s.jwt(s.ours, jwtAudience, "acme/other", 300)),
		"a JWT that has expired":                          jwt(s.jwt(s.ours, jwtAudience, "acme/shop", -600)),
		"a login method that Vault has not enabled":       jwt(good, "TOKENCLI_VAULT_AUTH_MOUNT", "none"),
		"GitHub refuses to issue an ID token":             jwt("", "ACTIONS_ID_TOKEN_REQUEST_URL", s.id, "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "stale-request-token"),
		"a service account without the role":              jwt(s.podToken(s.ours, "other"), "TOKENCLI_VAULT_AUTH", "kubernetes"),
		"a service account token that Kubernetes rejects": jwt(s.podToken(s.theirs, "shop"), "TOKENCLI_VAULT_AUTH", "kubernetes"),
		"no role id":                                      appRole("", "secret-id"),
		"a wrong role id":                                 appRole("wrong-role-id", "wrong-secret-id"),
		"a wrong secret id":                               appRole(roleID, "wrong-secret-id"),
	}
}
