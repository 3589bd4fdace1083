package account_test

import (
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

func TestValidPart(t *testing.T) {
	tests := []struct {
		name, part string
		valid      bool
	}{
		{"one letter", "a", true},
		{"one digit", "7", true},
		{"all kinds of characters", "a0._-z", true},
		{"dots inside", "a..b", true},
		{"ends in a dash", "a-", true},
		{"ends in an underscore", "a_", true},
		{"64 characters", strings.Repeat("a", 64), true},
		{"65 characters", strings.Repeat("a", 65), false},
		{"empty", "", false},
		{"a dot", ".", false},
		{"two dots", "..", false},
		{"starts with a dot", ".a", false},
		{"starts with a dash", "-a", false},
		{"starts with an underscore", "_a", false},
		{"ends in a dot", "a.", false},
		{"64 characters, the last a dot", strings.Repeat("a", 63) + ".", false},
		{"upper case", "Mollie", false},
		{"a slash", "a/b", false},
		{"a backslash", `a\b`, false},
		{"a tilde", "a~b", false},
		{"a colon", "a:b", false},
		{"a space", "a b", false},
		{"a line break", "a\n", false},
		{"NUL", "a\x00", false},
		{"a letter beyond ASCII", "é", false},
		{"a letter that looks like one", "mоllie", false}, // Cyrillic о
		{"invalid UTF-8", "a\xff", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := account.ValidPart(tt.part); got != tt.valid {
				t.Errorf("ValidPart(%q) = %t", tt.part, got)
			}
		})
	}
}

func TestParse(t *testing.T) {
	long := strings.Repeat("b", 64)
	for text, want := range map[string]account.Name{
		"mollie":               {Provider: "mollie"},
		"moloni-on":            {Provider: "moloni-on"},
		"mollie/shop-b":        {Provider: "mollie", Label: "shop-b"},
		"a.b/1.2":              {Provider: "a.b", Label: "1.2"},
		long + "/" + long:      {Provider: long, Label: long},
		"mollie/mollie":        {Provider: "mollie", Label: "mollie"},
		"con/nul":              {Provider: "con", Label: "nul"},
		"x" + "/" + "y--z__w_": {Provider: "x", Label: "y--z__w_"},
	} {
		got, err := account.Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	for _, text := range []string{
		"", "/", "mollie/", "/shop", "mollie//shop", "mollie/a/b", "../mollie", "mollie/..", "mollie/../x",
		"Mollie", "mollie/Shop", "mollie shop", "mollie/shöp", "mollie.", "mollie/shop.", " mollie", "mollie\n",
		long + "b", "mollie/" + long + "b", "mollie\\shop", "mollie/\x1b[31m", "--help",
	} {
		got, err := account.Parse(text)
		if !fail.Is(err, fail.Usage) || got != (account.Name{}) {
			t.Errorf("Parse(%q) = %v, %v", text, got, err)
			continue
		}
		if fail.Advice(err) == nil {
			t.Errorf("Parse(%q) gives no advice", text)
		}
		if strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("Parse(%q) passes control characters on: %q", text, err)
		}
	}
	if _, err := account.Parse(strings.Repeat("x", 1000)); len(err.Error()) > 200 {
		t.Errorf("a long name is quoted in full: %d bytes", len(err.Error()))
	}
}

func TestFileRoundTrip(t *testing.T) {
	seen := make(map[string]string)
	for _, text := range []string{"mollie", "mollie/shop-b", "mollie-shop/b", "mollie.shop_b", "con", "a/nul", "a/a", "a.a"} {
		name, err := account.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		file := name.File()
		if other, taken := seen[file]; taken {
			t.Errorf("%s and %s share the file %s", text, other, file)
		}
		seen[file] = text
		if strings.ContainsAny(file, `/\:*?"<>|`) {
			t.Errorf("%s: %q is no file name everywhere", text, file)
		}
		if back, ok := account.FromFile(file); !ok || back != name {
			t.Errorf("%q comes back as %v, %t", file, back, ok)
		}
	}
	for _, file := range []string{
		"", "acct-", "mollie", "acct-mollie~", "acct-~shop", "acct-a~b~c", "acct-Mollie", "acct-../x",
		"acct-mollie.age.", "acct-mollie~../x", "ACCT-mollie", "acct-mollie/shop", "acct-.hidden",
	} {
		if name, ok := account.FromFile(file); ok {
			t.Errorf("FromFile(%q) = %v", file, name)
		}
	}
}

func TestDefaultIsTheProvidersOwnAccount(t *testing.T) {
	name := account.Name{Provider: "mollie", Label: "shop"}
	if got := name.Default(); got != (account.Name{Provider: "mollie"}) {
		t.Errorf("%v", got)
	}
}

func TestCollides(t *testing.T) {
	tests := []struct {
		a, b    string
		collide bool
	}{
		{"mollie", "mollie", false}, // the same account is no other one
		{"mollie/shop", "mollie/shop", false},
		{"mollie", "moneybird", false},
		{"mollie", "mollie/shop", false},
		{"moloni/on", "moloni-on", true},
		{"moloni-on", "moloni_on", true},
		{"moloni.on", "moloni-on", true},
		{"mollie/shop-b", "mollie/shop.b", true},
		{"mollie/shop-b", "mollie/shop_b", true},
		{"mollie/shop-b", "mollie/shopb", false},
		{"mollie-shop/b", "mollie/shop-b", true}, // MOLLIE_SHOP_B_ACCESS_TOKEN
		{"mollie--shop", "mollie/shop", true},    // TOKENCLI_MOLLIE__SHOP_CLIENT_ID
		{"mollie-/shop", "mollie/-shop", true},   // not a name, but safe all the same
		{"a/b", "a/c", false},
	}
	for _, tt := range tests {
		a, b := parts(tt.a), parts(tt.b)
		if got := a.Collides(b); got != tt.collide {
			t.Errorf("%s beside %s: %t", tt.a, tt.b, got)
		}
		if got := b.Collides(a); got != tt.collide {
			t.Errorf("%s beside %s: %t", tt.b, tt.a, got)
		}
	}
}

func parts(s string) account.Name {
	provider, label, _ := strings.Cut(s, "/")
	return account.Name{Provider: provider, Label: label}
}
