package provider

import (
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// Add writes a definition that holds one word, issuer or resource, and its address, and returns the path of
// the file. A name that is taken, and an address that cannot be used, is a fail.Usage.
func (c Catalog) Add(name, word, address string) (string, error) {
	if !account.ValidPart(name) {
		return "", fail.New(fail.Usage, "%q is not a provider name", redact.Scrub(name, 80)).Advise(fail.DoNameAccount)
	}
	if err := checkAddress(word, address); err != nil {
		return "", fail.New(fail.Usage, "%s: %w", word, err)
	}
	switch path, err := c.file(name); {
	case err != nil:
		return "", err
	case slices.Contains(Builtin(), name):
		return "", fail.New(fail.Usage, "%s is the name of a built-in provider", name)
	case path != "":
		return "", fail.New(fail.Usage, "%s already exists", path)
	}
	text, err := yaml.Marshal(map[string]string{word: address})
	if err != nil {
		return "", err
	}
	if err := safefile.EnsureDir(c.Dir); err != nil {
		return "", err
	}
	path := filepath.Join(c.Dir, name+".yaml")
	return path, safefile.Create(path, text)
}
