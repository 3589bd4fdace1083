package callback

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pkg/browser"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/redact"
)

// systemOpener stands, as the command, for the system's own way to open an address.
const systemOpener = "system opener"

// openers returns the commands that may open the address, in the order in which they are tried. None is
// returned where no browser is wanted or evidently none is there.
func (r *Receiver) openers(goos, address string) [][]string {
	if r.opts.NoBrowser {
		return nil
	}
	named := []string{r.opts.Browser}
	if r.opts.Browser == "" {
		named = filepath.SplitList(lookup(r.opts.Environ, "BROWSER"))
	}
	var commands [][]string
	for _, command := range named {
		if w := words(command, goos); len(w) > 0 {
			commands = append(commands, fill(w, address))
		}
	}
	if len(commands) > 0 {
		return commands
	}
	s := look(r.opts.Environ, fileExists)
	rundll := func(name string) []string { return []string{name, "url.dll,FileProtocolHandler", address} }
	if s.ssh && !s.display {
		return nil
	}
	if s.wsl {
		commands = append(commands, []string{"wslview", address}, rundll("rundll32.exe"))
	}
	// Without a screen the system's opener would find a browser for the terminal.
	if s.display || goos == "windows" || goos == "darwin" {
		commands = append(commands, []string{systemOpener, address})
	}
	return commands
}

// open runs the commands until one works. A browser that a command runs in the foreground stays; it is
// not this program's to end.
func (r *Receiver) open(commands [][]string) {
	for _, argv := range commands {
		if argv[0] == systemOpener {
			if openBySystem(argv[1]) == nil {
				return
			}
			continue
		}
		// Without the login's context: the browser outlives it.
		cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...)
		// No Stdout and no Stderr: what a browser says is not for our output. Never nil, which would
		// stand for this process's own environment.
		cmd.Env = append([]string{}, r.opts.Environ...)
		detach(cmd)
		if cmd.Run() == nil {
			return
		}
	}
	r.opened(errNoOpener)
}

// openBySystem opens the address the way the desktop is set up. The library gives what it starts the
// environment of this process, and ShellExecute on Windows even hands it on to the browser; so the secrets
// are taken out of that first. Settings are read before a login begins, and nothing needs them again.
func openBySystem(address string) error {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); account.IsSecretVar(name) {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	// What an opener prints is not for our output.
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	return browser.OpenURL(address)
}

var errNoOpener = errors.New("no command opened the address")

// opened says what to do when no browser could be started.
func (r *Receiver) opened(err error) {
	if err != nil && !r.isSettled() {
		r.voice.say("no browser could be started; open the address above yourself")
	}
}

// fill puts the address where %s stands, or at the end. It stays one argument and passes no shell.
func fill(command []string, address string) []string {
	filled, found := make([]string, 0, len(command)+1), false
	for i, word := range command {
		if i > 0 && strings.Contains(word, "%s") {
			word, found = strings.ReplaceAll(word, "%s", address), true
		}
		filled = append(filled, word)
	}
	if !found {
		filled = append(filled, address)
	}
	return filled
}

// words splits a command at spaces outside of quotes. The path of a program may hold spaces itself, as
// many do on macOS and Windows.
func words(command, goos string) []string {
	command = strings.TrimSpace(command)
	if path, err := exec.LookPath(command); err == nil && path != "" {
		return []string{command}
	}
	var (
		list   []string
		word   strings.Builder
		quote  rune
		inWord bool
		escape bool
	)
	for _, c := range command {
		switch {
		case escape:
			word.WriteRune(c)
			escape = false
		case c == '\\' && quote != '\'' && goos != "windows":
			inWord, escape = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			inWord, quote = true, c
		case quote == 0 && (c == ' ' || c == '\t'):
			if inWord {
				list = append(list, word.String())
				word.Reset()
			}
			inWord = false
		default:
			inWord = true
			word.WriteRune(c)
		}
	}
	if inWord {
		list = append(list, word.String())
	}
	return list
}

// introduce says what is about to happen. The address is always printed, on a line of its own.
func (r *Receiver) introduce(address string, opening, canPaste bool) {
	who := r.title()
	if r.opts.Account != "" {
		who += " (account " + redact.Scrub(r.opts.Account, 140) + ")"
	}
	port := strconv.Itoa(r.port)
	if r.target.listens() && r.target.port == 0 && r.opts.ExactPort {
		r.voice.say("warning: port 0 is port %s this time, and %s wants the registered one", port, r.title())
	}
	if r.cert == nil && r.opts.TLSCert != "" {
		r.voice.say("warning: the certificate is not used, because the redirect URI is not https on loopback")
	}
	if opening {
		r.voice.say("opening the browser to log in to %s; if none opens:", who)
	} else {
		r.voice.say("to log in to %s, open this address in a browser:", who)
	}
	r.voice.say("%s", redact.Printable(address))
	if r.target.listens() {
		r.voice.say("log in there and agree; the answer then comes here by itself")
	}
	if r.cert != nil && r.cert.made {
		r.voice.say("the browser will warn once at the end: the certificate was made for this login")
		r.voice.say("let it go on (often behind Advanced); the certificate's SHA-256 fingerprint is")
		r.voice.say("%s", r.cert.fingerprint())
	}
	if r.target.listens() {
		for _, hint := range look(r.opts.Environ, fileExists).hints(port) {
			r.voice.say("%s", hint)
		}
	}
	if canPaste {
		for _, text := range r.describe() {
			r.voice.say("%s", text)
		}
	}
}
