package callback

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestBrowserIsOpened(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"flag":         func(o *Options) { o.Browser = os.Args[0] },
		"flag with %s": func(o *Options) { o.Browser = os.Args[0] + ` "a b" '%s'` },
		"variable":     func(o *Options) { o.Environ = append(o.Environ, "BROWSER="+os.Args[0]) },
		"second of a list": func(o *Options) {
			o.Environ = append(o.Environ, "BROWSER=no-such-browser-here"+string(os.PathListSeparator)+os.Args[0])
		},
		"over SSH, named": func(o *Options) { o.Environ = append(o.Environ, "SSH_CONNECTION=1 2 3 4", "BROWSER="+os.Args[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr := capture(t, &os.Stdout), capture(t, &os.Stderr)
			file := filepath.Join(t.TempDir(), "environ")
			opts := Options{Environ: []string{"RECEIVE_TEST_AS=browser", "RECEIVE_TEST_ENVIRON=" + file, "ONLY=this"}}
			t.Setenv("TOKENCLI_MOLLIE_CLIENT_SECRET", "hush")
			set(&opts)
			l := begin(t, opts)
			a, err := l.end()
			if err != nil || a.Code != "from-browser" || a.Pasted {
				t.Fatalf("got %#v, %v; said:\n%s", a, err, l.said)
			}
			a.Finish(nil)
			_ = l.Close()
			l.hears("opening the browser to log in to Mollie")
			if out := stdout() + stderr(); strings.Contains(out, "chatter") {
				t.Errorf("the opener's output came out: %q", out)
			}
			env, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(env), "hush") || !strings.Contains(string(env), "ONLY=this") {
				t.Errorf("environment of the browser:\n%s", env)
			}
		})
	}
}

// capture takes what is written to one of our own outputs.
func capture(t *testing.T, which **os.File) func() string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := *which
	*which = w
	restored := false
	restore := func() {
		if !restored {
			restored, *which = true, old
			_ = w.Close()
		}
	}
	t.Cleanup(restore)
	return func() string {
		restore()
		b, _ := io.ReadAll(r)
		return string(b)
	}
}

func TestBrowserThatFails(t *testing.T) {
	for _, command := range []string{"no-such-browser-here", os.Args[0] + " -no-such-flag"} {
		l := begin(t, Options{Browser: command})
		l.hears("could not start a browser; open the address above yourself")
		l.waits()
		if n := strings.Count(l.said.String(), "could not start"); n != 1 {
			t.Errorf("said %d times", n)
		}
	}
}

func TestNoBrowser(t *testing.T) {
	l := begin(t, Options{NoBrowser: true, Browser: "no-such-browser-here"})
	l.hears("open this address in a browser:")
	l.waits()
	if strings.Contains(l.said.String(), "could be started") {
		t.Error("a browser was tried")
	}
}

