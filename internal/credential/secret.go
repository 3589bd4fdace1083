package credential

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/tokencli/tokencli/internal/redact"
)

// Secret is a text that must not be printed by accident: every way of formatting, logging or marshalling
// it yields a mask. Reveal is the one way to the text itself.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// Printable reports whether the text can stand in a header or a shell; see the function of that name.
func (s Secret) Printable() bool { return Printable(string(s)) }

// String returns a mask, or nothing where there is no secret.
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

// Printable reports whether s can stand in a header or a shell: visible ASCII (RFC 6750 2.1 allows less),
// and some of it.
func Printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
