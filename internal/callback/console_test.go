package callback

import (
	"strings"
	"testing"
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
