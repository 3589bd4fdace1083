package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/store/vaultfake"
)

// What is wrong with the settings is found before anything is sent.
func TestVaultSettings(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	readable := filepath.Join(dir, "readable.key")
	if err := os.WriteFile(readable, []byte("key"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		variable, value, text string
		kind                  fail.Kind
	}{
		"no address":             {account.VaultAddr, "", "VAULT_ADDR is not set", fail.Usage},
		"no address at all":      {account.VaultAddr, "vault.example.com:8200", "not the address of a server", fail.Usage},
		"a password in it":       {account.VaultAddr, "https://planted:planted@vault.example.com", "not the address of a server", fail.Usage},
		"another scheme":         {account.VaultAddr, "unix:///run/vault", "not the address of a server", fail.Usage},
		"http":                   {account.VaultAddr, "http://vault.example.com:8200", "http address of another machine", fail.Usage},
		"http, almost loopback":  {account.VaultAddr, "http://127.0.0.1.example.com:8200", "http address of another machine", fail.Usage},
		"a line break in it":     {account.VaultAddr, "https://vault.example.com\n/x", "U+000A", fail.Usage},
		"no verification":        {account.VaultSkipVerify, "true", "cannot verify", fail.Usage},
		"no verification, as 1":  {account.VaultSkipVerify, "1", "cannot verify", fail.Usage},
		"no CA file":             {account.VaultCACert, filepath.Join(dir, "none.pem"), "none.pem cannot be read", fail.Usage},
		"a CA file without any":  {account.VaultCACert, empty, "holds no certificate", fail.Usage},
		"no CA folder":           {account.VaultCAPath, filepath.Join(dir, "none"), "no file in", fail.Usage},
		"half a client":          {account.VaultClientCert, empty, "set together", fail.Usage},
		"an unknown method":      {account.VaultAuth, "ldap", "unknown method", fail.Usage},
		"a mount with dots":      {account.VaultMount, "secret/../sys", "not a path in Vault", fail.Usage},
		"a path with a question": {account.VaultPath, "a?b", "not a path in Vault", fail.Usage},
		"a path with a space":    {account.VaultPath, "a b", "not a path in Vault", fail.Usage},
		"no role id":             {account.VaultAuth, "approle", "TOKENCLI_VAULT_ROLE_ID is not set", fail.Usage},
		"no JWT":                 {account.VaultAuth, "jwt", "no JWT for Vault", fail.Usage},
		"no service account":     {account.VaultAuth, "kubernetes", "no JWT for Vault", fail.Usage},
	} {
		t.Run(name, func(t *testing.T) {
			setHome(t, dir)
			server := new(vaultfake.Server)
			v := newVault(t, server.Start(t).URL, map[string]string{test.variable: test.value})
			_, err := v.Get(t.Context(), mollie)
			if !fail.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) || fail.Advice(err) == nil {
				t.Fatalf("%v (%+v), want kind %d, %q and advice", err, fail.Advice(err), test.kind, test.text)
			}
			checkError(t, err)
			if sent := server.Requests(); len(sent) > 0 {
				t.Errorf("%q was sent", sent)
			}
		})
	}
	t.Run("no token", func(t *testing.T) {
		setHome(t, dir)
		v := newVault(t, new(vaultfake.Server).Start(t).URL, map[string]string{account.VaultToken: ""})
		if _, err := v.Get(t.Context(), mollie); !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), "no token for Vault") {
			t.Errorf("%v", err)
		}
		// That of `vault login`.
		if err := os.WriteFile(filepath.Join(dir, ".vault-token"), []byte("root\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		mustBeAbsent(t, newVault(t, new(vaultfake.Server).Start(t).URL, map[string]string{account.VaultToken: ""}), mollie)
		if !isUnix {
			return
		}
		chmod(t, filepath.Join(dir, ".vault-token"), 0o644)
		if _, err := newVault(t, new(vaultfake.Server).Start(t).URL, map[string]string{account.VaultToken: ""}).Get(t.Context(), mollie); !fail.Is(err, fail.Store) {
			t.Errorf("a token that others can read: %v", err)
		}
	})
}

