package callback

import (
	"os"
	"strings"
)

// surroundings are what matters about the place where the login runs: a browser elsewhere cannot reach
// a port here without help.
type surroundings struct {
	ssh, wsl, codespaces, container bool
	display                         bool // a screen for a browser
}

// look reads the environment, and for containers the files that docker and podman put at the root,
// because docker sets no variable.
func look(environ []string, exists func(path string) bool) surroundings {
	set := func(name string) bool { return lookup(environ, name) != "" }
	return surroundings{
		ssh:        set("SSH_CONNECTION") || set("SSH_TTY"),
		wsl:        set("WSL_DISTRO_NAME") || set("WSL_INTEROP"),
		codespaces: set("CODESPACES"),
		container:  set("container") || set("REMOTE_CONTAINERS") || set("KUBERNETES_SERVICE_HOST") || exists("/.dockerenv") || exists("/run/.containerenv"),
		display:    set("DISPLAY") || set("WAYLAND_DISPLAY"),
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lookup returns the value of a variable; the last entry counts, as in the process that gets it.
func lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// hints tell a person how the browser's answer gets to this machine's port.
func (s surroundings) hints(port string) []string {
	switch {
	case s.codespaces:
		return []string{
			"in a codespace, port " + port + " has to be forwarded; run on your own machine:",
			"    gh codespace ports forward " + port + ":" + port,
		}
	case s.ssh:
		return []string{
			"over SSH, your browser needs a tunnel to port " + port + "; on your own machine:",
			"    ssh -L " + port + ":localhost:" + port + " HOST",
			"(HOST is what you gave to ssh to get here)",
		}
	case s.wsl:
		return []string{"in WSL, the Windows browser reaches port " + port + " by localhost forwarding"}
	case s.container:
		return []string{"in a container, port " + port + " needs host networking or has to be forwarded"}
	}
	return nil
}
