package provider

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// maxFile bounds a definition file; a hundred lines are usual.
const maxFile = 256 << 10

// Catalog finds definitions: the built-in ones and those of the user. Only the definition that is asked
// for, and what it extends, is read. The zero value knows the built-in ones.
type Catalog struct {
	Dir string // the user's definitions, NAME.yaml; may be missing
}

type source struct {
	name string
	path string // empty for a built-in one
	text []byte
}

// Find returns the definition of that name, or a fail.Usage where it is unknown or wrong. A file of the
// user's with the name of a built-in definition is refused: it would either be ignored or change where
// the secrets of existing logins go.
func (c Catalog) Find(name string) (*Definition, error) {
	s, err := c.source(name)
	if err != nil {
		return nil, err
	}
	d, findings := c.load(s)
	if len(findings) > 0 {
		return nil, fail.New(fail.Usage, "%s:%s", s.path, findings[0]).Advise(fail.DoLint, s.path)
	}
	return d, nil
}

// Source returns the text of a definition as it is written, comments included.
func (c Catalog) Source(name string) ([]byte, error) {
	s, err := c.source(name)
	if err != nil {
		return nil, err
	}
	return s.text, nil
}

func (c Catalog) source(name string) (*source, error) {
	path, err := c.file(name)
	if err != nil {
		return nil, err
	}
	text, err := builtin.ReadFile("builtin/" + name + ".yaml")
	switch {
	case err == nil && path != "":
		return nil, fail.New(fail.Usage, "%s: %s is the name of a built-in provider", path, name).Advise(fail.DoRenameFile, path)
	case err == nil:
		return &source{name: name, text: text}, nil
	case path == "":
		return nil, c.unknown(name)
	}
	if err := safefile.CheckTrusted(c.Dir); err != nil {
		return nil, err
	}
	if text, err = safefile.Read(path, maxFile, safefile.Config); err != nil {
		return nil, err
	}
	return &source{name: name, path: path, text: text}, nil
}

func (c Catalog) unknown(name string) error {
	names, _ := c.Names()
	e := fail.New(fail.Usage, "unknown provider %q", redact.Scrub(name, 80))
	if near := fail.Nearest(name, names); near != "" {
		return e.Advise(fail.DoUseProvider, near)
	}
	return e.Advise(fail.DoChooseProvider, strings.Join(names, ", "), filepath.Join(c.Dir, "NAME.yaml"))
}

// file returns the path of the user's definition of that name; empty: there is none.
func (c Catalog) file(name string) (string, error) {
	if c.Dir == "" || !account.ValidPart(name) {
		return "", nil
	}
	var found string
	for _, suffix := range []string{".yaml", ".yml"} {
		path := filepath.Join(c.Dir, name+suffix)
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if found != "" {
			return "", fail.New(fail.Usage, "%s and %s define the same provider", found, path).Advise(fail.DoRenameFile, path)
		}
		found = path
	}
	return found, nil
}

// Known returns the error of Find where no definition has that name. It reads none that is built in.
func (c Catalog) Known(name string) error {
	if _, err := builtin.Open("builtin/" + name + ".yaml"); err == nil {
		return nil
	}
	_, err := c.Find(name)
	return err
}

// Names returns the names of all definitions, sorted. It reads no definition.
func (c Catalog) Names() ([]string, error) {
	names := Builtin()
	if c.Dir == "" {
		return names, nil
	}
	if err := safefile.CheckTrusted(c.Dir); err != nil {
		return names, err
	}
	entries, err := safefile.Entries(c.Dir)
	if err != nil {
		return names, err
	}
	for _, entry := range entries {
		name, ok := definitionName(entry.Name())
		if ok && account.ValidPart(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Builtin returns the names of the built-in definitions, sorted.
func Builtin() []string {
	entries, err := builtin.ReadDir("builtin")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	slices.Sort(names) // the folder is sorted by names with their suffix
	return names
}

func definitionName(file string) (string, bool) {
	if name, ok := strings.CutSuffix(file, ".yaml"); ok {
		return name, true
	}
	return strings.CutSuffix(file, ".yml")
}

// load makes a definition of its text. Built-in ones are not checked: a test did that.
func (c Catalog) load(s *source) (*Definition, []Finding) {
	if s.path == "" {
		d := new(Definition)
		if err := yaml.Unmarshal(s.text, d); err != nil {
			panic(err) // a part of the program
		}
		d.fillIn(s.name)
		return d, nil
	}
	check := &checker{}
	root := check.parse(s.text)
	if root == nil || !check.validate(root) {
		return nil, check.findings
	}
	d, _ := c.extend(check, root, s, nil)
	if d == nil {
		return nil, check.sorted()
	}
	d.Path = s.path
	check.definition(d, s.name)
	return d, check.sorted()
}

// Lint returns everything that is wrong with a definition file; nothing where it can be used. A file that
// cannot be read is a fail.Usage. Who owns it does not matter here.
func (c Catalog) Lint(path string) ([]Finding, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, fail.New(fail.Usage, "%s cannot be read: %w", path, err)
	}
	name, ok := definitionName(filepath.Base(path))
	if !ok {
		return []Finding{{Text: "the file name does not end in .yaml"}}, nil
	}
	if c.Dir == "" {
		c.Dir = filepath.Dir(path)
	}
	_, findings := c.load(&source{name: name, path: path, text: text})
	if slices.Contains(Builtin(), name) {
		findings = append([]Finding{{Text: name + " is the name of a built-in provider"}}, findings...)
	}
	return findings, nil
}

// readSmall reads a file of the user's choice up to a bound. Its errors do not repeat the path.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		var pathError *fs.PathError
		if errors.As(err, &pathError) {
			err = pathError.Err
		}
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return text, err
}
