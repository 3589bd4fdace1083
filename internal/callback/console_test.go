package callback

import (
	"strings"
	"testing"
	"time"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		width int
		text  string
		want  string
	}{
		{0, "one two three", "one two three"},
		{13, "one two three", "one two three"},
		{12, "one two three", "one two|three"},
		{5, "one two three", "one|two|three"},
		{3, "one http://a.example/b two", "one|http://a.example/b|two"},
	} {
		if got := strings.Join(wrap(c.text, c.width), "|"); got != c.want {
			t.Errorf("%q in %d columns: %q", c.text, c.width, got)
		}
	}
}

func TestQuietLogin(t *testing.T) {
	tty := typing()
	l := begin(t, Options{RedirectURI: "https://localhost:0/callback", Quiet: true, OpenTerminal: tty.terminal, StdinIsTerminal: true})
	l.hears("https://provider.example/")
	l.hears(l.cert.fingerprint())
	tty.enter(t, "https://evil.example/")
	l.hears("that address does not match")
	if said := l.said.String(); strings.Count(said, "\n") != 3 {
		t.Errorf("said:\n%s", said)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{30 * time.Second: "30 s", time.Minute: "1 min", 90 * time.Second: "90 s", 10 * time.Minute: "10 min", 2 * time.Hour: "2 h"} {
		if got := duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
