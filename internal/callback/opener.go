package callback

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pkg/browser"

	"github.com/tokencli/tokencli/internal/coredump"
)

// OpenBySystem opens the address the way the desktop is set up. It must be called in a process of its own
// (Options.SystemOpener): the library hands the environment, outputs and session of its process on to the
// browser, and returns when the browser does.
func OpenBySystem(address string) error {
	coredump.Allow()
	return browser.OpenURL(address)
}

// openers returns the commands that may open the address, in the order in which they are tried. There are
// none if no browser is wanted, or evidently none can be shown.
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
		if w := splitCommand(command, goos); len(w) > 0 {
			commands = append(commands, insertAddress(w, address))
		}
	}
	if len(commands) > 0 {
		return commands
	}
	h := detectHost(r.opts.Environ, fileExists)
	if h.ssh && !h.display {
		return nil
	}
	if h.wsl {
		commands = append(commands, []string{"wslview", address}, []string{"rundll32.exe", "url.dll,FileProtocolHandler", address})
	}
	// Without a display the system's opener would find a browser for the terminal.
	if len(r.opts.SystemOpener) > 0 && (h.display || goos == "windows" || goos == "darwin") {
		commands = append(commands, append(slices.Clone(r.opts.SystemOpener), address))
	}
	return commands
}

// open runs the commands until one works. A browser that a command runs in the foreground keeps running
// after the login.
func (r *Receiver) open(commands [][]string) error {
	for _, argv := range commands {
		// Without the login's context: the browser outlives it. Without stdin, stdout and stderr: nothing
		// that ends with the login may be a pipe to the browser.
		cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...)
		// Never nil, which would mean this process's own environment.
		cmd.Env = append([]string{}, r.opts.Environ...)
		detach(cmd)
		if coredump.Run(cmd) == nil {
			return nil
		}
	}
	return errors.New("no command opened the address")
}

// checkOpened says what to do if no browser could be started.
func (r *Receiver) checkOpened(err error) {
	if err != nil && !r.isSettled() {
		r.console.notify("warning: could not start a browser; open the address above yourself")
	}
}

// insertAddress replaces %s in a command with the address, or appends it. It stays one argument and passes
// through no shell.
func insertAddress(command []string, address string) []string {
	argv, found := make([]string, 0, len(command)+1), false
	for i, word := range command {
		if i > 0 && strings.Contains(word, "%s") {
			word, found = strings.ReplaceAll(word, "%s", address), true
		}
		argv = append(argv, word)
	}
	if !found {
		argv = append(argv, address)
	}
	return argv
}

// splitCommand splits a command at spaces outside of quotes. The path of a program may itself contain
// spaces, as many do on macOS and Windows.
func splitCommand(command, goos string) []string {
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
