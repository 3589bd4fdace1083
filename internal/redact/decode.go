package redact

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// view is one reading of a text: the bytes it holds once decoded, and for each the part of the text it comes from.
type view struct {
	bytes    []byte
	from, to []int
}

// newView returns an empty view with room for so many bytes.
func newView(size int) view {
	return view{make([]byte, 0, size), make([]int, 0, size), make([]int, 0, size)}
}

func (v *view) add(b byte, from, to int) {
	v.bytes = append(v.bytes, b)
	v.from = append(v.from, from)
	v.to = append(v.to, to)
}

// readings are the orders in which escapes are resolved: j JSON, h HTML, p percent, q percent with a plus for a space, w
// line breaks and the space around them. The list is fixed, so a text is read a bounded number of times.
func readings(spaces bool) []string {
	list := []string{"w", "j", "h", "p", "jw", "pw", "jj", "jh", "jp", "hp", "ph", "pj", "pp", "jpp", "hpp"}
	if spaces {
		list = append(list, "q", "jq", "hq", "pq", "jpq")
	}
	return list
}

// read calls found with every reading of text, and with the length of the shortest pattern to look for in it. One in
// which an escape was expected and none is there is left out: a shorter order reads the same.
func (m *matcher) read(text string, found func(v view, least int)) {
	plain := newView(len(text))
	for i := range len(text) {
		plain.add(text[i], i, i+1)
	}
	m.readPlain(plain, 0, found)
	views := map[string]view{"": plain}
	for _, order := range readings(m.spaces) {
		parent, ok := views[order[:len(order)-1]]
		if !ok {
			continue
		}
		if v, changed := m.unescape(parent, order[len(order)-1]); changed {
			views[order] = v
			least := 0
			if strings.HasSuffix(order, "w") {
				least = run // words that now touch each other may look like a short secret
			}
			m.readPlain(v, least, found)
		}
	}
}

// readPlain reports a view, and what it holds in hex and in base64 at each offset that a longer text can give it. Within
// base64 a secret may be form-encoded, as HTTP Basic has it (RFC 6749 2.3.1).
func (m *matcher) readPlain(v view, least int, found func(v view, least int)) {
	found(v, least)
	least = max(least, minSecret)
	for offset := range 2 {
		found(m.unpack(v, hexDigit, 4, offset), least)
	}
	for offset := range 4 {
		decoded := m.unpack(v, base64Digit, 6, offset)
		found(decoded, least)
		for _, kind := range []byte("pq") {
			if v, changed := m.unescape(decoded, kind); changed {
				found(v, least)
			}
		}
	}
}

func (m *matcher) unescape(v view, kind byte) (out view, changed bool) {
	marks := map[byte]string{'j': `\`, 'h': "&", 'p': "%", 'q': "%+", 'w': "\r\n \t"}[kind]
	if !bytes.ContainsAny(v.bytes, marks) || kind == 'w' && !bytes.ContainsAny(v.bytes, "\r\n") {
		m.steps += len(v.bytes)
		return v, false
	}
	out = newView(len(v.bytes))
	for i := 0; i < len(v.bytes); {
		m.steps++
		n := 0
		if strings.IndexByte(marks, v.bytes[i]) >= 0 {
			var decoded []byte
			if decoded, n = escape(v.bytes[i:], kind); n > 0 {
				changed = true
				for _, b := range decoded {
					out.add(b, v.from[i], v.to[i+n-1])
				}
			}
		}
		if n == 0 {
			out.add(v.bytes[i], v.from[i], v.to[i])
			n = 1
		}
		i += n
	}
	return out, changed
}

// unpack decodes every run of digits with so many bits each, after leaving out some digits at its start. Runs are kept
// apart by a zero byte.
func (m *matcher) unpack(v view, digit func(byte) int, bits, offset int) (out view) {
	out = newView(len(v.bytes))
	var value, have, skip int
	inside := false
	for i, b := range v.bytes {
		m.steps++
		d := digit(b)
		if d < 0 {
			if inside {
				out.add(0, v.from[i], v.from[i])
			}
			inside = false
			continue
		}
		if !inside {
			inside, value, have, skip = true, 0, 0, offset
		}
		if skip > 0 {
			skip--
			continue
		}
		value, have = value<<bits|d, have+bits
		if have >= 8 {
			have -= 8
			// The first bits of the byte are in this digit or in the one before.
			out.add(byte(value>>have), v.from[i-1], v.to[i])
			value &= 1<<have - 1
		}
	}
	return out
}

func hexDigit(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b - 'a' + 10)
	case b >= 'A' && b <= 'F':
		return int(b - 'A' + 10)
	}
	return -1
}

// base64Digit knows both alphabets of RFC 4648.
func base64Digit(b byte) int {
	switch {
	case b >= 'A' && b <= 'Z':
		return int(b - 'A')
	case b >= 'a' && b <= 'z':
		return int(b - 'a' + 26)
	case b >= '0' && b <= '9':
		return int(b - '0' + 52)
	case b == '+' || b == '-':
		return 62
	case b == '/' || b == '_':
		return 63
	}
	return -1
}

// escape decodes the escape of one kind that text starts with, and returns how long it is; 0: there is none.
func escape(text []byte, kind byte) (decoded []byte, n int) {
	switch kind {
	case 'j':
		return jsonEscape(text)
	case 'w':
		return nil, 1
	case 'h':
		// Not searched further: a text full of ampersands would take time by the square of its length.
		entity, _, ok := strings.Cut(string(text[1:min(len(text), maxEntity+2)]), ";")
		if r := entityRune(entity); ok && r >= 0 {
			return utf8.AppendRune(nil, r), len(entity) + 2
		}
	default:
		if text[0] == '+' {
			return []byte(" "), 1
		}
		if len(text) >= 3 && hexDigit(text[1]) >= 0 && hexDigit(text[2]) >= 0 {
			return []byte{byte(hexDigit(text[1])<<4 | hexDigit(text[2]))}, 3
		}
	}
	return nil, 0
}

// jsonEscape decodes an escape of RFC 8259, section 7.
func jsonEscape(text []byte) (decoded []byte, n int) {
	if len(text) < 2 {
		return nil, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, text[1]); i >= 0 {
		return []byte{"\"\\/\b\f\n\r\t"[i]}, 2
	}
	unit := jsonUnit(text)
	if !utf16.IsSurrogate(unit) {
		if unit < 0 {
			return nil, 0
		}
		return utf8.AppendRune(nil, unit), 6
	}
	if r := utf16.DecodeRune(unit, jsonUnit(text[6:])); r != utf8.RuneError {
		return utf8.AppendRune(nil, r), 12
	}
	return nil, 0
}

// jsonUnit returns the UTF-16 code unit of the \uXXXX that text starts with, or -1.
func jsonUnit(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit := 0
	for _, b := range text[2:6] {
		d := hexDigit(b)
		if d < 0 {
			return -1
		}
		unit = unit<<4 | d
	}
	return rune(unit)
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
	n, err := strconv.ParseUint(number, base, 32)
	if err != nil || n > utf8.MaxRune {
		return -1
	}
	return rune(n)
}
