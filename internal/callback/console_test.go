package callback

import (
	"strings"
	"testing"
	"time"
)

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
