package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tokencli/tokencli/internal/provider"
)

// Decode reads a text that is one JSON value. Numbers keep their spelling, and a byte order mark is skipped.
func Decode(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return v, nil
}

// maxSearch bounds the bytes that are scanned in search of an object, over all starting points.
const maxSearch = 16 << 20

// findObject searches text for JSON objects, whatever is before, between and after them. It returns the
// first one that is wanted, else the only one. If text ends within an object and nothing wanted is
// complete, whole is false, and the object has only the members that arrived complete.
func findObject(text []byte, wanted func(map[string]any) bool) (object map[string]any, whole bool) {
	var only, cut map[string]any
	several := false
	for left := maxSearch; left > 0; {
		start := bytes.IndexByte(text, '{')
		if start < 0 {
			break
		}
		text = text[start:]
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		object = nil
		err := decoder.Decode(&object)
		var syntax *json.SyntaxError
		switch {
		case err == nil && wanted(object):
			return object, true
		case err == nil:
			several = several || only != nil
			only = object
			left -= int(decoder.InputOffset())
			text = text[decoder.InputOffset():]
			continue
		case errors.Is(err, io.ErrUnexpectedEOF):
			members, end := completeMembers(text)
			if cut == nil || !wanted(cut) && wanted(members) {
				cut = members
			}
			left -= len(text) + end
		case errors.As(err, &syntax):
			left -= max(int(syntax.Offset), 512) // the decoder reads at least so much
			if cut == nil && syntax.Offset > 2 { // cut, and something else follows
				members, end := completeMembers(text)
				if wanted(members) {
					cut = members
				}
				left -= end
			}
		}
		text = text[1:]
	}
	switch {
	case cut != nil: // what is complete inside a cut object is not the reply
		return cut, false
	case several:
		return nil, false
	}
	return only, only != nil
}

// maxDepth bounds the nesting of an object that was cut off.
const maxDepth = 100

// completeMembers returns the members of an object that arrived complete before text ends, and where reading ended.
func completeMembers(text []byte) (members map[string]any, end int) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	object, _ := nextValue(decoder, len(text), maxDepth)
	members, _ = object.(map[string]any)
	return members, int(decoder.InputOffset())
}

// maxInvalid bounds how often reading goes on after something that is not valid JSON.
const maxInvalid = 16

// validMembers returns the members of the reply's object that are valid JSON, if others are not: a line break or a
// backslash that a string has to escape, NaN, a comment. A rotated refresh token beside them is lost if it is not
// read.
func (c *Client) validMembers(text []byte) map[string]any {
	start := -1
	for _, name := range slices.Concat(c.Definition.Reply.AccessToken, c.Definition.Reply.RefreshToken) {
		if i := bytes.Index(text, []byte(strconv.Quote(name))); i >= 0 && (start < 0 || i < start) {
			start = i
		}
	}
	if start = bytes.LastIndexByte(text[:max(start, 0)], '{'); start < 0 {
		return nil
	}
	text = bytes.Clone(text[start:])
	all := make(map[string]any)
	for range maxInvalid {
		text[0] = '{' // for the comma between two members
		members, end := completeMembers(text)
		for name, value := range members {
			if _, twice := all[name]; !twice {
				all[name] = value
			}
		}
		comma := bytes.IndexByte(text[min(end, len(text)):], ',')
		if comma < 0 {
			break
		}
		text = text[end+comma:]
	}
	return all
}

// nextValue reads a value as far as it goes; complete is false if it was cut off.
func nextValue(decoder *json.Decoder, end, depth int) (v any, complete bool) {
	token, err := decoder.Token()
	if err != nil || depth == 0 {
		return nil, false
	}
	switch token := token.(type) {
	case json.Number:
		return token, decoder.InputOffset() < int64(end) // more digits may have been cut off
	case json.Delim:
		if token == '[' {
			return nextList(decoder, end, depth)
		}
		return nextObject(decoder, end, depth)
	}
	return token, true
}

func nextObject(decoder *json.Decoder, end, depth int) (object map[string]any, complete bool) {
	object = make(map[string]any)
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return object, false
		}
		name, _ := key.(string)
		v, complete := nextValue(decoder, end, depth-1)
		if _, nested := v.(map[string]any); complete || nested {
			object[name] = v
		}
		if !complete { // reading on would take what is inside for what follows
			return object, false
		}
	}
	_, err := decoder.Token()
	return object, err == nil
}

func nextList(decoder *json.Decoder, end, depth int) (list []any, complete bool) {
	list = []any{}
	for decoder.More() {
		v, complete := nextValue(decoder, end, depth-1)
		if _, nested := v.(map[string]any); complete || nested {
			list = append(list, v)
		}
		if !complete {
			return list, false
		}
	}
	_, err := decoder.Token()
	return list, err == nil
}

// Walk calls yield with every value at a path such as `data.*.id`: `*` is every member of an object, and
// the elements of a list on the way are all walked. The value at the end may be anything, a list too.
func Walk(v any, path string, yield func(any)) {
	if path == "" {
		yield(v)
		return
	}
	name, rest, _ := strings.Cut(path, ".")
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			Walk(item, path, yield)
		}
	case map[string]any:
		if name != "*" {
			if v[name] != nil {
				Walk(v[name], rest, yield)
			}
			return
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			Walk(v[name], rest, yield)
		}
	}
}

// At returns the first value at a path, nil if nothing or null is there.
func At(v any, path string) (found any) {
	Walk(v, path, func(v any) {
		if found == nil {
			found = v
		}
	})
	return found
}

// Scalars returns the texts, numbers and truth values at a path, as text.
func Scalars(v any, path string) []string {
	var values []string
	Walk(v, path, func(v any) {
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for _, item := range list {
			switch item.(type) {
			case string, json.Number, bool:
				values = append(values, fmt.Sprint(item))
			}
		}
	})
	return values
}

// valueAt returns the value at the first of the paths that has one.
func valueAt(object map[string]any, paths provider.Names) (any, bool) {
	for _, path := range paths {
		if v := At(object, path); v != nil {
			return v, true
		}
	}
	return nil, false
}

// textAt returns the first of the paths that is a text or a number. If there is none, the first one that
// is something else is returned as JSON, because an error may be an object, a list or just true.
func textAt(object map[string]any, paths provider.Names) (string, bool) {
	var other any
	for _, path := range paths {
		switch v := At(object, path).(type) {
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

// stringAt returns the first of the paths if it is a string, which a token has to be.
func stringAt(object map[string]any, paths provider.Names) string {
	v, _ := valueAt(object, paths)
	s, _ := v.(string)
	return s
}

// texts returns every text in a value, in the order of the members' names.
func texts(v any) []string {
	var list []string
	switch v := v.(type) {
	case string:
		list = append(list, v)
	case []any:
		for _, item := range v {
			list = append(list, texts(item)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = append(list, texts(v[name])...)
		}
	}
	return list
}
