package provider

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Params are parameters of a request: names on the wire and templates for the values.
type Params map[string]Values

// Values are the templates of one parameter, which is repeated for each. Nil (null in a file) leaves out
// a parameter that would be sent otherwise.
type Values []string

// UnmarshalYAML reads one value or a list of values.
func (v *Values) UnmarshalYAML(node *yaml.Node) error { return (*Names)(v).UnmarshalYAML(node) }

// Names is a list that may be written as one word.
type Names []string

// UnmarshalYAML reads one name or a list of names.
func (n *Names) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*n = Names{node.Value}
		return nil
	}
	return node.Decode((*[]string)(n))
}

// UnmarshalYAML reads a rule: an error code, or a mapping.
func (r *Rule) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*r = Rule{Code: node.Value}
		return nil
	}
	type plain Rule
	return node.Decode((*plain)(r))
}

// Hold reports whether a value is made with the placeholder, such as {code}.
func (p Params) Hold(placeholder string) bool {
	for _, values := range p {
		if slices.ContainsFunc(values, func(template string) bool { return strings.Contains(template, placeholder) }) {
			return true
		}
	}
	return false
}

// Expand returns the parameters with values in the place of placeholders. A value whose template is one
// placeholder without a value is left out. Braces that are no placeholder with an entry in values are an
// error: they are never sent.
func (p Params) Expand(values map[string]string) (map[string][]string, error) {
	out := make(map[string][]string, len(p))
	for name, templates := range p {
		for _, template := range templates {
			value, err := Expand(template, values, nil)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if value == "" && soleHolder(template) {
				continue
			}
			out[name] = append(out[name], value)
		}
	}
	return out, nil
}

// Expand returns a template with values in the place of its placeholders, each passed through encode
// (nil: as it is). Braces that are no placeholder with an entry in values are an error.
func Expand(template string, values map[string]string, encode func(string) string) (string, error) {
	if !strings.ContainsAny(template, "{}") {
		return template, nil
	}
	var b strings.Builder
	for part, err := range parts(template) {
		switch value, known := values[part.holder]; {
		case err != nil:
			return "", err
		case part.holder == "":
			b.WriteString(part.text)
		case !known:
			return "", fmt.Errorf("{%s} is not known", part.holder)
		case encode != nil:
			b.WriteString(encode(value))
		default:
			b.WriteString(value)
		}
	}
	return b.String(), nil
}

// Holders returns the names of the placeholders in a template.
func Holders(template string) []string {
	var names []string
	for part, err := range parts(template) {
		if err == nil && part.holder != "" {
			names = append(names, part.holder)
		}
	}
	return names
}

// ExpandJSON returns a JSON body with values in the place of the placeholders that are known. Other braces
// are part of the body.
func ExpandJSON(body string, values map[string]string) string {
	for name, value := range values {
		quoted, _ := json.Marshal(value) // a string has a form
		body = strings.ReplaceAll(body, "{"+name+"}", string(quoted[1:len(quoted)-1]))
	}
	return body
}

// part is a piece of a template: text, or a placeholder.
type part struct{ text, holder string }

// parts yields the pieces of a template, and an error for a brace that belongs to no placeholder.
func parts(template string) func(func(part, error) bool) {
	return func(yield func(part, error) bool) {
		for template != "" {
			text, rest, open := strings.Cut(template, "{")
			if strings.Contains(text, "}") {
				yield(part{}, fmt.Errorf("a brace that belongs to no placeholder"))
				return
			}
			if text != "" && !yield(part{text: text}, nil) || !open {
				return
			}
			holder, rest, closed := strings.Cut(rest, "}")
			if !closed || holder == "" || strings.Contains(holder, "{") {
				yield(part{}, fmt.Errorf("a brace that belongs to no placeholder"))
				return
			}
			if !yield(part{holder: holder}, nil) {
				return
			}
			template = rest
		}
	}
}

// soleHolder reports whether a template is one placeholder and nothing else.
func soleHolder(template string) bool {
	return strings.HasPrefix(template, "{") && strings.IndexByte(template, '}') == len(template)-1
}
