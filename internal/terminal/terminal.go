// Package terminal reads lines that are typed or pasted on a terminal. It does so without the terminal's
// own line editing, which keeps at most 4,096 bytes of a line on Linux and 1,024 on macOS and drops the
// rest without a word.
package terminal

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// MaxLine bounds a line, in bytes.
const MaxLine = 1 << 20

// PasteGap is the longest pause between two lines of one paste.
const PasteGap = 150 * time.Millisecond

// ErrTooLong is the error of a line over MaxLine. The line has been read to its end.
var ErrTooLong = errors.New("the line is too long")

// Reader reads lines from a terminal. It reads no byte beyond a line's end, so that what is typed ahead
// stays for the next reader. Only Close may be called from another goroutine.
type Reader struct {
	from    io.Reader
	echo    io.Writer
	keys    keys
	restore func()
	once    sync.Once
	again   atomic.Bool // the prompt was shown again: what was typed before does not count
}

// keys are the editing characters of a terminal. A zero key does not exist.
type keys struct{ erase, eraseWord, eraseLine, end byte }

// NewReader prepares f, which must be a terminal. What is typed is shown on echo; nil hides it. resumed,
// if not nil, is called when the process continues after it was stopped (Ctrl-Z and fg). Close puts the
// terminal back into its former mode.
func NewReader(f *os.File, echo io.Writer, resumed func()) (*Reader, error) {
	r := &Reader{from: f}
	again := resumed
	if resumed != nil {
		again = func() {
			r.again.Store(true)
			resumed()
		}
	}
	keys, restore, err := prepare(f, echo != nil, again)
	if err != nil {
		return nil, err
	}
	r.restore = restore
	if keys != nil { // else the system edits and shows lines itself
		r.echo, r.keys = echo, *keys
	}
	return r, nil
}

// Close restores the terminal. It does not end a read in progress. More calls do nothing.
func (r *Reader) Close() { r.once.Do(r.restore) }

// ReadLine returns the next line without its end. The error is io.EOF when the input ends, also by Ctrl-D
// on an empty line; text before the end counts as a line.
func (r *Reader) ReadLine() (string, error) {
	var line []byte
	tooLong := false
	for buffer := make([]byte, 1); ; {
		n, err := r.from.Read(buffer)
		if n == 0 && err == nil {
			continue
		}
		c := buffer[0]
		if r.again.Swap(false) {
			line, tooLong = nil, false
		}
		switch {
		case err != nil && len(line) > 0 && errors.Is(err, io.EOF):
			return withoutMarks(string(line)), nil
		case err != nil:
			return "", err
		case c == '\n' || c == '\r':
			r.show("\r\n")
			if tooLong {
				return "", ErrTooLong
			}
			return withoutMarks(strings.TrimSuffix(string(line), "\r")), nil
		case c == 0:
		case c == r.keys.end && len(line) == 0:
			return "", io.EOF
		case c == r.keys.end:
		case c == r.keys.erase || c == '\b':
			line = r.erase(line, 1)
		case c == r.keys.eraseLine:
			line = r.erase(line, utf8.RuneCount(line))
		case c == r.keys.eraseWord:
			line = r.erase(line, lastWord(line))
		case len(line) >= MaxLine:
			tooLong = true
		default:
			line = append(line, c)
			r.show(visible(c))
		}
	}
}

// withoutMarks removes what a terminal in its bracketed paste mode puts around a paste.
func withoutMarks(line string) string {
	return strings.ReplaceAll(strings.ReplaceAll(line, "\x1b[200~", ""), "\x1b[201~", "")
}

// erase takes the last n characters away.
func (r *Reader) erase(line []byte, n int) []byte {
	for range min(n, utf8.RuneCount(line)) {
		last, size := utf8.DecodeLastRune(line)
		line = line[:len(line)-size]
		columns := 1
		if last < ' ' {
			columns = len("^X")
		}
		r.show(strings.Repeat("\b \b", columns))
	}
	return line
}

// lastWord returns how many characters the last word and the spaces after it have.
func lastWord(line []byte) int {
	runes := []rune(string(line))
	end := len(runes)
	for end > 0 && runes[end-1] == ' ' {
		end--
	}
	for end > 0 && runes[end-1] != ' ' {
		end--
	}
	return len(runes) - end
}

// visible returns what stands for c on the screen, as terminals show it (ECHOCTL).
func visible(c byte) string {
	if c < ' ' && c != '\t' {
		return string([]byte{'^', c + '@'})
	}
	return string([]byte{c})
}

func (r *Reader) show(text string) {
	if r.echo != nil {
		_, _ = io.WriteString(r.echo, text)
	}
}
