package provider

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/definitions.md")

const tableHead = "| word | type | default | meaning | example |\n| --- | --- | --- | --- | --- |\n"

// docs/definitions.md has a row for every word; `go test ./internal/provider -update` writes them.
func TestDocumentedWordsAreThoseOfTheSchema(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "definitions.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, table, _ := strings.Cut(string(text), tableHead)
	want := strings.Join(rows(parseSchema()), "")
	if table == want {
		return
	}
	if !*update {
		t.Fatal("the table differs from the schema")
	}
	if err := os.WriteFile(path, []byte(before+tableHead+want), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rows(root *schema) []string {
	var list []string
	var walk func(path string, s *schema)
	walk = func(path string, s *schema) {
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[name]
			word := strings.TrimPrefix(path+"."+name, ".")
			list = append(list, row(word, p))
			if p.Items != nil && p.Items.Properties != nil {
				walk(word, p.Items)
			}
			walk(word, p)
		}
	}
	walk("", root)
	for _, name := range []string{"request", "rule", "expired"} {
		walk(name, root.Defs[name])
	}
	return list
}

func row(word string, s *schema) string {
	kind := map[string]string{"string": "text", "boolean": "true or false", "integer": "number", "array": "list", "object": "mapping"}
	var types []string
	for _, t := range s.Type {
		if kind[t] != "" {
			types = append(types, kind[t])
		}
	}
	for _, value := range s.Enum {
		if value != nil {
			types = append(types, fmt.Sprint(value))
		}
	}
	if s.Ref != "" {
		types = []string{"request"}
	}
	standard := ""
	if s.Default != nil {
		standard = fmt.Sprint(s.Default)
	}
	example := ""
	if len(s.Examples) > 0 {
		text, _ := json.Marshal(s.Examples[0])
		example = "`" + strings.Trim(string(text), `"`) + "`"
	}
	escape := strings.NewReplacer("|", `\|`, "<", "&lt;")
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", word, oneOf(types), escape.Replace(standard), escape.Replace(s.Description), strings.ReplaceAll(example, "|", `\|`))
}

// Every definition that the page shows is right.
func TestDocumentedDefinitionsPassLint(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "definitions.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllSubmatch(text, -1)
	if len(blocks) < 8 {
		t.Fatalf("only %d definitions", len(blocks))
	}
	for i, block := range blocks {
		if findings, err := (Catalog{}).Lint(write(t, "acme.yaml", string(block[1]))); err != nil || len(findings) > 0 {
			t.Errorf("definition %d: %v, %v\n%s", i+1, findings, err, block[1])
		}
	}
}
