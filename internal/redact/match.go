package redact

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// matcher finds the patterns of a set of secrets: each run of 12 bytes of a longer secret, and shorter secrets whole.
// At each place of a text it looks up one substring for each length, so the time does not depend on the patterns.
type matcher struct {
	patterns [run + 1]map[string]bool // by length in bytes
	lengths  []int
	// likely holds the hashes of the first four bytes of the longer patterns, as a filter before the look-ups.
	likely [1 << 10]uint64
	spaces bool // a secret holds a space
	steps  int  // bytes decoded and patterns looked up: what a test counts
}

// add adds the patterns of a secret, but not those made of bytes that skip marks.
func (m *matcher) add(secret string, skip []bool) {
	m.spaces = m.spaces || strings.Contains(secret, " ")
	size := min(len(secret), run)
	for i := 0; size > 0 && i+size <= len(secret); i++ {
		if skip != nil && !slices.Contains(skip[i:i+size], false) {
			continue
		}
		pattern := secret[i : i+size]
		if m.patterns[size] == nil {
			m.patterns[size] = make(map[string]bool)
			m.lengths = append(m.lengths, size)
		}
		m.patterns[size][pattern] = true
		if size >= minSecret {
			bit := hash([]byte(pattern))
			m.likely[bit/64] |= 1 << (bit % 64)
		}
	}
}

// hash returns a 16-bit hash of the first four bytes of b.
func hash(b []byte) uint32 { return binary.LittleEndian.Uint32(b) * 2654435761 >> 16 }

// mask returns text with everything masked that the matcher finds in any of its readings.
func (m *matcher) mask(text string) string {
	if len(m.lengths) == 0 || text == "" {
		return text
	}
	hidden := make([]bool, len(text))
	found := false
	m.read(text, func(v view, least int) {
		found = m.search(text, v, least, hidden) || found
	})
	if !found {
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

// search marks in hidden what of the text is a pattern in the view v, of at least so many bytes: in an encoded view,
// secrets that are masked only as words are not looked for.
func (m *matcher) search(text string, v view, least int, hidden []bool) (found bool) {
	marked := 0 // everything before it was marked, or will not be
	for i := range v.bytes {
		m.steps++
		likely := false
		if len(v.bytes)-i >= minSecret {
			bit := hash(v.bytes[i:])
			likely = m.likely[bit/64]&(1<<(bit%64)) != 0
		}
		for _, size := range m.lengths {
			if i+size > len(v.bytes) || size >= minSecret && !likely || size < least {
				continue
			}
			m.steps++
			if !m.patterns[size][string(v.bytes[i:i+size])] {
				continue
			}
			from, to := v.from[i], v.to[i+size-1]
			if size < minSecret && !isolated(text, from, to) {
				continue
			}
			for j := max(from, marked); j < to; j++ {
				m.steps++
				hidden[j] = true
			}
			marked, found = max(marked, to), true
		}
	}
	return found
}

// isolated reports whether text[from:to] has no letter or digit beside it.
func isolated(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return !isWord(before) && !isWord(after)
}

func isWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
