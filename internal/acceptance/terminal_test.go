//go:build unix

package acceptance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTerminal is a first login of somebody who has set nothing up, on a real terminal of 80 columns. What
// is on the screen then stands in docs/login.md; `go test -run TestTerminal -update .` writes it there.
func TestTerminal(t *testing.T) {
	needs(t, "tmux")
	for _, test := range []struct {
		provider string
		redirect string // that the sandbox's person would have registered
		command  string
		asks     []string // said before the client id is typed
		next     []string // said before anything is pasted
		paste    string   // of the words of `person`
	}{
		{
			provider: "mollie",
			redirect: "https://localhost:PORT/callback",
			command:  "tokencli login mollie",
			asks:     []string{"https://my.mollie.com/dashboard/", "https://localhost:PORT/callback", "id and secret"},
			next:     []string{"approve access in the browser", "self-signed", "fingerprint", "within 30 s", "or paste the address your browser ends up on"},
			paste:    "land",
		},
		{
			provider: "moneybird",
			command:  "tokencli login moneybird --redirect-uri urn:ietf:wg:oauth:2.0:oob",
			asks:     []string{"https://moneybird.com/user/applications/new", "urn:ietf:wg:oauth:2.0:oob", "id and secret"},
			next:     []string{"Moneybird shows a code: paste it here and press Enter"},
			paste:    "shown",
		},
	} {
		t.Run(test.provider, func(t *testing.T) {
			s := newStage(t)
			port := freePort(t)
			if test.redirect != "" {
				// The usual port may be in use by somebody else on this machine.
				s.variable["TOKENCLI_"+strings.ToUpper(test.provider)+"_REDIRECT_URI"] = strings.ReplaceAll(test.redirect, "PORT", port)
			}
			id, secret := s.Client(test.provider)
			screen := startTerminal(t, s)
			screen.enter(test.command)
			said := screen.await("Client id: ")
			for _, want := range test.asks {
				if want = strings.ReplaceAll(want, "PORT", port); !strings.Contains(said, want) {
					t.Errorf("%q is not said before the client id is asked for:\n%s", want, said)
				}
			}
			screen.enter(id)
			screen.await("Client secret (not shown): ")
			screen.enter(secret)
			said = screen.await(test.next[len(test.next)-1])
			for _, want := range test.next {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not said before there is something to paste:\n%s", want, said)
				}
			}
			address := regexp.MustCompile(`(?m)^http\S+$`).FindString(said)
			paste, err := toPaste(t.Context(), test.paste, address)
			if err != nil {
				t.Fatal(err)
			}
			screen.enter(paste)
			said = screen.awaitPrompt()
			if !regexp.MustCompile(`(?m)^tokencli: logged in to ` + test.provider + `\b`).MatchString(said) {
				t.Errorf("it does not end with a clear line:\n%s", said)
			}
			if strings.Contains(said, secret) {
				t.Errorf("the secret is on the screen:\n%s", said)
			}
			screen.echoes(0)
			screen.enter("tokencli whoami " + test.provider + " >whoami.txt; echo it is $?")
			screen.await("it is 0")
			compareTranscript(t, test.command, normal(said, s.URL, id))
		})
	}
}

// TestTerminalInterrupted presses Ctrl-C wherever a login waits for somebody.
func TestTerminalInterrupted(t *testing.T) {
	needs(t, "tmux")
	s := newStage(t)
	s.variable["TOKENCLI_MOLLIE_REDIRECT_URI"] = "https://localhost:" + freePort(t) + "/callback"
	for _, test := range []struct {
		name, command string
		asked         []string // and answered
		at            string
	}{
		{"id", "tokencli login mollie", nil, "Client id: "},
		{"secret", "tokencli login mollie", []string{"Client id: "}, "Client secret (not shown): "},
		{"listening", "tokencli login mollie", []string{"Client id: ", "Client secret (not shown): "}, "or paste the address"},
		{
			"out of band", "tokencli login moneybird --redirect-uri urn:ietf:wg:oauth:2.0:oob",
			[]string{"Client id: ", "Client secret (not shown): "},
			"paste it here and press Enter",
		},
		{
			"password", "tokencli login moloni --grant password",
			[]string{"Client id: ", "Client secret (not shown): ", "Moloni user name: "},
			"Moloni password (not shown, not kept): ",
		},
		{"token", "tokencli login mollie/live --with-token", nil, "Token (not shown): "},
	} {
		t.Run(test.name, func(t *testing.T) {
			screen := startTerminal(t, s)
			screen.enter(test.command)
			for _, question := range test.asked {
				screen.await(question)
				screen.enter("something")
			}
			screen.await(test.at)
			screen.press("C-c")
			screen.awaitPrompt()
			screen.echoes(130)
		})
	}
}

// terminal is a shell in tmux.
type terminal struct {
	t      *testing.T
	socket string
}

const prompt = "$ "

