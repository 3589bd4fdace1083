package proxy

import (
	"net/url"
	"slices"
	"strings"
)

// below reports whether the path of u is below the API's, however a server may read it.
func (s *server) below(u *url.URL) bool {
	base := strings.TrimSuffix(s.api.EscapedPath(), "/")
	path := u.EscapedPath()
	if path != base && !strings.HasPrefix(path, base+"/") {
		return false
	}
	// Servers differ in what they decode before they resolve dot segments.
	for range maxDecoded {
		for segment := range strings.FieldsFuncSeq(path, isSlash) {
			segment, _, _ = strings.Cut(segment, ";") // path parameters, as in "..;"
			if segment == ".." || segment == "." || strings.ContainsFunc(segment, isControl) {
				return false
			}
		}
		decoded := decode(path)
		if decoded == path {
			return true
		}
		path = decoded
	}
	return false
}

// maxDecoded is how often a path may be percent-encoded.
const maxDecoded = 4

func isSlash(r rune) bool { return r == '/' || r == '\\' }

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// decode resolves the percent encodings of a text, and leaves a percent sign that is none.
func decode(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if plain, err := url.PathUnescape(text[i : i+3]); err == nil {
				b.WriteString(plain)
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// isEndpoint reports whether u is, or is below, an OAuth endpoint of the provider.
func (s *server) isEndpoint(u *url.URL) bool {
	path := canonical(u.EscapedPath())
	return slices.ContainsFunc(s.endpoints, func(endpoint string) bool {
		return path == endpoint || strings.HasPrefix(path, endpoint+"/")
	})
}

// canonical is a path as a lenient server may read it: decoded, in lower case, without path parameters and
// empty segments.
func canonical(path string) string {
	for range maxDecoded {
		path = decode(path)
	}
	var segments []string
	for segment := range strings.FieldsFuncSeq(strings.ToLower(path), isSlash) {
		if segment, _, _ = strings.Cut(segment, ";"); segment != "" {
			segments = append(segments, segment)
		}
	}
	return strings.Join(segments, "/")
}
