// Package yamlfile reads YAML strictly: the files that users write for tokencli are small, and a key that
// is silently ignored is a setting that silently has no effect.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/redact"
)

// ErrEmpty is returned for a text without a document.
var ErrEmpty = errors.New("the file is empty")

// Parse reads one document. An error has one line, which starts with "line N: " where the line is known.
func Parse(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, ErrEmpty
		}
		return nil, errors.New(inWords(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document in the file")
	}
	return document.Content[0], nil
}

// Decode reads one document into a struct. An unknown key, a wrong type or a second document is an error
// of one line, which starts with "line N: " where the line is known and names no Go type.
func Decode(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return ErrEmpty
		}
		return errors.New(inWords(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document in the file")
	}
	return nil
}

// maxErrors is how many of the decoder's errors are reported: it may have one for every line.
const maxErrors = 5

func inWords(err error) string {
	lines := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var typeError *yaml.TypeError
	if errors.As(err, &typeError) {
		lines = typeError.Errors
	}
	more := ""
	if n := len(lines) - maxErrors; n > 0 {
		lines, more = lines[:maxErrors], fmt.Sprintf("; and %d more", n)
	}
	texts := make([]string, 0, len(lines))
	for _, line := range lines {
		if before, _, ok := strings.Cut(line, " not found in type "); ok {
			line = strings.Replace(before, "field ", "unknown key ", 1)
		}
		texts = append(texts, redact.Printable(expected(line)))
	}
	return strings.Join(texts, "; ") + more
}

// expected turns the decoder's words for a wrong type into what the file should hold.
func expected(line string) string {
	at, rest, ok := strings.Cut(line, "cannot unmarshal ")
	_, kind, into := strings.Cut(rest, " into ")
	if !ok || !into {
		return line
	}
	switch {
	case strings.HasPrefix(kind, "[]"):
		return at + "expected a list"
	case strings.HasPrefix(kind, "map["):
		return at + "expected a mapping"
	case kind == "string":
		return at + "expected a text"
	case kind == "bool":
		return at + "expected true or false"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return at + "expected a whole number"
	case kind == "time.Duration":
		return at + "expected a duration such as 90s or 1h"
	}
	return at + "expected keys with values"
}
