//go:build linux

package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/sandbox"
)

var (
	soakRounds   = flag.Int("vault-rounds", 0, "rounds at expiry of eight machines with three processes each")
	soakKills    = flag.Int("vault-kills", 0, "rounds in which the process that refreshes is killed")
	soakAccounts = flag.Int("vault-accounts", 0, "accounts that four machines refresh at the same time")
)

// vaultTeam is machines that share a real Vault server and a sandbox.
type vaultTeam struct {
	t       *testing.T
	dir     string
	address string
	env     harness.Environment
	sandbox *harness.Sandbox
	record  map[string]any // a login of moloni-on, as Vault holds it
}

func newVaultTeam(t *testing.T) *vaultTeam {
	t.Helper()
	binary := os.Getenv(vaultBinary)
	if binary == "" {
		t.Fatal("no Vault server: make vault-soak builds one")
	}
	tm := &vaultTeam{t: t, dir: t.TempDir()}
	address, stop, err := startVault(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	tm.address = address
	if tm.env, err = harness.NewEnvironment(filepath.Join(tm.dir, "home"), filepath.Join(tm.dir, "key.txt")); err != nil {
		t.Fatal(err)
	}
	if tm.sandbox, err = harness.Start(sandbox.Config{Consent: sandbox.ConsentAllow}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tm.sandbox.Stop() })
	if err := tm.sandbox.Variables(tm.env); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"TOKENCLI_STORE": "vault", "VAULT_ADDR": address, "VAULT_TOKEN": "root", "BROWSER": "fakebrowser", "PATH": os.Getenv("PATH"),
	} {
		tm.env[name] = value
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

func (tm *vaultTeam) call(method, name string, body any) map[string]any {
	tm.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		tm.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(tm.t.Context(), method, tm.address+"/v1/secret/data/tokencli/"+name, bytes.NewReader(text))
	if err != nil {
		tm.t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", "root")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tm.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		tm.t.Fatalf("%s %s: %d %s %v", method, name, resp.StatusCode, answer, err)
	}
	var reply map[string]any
	if err := json.Unmarshal(answer, &reply); err != nil {
		tm.t.Fatal(err)
	}
	return reply
}

// read returns the credential in Vault.
func (tm *vaultTeam) read(name string) map[string]any {
	tm.t.Helper()
	data := tm.call(http.MethodGet, name, nil)["data"].(map[string]any)["data"].(map[string]any)
	var record map[string]any
	if err := json.Unmarshal([]byte(data["credential"].(string)), &record); err != nil {
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
	tm.call(http.MethodPost, name, map[string]any{"data": map[string]any{"credential": string(text)}})
}

func (tm *vaultTeam) refreshes() int { return tm.sandbox.Stats()["moloni-on"].Requests["refresh"] }

func (tm *vaultTeam) reused() int { return tm.sandbox.Stats()["moloni-on"].ReusedRefreshTokens }

// Eight machines find the token expired at the same time, again and again: one refresh each time.
func TestVaultSoakRounds(t *testing.T) {
	if *soakRounds == 0 {
		t.Skip("make vault-soak")
	}
	tm := newVaultTeam(t)
	for round := 1; round <= *soakRounds; round++ {
		tm.write("moloni-on", tm.read("moloni-on"), false)
		tokens := make(chan string, 24)
		var wg sync.WaitGroup
		for n := range 24 {
			wg.Go(func() {
				var stderr bytes.Buffer
				cmd := tm.command(fmt.Sprint("m", n%8), "token", "moloni-on")
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				if err != nil {
					t.Errorf("round %d: %v: %s", round, err, stderr.String())
				}
				tokens <- string(out)
			})
		}
		wg.Wait()
		first := <-tokens
		for range 23 {
			if token := <-tokens; token != first {
				t.Errorf("round %d: two different tokens", round)
			}
		}
		if tm.refreshes() != round || tm.reused() != 0 {
			t.Fatalf("round %d: %d refreshes, %d reused", round, tm.refreshes(), tm.reused())
		}
	}
	t.Logf("%d rounds of 24 processes on 8 machines: %d refreshes, %d reused", *soakRounds, tm.refreshes(), tm.reused())
}

// The process that refreshes is killed at a random moment. Before its request has left, nothing is lost.
func TestVaultSoakKills(t *testing.T) {
	if *soakKills == 0 {
		t.Skip("make vault-soak")
	}
	tm := newVaultTeam(t)
	var before, between, after, lost int
	for round := range *soakKills {
		tm.write("moloni-on", copyOf(tm.record), true)
		sent := tm.refreshes()
		cmd := tm.command("m1", "token", "moloni-on")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(80 * time.Millisecond))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		sent = tm.refreshes() - sent
		again := tm.refreshes()
		out, err := tm.command("m1", "token", "moloni-on").CombinedOutput()
		again = tm.refreshes() - again
		var exit *exec.ExitError
		switch {
		case err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 4 || sent == 0):
			t.Errorf("round %d: %d sent, then %v: %s", round, sent, err, out)
		case err != nil:
			lost++
			between++
		case sent == 0 && again != 1:
			t.Errorf("round %d: nothing was sent, and then %d refreshes", round, again)
		case sent == 0:
			before++
		default:
			after++
		}
	}
	t.Logf("%d kills: %d before the request, %d between the request and the save (%d logins lost), %d after the save",
		*soakKills, before, between, lost, after)
}

// Four machines refresh all of many accounts at the same time: each account once.
func TestVaultSoakAccounts(t *testing.T) {
	if *soakAccounts == 0 {
		t.Skip("make vault-soak")
	}
	tm := newVaultTeam(t)
	for n := range *soakAccounts {
		tm.write(fmt.Sprintf("moloni-on/a%05d", n), copyOf(tm.record), true)
	}
	start := time.Now()
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			cmd := tm.command(fmt.Sprint("m", n), "refresh", "--all", "--within", "30m", "--jobs", "8")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out[:min(len(out), 2000)])
			}
			t.Logf("machine %d: %d MiB", n, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss>>10)
		})
	}
	wg.Wait()
	t.Logf("%d accounts, 4 machines: %d refreshes, %d reused, in %v", *soakAccounts, tm.refreshes(), tm.reused(), time.Since(start).Round(time.Second))
	if tm.refreshes() != *soakAccounts || tm.reused() != 0 {
		t.Error("not each account was refreshed once")
	}
}

// copyOf returns a copy of a record.
func copyOf(record map[string]any) map[string]any {
	text, _ := json.Marshal(record)
	var copied map[string]any
	_ = json.Unmarshal(text, &copied)
	return copied
}
