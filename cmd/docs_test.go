package cmd

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
)

var update = flag.Bool("update", false, "write the generated files that tests compare with")

// walk calls visit for the root and every command below it that a user can see.
func walk(t *testing.T, visit func(t *testing.T, c *cobra.Command)) {
	t.Helper()
	var down func(c *cobra.Command)
	down = func(c *cobra.Command) {
		t.Run(strings.ReplaceAll(c.CommandPath(), " ", "/"), func(t *testing.T) { visit(t, c) })
		for _, child := range c.Commands() {
			if !child.Hidden {
				down(child)
			}
		}
	}
	down(newApp("").root())
}

// topic reports whether a command is one of the help topics, which are only read.
func topic(c *cobra.Command) bool { return !c.Runnable() && !c.HasSubCommands() }

func TestEveryCommandExplainsItself(t *testing.T) {
	walk(t, func(t *testing.T, c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || strings.Contains(c.Short, "\n") {
			t.Errorf("Short is no line without a full stop: %q", c.Short)
		}
		if c.Long == "" {
			t.Error("Long is missing")
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 110 {
				t.Errorf("a line of %d characters: %q", n, line)
			}
		}
		if topic(c) {
			return
		}
		if c.Example == "" {
			t.Error("Example is missing")
		}
		if c.Parent() == c.Root() && c.GroupID == "" {
			t.Error("it is in no group")
		}
		if c.HasAvailableSubCommands() {
			return
		}
		found := false
		for _, line := range examples(c) {
			found = found || strings.Contains(line, c.CommandPath())
		}
		if !found {
			t.Error("none of its examples calls it")
		}
	})
}

func examples(c *cobra.Command) []string {
	var lines []string
	for line := range strings.Lines(c.Example) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Flags are told apart by their first word, and say nothing that a shell would complete wrongly.
func TestEveryFlagExplainsItself(t *testing.T) {
	secret := regexp.MustCompile(`(?i)secret|password|passphrase|^token$|access-token|refresh-token|^key$`)
	walk(t, func(t *testing.T, c *cobra.Command) {
		c.InitDefaultHelpFlag()
		for line := range strings.Lines(c.LocalFlags().FlagUsages()) {
			name := strings.TrimLeft(line, " ")
			name = name[strings.Index(name, "--")+2:]
			name, usage, _ := strings.Cut(name, " ")
			if strings.TrimSpace(usage) == "" || strings.HasSuffix(strings.TrimSpace(usage), ".") {
				t.Errorf("--%s: its usage is missing or ends in a full stop: %q", name, usage)
			}
			if secret.MatchString(name) && !strings.Contains(usage, "file") && !strings.Contains(usage, "from stdin") {
				t.Errorf("--%s looks like a secret on the command line", name)
			}
		}
	})
}

func TestEveryExampleIsExecuted(t *testing.T) {
	scripts, err := harness.ReadScripts("..")
	if err != nil {
		t.Fatal(err)
	}
	walk(t, func(t *testing.T, c *cobra.Command) {
		for _, line := range examples(c) {
			if !scripts.Lines[line] {
				t.Errorf("no script executes: %s", line)
			}
		}
	})
}

// The completions are generated: `go test ./cmd -update` or `make completions` writes them.
func TestCompletionsAreCurrent(t *testing.T) {
	for shell, file := range map[string]string{
		"bash": "tokencli.bash", "zsh": "_tokencli", "fish": "tokencli.fish", "powershell": "tokencli.ps1",
	} {
		var out bytes.Buffer
		a := newApp("")
		a.stdout, a.stderr = &out, io.Discard
		if code := a.run(context.Background(), []string{"completion", shell}); code != 0 {
			t.Fatalf("completion %s ended with %d", shell, code)
		}
		path := filepath.Join("..", "completions", file)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.ReplaceAll(kept, []byte("\r\n"), []byte("\n")), out.Bytes()) {
			t.Errorf("%s is not current: make completions", path)
		}
	}
}
