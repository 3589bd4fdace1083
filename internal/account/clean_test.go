package account_test

import (
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

func TestClean(t *testing.T) {
	const nbsp, zwsp, bom = "\u00a0", "\u200b", "\ufeff"
	for name, test := range map[string]struct {
		clean       func(source, value string) (string, error)
		value, want string
		bad         string // what the failure names
	}{
		"as it is":                       {clean: account.Clean, value: "s3cr3t", want: "s3cr3t"},
		"empty":                          {clean: account.Clean},
		"a carriage return at the end":   {clean: account.Clean, value: "s\r", want: "s"},
		"a Windows file":                 {clean: account.Clean, value: bom + "s\r\n", want: "s"},
		"white space of every kind":      {clean: account.Clean, value: "\t " + nbsp + zwsp + "s\u2060\u3000\u200d\u2028\v\n", want: "s"},
		"nothing but white space":        {clean: account.Clean, value: " \u00a0\u200b\n"},
		"a space inside":                 {clean: account.Clean, value: " a b ", want: "a b"},
		"other Unicode":                  {clean: account.Clean, value: "é-日本-🔑️", want: "é-日本-🔑️"},
		"bytes that are no UTF-8":        {clean: account.Clean, value: "a\xe9b", want: "a\xe9b"},
		"a line break inside":            {clean: account.Clean, value: "s3c\nr3t", bad: "U+000A (line feed)"},
		"a carriage return inside":       {clean: account.Clean, value: "s3c\rr3t", bad: "U+000D (carriage return)"},
		"a tab inside":                   {clean: account.Clean, value: "s3c\tr3t", bad: "U+0009 (tab)"},
		"NUL at the end":                 {clean: account.Clean, value: "s3cr3t\x00", bad: "U+0000 (NUL)"},
		"an escape":                      {clean: account.Clean, value: "s3c\x1b[31mr3t", bad: "U+001B (escape)"},
		"another control character":      {clean: account.Clean, value: "s3c\u0085r3t", bad: "control character U+0085"},
		"a no-break space inside":        {clean: account.Clean, value: "s3c" + nbsp + "r3t", bad: "U+00A0 (no-break space)"},
		"a zero width space inside":      {clean: account.Clean, value: "s3c" + zwsp + "r3t", bad: "U+200B (zero width space)"},
		"a byte order mark inside":       {clean: account.Clean, value: "s3c" + bom + "r3t", bad: "U+FEFF (byte order mark)"},
		"a right-to-left override":       {clean: account.Clean, value: "s3c\u202er3t", bad: "invisible format character U+202E"},
		"an ideographic space inside":    {clean: account.Clean, value: "s3c\u3000r3t", bad: "space character U+3000"},
		"a line separator inside":        {clean: account.Clean, value: "s3c\u2028r3t", bad: "U+2028 (line separator)"},
		"a paragraph separator inside":   {clean: account.Clean, value: "s3c\u2029r3t", bad: "U+2029"},
		"a password with spaces":         {clean: account.CleanPassword, value: "  p w  ", want: "  p w  "},
		"a password of a Windows file":   {clean: account.CleanPassword, value: bom + " p\r\n", want: " p"},
		"a password and two line breaks": {clean: account.CleanPassword, value: "s3cr3t\n\n", bad: "U+000A"},
		"a password that ends in a tab":  {clean: account.CleanPassword, value: "s3cr3t\t", bad: "U+0009 (tab)"},
		"a password that ends in NBSP":   {clean: account.CleanPassword, value: "s3cr3t" + nbsp, bad: "U+00A0"},
		"a key":                          {clean: account.CleanText, value: bom + "\n-----BEGIN\r\n\tMII\n-----END\n\n", want: "-----BEGIN\r\n\tMII\n-----END"},
		"a key with NUL":                 {clean: account.CleanText, value: "-----s3c\x00r3t", bad: "NUL"},
		"a key with a no-break space":    {clean: account.CleanText, value: "s3c" + nbsp + "r3t", bad: "U+00A0"},
	} {
		got, err := test.clean("--client-id", test.value)
		if test.bad == "" {
			if err != nil || got != test.want {
				t.Errorf("%s: %q, %v, want %q", name, got, err, test.want)
			}
			continue
		}
		if !fail.Is(err, fail.Usage) || got != "" {
			t.Errorf("%s: %q, %v, want a usage failure", name, got, err)
			continue
		}
		text := err.Error()
		if !strings.HasPrefix(text, "--client-id contains the ") || !strings.Contains(text, test.bad) || fail.Advice(err) == nil {
			t.Errorf("%s: %q names neither the setting nor %q, or comes without advice", name, text, test.bad)
		}
		if strings.Contains(text, "s3c") || strings.Contains(text, "r3t") {
			t.Errorf("%s: %q shows the value", name, text)
		}
	}
}

func TestCleanVarKnowsWhatAVariableHolds(t *testing.T) {
	const value = " a \n"
	for variable, want := range map[string]string{
		"TOKENCLI_MONTA_CLIENT_SECRET":      "a",
		"TOKENCLI_MONTA__SHOP_ACCESS_TOKEN": "a",
		"TOKENCLI_ACME_INPUT_SHOP":          "a",
		"TOKENCLI_STORE":                    "a",
		"TOKENCLI_MOLONI_PASSWORD":          " a ",
		"TOKENCLI_MOLONI__SHOP_PASSWORD":    " a ",
		"TOKENCLI_FILE_PASSPHRASE":          " a ",
	} {
		if got, err := account.CleanVar(variable, value); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", variable, got, err, want)
		}
	}
	for _, variable := range []string{"TOKENCLI_FILE_KEY", "TOKENCLI_ON_ROTATE", "TOKENCLI_ACME_CLIENT_KEY"} {
		if got, err := account.CleanVar(variable, "a\n\tb\n"); err != nil || got != "a\n\tb" {
			t.Errorf("%s: %q, %v, want its lines kept", variable, got, err)
		}
	}
}
