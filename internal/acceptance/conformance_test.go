package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
)

// servers are third-party OAuth servers, each with the variable that names its program (make conformance).
var servers = map[string]string{
	"oidc-provider": "TOKENCLI_TEST_OIDC_PROVIDER",
	"zitadel":       "TOKENCLI_TEST_ZITADEL",
}

// TestConformance runs the transcripts in testdata/conformance, each against servers of its own.
func TestConformance(t *testing.T) {
	for _, variable := range servers {
		if os.Getenv(variable) == "" {
			t.Skipf("%s names no server: make conformance", variable)
		}
	}
	all := maps.Clone(commands)
	all["serve"], all["counted"], all["control"] = cmdServe, cmdCounted, cmdControl
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/conformance",
		Setup: func(env *testscript.Env) error {
			if err := setup(env); err != nil {
				return err
			}
			// The folder of definitions must be one that no other user can write to.
			config := filepath.Join(env.WorkDir, "settings")
			env.Setenv("TOKENCLI_CONFIG_DIR", config)
			return os.MkdirAll(filepath.Join(config, "providers"), 0o700)
		},
		Cmds:                all,
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// serve NAME PROVIDER [OPTIONS]: starts a server with options in JSON, and makes it the issuer of the definition
// PROVIDER. Its further lines are in the file PROVIDER.yaml, if there is one, in which $ISSUER is the address; without
// an issuer of its own if they name a resource at it. ISSUER is the address in the script.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 || servers[args[0]] == "" || neg {
		ts.Fatalf("usage: serve NAME PROVIDER [OPTIONS]")
	}
	issuer, stop, err := startServer(os.Getenv(servers[args[0]]), append([]string{"0"}, args[2:]...)...)
	ts.Check(err)
	ts.Defer(stop)
	ts.Setenv("ISSUER", issuer)
	provider := args[1]
	text := "issuer: $ISSUER\n"
	if more, err := os.ReadFile(ts.MkAbs(provider + ".yaml")); err == nil {
		if text += string(more); strings.Contains(string(more), "$ISSUER") {
			text = string(more)
		}
	}
	text = strings.ReplaceAll(text, "$ISSUER", issuer)
	ts.Check(os.WriteFile(ts.MkAbs("settings/providers/"+provider+".yaml"), []byte(text), 0o600))
	port, err := harness.FreePort()
	ts.Check(err)
	prefix := "TOKENCLI_" + strings.ToUpper(provider)
	ts.Setenv(prefix+"_REDIRECT_URI", "http://127.0.0.1:"+port+"/callback")
}

// startServer starts a program whose first line of output is its address.
func startServer(binary string, args ...string) (address string, stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, args...)
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return "", nil, err
	}
	stop = func() { cancel(); _ = cmd.Wait() }
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, err
	}
	return strings.TrimSpace(line), stop, nil
}

// counted KIND NAME N [!]: the server counted N; KIND is paths (requests by path) or errors (by their code).
func cmdCounted(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: counted paths|errors NAME N")
	}
	var stats map[string]map[string]int
	ts.Check(json.Unmarshal(atServer(ts, http.MethodGet, "stats"), &stats))
	if got := fmt.Sprint(stats[args[0]][args[1]]); (got == args[2]) == neg {
		ts.Fatalf("%s %s: %s; all: %v", args[0], args[1], got, stats)
	}
}

// control WHAT: tells the server to do something, such as ttl?AccessToken=60; the programs of the servers say what.
func cmdControl(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: control WHAT")
	}
	atServer(ts, http.MethodPost, args[0])
}

func atServer(ts *testscript.TestScript, method, what string) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, ts.Getenv("ISSUER")+"/_control/"+what, nil)
	ts.Check(err)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s: %s", what, resp.Status, body)
	}
	return body
}
