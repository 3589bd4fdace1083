package apiclient

import (
	"slices"
	"strings"
)

// linkTo returns the target of the first link with a relation in Link headers (RFC 8288 3).
func linkTo(headers []string, relation string) string {
	for _, header := range headers {
		for header != "" {
			_, rest, ok := strings.Cut(header, "<")
			if !ok {
				break
			}
			target, rest, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			var rel string
			rel, header = linkRelation(rest)
			if slices.ContainsFunc(strings.Fields(rel), func(s string) bool { return strings.EqualFold(s, relation) }) {
				return strings.TrimSpace(target)
			}
		}
	}
	return ""
}

// linkRelation reads the parameters after a link's target, and returns its relations and what follows.
func linkRelation(text string) (rel, rest string) {
	for {
		text = strings.TrimLeft(text, " \t;")
		if text == "" || text[0] == ',' {
			return rel, strings.TrimPrefix(text, ",")
		}
		end := strings.IndexAny(text, "=;,")
		if end < 0 {
			return rel, ""
		}
		name, value := strings.TrimSpace(text[:end]), ""
		if text[end] != '=' {
			text = text[end:]
			continue
		}
		text = strings.TrimLeft(text[end+1:], " \t")
		if strings.HasPrefix(text, `"`) {
			value, text = quoted(text[1:])
		} else {
			end := strings.IndexAny(text, ";, \t")
			if end < 0 {
				end = len(text)
			}
			value, text = text[:end], text[end:]
		}
		if rel == "" && strings.EqualFold(name, "rel") { // the first counts (RFC 8288 3.3)
			rel = value
		}
	}
}

// quoted reads up to the closing quote of a quoted string (RFC 9110 5.6.4).
func quoted(text string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:]
		case '\\':
			i++
			if i == len(text) {
				return b.String(), ""
			}
		}
		b.WriteByte(text[i])
	}
	return b.String(), ""
}
