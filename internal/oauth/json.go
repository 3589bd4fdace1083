package oauth

import (
	"encoding/json"
	"strings"

	"github.com/tokencli/tokencli/internal/provider"
)

// valueAt returns the first of the named fields that is there and not null. A name may be a path.
func valueAt(object map[string]any, names provider.Names) (any, bool) {
	for _, name := range names {
		var v any = object
		for part := range strings.SplitSeq(name, ".") {
			m, _ := v.(map[string]any)
			v = m[part]
		}
		if v != nil {
			return v, true
		}
	}
	return nil, false
}

// textAt returns the first of the named fields that is a text or a number. Where there is none, the first
// that is something else comes as JSON, because an error may be an object or a list, or just true.
func textAt(object map[string]any, names provider.Names) (string, bool) {
	var other any
	for i := range names {
		switch v, _ := valueAt(object, names[i:i+1]); v := v.(type) {
		case string:
			if v != "" {
				return v, true
			}
		case json.Number:
			return v.String(), true
		default:
			if other == nil && v != false {
				other = v
			}
		}
	}
	if other == nil {
		return "", false
	}
	text, err := json.Marshal(other)
	return string(text), err == nil
}

// stringAt returns the first of the named fields if it is a string: a token is nothing else.
func stringAt(object map[string]any, names provider.Names) string {
	v, _ := valueAt(object, names)
	s, _ := v.(string)
	return s
}
