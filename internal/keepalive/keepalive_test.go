package keepalive

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/tokencli/tokencli/internal/fail"
)

var update = flag.Bool("update", false, "write the golden files")

// plainJob is the usual one; oddJob holds every character that means something to one of the schedulers.
func plainJob(goos string) *Job {
	j := &Job{binary: "/usr/local/bin/tokencli", args: []string{"refresh", "--all", "--within", "3d"}, hours: 12}
	if goos == "windows" {
		j.binary = `C:\Users\Ana\bin\tokencli.exe`
	}
	return j
}

const oddValue = `/odd $HOME ${x} 100%n 'one' "two" back\slash <&> é`

func oddJob(goos string) *Job {
	j := plainJob(goos)
	j.hours = 6
	j.binary = "/opt/100%n my $tools/token&<cli>" // systemd takes no quote here
	switch goos {
	case "darwin":
		j.binary = "/Applications/100%n \"my\" $tools/to'ken&<cli>"
	case "windows":
		j.binary = `C:\100%TEMP% tools\it's & <ours>\tokencli.exe`
	}
	j.environment = []variable{{"TOKENCLI_STORE", "file"}, {"TOKENCLI_FILE_KEY", oddValue}}
	return j
}

func files(t *testing.T, goos string, j *Job) []File {
	t.Helper()
	scheduler := map[string]*Scheduler{
		"linux": systemd("/home/ana/.config"), "darwin": launchd("/home/ana"), "windows": taskScheduler(`C:\Users\Ana\AppData\Local\tokencli\state`),
	}[goos]
	files, err := scheduler.Files(j)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFilesAsWritten(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for name, j := range map[string]*Job{"plain": plainJob(goos), "odd": oddJob(goos)} {
			for _, u := range files(t, goos, j) {
				base := u.Path[strings.LastIndexAny(u.Path, `/\`)+1:]
				path := filepath.Join("testdata", name, base)
				got := "# " + u.Path + "\n" + u.Text
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

// Whatever a job holds is read back from XML unchanged.
func TestXMLIsReadBack(t *testing.T) {
	odd := oddJob("darwin")
	texts := xmlTexts(t, files(t, "darwin", odd)[0].Text)
	for _, want := range append([]string{odd.binary, oddValue}, odd.args...) {
		if !texts[want] {
			t.Errorf("the property list does not hold %q", want)
		}
	}
	odd = oddJob("windows")
	command, arguments := taskCommand(odd)
	texts = xmlTexts(t, strings.Replace(files(t, "windows", odd)[0].Text, ` encoding="UTF-16"`, "", 1))
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
	u := files(t, "windows", plainJob("windows"))[0]
	b := u.bytes()
	if !bytes.HasPrefix(b, []byte{0xff, 0xfe}) {
		t.Fatal("the byte order mark is missing")
	}
	letters := make([]uint16, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		letters = append(letters, uint16(b[i])|uint16(b[i+1])<<8)
	}
	if got := strings.ReplaceAll(string(utf16.Decode(letters)), "\r\n", "\n"); got != u.Text {
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

func TestNewJobRefusesOddIntervals(t *testing.T) {
	for _, tt := range []struct {
		every, within time.Duration
		want          fail.Action
	}{
		{5 * time.Hour, 72 * time.Hour, fail.DoChooseInterval},
		{90 * time.Minute, 72 * time.Hour, fail.DoChooseInterval},
		{0, 72 * time.Hour, fail.DoChooseInterval},
		{48 * time.Hour, 240 * time.Hour, fail.DoChooseInterval},
		{12 * time.Hour, 12 * time.Hour, fail.DoRefreshEarlier},
		{12 * time.Hour, 0, fail.DoRefreshEarlier},
	} {
		_, err := NewJob(Options{Every: tt.every, Within: tt.within})
		if e := fail.Advice(err); e == nil || e.Kind != fail.Usage || e.Do != tt.want {
			t.Errorf("every %s, within %s: %v", tt.every, tt.within, err)
		}
	}
}
