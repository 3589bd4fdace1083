package cmd

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
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
			if secret.MatchString(name) && !strings.Contains(usage, "file") {
				t.Errorf("--%s looks like a secret on the command line", name)
			}
		}
	})
}

// executed returns every command line that a script executes: after exec and its like, and in the shell
// scripts that it carries.
func executed(t *testing.T) map[string]bool {
	t.Helper()
	lines := make(map[string]bool)
	prefix := regexp.MustCompile(`^(?:! )?(?:exec|exits \d+|fails \d+) (?:(?:person \S+|timeout \S+) )?(.*?)(?: &\w*&?)?$`)
	for _, path := range glob(t, "../testdata/script/*.txtar") {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(archive.Comment)) {
			if match := prefix.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
				lines[match[1]] = true
			}
		}
		for _, file := range archive.Files {
			// A script that stops at the first failure, and is started.
			if !strings.Contains(string(archive.Comment), "exec bash -eu "+file.Name+"\n") {
				continue
			}
			for line := range strings.Lines(string(file.Data)) {
				lines[strings.TrimSpace(line)] = true
			}
		}
	}
	return lines
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v", pattern, err)
	}
	return paths
}

func TestEveryExampleIsExecuted(t *testing.T) {
	done := executed(t)
	walk(t, func(t *testing.T, c *cobra.Command) {
		for _, line := range examples(c) {
			if !done[line] {
				t.Errorf("no script executes: %s", line)
			}
		}
	})
}

func TestEveryDocumentedCommandIsExecuted(t *testing.T) {
	done := executed(t)
	run, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(glob(t, "../docs/*.md"), "../README.md") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			for _, block := range blocks(t, path) {
				for _, line := range block.commands(t) {
					// The two lines for newcomers are run by .ci/run, which reads them from the README.
					if !done[line] && !strings.Contains(string(run), `"`+line+`"`) {
						t.Errorf("no script executes: %s", line)
					}
				}
			}
		})
	}
}

// Configuration and definitions in the documentation are files of a script, so they are known to work.
func TestEveryDocumentedFileIsUsed(t *testing.T) {
	var used []string
	for _, path := range glob(t, "../testdata/script/*.txtar") {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			used = append(used, string(file.Data))
		}
	}
	for _, path := range append(glob(t, "../docs/*.md"), "../README.md") {
		for _, block := range blocks(t, path) {
			if block.language == "yaml" && len(block.commands(t)) == 0 && !slices.Contains(used, block.text) {
				t.Errorf("%s: no script has this file:\n%s", path, block.text)
			}
		}
	}
}

// block is a fenced block of code in a page.
type block struct{ language, text string }

func blocks(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []block
	var in *block
	for line := range strings.Lines(string(text)) {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && in == nil:
			in = &block{language: strings.TrimSpace(language)}
			if !slices.Contains([]string{"sh", "yaml", "json", "text"}, in.language) {
				t.Errorf("%s: a block in the language %q", path, in.language)
			}
		case fence:
			found = append(found, *in)
			in = nil
		case in != nil:
			in.text += line
		}
	}
	return found
}

// commands returns the command lines in a block: those of a shell, and those that a CI system runs.
func (b block) commands(t *testing.T) []string {
	t.Helper()
	var lines []string
	add := func(text string) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
	}
	switch b.language {
	case "sh":
		add(b.text)
	case "yaml":
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(b.text), &root); err != nil {
			t.Fatalf("%v in:\n%s", err, b.text)
		}
		var visit func(n *yaml.Node, key string)
		visit = func(n *yaml.Node, key string) {
			switch {
			case n.Kind == yaml.MappingNode:
				for i := 0; i+1 < len(n.Content); i += 2 {
					visit(n.Content[i+1], n.Content[i].Value)
				}
			case n.Kind == yaml.ScalarNode && (key == "run" || key == "script"):
				add(n.Value)
			default:
				for _, child := range n.Content {
					visit(child, key)
				}
			}
		}
		visit(&root, "")
	}
	return lines
}

// The first two command lines of the README are for newcomers; .ci/run runs them as they stand there.
func TestReadmeBeginsWithTwoCommands(t *testing.T) {
	var lines []string
	for _, block := range blocks(t, "../README.md") {
		for line := range strings.Lines(block.text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) < 2 || lines[0] != "go run . demo" || lines[1] != "go test ./..." {
		t.Errorf("the README begins with %q", lines[:min(2, len(lines))])
	}
}

// Links between the pages lead somewhere.
func TestDocumentedLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, path := range append(glob(t, "../docs/*.md"), glob(t, "../*.md")...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), match[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", path, match[1])
			}
		}
	}
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
