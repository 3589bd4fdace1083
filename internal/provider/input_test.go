package provider

import (
	"strings"
	"testing"
)

func TestAnInputMatchesItsPatternAsAWhole(t *testing.T) {
	for _, tt := range []struct {
		pattern, value string
		want           bool
	}{
		{"[a-z]+", "demo", true},
		{"[a-z]+", "demo.evil.example", false},
		{"[a-z]+", "x/demo", false},
		{"[a-z]+", "demo\n", false},
		{"(?m)[a-z]+", "demo\nx", false},
		{"a|b", "ab", false},
		{"", "anything", true},
		{"", "", false},
		{"[", "x", false},
	} {
		err := Input{Name: "shop", Pattern: tt.pattern}.Check(tt.value)
		if (err == nil) != tt.want {
			t.Errorf("%q, %q: %v", tt.pattern, tt.value, err)
		}
		if err != nil && tt.value != "" && strings.Contains(err.Error(), "evil") {
			t.Errorf("the value is quoted: %v", err)
		}
	}
}
