package yamlfile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/yamlfile"
)

type inner struct {
	Name string        `yaml:"name"`
	Life time.Duration `yaml:"life"`
	List []string      `yaml:"list"`
}

type outer struct {
	Title string            `yaml:"title"`
	Count int               `yaml:"count"`
	Inner inner             `yaml:"inner"`
	Many  []inner           `yaml:"many"`
	Map   map[string]string `yaml:"map"`
}

func TestDecode(t *testing.T) {
	var got outer
	text := "\ufeff# a comment\ntitle: x\ninner: {name: n, life: 90s, list: [a, b]}\nmany:\n  - name: m\n"
	if err := yamlfile.Decode([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Title != "x" || got.Inner.Life != 90*time.Second || len(got.Inner.List) != 2 || got.Many[0].Name != "m" {
		t.Errorf("%+v", got)
	}
}

func TestDecodeIsStrict(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown key", "title: x\nclient_secret: s3cret-value\n", "line 2: unknown key client_secret"},
		{"unknown key inside", "title: x\ninner:\n  name: n\n  nick: n\n", "line 4: unknown key nick"},
		{"unknown key in a list", "many:\n  - name: a\n  - other: b\n", "line 3: unknown key other"},
		{"two of them", "a: 1\nb: 2\n", "line 1: unknown key a; line 2: unknown key b"},
		{"seven of them", "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\n", "line 5: unknown key e; and 2 more"},
		{"the same key twice", "title: x\ncount: 1\ntitle: y\n", `line 3: mapping key "title" already defined at line 1`},
		{"a list for a text", "title: [a]\n", "line 1: expected"},
		{"a text for a number", "title: x\ncount: many\n", "line 2: expected a whole number"},
		{"a number for a life", "inner:\n  life: 90\n", "line 2: expected a duration"},
		{"a list for the whole", "- a\n", "line 1: expected"},
		{"a text for the whole", "just words\n", "line 1: expected keys"},
		{"broken", "title: x\ninner: {name: n\n", "line"},
		{"a tab", "inner:\n\tname: n\n", "line 2: found character that cannot start any token"},
		{"two documents", "title: x\n---\ntitle: y\n", "more than one document in the file"},
		{"a second document that is broken", "title: x\n---\n[\n", "more than one document in the file"},
		{"control characters", "title: \x01\n", "control characters are not allowed"},
		{"invalid UTF-8", "title: \xff\xff\n", "invalid"},
		{"a key with an escape sequence", "\"\\e[31m\": 1\n", `line 1: unknown key \x1b[31m`},
		{"an alias to nothing", "title: *x\n", "unknown anchor 'x' referenced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := yamlfile.Decode([]byte(tt.text), &outer{})
			if err == nil {
				t.Fatal("it is taken")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q, want %q", err, tt.want)
			}
			for _, not := range []string{"\n", "\x1b", "yamlfile", "outer", "struct", "s3cret", "Duration"} {
				if strings.Contains(err.Error(), not) {
					t.Errorf("%q holds %q", err, not)
				}
			}
		})
	}
}

func TestDecodeNamesAnEmptyFile(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "\ufeff"} {
		if err := yamlfile.Decode([]byte(text), &outer{}); !errors.Is(err, yamlfile.ErrEmpty) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Files from elsewhere are decoded too (`provider lint`), so that none may take long or all memory.
func TestDecodeWithstandsBombs(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("map: &a0 {k: lol}\nmany:\n")
	for i := range 30 {
		laughs.WriteString("  - &a" + string(rune('a'+i%26)) + " {list: [")
		laughs.WriteString(strings.Repeat("*a0, ", 9) + "x]}\n")
	}
	billion := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'i'; c++ {
		previous := "*" + string(c-1)
		billion += string(c) + ": &" + string(c) + " [" + strings.Repeat(previous+",", 8) + previous + "]\n"
	}
	for name, text := range map[string]string{
		"aliases":            laughs.String(),
		"billion laughs":     billion,
		"an alias to itself": "map: &a {k: *a}\n",
		"deep flow":          "title: " + strings.Repeat("[", 200_000),
		"deep mappings":      strings.Repeat("{a: ", 50_000),
		"deep blocks":        strings.Repeat("- ", 100_000),
		"long line":          "title: [" + strings.Repeat("a, ", 80_000) + "]",
		"many anchors":       "title: " + strings.Repeat("&a ", 80_000),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			err := yamlfile.Decode([]byte(text), &outer{})
			if err == nil {
				t.Error("it is taken")
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
