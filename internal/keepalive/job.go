package keepalive

import (
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

// Options are what a job depends on.
type Options struct {
	Args          []string // of tokencli, to refresh what expires within Within
	Every, Within time.Duration
	Store         string
	Getenv        func(string) string // the environment, with the values of config.yaml that stand for variables
}

// Job is a refresh for a scheduler to run.
type Job struct {
	// LeftOut are the variables of proxies whose password is not written into a file.
	LeftOut []string

	binary      string // absolute
	args        []string
	environment []variable // what the job needs of it, without a secret
	hours       int        // between two runs; divides a day
}

// NewJob returns the job that runs this program, and refuses one that could not do its work.
func NewJob(o Options) (*Job, error) {
	hours := int(o.Every / time.Hour)
	if o.Every%time.Hour != 0 || hours < 1 || hours > 24 || 24%hours != 0 {
		return nil, fail.New(fail.Usage, "the time between two runs must be whole hours that divide a day").Advise(fail.DoChooseInterval)
	}
	if o.Within < 2*o.Every {
		return nil, fail.New(fail.Usage, "logins must be refreshed at least two runs before they expire, or one failed run may lose a login").
			Advise(fail.DoRefreshEarlier)
	}
	binary, err := ownPath()
	if err != nil {
		return nil, err
	}
	j := &Job{binary: binary, args: o.Args, hours: hours}
	if err := j.addStore(o.Store, o.Getenv); err != nil {
		return nil, err
	}
	return j, j.addNetwork(o.Getenv)
}

// ownPath returns the path by which this program is found, which outlasts an update: a package manager replaces the
// file behind a link, and the link stays.
func ownPath() (string, error) {
	file, err := os.Executable()
	if err != nil {
		return "", fail.New(fail.Internal, "the path of this program is not known: %w", err)
	}
	if strings.Contains(file, string(filepath.Separator)+"go-build") {
		return "", fail.New(fail.Usage, "this program was built for one run only, by `go run`").Advise(fail.DoInstallProgram)
	}
	if found, err := exec.LookPath(os.Args[0]); err == nil {
		if found, err = filepath.Abs(found); err == nil && sameFile(found, file) {
			return found, nil
		}
	}
	return file, nil
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// fill replaces words of a text, given as pairs of old and new; what it inserted is not looked at again.
func fill(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }

// escapeXML escapes a text. Package encoding/xml would build its tables at every start of tokencli.
func escapeXML(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && !strings.ContainsRune("\t\r\n", r) {
			return '\ufffd' // XML 1.0 cannot express it
		}
		return r
	}, text)
	return fill(html.EscapeString(text), "\r", "&#13;", "\n", "&#10;", "\t", "&#9;")
}
