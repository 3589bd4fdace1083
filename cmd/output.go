package cmd

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/terminal"
)

func (a *app) printJSON(v any) error { return a.encodeJSON(v, "  ") }

// encodeJSON prints v on one line if indent is empty.
func (a *app) encodeJSON(v any, indent string) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(v); err != nil {
		return fail.New(fail.Internal, "cannot encode the output as JSON: %w", err)
	}
	return a.print(b.String())
}

// table lays rows out in columns, two spaces apart, without spaces at the end of a line.
func table(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], terminal.Cells(cell))
		}
	}
	var out strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-terminal.Cells(cell)+2))
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.String()
}
