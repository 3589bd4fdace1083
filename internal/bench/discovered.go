//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// discoveredDefinition is a definition whose endpoints come from metadata.
const discoveredDefinition = "issuer: https://login.discovered.example\ngrants: [client_credentials]\n"

// discovered is a fresh token of a provider that is found by its issuer, beside one of a built-in provider. Both are
// in the file store, and neither causes a request.
func (b *bench) discovered() error {
	served, err := harness.Start(sandbox.Config{Definitions: [][]byte{[]byte("name: discovered\n" + discoveredDefinition)}})
	if err != nil {
		return err
	}
	defer func() { _ = served.Stop() }()
	config := filepath.Join(b.home, "discovered")
	providers := filepath.Join(config, "providers")
	if err := os.MkdirAll(providers, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(providers, "discovered.yaml"), []byte(discoveredDefinition), 0o600); err != nil {
		return err
	}
	env, err := b.withFile()
	if err != nil {
		return err
	}
	env = append(slices.Clone(env), "TOKENCLI_CONFIG_DIR="+config)
	for _, v := range served.Server.Variables(served.URL) {
		env = append(env, v.Name+"="+v.Value)
	}
	if err := b.quiet(env, "login", "discovered"); err != nil {
		return err
	}
	found, err := b.token("discovered", env, "discovered")
	if err != nil {
		return err
	}
	builtin, err := b.token("built-in", env, "monta")
	if err != nil {
		return err
	}
	served.Forget()
	if err := rounds(b.ctx, []*command{found, builtin}, b.rounds); err != nil {
		return err
	}
	if requests := served.Requests(); len(requests) > 0 {
		return fmt.Errorf("a fresh token of a discovered provider caused %d requests: %s", len(requests), requests[0])
	}
	got := ratio(found, builtin)
	fmt.Fprintf(&b.out, "| discovered provider / built-in one, file store | %.2f | %s |\n", got, b.limit("discovered / built-in", got, 1.1))
	return nil
}
