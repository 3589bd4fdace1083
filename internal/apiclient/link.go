package apiclient

import (
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/oauth"
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
		value, text = oauth.CutValue(strings.TrimLeft(text[end+1:], " \t"), ";, \t")
		if rel == "" && strings.EqualFold(name, "rel") { // the first counts (RFC 8288 3.3)
			rel = value
		}
	}
}
