package callback

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
)

// RedirectProbe is how a code would come back.
type RedirectProbe struct {
	Listens bool   // on a port of this machine
	Address string // of that port; empty if a free one is picked, or if the code is pasted
}

// ProbeRedirect reports what a login with the redirect URI would do. It binds the port as a login would
// and releases it at once; if the port cannot be bound, the failure is the one of a login.
func ProbeRedirect(redirectURI, title string) (*RedirectProbe, error) {
	to, err := parseRedirect(redirectURI)
	if err != nil {
		return nil, err
	}
	if !to.listens() {
		return &RedirectProbe{}, nil
	}
	listeners, _, err := bind(to, title)
	for _, l := range listeners {
		err = errors.Join(err, l.Close())
	}
	if err != nil {
		return nil, err
	}
	p := &RedirectProbe{Listens: true}
	if to.port != 0 {
		p.Address = to.url.Host
	}
	return p, nil
}

// FindOpener returns the command that would open the browser, without the address. It is empty if none
// would be tried, or if none of those that would be is installed; tried then names them.
func FindOpener(environ []string) (command string, tried []string) {
	const address = "about:blank"
	r := &Receiver{opts: Options{Environ: environ, SystemOpener: []string{""}}}
	for _, argv := range r.openers(runtime.GOOS, address) {
		candidates := []string{argv[0]}
		if argv[0] == "" {
			candidates = systemOpeners(runtime.GOOS)
		}
		for _, name := range candidates {
			if _, err := exec.LookPath(name); err == nil {
				argv[0] = name
				return strings.TrimSpace(strings.Replace(strings.Join(argv, " "), address, "", 1)), nil
			}
			tried = append(tried, name)
		}
	}
	return "", tried
}

// systemOpeners returns the programs that OpenBySystem tries.
func systemOpeners(goos string) []string {
	switch goos {
	case "windows":
		return []string{"rundll32.exe"} // ShellExecute needs none; this one is on every system
	case "darwin":
		return []string{"open"}
	case "linux":
		return []string{"xdg-open", "x-www-browser", "www-browser"}
	}
	return []string{"xdg-open"}
}

// HostKind says in words what matters about the machine; nothing for a desktop.
func HostKind(environ []string) []string {
	h := detectHost(environ, fileExists)
	var words []string
	for _, kind := range []struct {
		is   bool
		word string
	}{{h.codespaces, "in a codespace"}, {h.ssh, "over SSH"}, {h.wsl, "in WSL"}, {h.container, "in a container"}} {
		if kind.is {
			words = append(words, kind.word)
		}
	}
	return words
}
