package cmd

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tokencli/tokencli/internal/redact"
)

// plain escapes what could move the cursor, change colours or reorder a line, as redact.Printable does, and
// keeps the lines of a text. It needs flush at the end.
type plain struct {
	to   io.Writer
	left []byte // the beginning of a character
}

func (p *plain) Write(text []byte) (int, error) {
	n := len(text)
	text = append(p.left, text...)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if c := text[len(text)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-back:]) {
				whole = len(text) - back
			}
			break
		}
	}
	p.left = bytes.Clone(text[whole:])
	return n, p.print(text[:whole])
}

func (p *plain) flush() {
	_ = p.print(p.left)
	p.left = nil
}

func (p *plain) print(text []byte) error {
	var b strings.Builder
	for line := range bytes.Lines(text) {
		content, ended := bytes.CutSuffix(line, []byte("\n"))
		b.WriteString(redact.Printable(string(content)))
		if ended {
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(p.to, b.String())
	return err
}

// layout lays JSON out over lines as it goes by. It checks nothing: what is no JSON comes out changed in
// its blanks alone.
type layout struct {
	to              io.Writer
	depth           int
	inside, escaped bool // a string
	opened          bool // the last thing was an opening bracket
	begun           bool // something was printed on the top level
}

// deepest is the depth from which on lines are not indented further: a text of brackets alone would grow
// with its square.
const deepest = 32

func (l *layout) Write(text []byte) (int, error) {
	var b bytes.Buffer
	for _, c := range text {
		if l.inside {
			b.WriteByte(c)
			switch {
			case l.escaped:
				l.escaped = false
			case c == '\\':
				l.escaped = true
			case c == '"':
				l.inside = false
			}
			continue
		}
		l.next(&b, c)
	}
	if _, err := l.to.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// next prints a character outside of strings.
func (l *layout) next(b *bytes.Buffer, c byte) {
	switch c {
	case ' ', '\t', '\r':
		return
	case '\n':
		if l.depth > 0 || !l.begun {
			return
		}
		l.begun = false
		b.WriteByte(c)
		return
	case '}', ']':
		l.depth = max(l.depth-1, 0)
		if !l.opened {
			l.line(b)
		}
		l.opened = false
		b.WriteByte(c)
		return
	}
	if l.opened {
		l.line(b)
	}
	l.opened, l.begun = c == '{' || c == '[', true
	b.WriteByte(c)
	switch c {
	case '{', '[':
		l.depth++
	case ',':
		l.line(b)
	case ':':
		b.WriteByte(' ')
	case '"':
		l.inside = true
	}
}

func (l *layout) line(b *bytes.Buffer) {
	b.WriteByte('\n')
	b.WriteString(strings.Repeat("  ", min(l.depth, deepest)))
}

// progress shows on a terminal how far a download is, once it lasts.
type progress struct {
	to    io.Writer
	size  int64 // -1: not known
	now   func() time.Time
	done  int64
	began time.Time
	shown time.Time
}

func (p *progress) Write(b []byte) (int, error) {
	const patience, pace = time.Second, 100 * time.Millisecond
	p.done += int64(len(b))
	now := p.now()
	if p.began.IsZero() {
		p.began = now
	}
	if now.Sub(p.began) >= patience && now.Sub(p.shown) >= pace {
		p.shown = now
		fmt.Fprintf(p.to, "\r\x1b[K%s", p.line())
	}
	return len(b), nil
}

func (p *progress) line() string {
	if p.size <= 0 || p.done > p.size {
		return byteCount(p.done)
	}
	const width = 30
	full := int(p.done * width / p.size)
	return fmt.Sprintf("[%s%s] %3d %%  %s of %s", strings.Repeat("#", full), strings.Repeat("-", width-full),
		p.done*100/p.size, byteCount(p.done), byteCount(p.size))
}

// clear takes the line away.
func (p *progress) clear() {
	if !p.shown.IsZero() {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

func byteCount(n int64) string {
	const mega = 1 << 20
	if n < mega {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/mega)
}
