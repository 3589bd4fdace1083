//go:build unix

package acceptance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// byScripts are the pages whose examples do not follow from one another: each command line of theirs is run by a
// script in testdata/script. The commands of every other page are run in order, as a reader would.
var byScripts = []string{
	"api.md", "ci.md", "doctor.md", "exit-codes.md", "file-store.md", "keepalive.md", "login.md", "performance.md",
	"providers.md", "reliability.md", "sandbox.md", "settings.md",
}

// TestDocuments runs the commands of README and docs against a sandbox. A comment on the line before a block says
// how it differs:
//
//	<!-- not run: REASON -->   the block needs a real account, root, another system, ...
//	<!-- file: PATH -->        the block is a file, which the commands after it find there; ~ is the home folder
//
// Blocks in the language sh are run, and so are the run and script lines of a yaml block. In a console block a line
// that begins with "$ " is run, and the lines after it are what it prints; "..." there stands for any text.
func TestDocuments(t *testing.T) {
	needs(t, "bash", "jq")
	pages, err := harness.Pages(repository)
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := harness.ReadScripts(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if filepath.Base(page) == "definitions.md" {
			continue // holds definitions alone, which package provider lints
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			blocks, err := harness.Blocks(page)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(byScripts, filepath.Base(page)) {
				for _, block := range blocks {
					checkByScripts(t, scripts, block)
				}
				return
			}
			t.Parallel()
			newReader(t).read(t, blocks)
		})
	}
}

// checkByScripts reports what of a block no script runs or uses.
func checkByScripts(t *testing.T, scripts harness.Scripts, block harness.Block) {
	t.Helper()
	if notRun(t, block) {
		return
	}
	steps := stepsOf(t, block)
	for _, step := range steps {
		for line := range strings.Lines(step.commands) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !scripts.Lines[line] {
				t.Errorf("%d: no script runs: %s", block.Line, line)
			}
		}
	}
	if block.Language == "yaml" && len(steps) == 0 && !slices.Contains(scripts.Files, block.Text) {
		t.Errorf("%d: no script has this file:\n%s", block.Line, block.Text)
	}
}

func notRun(t *testing.T, block harness.Block) bool {
	t.Helper()
	reason, is := strings.CutPrefix(block.Mark, "not run: ")
	if is && len(strings.Fields(reason)) < 2 {
		t.Errorf("%d: the mark gives no reason: %q", block.Line, block.Mark)
	}
	return is
}

// step is a part of a block that one shell runs.
type step struct {
	commands string
	env      []string // shell assignments that hold for this step alone
}

var secretOfCI = regexp.MustCompile(`^\$\{\{ *secrets\.(?:TOKENCLI_)?([A-Z_]+) *\}\}$`)

// stepsOf returns what a block runs: all of a shell's, and of a file for a CI system what it has under run and
// script, with the variables under env and variables.
func stepsOf(t *testing.T, block harness.Block) []step {
	t.Helper()
	if block.Language == "sh" {
		return []step{{commands: block.Text}}
	}
	if block.Language != "yaml" {
		return nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(block.Text), &root); err != nil {
		t.Fatalf("%d: %v", block.Line, err)
	}
	var steps []step
	var env []string
	var visit func(n *yaml.Node, key string)
	visit = func(n *yaml.Node, key string) {
		switch {
		case n.Kind == yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				name, value := n.Content[i].Value, n.Content[i+1]
				if (key == "env" || key == "variables") && value.Kind == yaml.ScalarNode {
					text := "'" + value.Value + "'"
					if match := secretOfCI.FindStringSubmatch(value.Value); match != nil {
						text = `"${TOKENCLI_` + match[1] + `:-secret}"`
					}
					env = append(env, "export "+name+"="+text)
				}
				visit(value, name)
			}
		case n.Kind == yaml.ScalarNode && (key == "run" || key == "script"):
			steps = append(steps, step{commands: n.Value + "\n"})
		default:
			for _, child := range n.Content {
				visit(child, key)
			}
		}
	}
	visit(&root, "")
	for i := range steps {
		steps[i].env = env
	}
	return steps
}

// reader follows a page in a home folder of its own.
type reader struct {
	home    string
	env     harness.Environment
	script  strings.Builder
	outputs []output
}

// output is what a page says that a command prints.
type output struct {
	line          int
	command, want string
}

