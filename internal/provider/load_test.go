package provider

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestCatalogFindsTheUsersDefinitions(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"acme.yaml":   sound,
		"other.yml":   strings.Replace(sound, "name: acme", "name: other", 1),
		"README.md":   "not one",
		"Upper.yaml":  sound,
		".hid.yaml":   sound,
		"broken.yaml": "name: [",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Catalog{Dir: dir}
	names, err := c.Names()
	if err != nil {
		t.Fatal(err)
	}
	if want := append(Builtin(), "acme", "broken", "other"); !slices.Equal(names, sorted(want)) {
		t.Errorf("%v, want %v", names, sorted(want))
	}
	for name, file := range map[string]string{"acme": "acme.yaml", "other": "other.yml"} {
		d, err := c.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if d.Name != name || d.Path != filepath.Join(dir, file) {
			t.Errorf("%s at %s", d.Name, d.Path)
		}
		source, err := c.Source(name)
		if err != nil || !strings.Contains(string(source), "name: "+name) {
			t.Errorf("source: %v", err)
		}
	}
	// One bad file is no other's trouble.
	if _, err := c.Find("broken"); !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), "broken.yaml:1: ") {
		t.Errorf("%v", err)
	}
	d, err := c.Find(Builtin()[0])
	if err != nil || d.Path != "" {
		t.Fatalf("%v", err)
	}
	if source, err := c.Source(d.Name); err != nil || !strings.Contains(string(source), "name: "+d.Name) {
		t.Errorf("source: %v", err)
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func TestFindNamesWhatThereIs(t *testing.T) {
	for _, dir := range []string{"", t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		for _, name := range []string{"nobody", "", "../builtin/mollie", "MOLLIE", "mollie.yaml", "mollie/..", ".", "\x1b[31m", strings.Repeat("x", 500)} {
			d, err := Catalog{Dir: dir}.Find(name)
			if !fail.Is(err, fail.Usage) || d != nil {
				t.Errorf("%q: %v", name, err)
				continue
			}
			if len(err.Error()) > 200 || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%q", err)
			}
			if advice := fail.Advice(err); advice == nil || strings.Contains(strings.Join(advice.About, ""), "\x1b") {
				t.Errorf("%q: %v", name, advice)
			}
		}
	}
	for name, want := range map[string]fail.Action{"nobody": fail.DoChooseProvider, "molie": fail.DoUseProvider} {
		_, err := Catalog{Dir: "/somewhere"}.Find(name)
		if advice := fail.Advice(err); advice == nil || advice.Do != want {
			t.Errorf("%s: %v", name, advice)
		}
	}
}

