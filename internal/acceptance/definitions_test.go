package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tokencli/tokencli/internal/account"
)

// TestDefinitions runs the life of a login with every definition in the repository, against the stand-in that
// is made from it.
func TestDefinitions(t *testing.T) {
	if testing.Short() {
		t.Skip("runs sixty processes for every definition")
	}
	dir := t.TempDir()
	write := func(pattern, script string) {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			path, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(filepath.Base(path), ".yaml")
			text := strings.NewReplacer("PATH", filepath.ToSlash(path), "NAME", name).Replace(script)
			if err := os.WriteFile(filepath.Join(dir, name+".txtar"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("../provider/builtin/*.yaml", "sandbox definition=PATH\nexec life NAME\n")
	write("../../docs/definitions/*.yaml", "exec tokencli provider lint PATH\nexec tokencli sandbox --consent allow --definition PATH -- life NAME\n")
	testscript.Run(t, testscript.Params{Dir: dir, Setup: setup, Cmds: commands, Condition: condition, RequireExplicitExec: true})
}

// life logs in to a provider, takes a token, asks for it in sixty processes when it has expired, refreshes and
// revokes. Where the provider has the device grant, it also logs in by that one.
func life() {
	if err := live(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "life:", err)
		os.Exit(1)
	}
}

func live(provider string) error {
	name := account.Name{Provider: provider}
	// Nothing listens there, so that several logins do not meet at one port.
	if err := os.Setenv(name.Var(account.RedirectURI), "https://app.example.test/callback"); err != nil {
		return err
	}
	access := func(lifetime string) error {
		return steer(name, "lifetimes", map[string]string{"provider": provider, "access": lifetime})
	}
	err := errors.Join(
		access("1s"),
		run("person", "land", "tokencli", "login", provider, "--yes"),
		access("1h"),
	)
	if err != nil {
		return err
	}
	before, err := tokensGiven(name)
	if err != nil {
		return err
	}
	time.Sleep(1100 * time.Millisecond)
	if err := run("herd", "60", "tokencli", "token", provider, "--min-ttl", "1s"); err != nil {
		return err
	}
	after, err := tokensGiven(name)
	if err != nil {
		return err
	}
	if after != before+1 {
		return fmt.Errorf("sixty processes were given %d tokens", after-before)
	}
	err = errors.Join(
		steer(name, "expire", map[string]string{"provider": provider, "what": "access"}),
		run("tokencli", "refresh", provider),
		run("tokencli", "token", provider),
		run("tokencli", "revoke", provider),
	)
	if err != nil {
		return err
	}
	shown, err := exec.CommandContext(context.Background(), "tokencli", "provider", "show", provider).Output()
	if err != nil || !bytes.Contains(shown, []byte("device_code")) {
		return err
	}
	account := provider + "/device"
	return errors.Join(
		steer(name, "device", map[string]any{"provider": provider, "interval": 1}),
		run("tokencli", "login", account, "--grant", "device_code", "--yes"),
		run("tokencli", "token", account),
		run("tokencli", "refresh", account),
		run("tokencli", "revoke", account),
	)
}

func run(command string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), command, args...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", command, strings.Join(args, " "), err, output.String())
	}
	return nil
}

// control is the address of the sandbox's control interface.
func control(name account.Name) string {
	return strings.TrimSuffix(os.Getenv(name.Var(account.BaseURL)), "/"+name.Provider) + "/_sandbox/"
}

func steer(name account.Name, what string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, control(name)+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", what, resp.Status)
	}
	return nil
}

// tokensGiven counts the token requests that were granted. A refresh token that was used twice is an error.
func tokensGiven(name account.Name) (int, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, control(name)+"stats", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Providers map[string]struct {
			Exchanges, Refreshes, Mints int
			Reused                      int `json:"reused_refresh_tokens"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	counts := answer.Providers[name.Provider]
	if counts.Reused > 0 {
		return 0, errors.New("a refresh token was used twice")
	}
	return counts.Exchanges + counts.Refreshes + counts.Mints, nil
}
