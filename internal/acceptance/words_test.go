package acceptance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unwanted are words that have a better one: refresh, fix, delete, log in.
var unwanted = regexp.MustCompile(`(?i)\b(renew(s|ed|al|als|ing)?|mend(s|ed|ing)?|forget(s|ting)?|forgotten|is there no|thrown? ?away)\b`)

// TestWords holds the texts for users, in the program and in the documentation, to one word for one thing.
func TestWords(t *testing.T) {
	for _, root := range []string{"../../cmd", "../../internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() && (d.Name() == "acceptance" || d.Name() == "bench" || d.Name() == "soak") {
				return filepath.SkipDir
			}
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				checkStrings(t, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../../README.md", "../../CHANGELOG.md") {
		if base := filepath.Base(page); base == "performance.md" || base == "reliability.md" {
			continue // the measuring programs print their figures
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word := unwanted.FindString(line); word != "" {
				t.Errorf("%s:%d: %q", page, i+1, word)
			}
		}
	}
}

func checkStrings(t *testing.T, path string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		// A literal of one word is a name that a user may type, for a suggestion.
		if !ok || literal.Kind != token.STRING || !strings.Contains(literal.Value, " ") {
			return true
		}
		if word := unwanted.FindString(literal.Value); word != "" {
			t.Errorf("%s: %q", files.Position(literal.Pos()), word)
		}
		return true
	})
}