// Every answer of a server that cannot be used has its exit code and says what is wrong.
func TestVaultRefusals(t *testing.T) {
	vaultServers(t, func(t *testing.T, address string) {
		for name, test := range map[string]struct {
			env  map[string]string
			kind fail.Kind
			text string
		}{
			"version 1":     {map[string]string{account.VaultMount: "old"}, fail.Usage, "the mount old of Vault is a KV engine of version 1"},
			"no such mount": {map[string]string{account.VaultMount: "none"}, fail.Usage, "the mount none of Vault does not exist"},
			"a dead token":  {map[string]string{account.VaultToken: "hvs.planted"}, fail.Store, "Vault refused the token: it has expired"},
		} {
			v := newVault(t, address, test.env)
			_, errGet := v.Get(t.Context(), mollie)
			_, errLease := v.Lease(t.Context(), mollie)
			for call, err := range map[string]error{
				"Get": errGet, "Lease": errLease, "Swap": v.Swap(t.Context(), nil, sample(mollie, 1)), "Put": put(t.Context(), v, sample(mollie, 1)),
				"Check": Check(t.Context(), v),
			} {
				if !fail.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) || fail.Advice(err) == nil || errors.Is(err, ErrNotFound) {
					t.Errorf("%s: %s = %v (%+v), want kind %d and %q", name, call, err, fail.Advice(err), test.kind, test.text)
					continue
				}
				checkError(t, err, "hvs.planted")
			}
		}
	})
	for name, test := range map[string]struct {
		status int
		body   string
		text   string
		words  string
	}{
		"sealed":     {503, `{"errors":["Vault is sealed"]}`, "is sealed", "Vault at … is sealed"},
		"full":       {429, `{"errors":["request path \"secret\": rate limit quota exceeded"]}`, "asks to retry later", "Vault at … asks to retry later (429)"},
		"broken":     {500, `{"errors":["internal error: planted-token root\u001b[31m"]}`, "status 500: internal error", "Vault at … answered …"},
		"behind":     {412, `{"errors":["required index state not present"]}`, "does not have the last write yet", "Vault at … does not have the last write yet (412)"},
		"a web page": {200, `<html>hello</html>`, "does not answer like Vault (status 200)", "the server at … does not answer like Vault"},
		"no page":    {404, `404 page not found`, "does not answer like Vault (status 404)", "the server at … does not answer like Vault"},
		"a gateway":  {403, `{"message":"Forbidden"}`, "does not answer like Vault (status 403)", "the server at … does not answer like Vault"},
		"elsewhere":  {302, ``, "redirects elsewhere", "Vault at … redirects elsewhere, which is not followed with a token"},
		"too large":  {200, strings.Repeat("x", maxVault+2), "too large", "Vault at … cannot be reached: "},
	} {
		t.Run(name, func(t *testing.T) {
			server := &vaultfake.Server{Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
				return true
			}}
			v := newVault(t, server.Start(t).URL, nil)
			start := time.Now()
			_, err := v.Get(t.Context(), mollie)
			if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), test.text) || strings.ContainsAny(err.Error(), "\x1b\n") || strings.Contains(err.Error(), "token root") {
				t.Errorf("%v, want %q", err, test.text)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			if words := fail.WordsOf(err); !strings.HasPrefix(words, test.words) || strings.Contains(words, "planted") {
				t.Errorf("a report says %q, want %q", words, test.words)
			}
		})
	}
	t.Run("no server", func(t *testing.T) {
		v := newVault(t, "http://127.0.0.1:1", nil)
		if _, err := v.Get(t.Context(), mollie); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "cannot be reached: ") || strings.Contains(err.Error(), "/v1/") {
			t.Errorf("%v", err)
		} else if words := fail.WordsOf(err); !strings.HasPrefix(words, "Vault at … cannot be reached: ") || strings.Contains(words, "127.0.0.1") {
			t.Errorf("a report says %q", words)
		}
	})
}

