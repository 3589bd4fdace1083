package cmd

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tokencli/tokencli/internal/apiclient"
	"github.com/tokencli/tokencli/internal/redact"
)

// apiOutput prints the answers of an API.
type apiOutput struct {
	app      *app
	include  bool // the status line and the headers too
	terminal bool // stdout is one
	printed  bool // a body was printed before
	end      byte // its last byte
}

func (a *app) newAPIOutput(o apiOptions) *apiOutput {
	return &apiOutput{
		app:      a,
		include:  o.include || o.request.Method == http.MethodHead,
		terminal: a.stdout == os.Stdout && isTerminal(os.Stdout),
	}
}

// take prints one answer: unchanged in a pipe, with control characters escaped on a terminal.
func (out *apiOutput) take(answer *apiclient.Answer) error {
	a := out.app
	if out.include {
		if err := a.print(head(answer)); err != nil {
			return err
		}
	}
	if !out.terminal {
		return out.copy(a.stdout, answer.Body)
	}
	shown := &escaper{to: a.stdout}
	defer shown.flush()
	return out.copy(shown, answer.Body)
}

// copy prints a body. A missing line end is added before the next body and on a terminal.
func (out *apiOutput) copy(to io.Writer, from io.Reader) error {
	if out.printed && out.end != '\n' {
		if _, err := io.WriteString(to, "\n"); err != nil {
			return cannotPrint(err)
		}
	}
	last := &lastByte{to: to, last: '\n'}
	_, err := io.Copy(last, from)
	out.printed, out.end = true, last.last
	if err == nil && out.terminal && last.last != '\n' {
		_, err = io.WriteString(last, "\n")
		out.end = '\n'
	}
	if last.err != nil {
		return cannotPrint(last.err)
	}
	return err
}

// head returns the status line, the sorted headers and an empty line.
func head(answer *apiclient.Answer) string {
	var b strings.Builder
	b.WriteString(answer.Line + "\n")
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		for _, value := range answer.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String() + "\n"
}

// lastByte remembers the last byte written, and whether writing or reading failed.
type lastByte struct {
	to   io.Writer
	last byte
	err  error
}

func (l *lastByte) Write(p []byte) (int, error) {
	n, err := l.to.Write(p)
	if n > 0 {
		l.last = p[n-1]
	}
	if err != nil {
		l.err = err
	}
	return n, err
}

// escaper escapes what could move the cursor, change colors or reorder a line, as redact.Printable does,
// but keeps line ends. Call flush after the last Write.
type escaper struct {
	to   io.Writer
	left []byte // an incomplete character
}

func (e *escaper) Write(text []byte) (int, error) {
	n := len(text)
	text = append(e.left, text...)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if c := text[len(text)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-back:]) {
				whole = len(text) - back
			}
			break
		}
	}
	e.left = bytes.Clone(text[whole:])
	return n, e.print(text[:whole])
}

func (e *escaper) flush() {
	_ = e.print(e.left)
	e.left = nil
}

func (e *escaper) print(text []byte) error {
	var b strings.Builder
	for line := range bytes.Lines(text) {
		content, ended := bytes.CutSuffix(line, []byte("\n"))
		b.WriteString(redact.Printable(string(content)))
		if ended {
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(e.to, b.String())
	return err
}
