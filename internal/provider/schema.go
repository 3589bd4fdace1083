package provider

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

//go:embed schema.json
var schemaText string

// Schema returns the JSON Schema of a definition file (draft 2020-12).
func (Catalog) Schema() string { return schemaText }

// schema is the part of JSON Schema that schema.json uses.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        words              `json:"type"`
	Enum        []any              `json:"enum"`
	Pattern     string             `json:"pattern"`
	Minimum     *int               `json:"minimum"`
	Maximum     *int               `json:"maximum"`
	Properties  map[string]*schema `json:"properties"`
	Additional  additional         `json:"additionalProperties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	Description string             `json:"description"`
	Default     any                `json:"default"`
	Examples    []any              `json:"examples"`
	Defs        map[string]*schema `json:"$defs"`
}

// words is one word or a list of them.
type words []string

func (w *words) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		*w = make(words, 1)
		return json.Unmarshal(text, &(*w)[0])
	}
	return json.Unmarshal(text, (*[]string)(w))
}

// additional is the schema of keys that are not listed; nil: there may be none.
type additional struct{ *schema }

func (a *additional) UnmarshalJSON(text []byte) error {
	if string(text) == "false" {
		return nil
	}
	return json.Unmarshal(text, &a.schema)
}

// durationPattern is that of a duration, which may be one that is too long all the same.
const durationPattern = `^([0-9]+(\.[0-9]+)?(h|ms|m|s))+$`

func parseSchema() *schema {
	s := new(schema)
	if err := json.Unmarshal([]byte(schemaText), s); err != nil {
		panic(err) // a part of the program
	}
	return s
}

// maxNodes bounds the work on a file whose aliases multiply.
const maxNodes = 20_000

// validate adds what the schema finds wrong with a document. Null is allowed everywhere: it removes what
// is inherited. It reports whether the document is small enough to be decoded.
func (c *checker) validate(root *yaml.Node) bool {
	v := &validator{checker: c, root: parseSchema()}
	v.node(nil, root, v.root)
	if v.nodes > maxNodes {
		c.findings = []Finding{{Text: "too many values: the aliases in the file multiply them"}}
	}
	c.schema = len(c.findings)
	return v.nodes <= maxNodes
}

type validator struct {
	*checker
	root  *schema
	nodes int
}

func (v *validator) add(path []string, node *yaml.Node, format string, args ...any) {
	at := strings.Join(path, ".")
	text := fmt.Sprintf(format, args...)
	if at != "" {
		text = at + ": " + text
	}
	v.findings = append(v.findings, Finding{Path: at, Line: node.Line, Text: redact.Printable(text)})
}

func (v *validator) node(path []string, node *yaml.Node, s *schema) {
	if v.nodes++; v.nodes > maxNodes {
		return
	}
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if s.Ref != "" {
		s = v.root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
	}
	if node.ShortTag() == "!!null" && len(path) > 0 {
		return
	}
	if len(s.Enum) > 0 {
		v.enum(path, node, s.Enum)
		return
	}
	switch {
	case node.Kind == yaml.MappingNode && slices.Contains(s.Type, "object"):
		v.mapping(path, node, s)
	case node.Kind == yaml.SequenceNode && slices.Contains(s.Type, "array"):
		for i, item := range node.Content {
			v.node(append(path, strconv.Itoa(i)), item, s.Items)
		}
	case node.Kind == yaml.ScalarNode && v.scalar(path, node, s):
	default:
		v.add(path, node, "expected %s", expected(s))
	}
}

// scalar checks a single value, and reports whether its type is allowed. A number or a boolean is also a
// string, as in YAML's own rules.
func (v *validator) scalar(path []string, node *yaml.Node, s *schema) bool {
	switch tag := node.ShortTag(); {
	case slices.Contains(s.Type, "string"):
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(node.Value) {
			v.add(path, node, "expected %s", expected(s))
		} else if s.Pattern == durationPattern {
			if _, err := time.ParseDuration(node.Value); err != nil {
				v.add(path, node, "the duration is out of range")
			}
		}
	case slices.Contains(s.Type, "boolean"):
		return tag == "!!bool"
	case slices.Contains(s.Type, "integer"):
		n, err := strconv.Atoi(node.Value)
		if err == nil && (s.Minimum != nil && n < *s.Minimum || s.Maximum != nil && n > *s.Maximum) {
			v.add(path, node, "the number is out of range")
		}
		return err == nil
	default:
		return false
	}
	return true
}

func (v *validator) enum(path []string, node *yaml.Node, allowed []any) {
	var list []string
	for _, value := range allowed {
		if word, ok := value.(string); ok {
			list = append(list, word)
		}
	}
	if node.Kind == yaml.ScalarNode && slices.Contains(list, node.Value) {
		return
	}
	v.add(path, node, "expected %s%s", oneOf(list), suggest(node.Value, list))
}

func (v *validator) mapping(path []string, node *yaml.Node, s *schema) {
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		here := append(slices.Clone(path), key.Value)
		if line, twice := seen[key.Value]; twice {
			v.add(here, key, "already defined in line %d", line)
			continue
		}
		seen[key.Value] = key.Line
		switch property := s.Properties[key.Value]; {
		case property != nil:
			v.node(here, value, property)
		case s.Additional.schema != nil:
			v.node(here, value, s.Additional.schema)
		default:
			known := slices.Sorted(maps.Keys(s.Properties))
			near := suggest(key.Value, known)
			if near == "" {
				near = "; the keys here are " + strings.Join(known, ", ")
			}
			v.add(here, key, "unknown key%s", near)
		}
	}
	for _, name := range s.Required {
		if seen[name] == 0 {
			v.add(append(slices.Clone(path), name), node, "missing")
		}
	}
}

func expected(s *schema) string {
	switch s.Pattern {
	case "":
	case "^https?://":
		return "an address"
	default:
		if len(s.Examples) > 0 {
			return fmt.Sprintf("a value such as %v", s.Examples[0])
		}
	}
	var list []string
	for _, word := range s.Type {
		if text := map[string]string{
			"string": "a text", "boolean": "true or false", "integer": "a whole number", "array": "a list", "object": "a mapping",
		}[word]; text != "" {
			list = append(list, text)
		}
	}
	return oneOf(list)
}

func oneOf(list []string) string {
	if n := len(list); n > 1 {
		return strings.Join(list[:n-1], ", ") + " or " + list[n-1]
	}
	return strings.Join(list, "")
}

func suggest(word string, known []string) string {
	if near := fail.Nearest(word, known); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