func TestKnown(t *testing.T) {
	c := Catalog{Dir: filepath.Dir(write(t, "acme.yaml", sound))}
	for _, name := range append(Builtin(), "acme") {
		if err := c.Known(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"nobody", "", "../builtin/mollie"} {
		if err := c.Known(name); !fail.Is(err, fail.Usage) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestABuiltinNameIsRefused(t *testing.T) {
	for _, suffix := range []string{".yaml", ".yml"} {
		for _, name := range Builtin() {
			path := write(t, name+suffix, strings.Replace(sound, "name: acme", "name: "+name, 1))
			c := Catalog{Dir: filepath.Dir(path)}
			d, err := c.Find(name)
			if !fail.Is(err, fail.Usage) || d != nil || !strings.Contains(err.Error(), path) || fail.Advice(err) == nil {
				t.Errorf("%s: %v", name, err)
			}
			if names, err := c.Names(); err != nil || !slices.Equal(names, Builtin()) {
				t.Errorf("%v, %v", names, err)
			}
			findings, err := Catalog{}.Lint(path)
			if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Text, "built-in") {
				t.Errorf("%s: %v, %v", name, findings, err)
			}
		}
	}
}

func TestTwoFilesForOneNameAreRefused(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{"acme.yaml", "acme.yml"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(sound), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (Catalog{Dir: dir}).Find("acme"); !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), "acme.yml") {
		t.Errorf("%v", err)
	}
}

func TestDefinitionsAreReadStrictly(t *testing.T) {
	big := sound + "#" + strings.Repeat("x", 300<<10)
	tests := []struct {
		name, text string
		kind       fail.Kind
		want       string
	}{
		{"two documents", sound + "---\n" + sound, fail.Usage, "more than one document"},
		{"empty", "", fail.Usage, "the file is empty"},
		{"comments only", "# nothing\n", fail.Usage, "the file is empty"},
		{"null", "null\n", fail.Usage, "1: expected keys with values"},
		{"a list", "- name: acme\n", fail.Usage, "1: expected keys with values"},
		{"a mapping for names", strings.Replace(sound, "reply: {", "reply: {access_token: {a: b}, ", 1), fail.Usage, "35: reply.access_token: expected a text or a list"},
		{"a mapping inside names", strings.Replace(sound, "reply: {", "reply: {access_token: [a, {b: c}], ", 1), fail.Usage, "35: reply.access_token.1: expected a text"},
		{"not YAML", "\x00\x01", fail.Usage, "control characters"},
		{"a key with an escape sequence", "api: {url: \"https://a.example\"}\n\"\\e[31m\": 1\n", fail.Usage, `\x1b[31m: unknown key`},
		{"300 kB", big, fail.Store, "larger than 262144 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "acme.yaml", tt.text)
			_, err := Catalog{Dir: filepath.Dir(path)}.Find("acme")
			if !fail.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("Find: %v, want %q", err, tt.want)
			}
			findings, err := Catalog{}.Lint(path)
			switch {
			case tt.kind == fail.Store:
				if !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Lint: %v", err)
				}
			case err != nil || len(findings) == 0 || !strings.Contains(findings[0].String(), tt.want):
				t.Errorf("Lint: %v, %v", findings, err)
			}
		})
	}
}

