package redact

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable replaces what could move the cursor, change colours or reorder a line on a terminal: white
// space becomes a space, other control characters, invalid UTF-8 and invisible formatting characters
// (bidirectional overrides among them) become escapes such as \x1b.
func Printable(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			out.WriteString(escapeByte(text[0]))
		case r == '\n' || r == '\r' || r == '\t':
			out.WriteByte(' ')
		case r < 0x80 && unicode.IsControl(r):
			out.WriteString(escapeByte(byte(r)))
		case !unicode.IsPrint(r):
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			out.WriteString(text[:n])
		}
		text = text[n:]
	}
	return out.String()
}

func escapeByte(b byte) string {
	const hex = "0123456789abcdef"
	return `\x` + string(hex[b>>4]) + string(hex[b&15])
}
