//go:build unix

package acceptance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// paste pastes a text as a terminal does.
func (s *terminal) paste(text string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "paste")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.tmux("load-buffer", file)
	s.tmux("paste-buffer", "-r")
}

// TestTerminalLongPaste pastes more than a terminal's own line holds (4,096 bytes on Linux), also in lines.
func TestTerminalLongPaste(t *testing.T) {
	needs(t, "tmux")
	long := "live_" + strings.Repeat("0123456789", 600)
	t.Run("token", func(t *testing.T) {
		screen := startTerminal(t, newStage(t))
		screen.enter("tokencli login mollie/live --with-token")
		screen.await("Token (not shown): ")
		// With a byte order mark, no-break spaces and the marks of a terminal's bracketed paste mode around it.
		screen.paste("\ufeff\u00a0\x1b[200~" + long[:5000] + "\n" + long[5000:] + "\u00a0\x1b[201~\n")
		if said := screen.await("tokencli: logged in to mollie/live"); strings.Contains(said, "0123456789") {
			t.Errorf("the token is on the screen:\n%s", said)
		}
		screen.awaitPrompt() // what is typed before it is still read by the login
		screen.enter("tokencli token mollie/live | wc -c")
		screen.await("\n6006")
	})
	t.Run("address", func(t *testing.T) {
		s := newStage(t)
		id, secret := s.Client("moneybird")
		screen := startTerminal(t, s)
		screen.enter("tokencli login moneybird --client-id " + id + " --redirect-uri http://127.0.0.1:" + freePort(t) + "/callback")
		screen.await("Client secret (not shown): ")
		screen.enter(secret)
		said := screen.await("or paste the address")
		address, err := toPaste(t.Context(), "land", regexp.MustCompile(`(?m)^http\S+$`).FindString(said))
		if err != nil {
			t.Fatal(err)
		}
		// The state comes last, behind the usual limit.
		address = strings.Replace(address, "?", "?padding="+strings.Repeat("x", 6000)+"&", 1)
		screen.paste(address[:4500] + "\n" + address[4500:len(address)-10] + "\n" + address[len(address)-10:] + "\n")
		screen.await("tokencli: logged in to moneybird")
		screen.awaitPrompt()
		screen.echoes(0)
	})
}

// TestTerminalSuspended stops a login at a prompt for a secret with Ctrl-Z, and goes on with fg.
func TestTerminalSuspended(t *testing.T) {
	needs(t, "tmux")
	s := newStage(t)
	id, secret := s.Client("moneybird")
	screen := startTerminal(t, s)
	const question = "Client secret (not shown): "
	screen.enter("tokencli login moneybird --client-id " + id + " --redirect-uri http://127.0.0.1:" + freePort(t) + "/callback")
	screen.await(question)
	screen.press("C-z")
	screen.awaitPrompt()
	screen.enter("stty -a | grep -qw -e -echo || echo typing is shown")
	screen.await("\ntyping is shown")
	screen.enter("fg")
	screen.awaitThat(func(said string) bool { return strings.Count(said+" ", question) == 2 }, "the question again")
	screen.enter(secret)
	if said := screen.await("or paste the address"); strings.Contains(said, secret) {
		t.Errorf("the secret is on the screen:\n%s", said)
	}
	screen.press("C-c")
	screen.awaitPrompt()
	screen.echoes(130)
}