func TestDefinitionsWithAliasesEnd(t *testing.T) {
	bomb := sound + "unknown: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'z'; c++ {
		bomb += "x" + string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ",") + "]\n"
	}
	known := "unknown: &a [t,t,t,t,t,t,t,t,t]\nwhoami: &b [" + strings.TrimSuffix(strings.Repeat("*a,", 5000), ",") + "]\ninputs: [" + strings.TrimSuffix(strings.Repeat("*b,", 5000), ",") + "]\n"
	names := sound + "unknown: &a [t,t,t,t,t,t,t,t,t]\nerrors:\n  code: [" + strings.TrimSuffix(strings.Repeat("*a,", 5000), ",") + "]\n"
	itself := sound + "unknown: &a [*a]\n"
	for name, text := range map[string]string{"unknown keys": bomb, "known keys": known, "names": names, "itself": itself} {
		start := time.Now()
		if findings, err := (Catalog{}).Lint(write(t, "acme.yaml", text)); err != nil || len(findings) == 0 {
			t.Errorf("%s: %v, %v", name, findings, err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
	// An alias that is used as meant is no attack.
	shared := strings.Replace(sound, "    headers: {X-Version: \"1\"}", "    headers: &h {X-Version: \"1\"}", 1)
	shared = strings.Replace(shared, "  refresh:\n", "  refresh:\n    headers: *h\n", 1)
	if d := read(t, shared); d.Token[Refresh].Headers["X-Version"] != "1" {
		t.Errorf("%v", d.Token[Refresh].Headers)
	}
}

// What another user may have planted decides where secrets go.
func TestPlantedDefinitionsAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // permission bits say nothing there; package safefile tells what holds instead
	}
	tests := []struct {
		name  string
		plant func(t *testing.T, dir, file string)
	}{
		{"a file that others can write", func(t *testing.T, _, file string) { chmod(t, file, 0o602) }},
		{"a file that the group can write", func(t *testing.T, _, file string) { chmod(t, file, 0o620) }},
		{"a folder that others can write", func(t *testing.T, dir, _ string) { chmod(t, dir, 0o777) }},
		{"a folder in place of a file", func(t *testing.T, _, file string) {
			if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file of another user", func(t *testing.T, _, file string) {
			if err := os.Chown(file, 12345, 12345); err != nil {
				chmod(t, file, 0o666) // only root can give a file away
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, "acme.yaml", sound)
			dir := filepath.Dir(file)
			c := Catalog{Dir: dir}
			if _, err := c.Find("acme"); err != nil {
				t.Fatal(err)
			}
			tt.plant(t, dir, file)
			if d, err := c.Find("acme"); !fail.Is(err, fail.Store) || d != nil {
				t.Errorf("Find: %v", err)
			}
		})
	}
	t.Run("names of a folder that others can write", func(t *testing.T) {
		dir := t.TempDir()
		chmod(t, dir, 0o777)
		if names, err := (Catalog{Dir: dir}).Names(); !fail.Is(err, fail.Store) || !slices.Equal(names, Builtin()) {
			t.Errorf("%v, %v", names, err)
		}
	})
	t.Run("a folder that is a file", func(t *testing.T) {
		file := write(t, "providers", "")
		if names, err := (Catalog{Dir: file}).Names(); !fail.Is(err, fail.Store) || !slices.Equal(names, Builtin()) {
			t.Errorf("%v, %v", names, err)
		}
	})
	t.Run("a link to a file of one's own is followed", func(t *testing.T) {
		file, dir := write(t, "acme.yaml", sound), t.TempDir()
		if err := os.Symlink(file, filepath.Join(dir, "acme.yaml")); err != nil {
			t.Fatal(err)
		}
		if _, err := (Catalog{Dir: dir}).Find("acme"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a link that leads nowhere is told", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "acme.yaml")); err != nil {
			t.Fatal(err)
		}
		if _, err := (Catalog{Dir: dir}).Find("acme"); err == nil || !strings.Contains(err.Error(), "acme.yaml") {
			t.Error(err)
		}
	})
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestLintFiles(t *testing.T) {
	if _, err := (Catalog{}).Lint(filepath.Join(t.TempDir(), "none.yaml")); !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), "no such file") && !strings.Contains(err.Error(), "cannot find") {
		t.Errorf("%v", err)
	}
	if _, err := (Catalog{}).Lint(t.TempDir()); !fail.Is(err, fail.Usage) {
		t.Errorf("%v", err)
	}
	findings, err := Catalog{}.Lint(write(t, "acme.txt", sound))
	if err != nil || len(findings) != 1 || findings[0].String() != " the file name does not end in .yaml" {
		t.Errorf("%v, %v", findings, err)
	}
	for _, name := range Builtin() {
		findings, err := Catalog{}.Lint(filepath.Join("builtin", name+".yaml"))
		if err != nil || len(findings) != 1 || !strings.Contains(findings[0].Text, "built-in") {
			t.Errorf("%s: %v, %v", name, findings, err)
		}
	}
}

func FuzzDefinition(f *testing.F) {
	f.Add([]byte(sound))
	for _, name := range Builtin() {
		text, err := builtin.ReadFile("builtin/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("name: acme\nwhoami: [{}, {show: [{}]}]\nauthorize: {}\ntoken: {refresh: {headers: {a: b}}}\n"))
	f.Add([]byte("name: &a acme\ntitle: *a\n<<: {docs: x}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, findings := Catalog{}.load(&source{name: "acme", path: "acme.yaml", text: text})
		if len(findings) > 0 {
			return
		}
		// What passes can be used: every request can be made, and none holds a brace that was not filled.
		values := map[string]string{"client_id": "c", "client_secret": "s"}
		for _, name := range d.Placeholders() {
			values[name] = "v"
		}
		for _, k := range Kinds() {
			r := d.Request(k.Path)
			if r == nil {
				continue
			}
			for _, holder := range k.holders {
				values[holder] = "v"
			}
			if params, err := d.Params(k, r).Expand(values); err != nil || strings.ContainsAny(fmt.Sprint(params), "{}") {
				t.Errorf("%s: %v, %v", k.Path, params, err)
			}
		}
		if d.Origin() == "" {
			t.Error("no origin")
		}
	})
}
