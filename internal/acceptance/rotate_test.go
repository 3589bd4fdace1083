package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// saver FILE ARG...: a program that stands in for on_rotate. It appends what it reads to FILE, its arguments
// to FILE.args and the names of its variables to FILE.env, prints what it read, waits for FILE.go where
// there is a FILE.wait, and ends with the exit code in FILE.exit.
func saver() {
	code, err := save(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "saver:", err)
		code = 99
	}
	os.Exit(code)
}

func save(file string, args []string) (int, error) {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return 0, err
	}
	var names []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name+"\n")
	}
	for path, text := range map[string]string{
		file:           string(input),
		file + ".args": strings.Join(args, "|") + "\n",
		file + ".env":  strings.Join(names, ""),
	} {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, err
		}
		if _, err := f.WriteString(text); err != nil {
			return 0, err
		}
		if err := f.Close(); err != nil {
			return 0, err
		}
	}
	fmt.Printf("saver has %s", input)
	if _, err := os.Stat(file + ".wait"); err == nil {
		if err := awaitFile(file + ".go"); err != nil {
			return 0, err
		}
	}
	exit, err := os.ReadFile(file + ".exit")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(exit)))
}

// TestRecipes runs the scripts of docs/ci.md, with programs in the place of gh and curl that keep what they
// are handed.
func TestRecipes(t *testing.T) {
	for _, program := range []string{"sh", "jq"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	text, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for _, match := range regexp.MustCompile("(?s)```sh\n(#!/bin/sh\n# ([a-z-]+): .*?)```").FindAllStringSubmatch(string(text), -1) {
		scripts[match[2]] = match[1]
	}
	// What a refresh token may hold at worst: RFC 6749 A.17 allows every visible character.
	const token = `re"fresh\to'ken$HOME!%41+/=`
	for _, test := range []struct {
		name, program string
		env           []string
		argument      string // among those of the program
		input         string // what the program reads
	}{
		{
			"save-to-github", "gh",
			[]string{"GITHUB_REPOSITORY=acme/books", "ENVIRONMENT=moloni-on"},
			"secret|set|TOKENCLI_MOLONI_ON_REFRESH_TOKEN|--repo|acme/books|--env|moloni-on", token,
		},
		{
			"save-to-gitlab", "curl",
			[]string{"CI_API_V4_URL=https://gitlab.example.com/api/v4", "CI_PROJECT_ID=42", "VARIABLES_TOKEN=glpat-planted"},
			"https://gitlab.example.com/api/v4/projects/42/variables/TOKENCLI_MOLONI_ON_REFRESH_TOKEN",
			"header = \"PRIVATE-TOKEN: glpat-planted\"\ndata-urlencode = \"value=re\\\"fresh\\\\to'ken$HOME!%41+/=\"\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if scripts[test.name] == "" {
				t.Fatalf("docs/ci.md has no such script; it has %d", len(scripts))
			}
			input, err := json.Marshal(map[string]any{
				"account": "moloni-on", "provider": "moloni-on", "variable": "TOKENCLI_MOLONI_ON_REFRESH_TOKEN",
				"refresh_token": token, "refresh_expires_at": nil,
			})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
				return path
			}
			script := write("script", scripts[test.name])
			// The first call fails, as a service now and then does.
			write(test.program, `#!/bin/sh
IFS='|'; echo "$*" >>"$CALLED.args"
cat >"$CALLED"
[ "$(wc -l <"$CALLED.args")" -gt "$FAILURES" ]
`)
			called := filepath.Join(dir, "called")
			run := func(failures string) (string, error) {
				cmd := exec.CommandContext(t.Context(), "sh", script)
				cmd.Stdin = strings.NewReader(string(input) + "\n")
				cmd.Env = append(test.env, "PATH="+dir+":"+os.Getenv("PATH"), "CALLED="+called, "FAILURES="+failures, "PAUSE=0")
				said, err := cmd.CombinedOutput()
				return string(said), err
			}
			if said, err := run("0"); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			args, err := os.ReadFile(called + ".args")
			if err != nil || !strings.Contains(string(args), test.argument) {
				t.Errorf("called with %s: %v", args, err)
			}
			if strings.Contains(string(args), "fresh") || strings.Contains(string(args), "planted") {
				t.Error("a secret is on a command line")
			}
			if got, err := os.ReadFile(called); err != nil || string(got) != test.input {
				t.Errorf("got %q, %v", got, err)
			}
			if said, err := run("1000"); err == nil || strings.Contains(said, "fresh") {
				t.Errorf("a call that fails: %v, %s", err, said)
			}
		})
	}
}