// A server that recovers within the tries is not noticed.
func TestVaultTriesAgain(t *testing.T) {
	for _, status := range []int{429, 500, 503, 412} {
		left := 2
		server := &vaultfake.Server{Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
			left--
			if left < 0 {
				return false
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"errors":["planned"]}`))
			return true
		}}
		mustBeAbsent(t, newVault(t, server.Start(t).URL, nil), mollie)
	}
}

// The policies of docs/team.md, and what is said of one that lacks something.
func TestVaultPolicies(t *testing.T) {
	address := realVault(t)
	policy := func(name, hcl string) string {
		t.Helper()
		vaultCall(t, address, "PUT", "sys/policies/acl/"+name, map[string]any{"policy": hcl})
		_, body := vaultCall(t, address, "POST", "auth/token/create", map[string]any{"policies": []string{name}})
		var reply struct {
			Auth struct {
				Token string `json:"client_token"`
			} `json:"auth"`
		}
		if err := json.Unmarshal([]byte(body), &reply); err != nil || reply.Auth.Token == "" {
			t.Fatal(body)
		}
		return reply.Auth.Token
	}
	owner := newVault(t, address, map[string]string{account.VaultPath: "tokencli"})
	mustPut(t, owner, sample(mollie, 1))
	borrower := newVault(t, address, map[string]string{account.VaultPath: "tokencli", account.VaultToken: policy("borrower", teamPolicy(t, "borrower"))})
	mustGet(t, borrower, sample(mollie, 1))
	lease, err := borrower.Lease(t.Context(), mollie)
	if err != nil {
		t.Fatal(err)
	}
	for call, err := range map[string]error{
		"Claim": borrower.Claim(t.Context(), lease, sample(mollie, 1)), "Swap": borrower.Swap(t.Context(), sample(mollie, 1), sample(mollie, 2)),
		"Prove": borrower.Prove(t.Context(), mollie),
	} {
		if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "allow") || !strings.Contains(err.Error(), "secret/data/tokencli/") || !strings.Contains(err.Error(), "update") {
			t.Errorf("%s with the read-only policy = %v, want the capability and the path", call, err)
		}
	}
	mustGet(t, owner, sample(mollie, 1))
	refresher := newVault(t, address, map[string]string{account.VaultPath: "tokencli", account.VaultToken: policy("refresher", teamPolicy(t, "refresher"))})
	if err := refresher.Prove(t.Context(), mollie); err != nil {
		t.Errorf("Prove: %v", err)
	}
	mustPut(t, refresher, sample(mollie, 2))
	mustList(t, refresher, mollie)
	if err := refresher.Delete(t.Context(), mollie); err != nil {
		t.Errorf("Delete: %v", err)
	}
	mustBeAbsent(t, refresher, mollie)
	nobody := newVault(t, address, map[string]string{account.VaultPath: "tokencli", account.VaultToken: policy("nobody", `path "secret/data/other" { capabilities = ["read"] }`)})
	if _, err := nobody.Get(t.Context(), mollie); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "do not allow read on secret/data/tokencli/mollie") {
		t.Errorf("without any right: %v", err)
	}
	one := newVault(t, address, map[string]string{account.VaultPath: "tokencli", account.VaultToken: policy("one",
		`path "secret/data/tokencli/mollie" { capabilities = ["create", "read", "update"] }`)})
	if err := one.Prove(t.Context(), mollie); err != nil {
		t.Errorf("Prove with a policy for one record: %v", err)
	}
	if err := one.Prove(t.Context(), shopB); !fail.Is(err, fail.Store) {
		t.Errorf("Prove with a policy for another record: %v", err)
	}
	// Without the right to delete metadata, the versions are destroyed.
	destroyer := newVault(t, address, map[string]string{account.VaultPath: "tokencli", account.VaultToken: policy("destroyer",
		`path "secret/data/tokencli/*" { capabilities = ["create", "read", "update"] }
		path "secret/destroy/tokencli/*" { capabilities = ["update"] }`)})
	var said []string
	destroyer.options.Notify = func(text string) { said = append(said, text) }
	for n := range 3 {
		mustPut(t, destroyer, sample(shopB, n))
	}
	if err := destroyer.Delete(t.Context(), shopB); err != nil {
		t.Errorf("Delete: %v", err)
	}
	mustBeAbsent(t, destroyer, shopB)
	for version := 1; version <= 3; version++ {
		if status, body := vaultCall(t, address, "GET", "secret/data/tokencli/mollie/shop-b?version="+string(rune('0'+version)), nil); status != 404 || strings.Contains(body, "planted") {
			t.Errorf("version %d is still there: %d %s", version, status, body)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], "the empty record remains") {
		t.Errorf("said %q", said)
	}
	mustPut(t, destroyer, sample(shopB, 9))
	mustGet(t, destroyer, sample(shopB, 9))
}

// teamPolicy returns a policy of docs/team.md.
func teamPolicy(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/team.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```hcl\n# "+name+"\n")
	policy, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatalf("docs/team.md has no policy %q", name)
	}
	return policy
}

// Soft-deleted by hand, a record is absent, and can be written again.
func TestVaultSoftDeleted(t *testing.T) {
	vaultServers(t, func(t *testing.T, address string) {
		v := newVault(t, address, nil)
		mustPut(t, v, sample(mollie, 1))
		vaultCall(t, address, "DELETE", "secret/data/"+v.folder+"/mollie", nil)
		other := v.beside(t)
		mustBeAbsent(t, other, mollie)
		if err := other.Swap(t.Context(), nil, sample(mollie, 3)); err != nil {
			t.Fatal(err)
		}
		mustGet(t, v, sample(mollie, 3))
	})
}

// Between the read and the deletion, another process may log in.
func TestVaultDeleteReadsAgain(t *testing.T) {
	vaultServers(t, func(t *testing.T, address string) {
		v := newVault(t, address, nil)
		mustPut(t, v, sample(mollie, 1))
		mustGet(t, v, sample(mollie, 1))
		mustPut(t, v.beside(t), sample(mollie, 2))
		if err := v.Delete(t.Context(), mollie); !errors.Is(err, ErrChanged) || !fail.Is(err, fail.Store) {
			t.Errorf("Delete = %v, want ErrChanged", err)
		}
		mustGet(t, v, sample(mollie, 2))
		if err := v.Delete(t.Context(), mollie); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
}

// authority is a certificate authority of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // PEM
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), name+".pem")}
	a.cert, a.key = certify(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func certify(t *testing.T, template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// serve starts a server with a certificate of the authority.
func (a *authority) serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	cert, key := certify(t, &x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, a)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// A standby redirects to the active node. That is followed within the same CA, with the token, and nowhere
// else.
func TestVaultRedirects(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	var received []string
	active := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received = append(received, r.Header.Get("X-Vault-Token"))
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":[]}`))
	})
	bundle := filepath.Join(t.TempDir(), "both.pem")
	var pems []byte
	for _, a := range []*authority{ours, theirs} {
		text, err := os.ReadFile(a.file)
		if err != nil {
			t.Fatal(err)
		}
		pems = append(pems, text...)
	}
	if err := os.WriteFile(bundle, pems, 0o600); err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(active)
	t.Cleanup(plain.Close)
	for name, test := range map[string]struct {
		to       string
		status   int
		path     string
		ca       string
		followed bool
	}{
		"to the active node":  {ours.serve(t, active).URL, 307, "", ours.file, true},
		"to another CA":       {theirs.serve(t, active).URL, 307, "", bundle, false},
		"to an unknown CA":    {theirs.serve(t, active).URL, 307, "", ours.file, false},
		"to http":             {plain.URL, 307, "", ours.file, false},
		"with another status": {ours.serve(t, active).URL, 302, "", ours.file, false},
		"to another path":     {ours.serve(t, active).URL, 307, "/v1/other", ours.file, false},
	} {
		t.Run(name, func(t *testing.T) {
			received = nil
			standby := ours.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				target, _ := url.Parse(test.to)
				target.Path = r.URL.Path
				if test.path != "" {
					target.Path = test.path
				}
				http.Redirect(w, r, target.String(), test.status)
			}))
			v := newVault(t, standby.URL, map[string]string{account.VaultCACert: test.ca, account.VaultToken: "planted"})
			_, err := v.Get(t.Context(), mollie)
			if got := slices.Contains(received, "planted"); got != test.followed {
				t.Errorf("the token was sent on: %v, want %v", got, test.followed)
			}
			if test.followed != errors.Is(err, ErrNotFound) {
				t.Errorf("Get = %v", err)
			}
			if !test.followed && !fail.Is(err, fail.Store) {
				t.Errorf("Get = %v, want a failure of the store", err)
			}
		})
	}
}

// setHome sets the home folder, by the name that the system has for it.
func setHome(t *testing.T, dir string) {
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
}
