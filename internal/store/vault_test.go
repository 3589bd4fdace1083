package store

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/store/vaultfake"
)

// vaultBinary is the variable that names the real server (make vault-test). It is a Vault core in a small
// program; see internal/testvault.
const vaultBinary = "TOKENCLI_TEST_VAULT"

// vaultServers runs a test on the fake and, if its binary is there, on the real server: they are held to the
// same answers.
func vaultServers(t *testing.T, test func(t *testing.T, address string)) {
	t.Run("fake", func(t *testing.T) { test(t, new(vaultfake.Server).Start(t).URL) })
	t.Run("VaultServer", func(t *testing.T) { test(t, realVault(t)) })
}

// realVault starts a real server in memory, with the root token "root" and KV engines of version 2 at secret/
// and of version 1 at old/.
func realVault(t *testing.T, flags ...string) string {
	t.Helper()
	binary := os.Getenv(vaultBinary)
	if binary == "" {
		t.Skip("no Vault server: make vault-test builds one")
	}
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"-listen", "127.0.0.1:0", "-root", "root"}, flags...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + strings.TrimSpace(line)
	vaultCall(t, address, "POST", "sys/mounts/old", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	return address
}

// vaultCall sends a request with the root token and returns the answer's status and body.
func vaultCall(t *testing.T, address, method, path string, body any) (int, string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", "root")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// vaultUnderTest plants records in Vault.
type vaultUnderTest struct {
	*Vault
	address, folder string
}

// newVault returns a store with a state folder of its own, on its own folder of the server unless env says
// otherwise.
func newVault(t *testing.T, address string, env map[string]string) vaultUnderTest {
	t.Helper()
	settings := map[string]string{account.VaultAddr: address, account.VaultToken: "root", account.VaultPath: "tokencli/" + rand.Text()}
	maps.Copy(settings, env)
	return vaultUnderTest{
		address: address, folder: settings[account.VaultPath],
		Vault: NewVault(VaultOptions{StateDir: stateDir(t), Getenv: func(name string) string { return settings[name] }}),
	}
}

// beside returns another machine's store on the same records.
func (v vaultUnderTest) beside(t *testing.T) vaultUnderTest {
	t.Helper()
	return newVault(t, v.address, map[string]string{account.VaultPath: v.folder})
}

func (v vaultUnderTest) plant(t *testing.T, name account.Name, text string) {
	t.Helper()
	v.forget(name) // as another process would
	body := map[string]any{"data": map[string]any{"credential": text}}
	if status, answer := vaultCall(t, v.address, "POST", "secret/data/"+v.folder+"/"+name.String(), body); status != http.StatusOK {
		t.Fatalf("%d: %s", status, answer)
	}
}

func (v vaultUnderTest) raw(t *testing.T, name account.Name) string {
	t.Helper()
	_, body := vaultCall(t, v.address, "GET", "secret/data/"+v.folder+"/"+name.String(), nil)
	var reply struct{ Data json.RawMessage }
	if err := json.Unmarshal([]byte(body), &reply); err != nil {
		t.Fatal(err)
	}
	return string(reply.Data)
}

func TestVault(t *testing.T) {
	vaultServers(t, func(t *testing.T, address string) {
		testContract(t, func(t *testing.T) Store { return newVault(t, address, nil) })
	})
}

// A fresh token is one request, a swap of what was read last is one more, and neither asks who may.
func TestVaultRequests(t *testing.T) {
	server := new(vaultfake.Server)
	v := newVault(t, server.Start(t).URL, nil)
	mustPut(t, v, sample(mollie, 1))
	other := v.beside(t)
	count := func(what string, want int, do func()) {
		t.Helper()
		before := len(server.Requests())
		do()
		if got := server.Requests()[before:]; len(got) != want {
			t.Errorf("%s: %q, want %d requests", what, got, want)
		}
	}
	count("a read", 1, func() { mustGet(t, other, sample(mollie, 1)) })
	count("a swap", 1, func() {
		if err := other.Swap(t.Context(), sample(mollie, 1), sample(mollie, 2)); err != nil {
			t.Error(err)
		}
	})
	count("a swap of what another machine replaced", 2, func() {
		if err := v.Swap(t.Context(), sample(mollie, 1), sample(mollie, 3)); !errors.Is(err, ErrChanged) {
			t.Errorf("Swap = %v", err)
		}
	})
	mustGet(t, v, sample(mollie, 2))
}

func TestVaultLease(t *testing.T) {
	vaultServers(t, func(t *testing.T, address string) {
		ctx := t.Context()
		a := newVault(t, address, nil)
		b := a.beside(t)
		mustPut(t, a, sample(mollie, 1))
		lease := func(v vaultUnderTest) *Lease {
			t.Helper()
			l, err := v.Lease(ctx, mollie)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		if _, err := a.Lease(ctx, shopB); !errors.Is(err, ErrNotFound) {
			t.Errorf("Lease of an absent account: %v", err)
		}
		free, freeB := lease(a), lease(b)
		if free.Marked || !free.Credential.Equal(sample(mollie, 1)) {
			t.Errorf("a free record: %+v", free)
		}
		marked := sample(mollie, 1)
		marked.Presented = marked.Presented.Add(time.Hour)
		if err := a.Claim(ctx, free, marked); err != nil {
			t.Fatal(err)
		}
		for call, err := range map[string]error{"another machine's Claim": b.Claim(ctx, freeB, sample(mollie, 1)), "a second Claim": a.Claim(ctx, free, marked)} {
			if !errors.Is(err, ErrChanged) || !fail.Is(err, fail.Store) {
				t.Errorf("%s = %v, want ErrChanged", call, err)
			}
		}
		host, _ := os.Hostname()
		mine, theirs := lease(a), lease(b)
		if !mine.Marked || !mine.Mine || mine.PID != os.Getpid() || mine.Host != host || mine.Age < 0 || mine.Age > time.Minute {
			t.Errorf("the holder sees %+v", mine)
		}
		if !theirs.Marked || theirs.Mine || !theirs.Credential.Equal(marked) {
			t.Errorf("another machine sees %+v", theirs)
		}
		// A mark that is too old is taken over; the first holder's save then meets another credential.
		again := *marked
		again.Presented = again.Presented.Add(time.Minute)
		if err := b.Claim(ctx, theirs, &again); err != nil {
			t.Fatal(err)
		}
		if err := a.Swap(ctx, marked, sample(mollie, 2)); !errors.Is(err, ErrChanged) {
			t.Errorf("the save of a holder whose mark was taken over = %v, want ErrChanged", err)
		}
		if err := b.Swap(ctx, &again, sample(mollie, 3)); err != nil {
			t.Fatal(err)
		}
		if done := lease(a); done.Marked || !done.Credential.Equal(sample(mollie, 3)) {
			t.Errorf("after the save: %+v", done)
		}
	})
}

// Of the machines that claim a record at the same time, one succeeds.
func TestVaultClaimRace(t *testing.T) {
	vaultServers(t, func(t *testing.T, address string) {
		first := newVault(t, address, nil)
		mustPut(t, first, sample(mollie, 1))
		var wins atomic.Int32
		var read, wg sync.WaitGroup
		read.Add(8)
		for range 8 {
			v := first.beside(t)
			wg.Go(func() {
				lease, err := v.Lease(t.Context(), mollie)
				read.Done()
				if err != nil {
					t.Error(err)
					return
				}
				read.Wait()
				switch err := v.Claim(t.Context(), lease, sample(mollie, 1)); {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, ErrChanged):
					t.Errorf("Claim: %v", err)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			t.Errorf("%d of 8 claims succeeded", wins.Load())
		}
	})
}

// An answer that is lost does not make a write count twice, nor get lost.
func TestVaultLostAnswers(t *testing.T) {
	var lose atomic.Int32
	server := &vaultfake.Server{After: func(r *http.Request) bool { return r.Method == http.MethodPost && lose.Add(-1) >= 0 }}
	v := newVault(t, server.Start(t).URL, nil)
	mustPut(t, v, sample(mollie, 1))
	lose.Store(1)
	if err := v.Swap(t.Context(), sample(mollie, 1), sample(mollie, 2)); err != nil {
		t.Errorf("Swap: %v", err)
	}
	mustGet(t, v.beside(t), sample(mollie, 2))
	lease, err := v.Lease(t.Context(), mollie)
	if err != nil {
		t.Fatal(err)
	}
	lose.Store(1)
	if err := v.Claim(t.Context(), lease, sample(mollie, 2)); err != nil {
		t.Errorf("Claim: %v", err)
	}
	if lease, err := v.Lease(t.Context(), mollie); err != nil || !lease.Marked || !lease.Mine || lease.record.version != 3 {
		t.Errorf("after the claim: %+v, %v", lease, err)
	}
	// Never sent at all.
	var refuse atomic.Int32
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || refuse.Add(-1) < 0 {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	refuse.Store(1)
	if err := v.Swap(t.Context(), sample(mollie, 2), sample(mollie, 4)); err != nil {
		t.Errorf("Swap: %v", err)
	}
	mustGet(t, v.beside(t), sample(mollie, 4))
}

// What Vault Enterprise needs so that a read includes the last write. The real server of the tests ignores
// these headers.
func TestVaultConsistency(t *testing.T) {
	var forward []string
	var reject bool
	server := &vaultfake.Server{Index: true}
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		value := r.Header.Get("X-Vault-Inconsistent")
		forward = append(forward, value)
		if value != "" && reject {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"errors":["inconsistent reads are not allowed"]}`)
		}
		return value != "" && reject
	}
	v := newVault(t, server.Start(t).URL, nil)
	mustPut(t, v, sample(mollie, 1))
	if _, err := v.Lease(t.Context(), mollie); err != nil {
		t.Fatal(err)
	}
	if last := forward[len(forward)-1]; last != "forward-active-node" {
		t.Errorf("a read of the lease has X-Vault-Inconsistent: %q", last)
	}
	reject, forward = true, nil
	for range 2 {
		if _, err := v.Lease(t.Context(), mollie); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(forward, []string{"forward-active-node", "", ""}) {
		t.Errorf("a server that rejects the header gets %q", forward)
	}
	forward = nil
	mustGet(t, v, sample(mollie, 1))
	if !slices.Equal(forward, []string{""}) {
		t.Errorf("a read of a fresh token has X-Vault-Inconsistent: %q", forward)
	}
}

// A copy of the state folder, such as a CI cache restores, is another machine: its marks are not its own.
func TestVaultCopiedStateFolder(t *testing.T) {
	dir := stateDir(t)
	id, err := machineID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := machineID(dir); err != nil || again != id {
		t.Errorf("the id changed from %q to %q: %v", id, again, err)
	}
	copied := stateDir(t)
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	chmod(t, copied, 0o700)
	chmod(t, copied+"/"+machineFile, 0o600)
	if other, err := machineID(copied); err != nil || other == id {
		t.Errorf("a copy has the id %q: %v", other, err)
	}
}
