package provider

import (
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/fail"
)

// Merged returns the name of the definition in a file, and its text with that of every definition it extends,
// so that it extends none. It looks for those in the folder of the file where the catalog has none. A file
// that cannot be used is a fail.Usage.
func (c Catalog) Merged(path string) (string, []byte, error) {
	findings, err := c.Lint(path)
	if err != nil {
		return "", nil, err
	}
	if len(findings) > 0 {
		return "", nil, fail.New(fail.Usage, "%s:%s", path, findings[0]).Advise(fail.DoLint, path)
	}
	text, err := readSmall(path)
	if err != nil {
		return "", nil, fail.New(fail.Usage, "%s cannot be read: %w", path, err)
	}
	if c.Dir == "" {
		c.Dir = filepath.Dir(path)
	}
	name, _ := definitionName(filepath.Base(path))
	check := &checker{}
	_, merged := c.extend(check, check.parse(text), &source{name: name, path: path, text: text}, nil)
	merged = without(merged, "name", "extends")
	var key, value yaml.Node
	key.SetString("name")
	value.SetString(name)
	merged.Content = append([]*yaml.Node{&key, &value}, merged.Content...)
	text, err = yaml.Marshal(merged)
	return name, text, err
}
