// Package acceptance tests the built binary: its scripts in testdata/script, the terminal, the browser,
// herds of processes, and where secrets end up.
package acceptance

import (
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tokencli/tokencli/cmd"
	"github.com/tokencli/tokencli/internal/acceptance/harness"
)

var update = flag.Bool("update", false, "write the generated files that tests compare with")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tokencli":                   func() { os.Exit(cmd.Main("")) },
		"docker-credential-tokencli": func() { os.Exit(cmd.Main("")) },
		"fakebrowser":                fakeBrowser,
		"herd":                       herd,
		"life":                       life,
		"person":                     person,
		"interrupt":                  interrupt,
		"onterminal":                 onTerminal,
		"saver":                      saver,
		"sandboxcurl":                curlAtSandbox,
	})
}

// TestScript runs the transcripts in testdata/script, each against a sandbox of its own. script_test.go
// tells which commands they have.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		Setup:               setup,
		Cmds:                commands,
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
	})
}

// setup gives a script a home of its own, the encrypted file store with a key, and a browser that consents.
// Nothing else of the caller's environment is passed on.
func setup(env *testscript.Env) error {
	vars, err := harness.NewEnvironment(filepath.Join(env.WorkDir, "home"), filepath.Join(env.WorkDir, "key.txt"))
	if err != nil {
		return err
	}
	delete(vars, "PATH") // testscript has set it
	vars["BROWSER"] = "fakebrowser"
	if keychainWanted() {
		// The session that .ci/with-keyring made; scripts that use it set TOKENCLI_STORE themselves.
		for _, name := range []string{"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"} {
			vars["TEST_"+name] = os.Getenv(name)
		}
	}
	for name, value := range vars {
		env.Setenv(name, value)
	}
	env.Values[scriptKeyType{}] = &script{}
	return nil
}

// condition knows [keychain]: a real Secret Service is there to be used; [root]: file permissions bind
// nobody; [usersystemd]: a systemd for one user can be run in a mount namespace; [ipv6]: this
// machine has its IPv6 loopback address.
func condition(name string) (bool, error) {
	switch name {
	case "keychain":
		return runtime.GOOS == "linux" && keychainWanted(), nil
	case "ipv6":
		l, _ := new(net.ListenConfig).Listen(context.Background(), "tcp", "[::1]:0")
		if l == nil {
			return false, nil
		}
		return true, l.Close()
	case "usersystemd":
		_, err := exec.LookPath("systemctl")
		// As root alone, and where containers are allowed to nest.
		return err == nil && exec.CommandContext(context.Background(), "unshare", "--mount", "true").Run() == nil, nil
	case "root":
		return runtime.GOOS != "windows" && os.Geteuid() == 0, nil
	}
	return false, errUnknownCondition(name)
}

func keychainWanted() bool { return os.Getenv("TOKENCLI_TEST_KEYCHAIN") != "" }
