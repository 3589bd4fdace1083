package callback

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/terminal"
)

// maxPaste bounds a paste; servers accept addresses of 8 KiB to 16 KiB.
const maxPaste = 64 << 10

// paste is what was pasted at once: one line or several.
type paste struct {
	text    string
	tooLong bool
}

// input reads pastes until it is stopped or the input ends, which closes the channel. A nil input never
// has one.
type input struct {
	out      chan paste
	terminal bool
	quit     chan struct{}
	stopOnce sync.Once
	release  func()
}

// readPastes starts to read. What was opened for this is owned, and closed at the end: a terminal is read
// through Go's poller on Linux and the BSDs, where a deadline ends a read in progress. On macOS and
// Windows, and for a stdin that is a pipe, a read cannot be ended; the goroutine then stays in it until
// the process exits, which it does not delay. It may swallow a line, so nothing else may be read from
// the same source after Receive.
func readPastes(from io.Reader, isTerminal, owned bool) *input {
	in := &input{out: make(chan paste), terminal: isTerminal, quit: make(chan struct{}), release: func() {}}
	readLine := linesOf(from)
	restore := func() {}
	if f, ok := from.(*os.File); ok && isTerminal {
		if t, err := terminal.NewReader(f, f, nil); err == nil {
			readLine, restore = t.ReadLine, t.Close
		}
	}
	in.release = func() {
		restore()
		c, ok := from.(io.Closer)
		if !ok || !owned {
			return
		}
		d, ok := from.(interface{ SetReadDeadline(time.Time) error })
		if ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
			_ = c.Close()
			return
		}
		// Closing a console on Windows waits for the read.
		go func() { _ = c.Close() }()
	}
	lines := make(chan paste)
	go in.readLines(readLine, lines)
	go in.collect(lines)
	return in
}

// linesOf returns a function that reads lines from anything but a terminal.
func linesOf(from io.Reader) func() (string, error) {
	buffered := bufio.NewReaderSize(from, maxPaste+1)
	return func() (string, error) {
		line, err := buffered.ReadSlice('\n')
		text := strings.TrimRight(string(line), "\r\n")
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = buffered.ReadSlice('\n')
		}
		switch {
		case tooLong:
			return "", terminal.ErrTooLong
		case err != nil && text == "":
			return "", err
		}
		return text, nil
	}
}

func (in *input) pastes() <-chan paste {
	if in == nil {
		return nil
	}
	return in.out
}

// stop ends the reading. It may be called more than once.
func (in *input) stop() {
	if in == nil {
		return
	}
	in.stopOnce.Do(func() {
		close(in.quit)
		in.release()
	})
}

func (in *input) readLines(readLine func() (string, error), lines chan<- paste) {
	defer close(lines)
	for {
		text, err := readLine()
		if err != nil && !errors.Is(err, terminal.ErrTooLong) {
			return
		}
		select {
		case lines <- paste{text: text, tooLong: err != nil}:
		case <-in.quit:
			return
		}
	}
}

// collect puts the lines of one paste together.
func (in *input) collect(lines <-chan paste) {
	defer close(in.out)
	for first := range lines {
		whole, more := first, true
		for gap := time.NewTimer(terminal.PasteGap); more; {
			select {
			case l, open := <-lines:
				if more = open; more {
					whole.text += "\n" + l.text
					whole.tooLong = whole.tooLong || l.tooLong || len(whole.text) > maxPaste
					gap.Reset(terminal.PasteGap)
				}
			case <-gap.C:
				more = false
			case <-in.quit:
				return
			}
		}
		select {
		case in.out <- whole:
		case <-in.quit:
			return
		}
	}
}

// openPaste starts to read what is pasted, or returns nil if there is nothing to read from. A stdin that is
// not a terminal may be meant for something else, unless a code can come in no other way or the user said
// that there is no browser.
func (r *Receiver) openPaste() *input {
	if !r.opts.StdinIsTerminal && r.opts.Stdin != nil && (!r.redirect.listens() || r.opts.NoBrowser) {
		return readPastes(r.opts.Stdin, false, false)
	}
	if t := r.openForeground(); t != nil {
		return readPastes(t, true, true)
	}
	if r.opts.StdinIsTerminal && r.opts.Stdin != nil && !r.redirect.listens() {
		return readPastes(r.opts.Stdin, true, false)
	}
	return nil
}

// afterEnd returns what is read after the input has ended while a listener waits: the terminal after a
// stdin.
func (r *Receiver) afterEnd(ended *input) *input {
	ended.stop()
	if ended.terminal {
		return nil
	}
	if t := r.openForeground(); t != nil {
		return readPastes(t, true, true)
	}
	return nil
}

// openForeground opens the terminal. A process in the background would be stopped for reading from it
// (SIGTTIN), also under `timeout`, which is no reason to stop a login that listens.
func (r *Receiver) openForeground() io.ReadCloser {
	t, err := r.opts.OpenTerminal()
	if err != nil || t == nil {
		return nil
	}
	if f, ok := t.(*os.File); ok && r.redirect.listens() && !terminal.InForeground(f) {
		_ = t.Close()
		return nil
	}
	return t
}
