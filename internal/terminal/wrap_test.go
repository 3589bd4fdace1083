package terminal

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		width int
		text  string
		want  string
	}{
		{10, "", ""},
		{0, "one  two three", "one  two three"},
		{13, "one two three", "one two three"},
		{12, "one two three", "one two|three"},
		{5, "one two three", "one|two|three"},
		{3, "one http://a.example/b two", "one|http://a.example/b|two"},
		{5, "東京 東京", "東京|東京"}, // wide characters take two cells each
		{9, "東京 東京", "東京 東京"},
	} {
		if got := strings.Join(Wrap(c.text, c.width), "|"); got != c.want {
			t.Errorf("%q in %d cells: %q", c.text, c.width, got)
		}
	}
}