// prelude makes the shell of a page: curl sends to the sandbox what is meant for a provider, and what a login asks
// to have pasted is pasted.
const prelude = `set -eu -o pipefail
curl() { sandboxcurl "$@"; }
# An empty environment still leads to the sandbox.
env() {
	[ "$1" != -i ] || set -- "$1" $(printenv | grep _BASE_URL=) "${@:2}"
	command env "$@"
}
tokencli() {
	case "$*" in
	*oob*) command person shown tokencli "$@" ;;
	*myapp.example*) command person land tokencli "$@" ;;
	*) command tokencli "$@" ;;
	esac
}
cd
`

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{home: t.TempDir()}
	served, err := harness.Start(sandbox.Config{
		Consent:      sandbox.ConsentAllow,
		ClientID:     map[string]string{"mollie": "app_1234567890"},
		RedirectURIs: map[string][]string{"moloni": {"https://myapp.example/callback"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = served.Stop() })
	if r.env, err = harness.NewEnvironment(r.home, filepath.Join(r.home, "sandbox-key.txt")); err != nil {
		t.Fatal(err)
	}
	r.env["BROWSER"] = "fakebrowser"
	r.env["GITHUB_ENV"] = filepath.Join(r.home, "github-env")
	if err := served.Variables(r.env); err != nil {
		t.Fatal(err)
	}
	_, secret := served.Client("mollie")
	r.write(t, "~/mollie-secret.txt", secret+"\n")
	return r
}

func (r *reader) write(t *testing.T, path, text string) {
	t.Helper()
	path = strings.Replace(path, "~", r.home, 1)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// read runs the blocks of a page in one shell, and compares what is printed.
func (r *reader) read(t *testing.T, blocks []harness.Block) {
	t.Helper()
	r.script.WriteString(prelude)
	for _, block := range blocks {
		if notRun(t, block) {
			continue
		}
		if path, is := strings.CutPrefix(block.Mark, "file: "); is {
			r.write(t, path, block.Text)
			continue
		}
		switch block.Language {
		case "sh", "yaml":
			steps := stepsOf(t, block)
			if len(steps) == 0 {
				t.Errorf("%d: this file is not used: mark it as <!-- file: PATH -->", block.Line)
			}
			for _, step := range steps {
				r.add(block.Line, step)
			}
		case "console":
			r.addConsole(block)
		case "text", "json", "hcl":
		default:
			t.Errorf("%d: a block in the language %q", block.Line, block.Language)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", r.script.String())
	cmd.Env, cmd.Dir = r.env.List(), r.home
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	printed := strings.Split(stdout.String(), separator)
	for i, output := range r.outputs {
		if got := strings.TrimSpace(printed[2*i+1]); !output.pattern().MatchString(got) {
			t.Errorf("%d: %s prints\n%s\nand not\n%s", output.line, output.command, got, output.want)
		}
	}
}

// separator stands before and after the output of a command in a console block.
const separator = "\x1e"

// add lets a shell run a step. A step with variables of its own gets a shell of its own.
func (r *reader) add(line int, s step) {
	fmt.Fprintf(&r.script, "echo 'line %d' >&2\n", line)
	if len(s.env) == 0 {
		r.script.WriteString(s.commands)
		return
	}
	r.script.WriteString("(\n" + strings.Join(s.env, "\n") + "\n" + s.commands + ")\n")
}

func (r *reader) addConsole(block harness.Block) {
	for line := range strings.Lines(block.Text) {
		command, is := strings.CutPrefix(line, "$ ")
		if !is {
			if last := len(r.outputs) - 1; last >= 0 {
				r.outputs[last].want += line
			}
			continue
		}
		command = strings.TrimSpace(command)
		r.outputs = append(r.outputs, output{line: block.Line, command: command})
		fmt.Fprintf(&r.script, "echo 'line %d' >&2\nprintf '%s'\n{ %s; } 2>&1\nprintf '%s'\n", block.Line, `\036`, command, `\036`)
	}
}

func (o output) pattern() *regexp.Regexp {
	quoted := regexp.QuoteMeta(strings.TrimSpace(o.want))
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(quoted, `\.\.\.`, `.*?`) + `$`)
}

// Links between the documents lead somewhere, and the index names every page.
func TestDocumentLinks(t *testing.T) {
	pages, err := harness.Pages(repository)
	if err != nil {
		t.Fatal(err)
	}
	others, err := filepath.Glob(filepath.Join(repository, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	index := filepath.Join(repository, "docs", "README.md")
	indexed := map[string]bool{index: true, filepath.Join(repository, "README.md"): true}
	for _, path := range append(others, pages...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target := filepath.Join(filepath.Dir(path), match[1])
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", path, match[1])
			}
			if path == index {
				indexed[target] = true
			}
		}
	}
	for _, page := range pages {
		if !indexed[page] {
			t.Errorf("docs/README.md does not name %s", page)
		}
	}
}

// The first two command lines of the README are for newcomers; .ci/run runs them as they stand there.
func TestReadmeBeginsWithTwoCommands(t *testing.T) {
	blocks, err := harness.Blocks(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, block := range blocks {
		for line := range strings.Lines(block.Text) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) < 2 || lines[0] != "go run . demo" || lines[1] != "go test ./..." {
		t.Errorf("the README begins with %q", lines[:min(2, len(lines))])
	}
}
