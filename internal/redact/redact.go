// Package redact masks secrets in text and makes text from outside safe to print.
//
// The rule for messages: our own words are trusted, and whatever comes from outside (a provider, a file, a command
// line) is quoted through Scrub with the secrets at hand. Composed is the backstop for finished messages.
package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mask replaces a secret in a text.
const Mask = "[redacted]"

const (
	// minSecret is the length in bytes below which a secret is masked only as a whole word: masking every "a" would
	// make a text unreadable and hide nothing.
	minSecret = 4
	// run is how many bytes of a secret in a row are masked even if the rest of it is missing.
	run = 12
	// maxQuoted bounds the text of which a short quotation is made, in bytes. A reply may have 1 MiB.
	maxQuoted = 32 << 10
)

// Scrub makes text from outside safe to print: the secrets are masked (see Secrets), control and invisible formatting
// characters become spaces or visible escapes, runs of space become one, and at most limit characters are kept (0: all).
func Scrub(text string, limit int, secrets ...string) string {
	if limit > 0 && len(text) > maxQuoted {
		// What the cut leaves of a secret is shorter than run: cover it in its longest form, \u0000.
		text = Secrets(text[:maxQuoted], secrets...)
		text = text[:max(0, len(text)-6*run)]
	} else {
		text = Secrets(text, secrets...)
	}
	text = strings.Join(strings.Fields(Printable(text)), " ")
	if limit > 0 && utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit]) + "…"
	}
	return text
}

// Secrets masks the secrets in text: verbatim, with characters escaped for JSON, HTML or a URL (once or twice), in
// base64, base64url and hex, and any run of 12 or more bytes of a secret in one of these forms, also across line breaks.
// A secret shorter than 4 bytes is masked only as a whole word. Time is linear in the text, whatever the secrets are.
func Secrets(text string, secrets ...string) string {
	m := new(matcher)
	for _, secret := range secrets {
		m.add(secret, nil)
	}
	return m.mask(text)
}

// Composed masks the secrets in a finished message, which holds our own words beside quoted ones. A secret, or a run of
// one, that reads like ordinary words ("secret", "client id") is left alone here, because masking it would cut holes
// into our own sentences and so reveal it.
func Composed(text string, secrets ...string) string {
	m := new(matcher)
	for _, secret := range secrets {
		secret = strings.TrimPrefix(secret, ageKey)
		if len(secret) >= minUnlikeWords {
			m.add(secret, ordinary(secret))
		}
	}
	return m.mask(text)
}

const (
	// minUnlikeWords is the length in bytes from which a secret with digits or symbols is no part of our messages:
	// shorter ones could be a port, an exit code or a name such as oauth2.
	minUnlikeWords = 8
	// ageKey is how every age identity starts, which is public and part of our messages.
	ageKey = "AGE-SECRET-KEY-1"
	// maxWord is the length of the longest word in our messages, in bytes.
	maxWord = 16
)

// ordinary reports, for each byte of text, whether it is part of an ordinary word (letters alone, of usual length and
// in usual case) or joins words.
func ordinary(text string) []bool {
	list := make([]bool, len(text))
	for i := 0; i < len(text); {
		n := strings.IndexAny(text[i:], joiners)
		if n < 0 {
			n = len(text) - i
		}
		if word := text[i : i+n]; isOrdinary(word) {
			for j := range n {
				list[i+j] = true
			}
		}
		if i += n; i < len(text) {
			list[i] = true
			i++
		}
	}
	return list
}

// joiners are the characters that join words in our messages.
const joiners = " _-.,:;/'`\"()"

func isOrdinary(word string) bool {
	if word == "" || len(word) > maxWord || strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }) {
		return false
	}
	rest := word[1:]
	return rest == strings.ToLower(rest) || word == strings.ToUpper(word)
}
