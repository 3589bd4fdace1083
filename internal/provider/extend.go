package provider

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/yamlfile"
)

// maxExtends bounds a chain of definitions that extend each other.
const maxExtends = 8

// extend decodes a definition over the ones it extends: maps merge, lists replace, null removes. It also
// returns the merged document. The names of the definitions on the way are in chain. Both are nil where a
// finding prevents that.
func (c Catalog) extend(check *checker, root *yaml.Node, s *source, chain []string) (*Definition, *yaml.Node) {
	base := valueOf(root, "extends")
	if base == nil || base.Kind != yaml.ScalarNode || base.Value == "" || base.ShortTag() == "!!null" {
		return check.decode(root, s.name), root
	}
	refuse := func(format string, args ...any) (*Definition, *yaml.Node) {
		check.add("extends", format, args...)
		return nil, nil
	}
	chain = append(chain, s.name)
	if slices.Contains(chain, base.Value) || len(chain) > maxExtends {
		return refuse("%s extends itself", base.Value)
	}
	from, err := c.source(base.Value)
	if err != nil {
		return refuse("%s", c.unusable(base.Value, err))
	}
	other := &checker{}
	parent := other.parse(from.text)
	if parent == nil || !other.validate(parent) || len(other.findings) > 0 {
		return refuse("%s cannot be used: %s", base.Value, other.findings[0].Text)
	}
	original, parent := c.extend(other, parent, from, chain)
	if original == nil {
		return refuse("%s cannot be used: %s", base.Value, other.findings[0].Text)
	}
	parent = without(parent, "name", "extends")
	merged := merge(parent, root)
	d := check.decode(merged, s.name)
	if d == nil {
		return nil, nil
	}
	if d.Origin() == original.Origin() {
		d.Diverted = original.Diverted
		return d, merged
	}
	// The login page and the registration of one provider must not lend their name to the token endpoint
	// of another.
	merged = merge(without(parent, "title", "client", "authorize"), root)
	if d = check.decode(merged, s.name); d != nil {
		d.Diverted = true
	}
	return d, merged
}

func (c Catalog) unusable(name string, err error) string {
	names, _ := c.Names()
	return err.Error() + suggest(name, names)
}

// merge puts one document over another, which it changes, and returns it.
func merge(under, over *yaml.Node) *yaml.Node {
	if under == nil || under.Kind != yaml.MappingNode || over.Kind != yaml.MappingNode {
		return over
	}
	merged := *under
	merged.Content = slices.Clone(under.Content)
	for i := 0; i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], over.Content[i+1]
		for value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if at := indexOf(&merged, key.Value); at >= 0 {
			merged.Content[at+1] = merge(merged.Content[at+1], value)
		} else {
			merged.Content = append(merged.Content, key, value)
		}
	}
	return &merged
}

// indexOf returns the position of a key in a mapping, or -1.
func indexOf(node *yaml.Node, key string) int {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return i
		}
	}
	return -1
}

func valueOf(node *yaml.Node, key string) *yaml.Node {
	if at := indexOf(node, key); at >= 0 {
		return node.Content[at+1]
	}
	return nil
}

func without(node *yaml.Node, keys ...string) *yaml.Node {
	rest := *node
	rest.Content = slices.Clone(node.Content)
	for _, key := range keys {
		if at := indexOf(&rest, key); at >= 0 {
			rest.Content = slices.Delete(rest.Content, at, at+2)
		}
	}
	return &rest
}

// parse reads a document, or adds why it cannot be read and returns nil.
func (c *checker) parse(text []byte) *yaml.Node {
	root, err := yamlfile.Parse(text)
	if err == nil && root.Kind != yaml.MappingNode {
		err = fmt.Errorf("line %d: expected keys with values, such as name: acme", root.Line)
	}
	if err != nil {
		c.findings = append(c.findings, lineOf(err))
		return nil
	}
	c.root = root
	return root
}

// decode decodes a document and fills in the defaults, or adds why it cannot and returns nil. What has the wrong type is left out: the schema has a finding for it.
func (c *checker) decode(root *yaml.Node, name string) *Definition {
	d := new(Definition)
	var wrongTypes *yaml.TypeError
	if err := root.Decode(d); err != nil && !errors.As(err, &wrongTypes) || wrongTypes != nil && len(c.findings) == 0 {
		c.findings = append(c.findings, lineOf(err))
		return nil
	}
	d.fillIn(name)
	return d
}
