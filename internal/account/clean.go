package account

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/tokencli/tokencli/internal/fail"
)

// One rule cleans every setting, whatever it comes from. A byte order mark at the start and white space at
// either end, which editors, shells and copying add, are dropped. A control, format or separator character
// that remains is a usage failure that names the setting and the character, never the value: it would be
// sent, and a provider could only answer that the client is wrong. Other Unicode is left as it is.

// Clean returns the value of a setting. The source names the setting in the failure: its variable, flag
// or place in a file.
func Clean(source, value string) (string, error) {
	return reject(source, strings.TrimFunc(value, isBlank), nothing)
}

// CleanPassword returns a password, or a passphrase: white space may be part of it, so only a byte order
// mark and one line break at the end are dropped.
func CleanPassword(source, value string) (string, error) {
	value = strings.TrimPrefix(value, "\ufeff")
	value = strings.TrimSuffix(value, "\n")
	value = strings.TrimSuffix(value, "\r")
	return reject(source, value, nothing)
}

// CleanText returns a text of several lines, such as a key or JSON: it keeps its tabs and line breaks.
func CleanText(source, value string) (string, error) {
	return reject(source, strings.TrimFunc(value, isBlank), "\t\n\r")
}

// CleanVar returns the value of one of tokencli's environment variables, cleaned as a password, a text or
// a plain setting, whichever the variable holds.
func CleanVar(variable, value string) (string, error) {
	switch {
	case value == "":
		return "", nil
	case variable == FilePassphrase, strings.HasSuffix(variable, "_"+Password):
		return CleanPassword(variable, value)
	case variable == FileKey, variable == OnRotate, strings.HasSuffix(variable, "_"+ClientKey):
		return CleanText(variable, value)
	}
	return Clean(variable, value)
}

const nothing = ""

// reject returns the failure for a character that no setting may hold, apart from those that are allowed.
func reject(source, value, allowed string) (string, error) {
	for _, r := range value {
		if r != ' ' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zs, unicode.Zl, unicode.Zp) && !strings.ContainsRune(allowed, r) {
			return "", fail.New(fail.Usage, "%s contains %s", source, describe(r)).Advise(fail.DoRemoveCharacter, source)
		}
	}
	return value, nil
}

// isBlank reports whether a character shows as nothing or as space.
func isBlank(r rune) bool {
	switch r {
	case '\u180e', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff': // zero width
		return true
	}
	return unicode.IsSpace(r)
}

func describe(r rune) string {
	names := map[rune]string{
		'\x00': "NUL", '\t': "tab", '\n': "line feed", '\r': "carriage return", '\x1b': "escape", '\u00a0': "no-break space",
		'\u00ad': "soft hyphen", '\u200b': "zero width space", '\u200c': "zero width non-joiner", '\u200d': "zero width joiner",
		'\u2028': "line separator", '\u2060': "word joiner", '\ufeff': "byte order mark",
	}
	if name, ok := names[r]; ok {
		return fmt.Sprintf("the character U+%04X (%s)", r, name)
	}
	kind := "space character"
	switch {
	case unicode.Is(unicode.Cc, r):
		kind = "control character"
	case unicode.Is(unicode.Cf, r):
		kind = "invisible format character"
	}
	return fmt.Sprintf("the %s U+%04X", kind, r)
}
