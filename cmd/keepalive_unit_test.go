package cmd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// plainJob is what most people get, oddJob what none should: every character that means something to one
// of the schedulers.
func plainJob(goos string) job {
	j := job{
		goos: goos, binary: "/usr/local/bin/tokencli", args: []string{"refresh", "--all", "--within", "3d"},
		every: 12 * time.Hour, home: "/home/ana", configHome: "/home/ana/.config",
	}
	if goos == "windows" {
		j.binary, j.stateDir = `C:\Users\Ana\bin\tokencli.exe`, `C:\Users\Ana\AppData\Local\tokencli\state`
	}
	return j
}

const oddValue = `/odd $HOME ${x} 100%n 'one' "two" back\slash <&> é`

func oddJob(goos string) job {
	j := plainJob(goos)
	j.every = 6 * time.Hour
	j.binary = "/opt/100%n my $tools/token&<cli>" // systemd takes no quote here
	switch goos {
	case "darwin":
		j.binary = "/Applications/100%n \"my\" $tools/to'ken&<cli>"
	case "windows":
		j.binary = `C:\100%TEMP% tools\it's & <ours>\tokencli.exe`
	}
	j.environment = []setting{{"TOKENCLI_STORE", "file"}, {"TOKENCLI_FILE_KEY", oddValue}}
	return j
}

func TestUnitsAsWritten(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for name, j := range map[string]job{"plain": plainJob(goos), "odd": oddJob(goos)} {
			for _, u := range j.units() {
				base := u.path[strings.LastIndexAny(u.path, `/\`)+1:]
				path := filepath.Join("testdata", "keepalive", name, base)
				got := "# " + u.path + "\n" + u.text
				if *update {
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if want := strings.ReplaceAll(string(want), "\r\n", "\n"); got != want {
					t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
				}
			}
		}
	}
}

// What stands in XML has to come out of it as it went in.
func TestUnitsInXMLAreReadBack(t *testing.T) {
	odd := oddJob("darwin")
	texts := xmlTexts(t, odd.launchd())
	for _, want := range append([]string{odd.binary, oddValue}, odd.args...) {
		if !texts[want] {
			t.Errorf("the property list does not hold %q", want)
		}
	}
	odd = oddJob("windows")
	command, arguments := odd.taskCommand()
	texts = xmlTexts(t, strings.Replace(odd.task(), ` encoding="UTF-16"`, "", 1))
	if !texts[command] || !texts[arguments] {
		t.Error("the task does not hold its command")
	}
	if strings.Contains(command+arguments, "%") {
		t.Error("a percent sign is left, which the Task Scheduler may take for a variable")
	}
	if strings.Contains(arguments, oddValue) {
		t.Error("the quotes of a value end the command line's")
	}
}

func xmlTexts(t *testing.T, text string) map[string]bool {
	t.Helper()
	texts := make(map[string]bool)
	for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if data, ok := token.(xml.CharData); ok {
			texts[string(data)] = true
		}
	}
}

func TestTaskIsWrittenAsUTF16(t *testing.T) {
	u := plainJob("windows").units()[0]
	b := u.bytes()
	if !bytes.HasPrefix(b, []byte{0xff, 0xfe}) {
		t.Fatal("the byte order mark is missing")
	}
	letters := make([]uint16, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		letters = append(letters, uint16(b[i])|uint16(b[i+1])<<8)
	}
	if got := strings.ReplaceAll(string(utf16.Decode(letters)), "\r\n", "\n"); got != u.text {
		t.Errorf("another text comes back: %q", got)
	}
}

func TestSystemdQuote(t *testing.T) {
	for word, want := range map[string]string{
		"refresh":           "refresh",
		"--within":          "--within",
		"":                  `""`,
		"a b":               `"a b"`,
		"100%":              "100%%",
		`a"b\c`:             `"a\"b\\c"`,
		"it's":              `"it's"`,
		"TOKENCLI_X=a\tb\n": `"TOKENCLI_X=a\x09b\x0a"`,
		"$HOME":             `"$HOME"`,
	} {
		if got := systemdQuote(word); got != want {
			t.Errorf("%q: %s instead of %s", word, got, want)
		}
	}
}

func TestKeepaliveRefusesOddIntervals(t *testing.T) {
	a := &app{getenv: func(name string) string { return map[string]string{"TOKENCLI_STORE": "keychain"}[name] }}
	a.settings = func() (*settings, error) { return &settings{Store: "keychain"}, nil }
	for _, o := range []keepaliveOptions{
		{every: 5 * time.Hour, within: 72 * time.Hour},
		{every: 90 * time.Minute, within: 72 * time.Hour},
		{every: 0, within: 72 * time.Hour},
		{every: 48 * time.Hour, within: 240 * time.Hour},
		{every: 12 * time.Hour, within: 12 * time.Hour},
		{every: 12 * time.Hour, within: 0},
	} {
		if _, _, err := a.job("linux", o); err == nil {
			t.Errorf("every %s, within %s: not refused", o.every, o.within)
		}
	}
}
