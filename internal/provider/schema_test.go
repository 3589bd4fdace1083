package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/fail"
)

// The schema says what the loader reads, no more and no less.
func TestSchemaAndLoaderAreInStep(t *testing.T) {
	root := parseSchema()
	compare(t, "", reflect.TypeFor[Definition](), root, root)

	published, err := os.ReadFile(filepath.Join("..", "..", "docs", "provider.schema.json"))
	if err != nil || string(published) != schemaText {
		t.Errorf("docs/provider.schema.json is not internal/provider/schema.json: %v", err)
	}
}

func compare(t *testing.T, path string, typ reflect.Type, s, root *schema) {
	t.Helper()
	if s == nil {
		t.Errorf("%s: the schema has no such word", path)
		return
	}
	if s.Ref != "" {
		if !strings.HasSuffix(path, ".0") && s.Description == "" {
			t.Errorf("%s: no description", path)
		}
		s = root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
	}
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	wants := func(words ...string) {
		t.Helper()
		for _, word := range words {
			if len(s.Enum) == 0 && !slices.Contains(s.Type, word) {
				t.Errorf("%s: the loader takes a %s, the schema %v", path, word, s.Type)
			}
		}
	}
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		wants("string")
		if s.Pattern != durationPattern {
			t.Errorf("%s: the pattern is %s, not that of a duration", path, s.Pattern)
		}
	case typ == reflect.TypeFor[Names](), typ == reflect.TypeFor[Values]():
		wants("string", "array")
	case typ == reflect.TypeFor[Rule]():
		wants("object")
	case typ.Kind() == reflect.Struct:
		wants("object")
		known := map[string]bool{}
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("yaml"), ",")
			if name == "-" {
				continue
			}
			known[name] = true
			compare(t, strings.TrimPrefix(path+"."+name, "."), typ.Field(i).Type, s.Properties[name], root)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if !known[name] {
				t.Errorf("%s.%s: the loader does not read it", path, name)
			}
		}
	case typ.Kind() == reflect.Map && path == "token":
		var keys []string
		for _, k := range Kinds() {
			if name, ok := strings.CutPrefix(k.Path, "token."); ok {
				keys = append(keys, name)
			}
		}
		if slices.Sort(keys); !slices.Equal(keys, slices.Sorted(maps.Keys(s.Properties))) {
			t.Errorf("token: the schema has %v, the table of requests %v", slices.Sorted(maps.Keys(s.Properties)), keys)
		}
		compare(t, "token.refresh", typ.Elem(), s.Properties["refresh"], root)
	case typ.Kind() == reflect.Map:
		wants("object")
	case typ.Kind() == reflect.Slice:
		wants("array")
		compare(t, path+".0", typ.Elem(), s.Items, root)
	case typ.Kind() == reflect.Bool:
		wants("boolean")
	case typ.Kind() == reflect.Int:
		wants("integer")
	default:
		wants("string")
	}
}

// Every word has a meaning and an example, and every example is one.
func TestExamplesOfTheSchema(t *testing.T) {
	root := parseSchema()
	var walk func(path string, s *schema)
	walk = func(path string, s *schema) {
		if s.Description == "" {
			t.Errorf("%s: no description", path)
		}
		for _, example := range s.Examples {
			text, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			var document yaml.Node
			if err := yaml.Unmarshal(text, &document); err != nil {
				t.Fatal(err)
			}
			c := &checker{}
			v := &validator{checker: c, root: root}
			v.node([]string{path}, document.Content[0], s)
			if len(c.findings) > 0 {
				t.Errorf("%s: %s: %v", path, text, c.findings)
			}
		}
		of := s
		if s.Ref != "" {
			of = root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
		}
		if len(s.Examples) == 0 && len(of.Properties) == 0 {
			t.Errorf("%s: no example", path)
		}
		if s.Ref == "" {
			for name, property := range of.Properties {
				walk(strings.TrimPrefix(path+"."+name, "."), property)
			}
		}
	}
	for name, property := range root.Properties {
		walk(name, property)
	}
	for name, def := range root.Defs {
		for word, property := range def.Properties {
			walk(name+"."+word, property)
		}
	}
}

func TestGrantsOfTheSchema(t *testing.T) {
	var grants []string
	for _, k := range Kinds() {
		if k.Grant != "" {
			grants = append(grants, k.Grant)
		}
	}
	grants = append(grants, StaticToken)
	if got := fmt.Sprint(parseSchema().Properties["grants"].Items.Enum); got != fmt.Sprint(grants) {
		t.Errorf("%s, want %v", got, grants)
	}
}

func TestBuiltinDefinitionsPassLint(t *testing.T) {
	for _, name := range Builtin() {
		text, err := Catalog{}.Source(name)
		if err != nil {
			t.Fatal(err)
		}
		own := "own-" + name
		if findings, err := (Catalog{}).Lint(write(t, own+".yaml", strings.Replace(string(text), "name: "+name, "name: "+own, 1))); err != nil || len(findings) > 0 {
			t.Errorf("%s: %v, %v", name, findings, err)
		}
	}
}

func TestAdd(t *testing.T) {
	c := Catalog{Dir: filepath.Join(t.TempDir(), "config", "providers")}
	path, err := c.Add("acme", "issuer", "https://as.example/x: y")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := c.Find("acme"); err != nil || d.Issuer != "https://as.example/x: y" || d.Path != path {
		t.Errorf("%+v, %v", d, err)
	}
	for name, tt := range map[string][3]string{
		"taken":            {"acme", "issuer", "https://as.example"},
		"built in":         {"mollie", "issuer", "https://as.example"},
		"not a name":       {"../acme", "issuer", "https://as.example"},
		"in the clear":     {"other", "resource", "http://mcp.example/mcp"},
		"not an address":   {"other", "resource", "mcp.example"},
		"with a password":  {"other", "resource", "https://u:hunter2@mcp.example"},
		"no address given": {"other", "issuer", ""},
	} {
		if _, err := c.Add(tt[0], tt[1], tt[2]); !fail.Is(err, fail.Usage) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if names, _ := c.Names(); len(names) != len(Builtin())+1 {
		t.Errorf("%v", names)
	}
}
