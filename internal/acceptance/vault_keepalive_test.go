//go:build linux

package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keepalive refuses a token for Vault that expires before its next run, and writes none into its files.
func TestVaultKeepalive(t *testing.T) {
	s := newVaultShop(t)
	login := filepath.Join(s.env["HOME"], ".vault-token")
	lasting := s.token("100h", "refresher")
	for name, test := range map[string]struct {
		file   string // the token that `vault login` wrote
		env    map[string]string
		args   []string
		exit   int
		stderr string
	}{
		"a token that expires too soon": {s.token("11h30m", "refresher"), nil, nil, 2, "tokencli: the token in ~/.vault-token expires in 11 h, before the job runs again (every 12h)\nhint: use a token that lasts longer"},
		"often enough":                  {s.token("11h30m", "refresher"), nil, []string{"--every", "6h"}, 0, "expires in 11 h; after that the job fails"},
		"a token that lasts":            {lasting, nil, nil, 0, "warning: the token in ~/.vault-token expires in 4 days; after that the job fails until you log in to Vault again"},
		"a token that does not expire":  {"root", nil, nil, 0, ""},
		"a dead token":                  {"hvs.planted", nil, nil, 7, "tokencli: Vault refused the token"},
		"a token in the environment":    {"", map[string]string{"VAULT_TOKEN": lasting}, nil, 2, "tokencli: VAULT_TOKEN is a secret, which is not written into a job, and ~/.vault-token holds no token for the job\nhint: run `vault login`"},
		"both":                          {lasting, map[string]string{"VAULT_TOKEN": "root"}, nil, 0, "expires in 4 days"},
		"no token":                      {"", nil, nil, 2, "tokencli: no token for Vault"},
		"a secret id": {
			"root",
			map[string]string{"TOKENCLI_VAULT_AUTH": "approle", "TOKENCLI_VAULT_SECRET_ID": "planted-secret-id"},
			nil, 2,
			"tokencli: TOKENCLI_VAULT_SECRET_ID is a secret, which is not written into a job\nhint: run `vault login`",
		},
		"no server": {"root", map[string]string{"VAULT_ADDR": "http://127.0.0.1:1"}, nil, 7, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"VAULT_TOKEN": "", "TOKENCLI_VAULT_PATH": "tokencli"}
			for name, value := range test.env {
				env[name] = value
			}
			_ = os.Remove(login)
			if test.file != "" {
				if err := os.WriteFile(login, []byte(test.file+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			exit, stdout, stderr := s.run(env, append([]string{"keepalive", "install", "--print"}, test.args...)...)
			if exit != test.exit || !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
				t.Errorf("exit %d, %q, want %d, %q", exit, stderr, test.exit, test.stderr)
			}
			if exit == 0 && (!strings.Contains(stdout, "VAULT_ADDR="+s.address) || !strings.Contains(stdout, "TOKENCLI_VAULT_PATH=tokencli")) {
				t.Errorf("the job lacks its settings:\n%s", stdout)
			}
			for _, secret := range []string{lasting, "VAULT_TOKEN", "planted"} {
				if strings.Contains(stdout, secret) {
					t.Errorf("the files hold %q", secret)
				}
			}
		})
	}
}
