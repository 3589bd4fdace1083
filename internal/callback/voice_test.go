package callback

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// screen plays the escape sequences that voice uses, as a terminal of the given width does.
func screen(text string, width int) []string {
	rows, row, column, savedRow, savedColumn := []string{""}, 0, 0, 0, 0
	put := func(c rune) {
		for len(rows) <= row {
			rows = append(rows, "")
		}
		r := []rune(rows[row])
		for len(r) <= column {
			r = append(r, ' ')
		}
		r[column] = c
		rows[row] = string(r)
		column++
	}
	token := regexp.MustCompile("(?s)^(\x1b7|\x1b8|\x1b\\[\\d*[AJK]|.)")
	for text != "" {
		t := token.FindString(text)
		text = text[len(t):]
		switch {
		case t == "\x1b7":
			savedRow, savedColumn = row, column
		case t == "\x1b8":
			row, column = savedRow, savedColumn
		case t == "\n":
			row, column = row+1, 0
		case t == "\r":
			column = 0
		case strings.HasPrefix(t, "\x1b["):
			n, err := strconv.Atoi(t[2 : len(t)-1])
			if err != nil {
				n = 1
			}
			switch t[len(t)-1] {
			case 'A':
				row = max(row-n, 0)
			case 'K':
				if row < len(rows) {
					rows[row] = ""
				}
			case 'J':
				if row < len(rows) {
					rows = rows[:row+1]
					rows[row] = string([]rune(rows[row])[:min(column, len([]rune(rows[row])))])
				}
			}
		default:
			if column == width {
				row, column = row+1, 0
			}
			put([]rune(t)[0])
		}
	}
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	for len(rows) > 0 && rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1]
	}
	return rows
}

func TestStatusLine(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*voice, func(string))
		want []string
	}{
		{"updates in place", func(v *voice, _ func(string)) {
			v.say("hello")
			v.status("waiting, 0:02 left")
			v.status("waiting, 0:01 left")
		}, []string{"hello", "waiting, 0:01 left"}},
		{"gone at the end", func(v *voice, _ func(string)) {
			v.say("hello")
			v.status("waiting, 0:02 left")
			v.done()
			v.status("too late")
			v.say("too late")
		}, []string{"hello"}},
		{"stays below what is said", func(v *voice, _ func(string)) {
			v.status("waiting, 0:02 left")
			v.say("hello %d", 1)
			v.status("waiting, 0:01 left")
		}, []string{"hello 1", "waiting, 0:01 left"}},
		{"leaves what is typed alone", func(v *voice, echo func(string)) {
			v.status("waiting, 0:02 left")
			echo("the-co")
			v.status("waiting, 0:01 left")
			echo("de")
		}, []string{"waiting, 0:01 left", "the-code"}},
		{"gone with what was entered", func(v *voice, echo func(string)) {
			v.say("hello")
			v.status("waiting, 0:02 left")
			echo("the-code\n")
			v.typed(8)
			v.say("no")
			v.status("waiting, 0:01 left")
		}, []string{"hello", "no", "waiting, 0:01 left"}},
		{"gone above an empty line", func(v *voice, echo func(string)) {
			v.say("hello")
			v.status("waiting, 0:02 left")
			echo("\n")
			v.typed(0)
			v.done()
		}, []string{"hello"}},
		{"gone above what took one row just so", func(v *voice, echo func(string)) {
			v.say("hello")
			v.status("waiting, 0:02 left")
			echo(strings.Repeat("x", 80) + "\n")
			v.typed(80)
			v.done()
		}, []string{"hello"}},
		{"gone above what took three rows", func(v *voice, echo func(string)) {
			v.say("hello")
			v.status("waiting, 0:02 left")
			echo(strings.Repeat("x", 200))
			v.status("waiting, 0:01 left")
			echo("\n")
			v.typed(200)
			v.say("no")
			v.done()
		}, []string{"hello", "no"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := new(output)
			c.do(newVoice(out, true), func(s string) { _, _ = out.Write([]byte(s)) })
			if got := screen(out.String(), 80); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("the screen shows\n%s\nwant\n%s\nfrom %q", strings.Join(got, "\n"), strings.Join(c.want, "\n"), out)
			}
		})
	}
}

func TestCountdown(t *testing.T) {
	fast := func(r *Receiver) { r.tick = 20 * time.Millisecond }
	opts := Options{StderrIsTerminal: true, Environ: []string{"TERM=xterm"}}
	l := begin(t, opts, fast)
	l.hears("waiting, 0:10 left")
	l.hears("waiting, 0:09 left")
	l.cancel()
	_, _ = l.end()
	if got := strings.Join(screen(l.said.String(), 80), "\n"); strings.Contains(got, "waiting") {
		t.Errorf("left on the screen:\n%s", got)
	}
	for name, opts := range map[string]Options{
		"no terminal":   {Environ: []string{"TERM=xterm"}},
		"dumb terminal": {StderrIsTerminal: true, Environ: []string{"TERM=dumb"}},
	} {
		l := begin(t, opts, fast)
		l.hears("provider.example")
		l.waits()
		if s := l.said.String(); strings.Contains(s, "waiting,") || strings.Contains(s, "\x1b") {
			t.Errorf("%s: %q", name, s)
		}
	}
}

// What is pasted is echoed by the terminal, not by us; it goes away with the status above it.
func TestPastedLineLeavesTheScreen(t *testing.T) {
	tty := typing()
	l := begin(t, Options{StderrIsTerminal: true, Environ: []string{"TERM=xterm"}, OpenTerminal: tty.terminal, StdinIsTerminal: true})
	l.hears("waiting,")
	address := "https://evil.example/" + strings.Repeat("x", 100)
	_, _ = l.said.Write([]byte(address + "\n"))
	tty.enter(t, address)
	l.hears("address of another place")
	l.cancel()
	_, _ = l.end()
	got := strings.Join(screen(l.said.String(), 80), "\n")
	if strings.Contains(got, "xxx") || strings.Contains(got, "waiting,") || !strings.Contains(got, "or paste here") {
		t.Errorf("the screen shows\n%s", got)
	}
}

func TestCanRedraw(t *testing.T) {
	for _, c := range []struct {
		goos, term string
		want       bool
	}{{"linux", "xterm", true}, {"linux", "", false}, {"darwin", "dumb", false}, {"windows", "xterm", false}} {
		if got := canRedraw(c.goos, []string{"TERM=" + c.term}); got != c.want {
			t.Errorf("%s %q: %v", c.goos, c.term, got)
		}
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{272 * time.Second: "4:32", -1: "0:00", 59600 * time.Millisecond: "1:00", 3671 * time.Second: "1:01:11"} {
		if got := clock(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{30 * time.Second: "30 s", time.Minute: "1 min", 90 * time.Second: "90 s", 10 * time.Minute: "10 min", 2 * time.Hour: "2 h"} {
		if got := roughly(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
