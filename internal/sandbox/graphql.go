package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// field is one field that a query asks for. A query is read only as far as the stand-in needs it: the
// fields; arguments and variables are read over; fragments, directives and mutations are refused.
type field struct {
	name, alias string
	fields      []field // nil: none asked for
}

const maxGraphQLDepth = 16

func graphQLErrors(message, code string) map[string]any {
	return map[string]any{"errors": []any{map[string]any{
		"message": message, "extensions": map[string]string{"code": code},
	}}}
}

func readGraphQL(body []byte) (string, error) {
	var v struct {
		Query         *string        `json:"query"`
		Variables     map[string]any `json:"variables"`
		OperationName *string        `json:"operationName"`
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return "", errors.New("the body is no JSON object of query and variables")
	}
	if v.Query == nil {
		return "", errors.New("the body has no query")
	}
	return *v.Query, nil
}

func runGraphQL(query string, root map[string]any) (map[string]any, error) {
	fields, err := parseGraphQL(query)
	if err != nil {
		return nil, err
	}
	return pick(fields, root)
}

func pick(fields []field, data map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for _, f := range fields {
		value, ok := data[f.name]
		if !ok {
			return nil, fmt.Errorf("there is no field %s here", clean(f.name))
		}
		got, err := pickValue(f, value)
		if err != nil {
			return nil, err
		}
		out[f.alias] = got
	}
	return out, nil
}

func pickValue(f field, value any) (any, error) {
	object, isObject := value.(map[string]any)
	items, isList := value.([]any)
	switch {
	case (isObject || isList) && f.fields == nil:
		return nil, fmt.Errorf("field %s needs a selection of its fields", f.name)
	case isObject:
		return pick(f.fields, object)
	case isList:
		list := []any{}
		for _, item := range items {
			got, err := pickValue(f, item)
			if err != nil {
				return nil, err
			}
			list = append(list, got)
		}
		return list, nil
	case f.fields != nil:
		return nil, fmt.Errorf("field %s has no fields", f.name)
	}
	return value, nil
}

// graphQLReader walks over the tokens of a query.
type graphQLReader struct {
	tokens []string
	at     int
}

func (r *graphQLReader) peek() string {
	if r.at < len(r.tokens) {
		return r.tokens[r.at]
	}
	return ""
}

func (r *graphQLReader) next() string {
	t := r.peek()
	r.at++
	return t
}

func parseGraphQL(query string) ([]field, error) {
	r := &graphQLReader{tokens: graphQLTokens(query)}
	if r.peek() == "query" {
		r.next()
		if isName(r.peek()) {
			r.next()
		}
		if err := r.skipParens(); err != nil {
			return nil, err
		}
	}
	fields, err := r.selection(0)
	if err != nil {
		return nil, err
	}
	if r.peek() != "" {
		return nil, errors.New("the query continues after its end")
	}
	return fields, nil
}

func (r *graphQLReader) selection(depth int) ([]field, error) {
	if depth > maxGraphQLDepth {
		return nil, errors.New("the query is nested too deeply")
	}
	if r.next() != "{" {
		return nil, errors.New("the query is not a selection of fields in braces")
	}
	fields := []field{}
	for r.peek() != "}" {
		f, err := r.field(depth)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	r.next()
	if len(fields) == 0 {
		return nil, errors.New("the query has an empty selection")
	}
	return fields, nil
}

func (r *graphQLReader) field(depth int) (field, error) {
	name := r.next()
	if !isName(name) {
		return field{}, errors.New("the query has something other than a field name in a selection")
	}
	f := field{name: name, alias: name}
	if r.peek() == ":" {
		r.next()
		if f.name = r.next(); !isName(f.name) {
			return field{}, errors.New("the query has an alias without a field")
		}
	}
	if err := r.skipParens(); err != nil {
		return field{}, err
	}
	if r.peek() == "{" {
		var err error
		if f.fields, err = r.selection(depth + 1); err != nil {
			return field{}, err
		}
	}
	return f, nil
}

func (r *graphQLReader) skipParens() error {
	if r.peek() != "(" {
		return nil
	}
	for depth := 0; r.at < len(r.tokens); {
		switch r.next() {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return nil
			}
		}
	}
	return errors.New("the query has a parenthesis that is not closed")
}

func isName(token string) bool {
	return token != "" && (token[0] == '_' || token[0] >= 'a' && token[0] <= 'z' || token[0] >= 'A' && token[0] <= 'Z')
}

// graphQLToken is a comment, a string, a name or a single mark; commas count as blanks.
var graphQLToken = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)#[^\n]*|"(?:\\.|[^"\\])*"?|[A-Za-z_][A-Za-z0-9_]*|[^ \t\r\n,]`)
})

func graphQLTokens(query string) []string {
	tokens := graphQLToken().FindAllString(query, -1)
	return slices.DeleteFunc(tokens, func(token string) bool { return token[0] == '#' })
}
