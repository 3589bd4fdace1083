//go:build linux

package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// vaultTeam is machines that share a real Vault server and a sandbox.
type vaultTeam struct {
	t       *testing.T
	dir     string // of what the machines keep
	vault   *vaultServer
	gate    *gate // nil: the machines reach Vault and the sandbox directly
	env     harness.Environment
	sandbox *harness.Sandbox
	record  map[string]any // a login of moloni-on, as Vault holds it
	secrets []string       // which no file may hold
}

// newVaultTeam has a server in memory.
func newVaultTeam(t *testing.T) *vaultTeam {
	t.Helper()
	return logInTeam(t, newVaultServer(t), nil)
}

// newDiskTeam has a server on disk, with TLS, behind a gate.
func newDiskTeam(t *testing.T) *vaultTeam {
	t.Helper()
	g := newGate(t)
	v := newDiskVault(t, t.TempDir(), g.certificate())
	g.lead(t, g.vault, v.address, v.client.Transport)
	return logInTeam(t, v, g)
}

// atVault starts a stand-in, and returns it with the environment of a user whose store is the Vault of the settings.
func atVault(t *testing.T, dir string, settings map[string]string) (harness.Environment, *harness.Sandbox) {
	t.Helper()
	env, err := harness.NewEnvironment(filepath.Join(dir, "home"), filepath.Join(dir, "key.txt"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := harness.Start(sandbox.Config{Consent: sandbox.ConsentAllow})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	if err := s.Variables(env); err != nil {
		t.Fatal(err)
	}
	maps.Copy(env, map[string]string{"TOKENCLI_STORE": "vault", "BROWSER": "fakebrowser", "PATH": os.Getenv("PATH")})
	maps.Copy(env, settings)
	return env, s
}

func logInTeam(t *testing.T, v *vaultServer, g *gate) *vaultTeam {
	t.Helper()
	tm := &vaultTeam{t: t, dir: t.TempDir(), vault: v, gate: g, secrets: []string{v.token}}
	tm.env, tm.sandbox = atVault(t, tm.dir, map[string]string{"VAULT_ADDR": v.address, "VAULT_TOKEN": v.token, "VAULT_CACERT": v.ca})
	if g != nil {
		g.lead(t, g.provider, tm.sandbox.URL, nil)
		tm.env["VAULT_ADDR"] = g.vault.URL
		tm.env["TOKENCLI_MOLONI_ON_BASE_URL"] = g.provider.URL + "/moloni-on"
	}
	if out, err := tm.command("m0", "login", "moloni-on").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tm.record = tm.read("moloni-on")
	return tm
}

// command is a run of tokencli on a machine.
func (tm *vaultTeam) command(machine string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(tm.t.Context(), "tokencli", args...)
	cmd.Env = append(tm.env.List(), "TOKENCLI_STATE_DIR="+filepath.Join(tm.dir, machine))
	return cmd
}

// outcome is how a run of tokencli ended.
type outcome struct {
	exit           int
	stdout, stderr string
}

// token runs `token` on a machine, with further variables.
func (tm *vaultTeam) token(machine string, env ...string) outcome {
	tm.t.Helper()
	return tm.run(machine, []string{"token", "moloni-on"}, env...)
}

func (tm *vaultTeam) run(machine string, args []string, env ...string) outcome {
	tm.t.Helper()
	cmd := tm.command(machine, args...)
	cmd.Env = append(cmd.Env, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		tm.t.Error(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), strings.TrimSpace(stdout.String()), stderr.String()}
}

// read returns the credential in Vault.
func (tm *vaultTeam) read(name string) map[string]any {
	tm.t.Helper()
	var reply struct {
		Data struct{ Data struct{ Credential string } }
	}
	tm.vault.mustCall(tm.t, "GET", "secret/data/tokencli/"+name, nil, &reply)
	var record map[string]any
	if err := json.Unmarshal([]byte(reply.Data.Data.Credential), &record); err != nil {
		tm.t.Fatal(err)
	}
	return record
}

// write stores a credential whose access token has expired, with new tokens of the provider if fresh.
func (tm *vaultTeam) write(name string, record map[string]any, fresh bool) {
	tm.t.Helper()
	record["account"] = name
	record["access_expires_at"] = time.Now().Add(-time.Minute).UTC()
	if fresh {
		pair, err := tm.sandbox.Mint("moloni-on", "", "")
		if err != nil {
			tm.t.Fatal(err)
		}
		record["access_token"], record["refresh_token"] = pair.AccessToken, pair.RefreshToken
		delete(record, "ended")
		delete(record, "ended_reason")
		delete(record, "presented")
	}
	text, err := json.Marshal(record)
	if err != nil {
		tm.t.Fatal(err)
	}
	tm.vault.mustCall(tm.t, "POST", "secret/data/tokencli/"+name, map[string]any{"data": map[string]any{"credential": string(text)}}, nil)
}

// expire gives the team a login whose access token has expired.
func (tm *vaultTeam) expire() {
	tm.t.Helper()
	tm.write("moloni-on", copyOf(tm.record), true)
}

// tally counts the requests with refresh tokens.
type tally struct {
	sent   int // all of them
	spent  int // those that replaced the refresh token
	reused int // those whose refresh token was replaced before
}

func (c tally) String() string {
	return fmt.Sprintf("%d requests with a refresh token, %d refreshes, %d reused", c.sent, c.spent, c.reused)
}

func (tm *vaultTeam) tally() tally {
	st := tm.sandbox.Stats()["moloni-on"]
	return tally{st.Requests["refresh"], st.Refreshes, st.ReusedRefreshTokens}
}

func (tm *vaultTeam) since(before tally) tally {
	now := tm.tally()
	return tally{now.sent - before.sent, now.spent - before.spent, now.reused - before.reused}
}

// mustKeepNothing fails if a file of a machine holds a token of the login in Vault or of the team. It returns
// the rescue files, which may.
func (tm *vaultTeam) mustKeepNothing() (rescues []string) {
	tm.t.Helper()
	record := tm.read("moloni-on")
	secrets := append([]string{record["access_token"].(string), record["refresh_token"].(string)}, tm.secrets...)
	err := filepath.WalkDir(tm.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if filepath.Base(filepath.Dir(path)) == "rescue" && filepath.Ext(path) == ".json" {
			rescues = append(rescues, path)
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				tm.t.Errorf("%s holds a secret", path)
			}
		}
		return nil
	})
	if err != nil {
		tm.t.Fatal(err)
	}
	return rescues
}

// copyOf returns a copy of a record.
func copyOf(record map[string]any) map[string]any {
	text, _ := json.Marshal(record)
	var copied map[string]any
	_ = json.Unmarshal(text, &copied)
	return copied
}
