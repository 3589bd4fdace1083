package acceptance

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"

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
		ctx, cancel := context.WithCancel(context.Background())
		cmd := exec.CommandContext(ctx, binary, "-listen", "127.0.0.1:0", "-root", "root")
		stdout, err := cmd.StdoutPipe()
		ts.Check(err)
		ts.Check(cmd.Start())
		ts.Defer(func() { cancel(); _ = cmd.Wait() })
		line, err := bufio.NewReader(stdout).ReadString('\n')
		ts.Check(err)
		address, rounds = "http://"+strings.TrimSpace(line), "3"
	} else {
		address = new(vaultfake.Server).Start(cleanup{ts}).URL
	}
	ts.Setenv("ROUNDS", rounds)
	ts.Setenv("VAULT_ADDR", address)
	ts.Setenv("VAULT_TOKEN", "root")
	ts.Setenv("TOKENCLI_STORE", "vault")
}

type cleanup struct{ ts *testscript.TestScript }

func (c cleanup) Cleanup(f func()) { c.ts.Defer(f) }
