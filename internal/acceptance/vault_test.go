package acceptance

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tokencli/tokencli/internal/store/vaultfake"
)

// vaultBinary is the variable that names the real server (make vault-test).
const vaultBinary = "TOKENCLI_TEST_VAULT"

// cmdVault starts a Vault server, the real one if its binary is there, and makes it the store of the script.
// ROUNDS is how often a script that takes long should repeat itself.
func cmdVault(ts *testscript.TestScript, neg bool, args []string) {
	address, rounds := "", "1"
	if binary := os.Getenv(vaultBinary); binary != "" {
		var stop func()
		var err error
		address, stop, err = startVault(binary)
		ts.Check(err)
		ts.Defer(stop)
		rounds = "3"
	} else {
		address = new(vaultfake.Server).Start(cleanup{ts}).URL
	}
	ts.Setenv("ROUNDS", rounds)
	ts.Setenv("VAULT_ADDR", address)
	ts.Setenv("VAULT_TOKEN", "root")
	ts.Setenv("TOKENCLI_STORE", "vault")
}

// startVault starts the real server.
func startVault(binary string) (address string, stop func(), err error) {
	host, stop, err := startServer(binary, "-root", "root")
	return "http://" + host, stop, err
}

type cleanup struct{ ts *testscript.TestScript }

func (c cleanup) Cleanup(f func()) { c.ts.Defer(f) }
