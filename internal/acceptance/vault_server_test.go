//go:build linux

package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
)

// vaultServer is the real server: in memory, or on disk and over TLS.
type vaultServer struct {
	address string // with its scheme
	ca      string // the file of its certificate; "": no TLS
	token   string // the root token
	share   string // the key to unseal it
	client  *http.Client

	binary string
	flags  []string

	mu  sync.Mutex
	cmd *exec.Cmd // nil: it does not run
}

// newVaultServer starts a server in memory.
func newVaultServer(t *testing.T) *vaultServer {
	t.Helper()
	v := &vaultServer{token: "root", client: http.DefaultClient, binary: realVault(t), flags: []string{"-root", "root"}}
	v.mustStart(t, "http://")
	return v
}

// newDiskVault starts a server on disk and over TLS, initializes it and unseals it. Its
// files are in the folder.
func newDiskVault(t *testing.T, dir string, certificate tls.Certificate) *vaultServer {
	t.Helper()
	v := &vaultServer{binary: realVault(t), ca: filepath.Join(dir, "ca.pem")}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{
		v.ca:    {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]},
		keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, err := harness.FreePort() // to start it again at the same address
	if err != nil {
		t.Fatal(err)
	}
	v.flags = []string{"-listen", "127.0.0.1:" + port, "-data", filepath.Join(dir, "data"), "-cert", v.ca, "-key", keyFile}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	v.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	v.mustStart(t, "https://")

	var keys struct {
		Keys []string `json:"keys_base64"`
		Root string   `json:"root_token"`
	}
	v.mustCall(t, "PUT", "sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1}, &keys)
	v.share, v.token = keys.Keys[0], keys.Root
	if err := v.unseal(); err != nil {
		t.Fatal(err)
	}
	v.mustCall(t, "POST", "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}, nil)
	return v
}

// realVault returns the binary of the real server.
func realVault(t *testing.T) string {
	t.Helper()
	binary := os.Getenv(vaultBinary)
	if binary == "" {
		t.Skip("no Vault server: make vault-test builds one")
	}
	return binary
}

func (v *vaultServer) mustStart(t *testing.T, scheme string) {
	t.Helper()
	if err := v.start(); err != nil {
		t.Fatal(err)
	}
	v.address = scheme + v.address
	t.Cleanup(v.kill)
}

// start starts the process, and sets the address the first time.
func (v *vaultServer) start() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	cmd := exec.CommandContext(context.Background(), v.binary, v.flags...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	v.cmd = cmd
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if v.address == "" {
		v.address = strings.TrimSpace(line)
	}
	return err
}

// kill ends the process with SIGKILL.
func (v *vaultServer) kill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cmd != nil {
		_ = v.cmd.Process.Kill()
		_ = v.cmd.Wait()
		v.cmd = nil
	}
}

func (v *vaultServer) seal() error { return v.call("PUT", "sys/seal", nil, nil) }

// unseal unseals the server and waits until it is the active node.
func (v *vaultServer) unseal() error {
	if err := v.call("PUT", "sys/unseal", map[string]any{"key": v.share}, nil); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := v.call("GET", "sys/health", nil, nil)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// restart starts a process that was killed, and unseals it.
func (v *vaultServer) restart() error {
	if err := v.start(); err != nil {
		return err
	}
	return v.unseal()
}

// call sends a request with the root token. An answer that is not a success is an error.
func (v *vaultServer) call(method, path string, body, reply any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.Background(), method, v.address+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", v.token)
	resp, err := v.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(answer, reply)
}

func (v *vaultServer) mustCall(t *testing.T, method, path string, body, reply any) {
	t.Helper()
	if err := v.call(method, path, body, reply); err != nil {
		t.Fatal(err)
	}
}
