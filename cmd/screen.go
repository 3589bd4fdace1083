package cmd

import (
	"os"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is what stdout is written for.
type screen struct {
	terminal bool
	width    int
	coloured bool
}

// screen asks the terminal that stdout is. What is no terminal gets lines of the usual 80 columns and no
// colour.
func (a *app) screen() screen {
	const usual, narrowest = 80, 40
	if a.stdout != os.Stdout || !isTerminal(os.Stdout) {
		return screen{width: usual}
	}
	s := screen{terminal: true, width: usual}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
		s.width = max(width, narrowest)
	}
	name := a.getenv("TERM")
	// A Windows console shows colours only to a program that changes its mode; the newer terminals there
	// name themselves.
	capable := name != "" || runtime.GOOS == "windows" && a.getenv("WT_SESSION") != ""
	s.coloured = capable && name != "dumb" && a.getenv("NO_COLOR") == ""
	return s
}

// colour is a rendition of ECMA-48 (SGR).
type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	faint  colour = "2"
)

// paint colours a text where there are colours. A newline at its end stays outside.
func (s screen) paint(c colour, text string) string {
	line := strings.TrimSuffix(text, "\n")
	if !s.coloured || line == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + line + "\x1b[0m" + text[len(line):]
}

// shorten returns text in at most width characters, with an ellipsis in its middle for what it lost.
func shorten(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	letters := []rune(text)
	tail := (width - 1) / 2
	return string(letters[:width-1-tail]) + "…" + string(letters[len(letters)-tail:])
}

// wrap breaks text at its spaces into lines of at most width characters. A word that is longer than a
// line is cut.
func wrap(text string, width int) []string {
	var lines []string
	line, length := "", 0
	for _, word := range strings.Fields(text) {
		for {
			n := utf8.RuneCountInString(word)
			switch {
			case length > 0 && length+1+n <= width:
				line, length = line+" "+word, length+1+n
			case length > 0:
				lines = append(lines, line)
				line, length = "", 0
				continue
			case n > width:
				letters := []rune(word)
				lines = append(lines, string(letters[:width]))
				word = string(letters[width:])
				continue
			default:
				line, length = word, n
			}
			break
		}
	}
	if length > 0 {
		lines = append(lines, line)
	}
	return lines
}

// reflow fits a text of paragraphs, lists and examples into a width. Paragraphs stand at the margin; an
// entry of a list is indented, what explains it starts after two blanks or more, and goes on below there;
// an example is indented by two and stays as it is, to be copied.
func reflow(text string, width int) string {
	var (
		out   strings.Builder
		head  string   // what stands before the words in their first line
		hang  int      // where they begin in the others
		words []string // of the paragraph or entry at hand
	)
	end := func() {
		for _, line := range wrap(strings.Join(words, " "), max(width-hang, width/2)) {
			out.WriteString(head + line + "\n")
			head = strings.Repeat(" ", hang)
		}
		head, hang, words = "", 0, nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		entry := strings.TrimLeft(line, " ")
		indent := len(line) - len(entry)
		name, rest, listed := strings.Cut(entry, "  ")
		switch {
		case words != nil && entry != "" && !listed && indent == hang:
			words = append(words, entry) // goes on
		case listed && indent > 0:
			end()
			rest = strings.TrimLeft(rest, " ")
			hang = len(line) - len(rest)
			head, words = line[:indent+len(name)]+strings.Repeat(" ", hang-indent-len(name)), []string{rest}
		case entry != "" && indent == 0:
			end()
			words = []string{entry}
		default:
			end()
			out.WriteString(line + "\n")
		}
	}
	end()
	return out.String()
}