// A browser that is run in the foreground must not hold up anything.
func TestBrowserThatStays(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	script := filepath.Join(t.TempDir(), "stay")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	l := begin(t, Options{Browser: script})
	page := l.later("?code=the-code&state=" + testState)
	start := time.Now()
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.Finish(nil)
	soon(t, page)
	_ = l.Close()
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestOpeners(t *testing.T) {
	const x, wayland = "DISPLAY=:0", "WAYLAND_DISPLAY=wayland-0"
	ssh, wsl := "SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22", "WSL_DISTRO_NAME=Ubuntu"
	for _, c := range []struct {
		goos, environ, want string
	}{
		{"linux", x, "system opener U"},
		{"linux", wayland, "system opener U"},
		{"freebsd", x, "system opener U"},
		{"linux", "", ""},
		{"linux", ssh, ""},
		{"linux", ssh + "|" + x, "system opener U"},
		{"linux", wsl, "wslview U;rundll32.exe url.dll,FileProtocolHandler U"},
		{"linux", wsl + "|" + x, "wslview U;rundll32.exe url.dll,FileProtocolHandler U;system opener U"},
		{"darwin", "", "system opener U"},
		{"darwin", ssh, ""},
		{"windows", "", "system opener U"},
		{"linux", "BROWSER=a -x %s -y|" + ssh, "a -x U -y"},
		{"linux", "BROWSER=a:b c", "a U;b c U"},
		{"linux", "BROWSER= |" + x, "system opener U"},
	} {
		if strings.Contains(c.environ, "a:b") && runtime.GOOS == "windows" {
			continue
		}
		r := &Receiver{opts: Options{Environ: strings.Split(c.environ, "|"), SystemOpener: []string{"system opener"}}}
		var got []string
		for _, argv := range r.openers(c.goos, "U") {
			got = append(got, strings.Join(argv, " "))
		}
		if s := strings.Join(got, ";"); s != c.want {
			t.Errorf("%s with %q: %q, want %q", c.goos, c.environ, s, c.want)
		}
	}
}

func TestBrowserCommand(t *testing.T) {
	const u = "https://a/?x=1&y=$(id)"
	spaced := filepath.Join(t.TempDir(), "my browser.exe")
	if err := os.WriteFile(spaced, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string][]string{
		"firefox":                     {"firefox", u},
		"firefox --private":           {"firefox", "--private", u},
		"firefox -new-tab %s -x":      {"firefox", "-new-tab", u, "-x"},
		"a --url=%s":                  {"a", "--url=" + u},
		`a "b c" 'd "e"' ""`:          {"a", "b c", `d "e"`, "", u},
		`my\ browser -P "a \"b\" %s"`: {"my browser", "-P", `a "b" ` + u},
		spaced:                        {spaced, u},
	} {
		if got := insertAddress(splitCommand(command, "linux"), u); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	if got := splitCommand(`C:\b\b.exe "x y"`, "windows"); len(got) != 2 || got[0] != `C:\b\b.exe` {
		t.Errorf("on Windows: %q", got)
	}
	if got := splitCommand("  ", "linux"); len(got) != 0 {
		t.Errorf("blank: %q", got)
	}
}

func TestHintsForTheHost(t *testing.T) {
	for _, c := range []struct {
		environ, file string
		want          []string
		not           string
	}{
		{"SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22", "", []string{"    ssh -L 8976:localhost:8976 HOST"}, "container"},
		{"SSH_TTY=/dev/pts/1", "", []string{"ssh -L 8976:localhost:8976 HOST"}, ""},
		{"CODESPACES=true|SSH_CONNECTION=x", "/.dockerenv", []string{"gh codespace ports forward 8976:8976"}, "ssh -L"},
		{"WSL_DISTRO_NAME=Ubuntu", "", []string{"in WSL", "8976"}, "ssh"},
		{"container=podman", "", []string{"in a container", "8976"}, "ssh"},
		{"", "/.dockerenv", []string{"in a container"}, ""},
		{"", "", nil, "8976"},
	} {
		s := detectHost(strings.Split(c.environ, "|"), func(path string) bool { return path == c.file })
		got := strings.Join(s.hints("8976"), "\n")
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s%s: no %q in %q", c.environ, c.file, want, got)
			}
		}
		if c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s%s: %q in %q", c.environ, c.file, c.not, got)
		}
		for _, hint := range s.hints("65535") {
			if len(hint) > 80 {
				t.Errorf("wider than a terminal: %s", hint)
			}
		}
	}
}

func TestTunnelHintHasTheRealPort(t *testing.T) {
	tty := typing()
	l := begin(t, Options{Environ: []string{"SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22"}, OpenTerminal: tty.terminal})
	port := portOfURI(t, l.RedirectURI())
	l.hears("ssh -L " + port + ":localhost:" + port + " HOST\n")
	l.hears("open this address in a browser:")
	l.hears("or paste the address your browser ends up on")
	l.waits()
}

func TestLookup(t *testing.T) {
	environ := []string{"A=1", "AB=2", "A=3", "B"}
	for name, want := range map[string]string{"A": "3", "AB": "2", "B": "", "C": ""} {
		if got := lookup(environ, name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
