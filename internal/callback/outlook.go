package callback

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
)

// Outlook is how a code would come back, as far as that can be told without a login.
type Outlook struct {
	Listens bool   // on a port of this machine
	Address string // of that port; empty where it is chosen at the time, or where the code is pasted
}

// Foresee tells what a login with the redirect URI would do. It binds the port as a login would and lets
// go of it at once; a port that is not to be had is the failure that the login would end with.
func Foresee(redirectURI, title string) (*Outlook, error) {
	t, err := parseTarget(redirectURI)
	if err != nil || !t.listens() {
		return &Outlook{}, err
	}
	listeners, _, err := bind(t, title)
	for _, l := range listeners {
		err = errors.Join(err, l.Close())
	}
	if err != nil {
		return nil, err
	}
	o := &Outlook{Listens: true}
	if t.port != 0 {
		o.Address = t.url.Host
	}
	return o, nil
}

// Opener returns the command that would open the browser, without the address. It is empty where none
// would be tried, or where none of those that would be is installed; then tried names them.
func Opener(environ []string) (command string, tried []string) {
	const address = "about:blank"
	for _, argv := range (&Receiver{opts: Options{Environ: environ}}).openers(runtime.GOOS, address) {
		if _, err := exec.LookPath(argv[0]); err == nil {
			return strings.TrimSpace(strings.Replace(strings.Join(argv, " "), address, "", 1)), nil
		}
		tried = append(tried, argv[0])
	}
	return "", tried
}

// Place says in words what matters about where this machine stands; nothing for a desk.
func Place(environ []string) []string {
	s := look(environ, fileExists)
	var words []string
	for _, is := range []struct {
		so   bool
		word string
	}{{s.codespaces, "in a codespace"}, {s.ssh, "over SSH"}, {s.wsl, "in WSL"}, {s.container, "in a container"}} {
		if is.so {
			words = append(words, is.word)
		}
	}
	return words
}
