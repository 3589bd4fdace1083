package acceptance

import (
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestKeychainWindows runs the transcripts in testdata/windows, which keep their logins in the Credential
// Manager of this user. Beside the commands of script_test.go they have:
//
//	pause DURATION        does nothing for so long
//	filler FILE N         makes a file of N letters
func TestKeychainWindows(t *testing.T) {
	if !keychainWanted() {
		t.Skip("writes to the Credential Manager: run with TOKENCLI_TEST_KEYCHAIN=required where that may be")
	}
	cmds := maps.Clone(commands)
	cmds["pause"] = func(ts *testscript.TestScript, _ bool, args []string) { time.Sleep(mustDuration(ts, args[0])) }
	cmds["filler"] = func(ts *testscript.TestScript, _ bool, args []string) {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat("filler", n/6+1)[:n]), 0o600))
	}
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/windows",
		Setup: func(env *testscript.Env) error {
			err := setup(env)
			env.Setenv("TOKENCLI_STORE", "keychain")
			env.Setenv("TOKENCLI_FILE_KEY", "")
			return err
		},
		Cmds:                cmds,
		Condition:           condition,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
