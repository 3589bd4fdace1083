// Package redact masks secrets in text and makes text from outside safe to print.
package redact

import (
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Mask is what stands in a text where a secret was.
const Mask = "[redacted]"

// minSecret is the length in bytes below which a secret is masked only where it stands as a whole
// word: masking every "a" would make a text unreadable without hiding anything.
const minSecret = 4

// Scrub makes text from outside fit to be printed: every given secret is masked (see Secrets), control
// and invisible formatting characters become spaces or visible escapes, runs of space become one, and at
// most limit characters are kept (0: no bound).
func Scrub(text string, limit int, secrets ...string) string {
	text = Secrets(text, secrets...)
	text = Printable(text)
	text = strings.Join(strings.Fields(text), " ")
	if limit > 0 && utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit]) + "…"
	}
	return text
}

// Secrets masks the secrets in text, in every form in which a peer may have echoed them: as they are,
// with any of their characters escaped for a URL, for JSON or for HTML, and in base64.
func Secrets(text string, secrets ...string) string {
	// All secrets are looked for in the text as it came: masking one must neither cut another in two
	// nor be masked again.
	var hidden []bool
	for _, secret := range secrets {
		for _, form := range forms(secret) {
			for i := range len(text) {
				if text[i] != form[0] && strings.IndexByte(escapes, text[i]) < 0 {
					continue
				}
				n := echo(text[i:], form)
				if n < 0 || len(secret) < minSecret && !isolated(text, i, i+n) {
					continue
				}
				if hidden == nil {
					hidden = make([]bool, len(text))
				}
				for j := i; j < i+n; j++ {
					hidden[j] = true
				}
			}
		}
	}
	if hidden == nil {
		return text
	}
	var out strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			out.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			out.WriteString(Mask)
		}
	}
	return out.String()
}

// forms returns what to look for: the secret and, when it is long enough to be told apart, its base64,
// also as part of a longer text and as HTTP Basic has it (form-encoded first, RFC 6749 2.3.1).
func forms(secret string) []string {
	switch {
	case secret == "":
		return nil
	case len(secret) < minSecret:
		return []string{secret}
	}
	list := append([]string{secret}, base64Forms(secret)...)
	if escaped := url.QueryEscape(secret); escaped != secret {
		list = append(list, base64Forms(escaped)...)
	}
	return list
}

// base64Forms returns the base64 of s at each of the three alignments that it can have in a longer text,
// without the characters that also encode neighbouring bytes.
func base64Forms(s string) []string {
	var list []string
	for shift := range 3 {
		padded := append(make([]byte, shift), s...)
		var last string
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			form := enc.EncodeToString(padded)
			from, to := (shift*8+5)/6, len(form)
			if len(padded)%3 != 0 {
				to--
			}
			if form = form[from:to]; form != last {
				list = append(list, form)
			}
			last = form
		}
	}
	return list
}

// escapes are the bytes with which an escaped character may begin.
const escapes = `%\&+`

// echo returns the length of the form that starts text, plain or with any of its characters escaped; -1:
// there is none.
func echo(text, form string) int {
	n := 0
	for len(form) > 0 {
		r, size := utf8.DecodeRuneInString(form)
		plain, k := strings.HasPrefix(text[n:], form[:size]), escaped(text[n:], form[:size], r)
		if plain && k > 0 {
			// Both: %25 may be an escaped percent sign, or the secret's own three characters.
			if rest := echo(text[n+k:], form[size:]); rest >= 0 {
				return n + k + rest
			}
			k = 0
		}
		switch {
		case k > 0:
			n += k
		case plain:
			n += size
		default:
			return -1
		}
		form = form[size:]
	}
	return n
}

// escaped returns the length of the escape for one character that starts text; 0: there is none.
func escaped(text, plain string, r rune) int {
	if text == "" {
		return 0
	}
	switch text[0] {
	case '+':
		if r == ' ' {
			return 1
		}
	case '%':
		for i := range len(plain) {
			if hexAt(text, 3*i, "%", 2) != int(plain[i]) {
				return 0
			}
		}
		return 3 * len(plain)
	case '\\':
		if len(text) > 1 && len(plain) == 1 && strings.IndexByte(`"\/`, text[1]) >= 0 && text[1] == plain[0] {
			return 2
		}
		units := utf16.AppendRune(nil, r)
		for i, unit := range units {
			if hexAt(text, 6*i, `\u`, 4) != int(unit) {
				return 0
			}
		}
		return 6 * len(units)
	case '&':
		// Not searched further: a text full of ampersands would cost its length squared.
		entity, _, ok := strings.Cut(text[1:min(len(text), maxEntity+2)], ";")
		if ok && entityRune(entity) == r {
			return len(entity) + 2
		}
	}
	return 0
}

// hexAt reads the hexadecimal number of so many digits that follows a prefix at an offset; -1: there is
// none.
func hexAt(text string, offset int, prefix string, digits int) int {
	end := offset + len(prefix) + digits
	if len(text) < end || !strings.HasPrefix(text[offset:], prefix) {
		return -1
	}
	n, err := strconv.ParseUint(text[end-digits:end], 16, 32)
	if err != nil {
		return -1
	}
	return int(n)
}

// maxEntity is the length of the longest entity that is read: #1114111.
const maxEntity = 8

// entityRune returns the character of an HTML entity, or -1.
func entityRune(entity string) rune {
	switch entity {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	number, ok := strings.CutPrefix(entity, "#")
	if !ok {
		return -1
	}
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(number), "x"); ok {
		number, base = hex, 16
	}
	n, err := strconv.ParseInt(number, base, 32)
	if err != nil {
		return -1
	}
	return rune(n)
}

// isolated reports whether text[from:to] has no letter or digit beside it.
func isolated(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return !isWord(before) && !isWord(after)
}

func isWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

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