func startTerminal(t *testing.T, s *stage) *terminal {
	t.Helper()
	dir, err := os.MkdirTemp("", "tmux") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	screen := &terminal{t: t, socket: filepath.Join(dir, "socket")}
	t.Cleanup(func() {
		// Not with the context of the test, which has ended.
		_ = exec.CommandContext(context.WithoutCancel(t.Context()), "tmux", "-S", screen.socket, "kill-server").Run()
		_ = os.RemoveAll(dir)
	})
	cmd := exec.CommandContext(t.Context(), "tmux", "-S", screen.socket, "-f", os.DevNull,
		"new-session", "-d", "-x", "80", "-y", "24", "-c", s.home, "env PS1='"+prompt+"' sh")
	cmd.Env = append(s.environ(), "TERM=xterm-256color")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v\n%s", err, out)
	}
	screen.awaitPrompt()
	return screen
}

func (s *terminal) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), "tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v\n%s", args[0], err, out)
	}
	return string(out)
}

func (s *terminal) press(key string) { s.tmux("send-keys", key) }

// enter types a line and ends it.
func (s *terminal) enter(line string) {
	s.tmux("send-keys", "-l", line)
	s.press("Enter")
}

// text is everything on the screen and above it; what took several lines is one again. No line ends in
// spaces.
func (s *terminal) text() string {
	said := s.tmux("capture-pane", "-p", "-J", "-S", "-")
	return strings.TrimRight(regexp.MustCompile(`(?m) +$`).ReplaceAllString(said, ""), "\n")
}

// await waits until the text is there.
func (s *terminal) await(text string) string {
	s.t.Helper()
	return s.awaitThat(func(said string) bool { return strings.Contains(said+" ", text) }, text)
}

// awaitPrompt waits until the shell takes a line again.
func (s *terminal) awaitPrompt() string {
	s.t.Helper()
	said := s.awaitThat(func(said string) bool {
		return "\n"+strings.TrimSpace(prompt) == said[max(strings.LastIndex(said, "\n"), 0):] || said == strings.TrimSpace(prompt)
	}, "the shell's prompt")
	return strings.TrimSuffix(strings.TrimSuffix(said, strings.TrimSpace(prompt)), "\n")
}

func (s *terminal) awaitThat(so func(said string) bool, what string) string {
	s.t.Helper()
	for give := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		said := s.text()
		if so(said) {
			return said
		}
		if time.Now().After(give) {
			s.t.Fatalf("%q does not come:\n%s", what, said)
		}
	}
}

// echoes holds that the last command ended with the exit code and left a terminal that shows what is typed.
func (s *terminal) echoes(exit int) {
	s.t.Helper()
	s.enter("echo ended with $?")
	said := s.await("\nended with ")
	if !strings.Contains(said, "\nended with "+strconv.Itoa(exit)) {
		s.t.Errorf("not exit code %d:\n%s", exit, said)
	}
	if !strings.Contains(said, prompt+"echo ended with $?") {
		s.t.Errorf("what is typed is not shown any more:\n%s", said)
	}
	s.enter("stty -a | grep -qw -e -echo || echo it is as before")
	s.await("\nit is as before")
}

// normal takes out of a transcript what is different each time or names the sandbox.
func normal(said, sandbox, id string) string {
	for _, change := range []struct{ pattern, to string }{
		{regexp.QuoteMeta(sandbox) + `/mollie/`, "https://my.mollie.com/"},
		{regexp.QuoteMeta(sandbox) + `/moneybird/`, "https://moneybird.com/"},
		{regexp.QuoteMeta(id), "CLIENT-ID"},
		{`(localhost)(:|%3A)\d+`, "${1}${2}8976"},
		{`([?&]state=)[^&\s]+`, "${1}STATE"},
		{`([?&]code=)[^&\s]+`, "${1}CODE"},
		{`(?m)^[0-9a-f]{64}$`, "CODE"},
		{`(?m)^([0-9A-F]{2}:){31}[0-9A-F]{2}$`, "3A:7F:..."},
		{`(?m)^in a container, .*\n`, ""},
		{`valid for \d+ min`, "valid for 60 min"},
		{`(?m)[ \t]+$`, ""},
	} {
		said = regexp.MustCompile(change.pattern).ReplaceAllString(said, change.to)
	}
	return said + "\n"
}

// compareTranscript compares with what docs/login.md shows after the same command, or writes it there.
func compareTranscript(t *testing.T, command, said string) {
	t.Helper()
	const path = "../../docs/login.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```text\n" + regexp.QuoteMeta(prompt+command) + "\n.*?```\n")
	at := block.FindIndex(text)
	if at == nil {
		t.Fatalf("%s shows nothing of `%s`; it should be:\n%s", path, command, said)
	}
	want := "```text\n" + said + "```\n"
	if string(text[at[0]:at[1]]) == want {
		return
	}
	if !*update {
		t.Fatalf("%s is not current: go test -run TestTerminal -update . It should say:\n%s", path, said)
	}
	if err := os.WriteFile(path, []byte(string(text[:at[0]])+want+string(text[at[1]:])), 0o644); err != nil {
		t.Fatal(err)
	}
}
