// Package yamlfile decodes YAML strictly: the files that users write for tokencli are small, and a key
// that is silently ignored is a setting that silently does not count.
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

// Decode reads one document into a struct. An unknown key, a wrong type or a second document is an error
// of one line that starts with "line N: " where the line is known, and names no Go type.
func Decode(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return ErrEmpty
		}
		return errors.New(tidy(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document in the file")
	}
	return nil
}

// maxErrors is how many of the decoder's complaints are told: it may have one for every line.
const maxErrors = 5

func tidy(err error) string {
	lines := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var typeError *yaml.TypeError
	if errors.As(err, &typeError) {
		lines = typeError.Errors
	}
	more := ""
	if n := len(lines) - maxErrors; n > 0 {
		lines, more = lines[:maxErrors], fmt.Sprintf("; and %d more", n)
	}
	tidied := make([]string, 0, len(lines))
	for _, line := range lines {
		if before, _, ok := strings.Cut(line, " not found in type "); ok {
			line = strings.Replace(before, "field ", "unknown key ", 1)
		}
		if before, _, ok := strings.Cut(line, " into "); ok && strings.Contains(line, "cannot unmarshal") {
			line = strings.Replace(before, "cannot unmarshal", "cannot use", 1)
		}
		tidied = append(tidied, redact.Printable(line))
	}
	return strings.Join(tidied, "; ") + more
}
