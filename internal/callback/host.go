package callback

import (
	"os"
	"strings"
)

// host is what matters about the machine on which the login runs: a browser elsewhere cannot reach a port
// here without help.
type host struct {
	ssh, wsl, codespaces, container bool
	display                         bool // a display for a browser
}

// detectHost reads the environment, and for containers looks for the files that docker and podman put at
// the root, because docker sets no variable.
func detectHost(environ []string, exists func(path string) bool) host {
	set := func(name string) bool { return lookup(environ, name) != "" }
	return host{
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

// lookup returns the value of a variable; the last entry counts, as in the process that receives it.
func lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

func (h host) hints(port string) []string {
	switch {
	case h.codespaces:
		return []string{
			"in a codespace, forward port " + port + "; run this on your own machine:",
			"    gh codespace ports forward " + port + ":" + port,
		}
	case h.ssh:
		return []string{
			"over SSH, forward port " + port + "; run this on your own machine:",
			"    ssh -L " + port + ":localhost:" + port + " HOST",
			"(HOST is the name you gave to ssh to get here)",
		}
	case h.wsl:
		return []string{"in WSL, the browser on Windows reaches port " + port + " by localhost forwarding"}
	case h.container:
		return []string{"in a container, port " + port + " needs host networking or port forwarding"}
	}
	return nil
}
