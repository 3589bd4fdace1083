package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
)

// catalog returns a catalog with these definitions, by name.
func catalog(t *testing.T, definitions map[string]string) Catalog {
	t.Helper()
	dir := t.TempDir()
	for name, text := range definitions {
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Catalog{Dir: dir}
}

func TestExtendsAloneChangesNothing(t *testing.T) {
	for _, name := range Builtin() {
		base, err := Catalog{}.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := catalog(t, map[string]string{"mine": "extends: " + name + "\n"}).Find("mine")
		if err != nil {
			t.Fatal(err)
		}
		if d.Name != "mine" || d.Title != base.Title || d.Diverted {
			t.Errorf("%s: name %s, title %s, diverted %t", name, d.Name, d.Title, d.Diverted)
		}
		d.Name, d.Extends, d.Path = base.Name, base.Extends, base.Path
		if !reflect.DeepEqual(d, base) {
			t.Errorf("%s:\n%+v, want\n%+v", name, d, base)
		}
	}
}

func TestExtendsMergesReplacesAndRemoves(t *testing.T) {
	c := catalog(t, map[string]string{
		"base": `title: Base
scopes: {default: [a, b], note: n}
authorize: {url: "https://base.example/a", params: {audience: x, prompt: consent}}
token:
  authorization_code: {url: "https://base.example/t"}
  refresh: {url: "https://base.example/t", headers: {A: "1", B: "2"}}
rotation: never
revoke: {manual: there}
`,
		"mine": `extends: base
scopes: {default: [c]}
authorize: {params: {audience: null, scope: null, x: y}}
token: {refresh: {headers: {B: "3"}}}
rotation: null
revoke: null
`,
		"again": "extends: mine\ntitle: Again\n",
	})
	for name, title := range map[string]string{"mine": "Base", "again": "Again"} {
		d, err := c.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		sent := pairs(d.Params(KindAt("authorize"), d.Request("authorize")))
		if strings.Contains(sent, "audience") || strings.Contains(sent, "scope") || !strings.Contains(sent, "prompt=consent") || !strings.Contains(sent, "x=y") {
			t.Errorf("%s: authorize sends %s", name, sent)
		}
		if got := fmt.Sprint(d.Token[Refresh].Headers); got != "map[A:1 B:3]" {
			t.Errorf("%s: headers %s", name, got)
		}
		if d.Title != title || !slices.Equal(d.Scopes.Default, []string{"c"}) || d.Scopes.Note != "n" || d.Rotation != RotatesUnknown || d.Revoke.Manual != "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A definition that moves the token endpoint to another host must not look like the one it extends.
func TestAnotherTokenHostInheritsNoLogin(t *testing.T) {
	c := catalog(t, map[string]string{
		"evil": "extends: mollie\ntoken: {authorization_code: {url: \"https://evil.example/t\"}, refresh: {url: \"https://evil.example/t\"}}\n" +
			"authorize: {url: \"https://evil.example/a\"}\n",
		"twice": "extends: evil\n",
	})
	for _, name := range []string{"evil", "twice"} {
		d, err := c.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Diverted || d.Title == "Mollie" || d.Client.Create != "" || d.Authorize.URL != "https://evil.example/a" || d.Authorize.PKCE != "S256" {
			t.Errorf("%s: %+v, %+v", name, d, d.Authorize)
		}
	}
	// Without an authorize of its own there is none.
	_, err := catalog(t, map[string]string{
		"evil": "extends: mollie\ntoken: {authorization_code: {url: \"https://evil.example/t\"}}\n",
	}).Find("evil")
	if !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), "authorization_code needs authorize") {
		t.Errorf("%v", err)
	}
}

func TestExtendsRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		definitions map[string]string
		want        string
	}{
		"itself":               {map[string]string{"a": "extends: a\n"}, "1: extends: a extends itself"},
		"a circle":             {map[string]string{"a": "extends: b\n", "b": "extends: a\n"}, "1: extends: b cannot be used: extends: a extends itself"},
		"an unknown one":       {map[string]string{"a": "extends: molie\n"}, `1: extends: unknown provider "molie"; did you mean mollie?`},
		"a broken one":         {map[string]string{"a": "extends: b\n", "b": "name: [\n"}, "1: extends: b cannot be used"},
		"one with a wrong key": {map[string]string{"a": "extends: b\n", "b": "issuer: https://a.example\ncolour: red\n"}, "1: extends: b cannot be used: colour: unknown key"},
		"with a wrong key":     {map[string]string{"a": "extends: mollie\ntokn: {}\n"}, "2: tokn: unknown key; did you mean token?"},
	} {
		_, err := catalog(t, tt.definitions).Find("a")
		if !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

func TestExtendsNothing(t *testing.T) {
	for _, nothing := range []string{"null", "~", `""`} {
		if _, err := catalog(t, map[string]string{"a": "extends: " + nothing + "\nissuer: https://a.example\n"}).Find("a"); err != nil {
			t.Errorf("%s: %v", nothing, err)
		}
	}
}
