package callback

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// voice is what the person hears: lines, and below them one status line that is kept up to date on a
// terminal. The status stands above the line where the cursor waits, because what is typed or pasted is
// echoed there by the terminal and must stay readable.
type voice struct {
	mu     sync.Mutex
	out    io.Writer
	live   bool
	shown  string // the status line on the screen
	silent bool   // after done: a late word would land in somebody else's output
}

// The escape sequences of ECMA-48 and DEC that every terminal of today knows.
const (
	save      = "\x1b7"
	restore   = "\x1b8"
	up        = "\x1b[%dA"
	clearLine = "\r\x1b[2K"
	clearDown = "\r\x1b[J"
)

func newVoice(out io.Writer, live bool) *voice {
	if out == nil {
		out = io.Discard
	}
	return &voice{out: out, live: live}
}

// say prints a line. Values from outside must have been scrubbed.
func (v *voice) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.silent {
		return
	}
	text := fmt.Sprintf(format, args...) + "\n"
	if v.shown != "" {
		text = fmt.Sprintf(up, 1) + clearDown + text + v.shown + "\n"
	}
	_, _ = io.WriteString(v.out, text)
}

// status sets the status line. Where the output is no terminal there is none.
func (v *voice) status(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.live || v.silent || text == v.shown {
		return
	}
	if v.shown == "" {
		_, _ = io.WriteString(v.out, text+"\n")
	} else {
		_, _ = io.WriteString(v.out, save+fmt.Sprintf(up, 1)+clearLine+text+restore)
	}
	v.shown = text
}

// typed notes that a line of that many columns was entered, and takes it away together with the status
// above it: a status that was updated meanwhile may have hit a line which took several rows, and a code
// need not stay on the screen.
func (v *voice) typed(columns int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shown == "" {
		return
	}
	v.shown = ""
	rows := 2 + max(columns-1, 0)/v.width()
	_, _ = fmt.Fprintf(v.out, up+clearDown, rows)
}

// done takes the status away and ends everything that is said.
func (v *voice) done() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shown != "" {
		_, _ = fmt.Fprintf(v.out, up+clearDown, 1)
	}
	v.shown, v.silent = "", true
}

func (v *voice) width() int {
	if f, ok := v.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// canRedraw reports whether a terminal on this system takes the escape sequences. A Windows console does
// so only where the program asks for it, and a countdown is not worth changing its mode.
func canRedraw(goos string, environ []string) bool {
	name := lookup(environ, "TERM")
	return goos != "windows" && name != "" && name != "dumb"
}

// clock returns a time left as 4:32.
func clock(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// roughly returns a duration in its greatest whole unit.
func roughly(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	default:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	}
}
