//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// vaultBinary is the variable that names the Vault server of the tests (.ci/tools testvault). Without it, nothing is
// measured with Vault.
const vaultBinary = "TOKENCLI_TEST_VAULT"

// vault is a fresh token from Vault beside curl of the same record. Both are one process and one request to a server on
// this machine, over http.
func (b *bench) vault() error {
	if os.Getenv(vaultBinary) == "" {
		return nil
	}
	server := exec.CommandContext(b.ctx, os.Getenv(vaultBinary), "-root", "root")
	stdout, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() { _ = server.Process.Signal(syscall.SIGTERM); _ = server.Wait() }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return err
	}
	address := "http://" + strings.TrimSpace(line)
	env := append(slices.Clone(b.env), "TOKENCLI_STORE=vault", "VAULT_ADDR="+address, "VAULT_TOKEN=root")
	if err := b.quiet(env, "login", "monta"); err != nil {
		return err
	}
	token, err := b.token("tokencli, vault store", env, "monta")
	if err != nil {
		return err
	}
	curl := &command{name: "curl", argv: []string{"curl", "-sSf", "-H", "X-Vault-Token: root", address + "/v1/secret/data/tokencli/monta"}, env: b.env}
	if err := rounds(b.ctx, []*command{token, curl}, b.rounds); err != nil {
		return err
	}
	got := ratio(token, curl)
	fmt.Fprintf(&b.out, "| vault store / curl of the same record | %.2f | %s |\n", got, b.limit("vault store / curl", got, 2))
	return nil
}
