package callback

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/terminal"
)

// console prints the messages of a login, a line each. On a terminal, words are not broken at its edge.
type console struct {
	mu     sync.Mutex
	out    io.Writer
	width  int // of the terminal; 0: not a terminal
	quiet  bool
	closed bool // a late message would land in the output of what comes next
}

func newConsole(opts Options) *console {
	out := opts.Stderr
	if out == nil {
		out = io.Discard
	}
	return &console{out: out, width: opts.Columns, quiet: opts.Quiet}
}

// notify prints a warning, or what the user has to know to continue. Values from outside must be safe to print.
func (c *console) notify(format string, args ...any) {
	for _, line := range terminal.Wrap(fmt.Sprintf(format, args...), c.width) {
		c.print(line)
	}
}

// explain prints what a user may do without; a quiet login drops it.
func (c *console) explain(format string, args ...any) {
	if !c.quiet {
		c.notify(format, args...)
	}
}

// verbatim prints a line that must stay in one piece, to be copied.
func (c *console) verbatim(line string) { c.print(line) }

func (c *console) print(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		_, _ = io.WriteString(c.out, line+"\n")
	}
}

func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// duration returns d in its greatest whole unit.
func duration(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	default:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	}
}
