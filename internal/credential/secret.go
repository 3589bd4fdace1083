package credential

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tokencli/tokencli/internal/redact"
)

// Secret is text that must not be printed by accident: every way of formatting, logging or marshalling it
// yields a mask. Reveal is the only way to the text itself.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// Printable reports whether the text is visible ASCII and not empty; see the function Printable.
func (s Secret) Printable() bool { return Printable(string(s)) }

// String returns a mask, or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redact.Mask
}

// Format writes the mask for every verb and flag; without it %x would show the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue masks the secret in structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON masks the secret; what is stored is written by Encode.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalText masks the secret in every text encoding, YAML and XML included.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Printable reports whether s is visible ASCII and not empty: what an access token has to be to fit into a
// header (RFC 6750 2.1 allows less) and a shell.
func Printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// ValidRefreshToken reports whether s is a refresh token by RFC 6749 A.17: visible ASCII and spaces, at least
// one of them visible.
func ValidRefreshToken(s string) bool {
	return Printable(strings.ReplaceAll(s, " ", ""))
}

// maxKept bounds a kept field, in bytes.
const maxKept = 2000

// ValidKept reports whether s can be kept as a field of a reply or a redirect, and be put into an address, a parameter
// or a header: text without control characters.
func ValidKept(s string) bool {
	return s != "" && len(s) <= maxKept && utf8.ValidString(s) && plain(s)
}

// plain reports whether s holds no control, format or line separator character.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}
