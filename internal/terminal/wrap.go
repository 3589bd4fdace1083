package terminal

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// Cells returns how many cells of a terminal a text takes.
func Cells(text string) int { return runewidth.StringWidth(text) }

// Wrap breaks text at its spaces into lines of at most width cells; 0 means any width. A word that is longer than
// that gets a line of its own and stays whole, so that it can be copied.
func Wrap(text string, width int) []string {
	if width <= 0 {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case Cells(line)+1+Cells(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
