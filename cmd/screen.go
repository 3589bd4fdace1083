package cmd

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/tokencli/tokencli/internal/terminal"
)

// screen is what stdout is shown on.
type screen struct {
	terminal bool
	width    int
	coloured bool
}

// screen describes the terminal that stdout is. Anything else gets no colour, and lines of any length for
// other programs to read, unless COLUMNS (POSIX) limits them.
func (a *app) screen() screen {
	const usual, narrowest = 80, 40
	if a.stdout != os.Stdout || !isTerminal(os.Stdout) {
		if width, err := strconv.Atoi(a.getenv("COLUMNS")); err == nil && width > 0 {
			return screen{width: max(width, narrowest)}
		}
		return screen{width: math.MaxInt}
	}
	s := screen{terminal: true, width: usual}
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
		s.width = max(width, narrowest)
	}
	s.coloured = a.coloured()
	return s
}

// coloured reports whether the user's terminal shows colours, and the user wants them.
func (a *app) coloured() bool {
	name := a.getenv("TERM")
	// A Windows console shows colours only after a change of its mode; Windows Terminal always does.
	capable := name != "" || runtime.GOOS == "windows" && a.getenv("WT_SESSION") != ""
	return capable && name != "dumb" && a.getenv("NO_COLOR") == ""
}

// colour is a rendition of ECMA-48 (SGR).
type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	faint  colour = "2"
)

// paint colours a text if the screen has colours. A newline at its end is left out.
func (s screen) paint(c colour, text string) string {
	line := strings.TrimSuffix(text, "\n")
	if !s.coloured || line == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + line + "\x1b[0m" + text[len(line):]
}

// shorten returns text in at most width cells, with an ellipsis in the middle for what it lost: names
// differ at their ends.
func shorten(text string, width int) string {
	if terminal.Cells(text) <= width {
		return text
	}
	half := (width - 1) / 2
	tail := []rune(text)
	for terminal.Cells(string(tail)) > half {
		tail = tail[1:]
	}
	return runewidth.Truncate(text, width-1-half, "") + "…" + string(tail)
}

// reflow fits a text of paragraphs, lists and examples into a width. Paragraphs start at the margin. An
// entry of a list is indented; its explanation starts after two or more spaces and continues below that
// place. An example is indented by two and is left as it is, to be copied.
func reflow(text string, width int) string {
	var (
		out   strings.Builder
		head  string   // comes before the words of the first line
		hang  int      // where the words of the other lines begin
		words []string // of the current paragraph or entry
	)
	end := func() {
		for _, line := range terminal.Wrap(strings.Join(words, " "), max(width-hang, width/2)) {
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
			words = append(words, entry)
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
