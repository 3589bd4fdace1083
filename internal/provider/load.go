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
	"github.com/tokencli/tokencli/internal/yamlfile"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// maxFile bounds a definition file: a hundred lines are usual, so that more is a mistake or an attack.
const maxFile = 256 << 10

// Names is a list of field names that may be written as one name.
type Names []string

// UnmarshalYAML reads a name or a list of names.
func (n *Names) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*n = Names{node.Value}
		return nil
	}
	return node.Decode((*[]string)(n))
}

// Catalog finds definitions: the built-in ones and those of the user. Only the definition that is asked
// for is read and decoded. The zero value knows the built-in ones.
type Catalog struct {
	Dir string // the user's definitions, NAME.yaml; may be missing
}

// Find returns the definition of that name, with fail.Usage where there is none or it is bad. A file of
// the user's with the name of a built-in definition is refused: it would not count, or it would change
// where the secrets of existing logins go.
func (c Catalog) Find(name string) (*Definition, error) {
	path, err := c.file(name)
	if err != nil {
		return nil, err
	}
	text, err := builtin.ReadFile("builtin/" + name + ".yaml")
	switch {
	case err == nil && path != "":
		return nil, fail.New(fail.Usage, "%s: %s is the name of a built-in provider", path, name).
			WithHint("give the file, and the definition in it, another name")
	case err == nil:
		return parse(text, "builtin/"+name+".yaml", name)
	case path == "":
		names, _ := c.Names()
		e := fail.New(fail.Usage, "unknown provider %q", redact.Scrub(name, 80)).
			WithHint("the providers are %s", strings.Join(names, ", "))
		if c.Dir != "" && account.ValidPart(name) {
			e.Hint += "; a definition of your own goes to " + filepath.Join(c.Dir, name+".yaml")
		}
		return nil, e
	}
	if err := safefile.CheckTrusted(c.Dir); err != nil {
		return nil, err
	}
	if text, err = safefile.Read(path, maxFile, safefile.Config); err != nil {
		return nil, err
	}
	d, err := parse(text, path, name)
	if err != nil {
		return nil, err
	}
	d.Path = path
	return d, nil
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
			return "", fail.New(fail.Usage, "%s and %s define the same provider", found, path).WithHint("keep one of them")
		}
		found = path
	}
	return found, nil
}

// Known reports, with the error of Find, that there is no definition of that name. It reads none.
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
	entries, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return names, fail.New(fail.Store, "%s cannot be read: %w", c.Dir, err)
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

// parse decodes a definition strictly and checks it. want is the name it must have.
func parse(text []byte, path, want string) (*Definition, error) {
	d, err := decode(text)
	if err != nil {
		return nil, fail.New(fail.Usage, "%s: %w", path, err).WithHint("tokencli provider lint %s", path)
	}
	d.fillIn()
	if findings := d.check(text, want); len(findings) > 0 {
		return nil, fail.New(fail.Usage, "%s:%s", path, findings[0]).WithHint("tokencli provider lint %s", path)
	}
	return d, nil
}

func decode(text []byte) (*Definition, error) {
	var d Definition
	if err := yamlfile.Decode(text, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// fillIn puts in what RFC 6749 says where the definition is silent, so that the definition of a standard
// provider is short and nobody else has to know the standard names.
func (d *Definition) fillIn() {
	if d.Title == "" {
		d.Title = d.Name
	}
	if d.Scopes.Separator == "" {
		d.Scopes.Separator = " "
	}
	if d.Rotation == "" {
		d.Rotation = RotatesUnknown
	}
	if d.Client.Secret == "" {
		d.Client.Secret = "required"
	}
	if a := d.Authorize; a != nil {
		if a.PKCE == "" {
			a.PKCE = "S256"
		}
		if a.Send == nil {
			a.Send = Params{
				"response_type": "code", "client_id": "{client_id}", "redirect_uri": "{redirect_uri}",
				"scope": "{scope}", "state": "{state}",
			}
		}
	}
	d.Token.AuthorizationCode.fillIn(Params{"grant_type": "authorization_code", "code": "{code}", "redirect_uri": "{redirect_uri}"})
	d.Token.Refresh.fillIn(Params{"grant_type": "refresh_token", "refresh_token": "{refresh_token}"})
	d.Token.Password.fillIn(Params{"grant_type": "password", "username": "{username}", "password": "{password}", "scope": "{scope}"})
	d.Token.ClientCredentials.fillIn(Params{"grant_type": "client_credentials", "scope": "{scope}"})
	d.Revoke.Request.fillIn(Params{"token": "{token}", "token_type_hint": "{token_type_hint}"})
	r := &d.Reply
	for names, standard := range map[*Names]string{
		&r.AccessToken: "access_token", &r.TokenType: "token_type", &r.RefreshToken: "refresh_token",
		&r.Scope: "scope", &r.ExpiresIn: "expires_in",
		&d.Errors.Code: "error", &d.Errors.Description: "error_description",
	} {
		if *names == nil {
			*names = Names{standard}
		}
	}
	for i := range d.WhoAmI {
		if d.WhoAmI[i].Method == "" {
			d.WhoAmI[i].Method = "GET"
		}
	}
}

func (r *Request) fillIn(standard Params) {
	if r == nil {
		return
	}
	if r.Method == "" {
		r.Method = "POST"
	}
	if r.Encoding == "" {
		r.Encoding = "form"
	}
	if r.ClientAuth == "" {
		r.ClientAuth = "basic"
	}
	if r.Send == nil {
		r.Send = standard
		if r.ClientAuth == "params" {
			r.Send["client_id"], r.Send["client_secret"] = "{client_id}", "{client_secret}"
		}
	}
}

// Finding is something wrong with a definition.
type Finding struct {
	Line int // 0 where it concerns the file as a whole
	Text string
}

// String returns the finding as ":LINE: TEXT" wants it, without the leading colon.
func (f Finding) String() string {
	if f.Line == 0 {
		return " " + f.Text
	}
	return fmt.Sprintf("%d: %s", f.Line, f.Text)
}

// Lint returns what is wrong with a definition file; nothing where it can be used. An unreadable file is
// a fail.Usage. Who owns the file does not matter here: nothing is done with it.
func Lint(path string) ([]Finding, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, fail.New(fail.Usage, "%s cannot be read: %w", path, err)
	}
	name, ok := definitionName(filepath.Base(path))
	if !ok {
		return []Finding{{Text: "the file name does not end in .yaml"}}, nil
	}
	d, err := decode(text)
	if err != nil {
		return []Finding{lineOf(err)}, nil
	}
	d.fillIn()
	findings := d.check(text, name)
	if slices.Contains(Builtin(), name) {
		findings = append([]Finding{{Text: fmt.Sprintf("%s is the name of a built-in provider", name)}}, findings...)
	}
	return findings, nil
}

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

func lineOf(err error) Finding {
	var line int
	text := err.Error()
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
	}
	return Finding{Line: line, Text: text}
}

// Source returns the text of a definition as it was written, for showing it with its comments.
func (c Catalog) Source(d *Definition) ([]byte, error) {
	if d.Path == "" {
		return builtin.ReadFile("builtin/" + d.Name + ".yaml")
	}
	return safefile.Read(d.Path, maxFile, safefile.Config)
}
