package terminal

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadLine(t *testing.T) {
	for _, c := range []struct {
		name, typed, want, shown string
		err                      error
	}{
		{"line", "abc\n", "abc", "abc\r\n", nil},
		{"carriage return", "abc\r", "abc", "abc\r\n", nil},
		{"backspace", "abx\x7fc\n", "abc", "abx\b \bc\r\n", nil},
		{"backspace at the start", "\x7fa\n", "a", "a\r\n", nil},
		{"backspace takes a character", "aé\x7fb\n", "ab", "aé\b \bb\r\n", nil},
		{"line erased", "abc\x15de\n", "de", "abc" + strings.Repeat("\b \b", 3) + "de\r\n", nil},
		{"word erased", "ab cd \x17e\n", "ab e", "ab cd " + strings.Repeat("\b \b", 3) + "e\r\n", nil},
		{"control character", "a\x1bb\x7f\x7fc\n", "ac", "a^[b\b \b\b \b\b \bc\r\n", nil},
		{"bracketed paste", "\x1b[200~abc\x1b[201~\n", "abc", "^[[200~abc^[[201~\r\n", nil},
		{"Ctrl-D", "\x04", "", "", io.EOF},
		{"Ctrl-D within a line", "a\x04b\n", "ab", "ab\r\n", nil},
		{"end within a line", "abc", "abc", "abc", nil},
		{"end", "", "", "", io.EOF},
		{"long", strings.Repeat("x", 100_000) + "\n", strings.Repeat("x", 100_000), strings.Repeat("x", 100_000) + "\r\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var shown strings.Builder
			r := &Reader{from: strings.NewReader(c.typed), echo: &shown, keys: keys{erase: 0x7f, eraseWord: 0x17, eraseLine: 0x15, end: 0x04}, restore: func() {}}
			got, err := r.ReadLine()
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %.80q, %v", got, err)
			}
			if shown.String() != c.shown {
				t.Errorf("shown %.80q", shown.String())
			}
		})
	}
}

func TestTooLong(t *testing.T) {
	r := &Reader{from: strings.NewReader(strings.Repeat("x", MaxLine+1) + "\nnext\n"), restore: func() {}}
	if got, err := r.ReadLine(); got != "" || !errors.Is(err, ErrTooLong) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if got, err := r.ReadLine(); got != "next" || err != nil {
		t.Errorf("after that %q, %v", got, err)
	}
}

// After Ctrl-Z and fg the prompt is shown again, and the line begins again.
func TestResumedLineBeginsAgain(t *testing.T) {
	r := &Reader{restore: func() {}}
	r.from = io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) {
		r.again.Store(true)
		return 0, io.EOF
	}), strings.NewReader("whole\n"))
	if got, err := r.ReadLine(); got != "whole" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
