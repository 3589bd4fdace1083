package callback

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// line is one line of input.
type line struct {
	text    string
	tooLong bool
	columns int // how wide it was on the terminal, about
}

// input reads lines until it is stopped or the input ends, which closes the channel. A nil input never
// has a line.
type input struct {
	out      chan line
	terminal bool
	quit     chan struct{}
	stopOnce sync.Once
	release  func()
}

// readLines starts to read. What was opened for this is owned, and let go of at the end: a terminal is
// read through Go's poller on Linux and the BSDs, where a deadline ends a read under way. On macOS and
// Windows, and for a stdin that is a pipe, a read cannot be ended; the goroutine then stays in it until
// the process exits, which it does not delay. It may swallow a line, so nothing else may be read from
// the same source after Receive.
func readLines(from io.Reader, terminal, owned bool) *input {
	in := &input{out: make(chan line), terminal: terminal, quit: make(chan struct{})}
	if c, ok := from.(io.Closer); ok && owned {
		in.release = func() {
			d, ok := from.(interface{ SetReadDeadline(time.Time) error })
			if ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
				_ = c.Close()
				return
			}
			// Closing a console on Windows waits for the read.
			go func() { _ = c.Close() }()
		}
	}
	go in.read(bufio.NewReaderSize(from, maxLine+len("\r\n")))
	return in
}

func (in *input) lines() <-chan line {
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
		if in.release != nil {
			in.release()
		}
	})
}

func (in *input) read(from *bufio.Reader) {
	defer close(in.out)
	for {
		part, err := from.ReadSlice('\n')
		l := line{text: strings.TrimRight(string(part), "\r\n")}
		l.columns = utf8.RuneCountInString(l.text)
		l.tooLong = len(l.text) > maxLine
		for errors.Is(err, bufio.ErrBufferFull) {
			l.tooLong = true
			part, err = from.ReadSlice('\n')
			l.columns += utf8.RuneCount(part)
		}
		if l.tooLong {
			l.text = ""
		}
		if err == nil || l.text != "" || l.tooLong {
			select {
			case in.out <- l:
			case <-in.quit:
				return
			}
		}
		if err != nil {
			return
		}
	}
}
