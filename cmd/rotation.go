package cmd

import (
	"encoding/json"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tokencli/tokencli/internal/session"
)

// rotation holds the flags that say what becomes of a new refresh token in the env store.
type rotation struct {
	discard  bool
	onRotate argv
}

func (r *rotation) declare(f *pflag.FlagSet) {
	f.BoolVar(&r.discard, "discard-rotated", false, "in the env store, renew even though the new refresh token is lost")
	f.Var(&r.onRotate, "on-rotate", "in the env store, run this when a renewal replaced the refresh token: it gets the new one as JSON on stdin")
}

// apply is for app.open.
func (r *rotation) apply(a *app) func(*session.Options) {
	return func(o *session.Options) {
		o.DiscardRotated = r.discard
		if !r.onRotate.given {
			return
		}
		o.OnRotate = r.onRotate.words
		if o.Store != "env" && len(o.OnRotate) > 0 {
			a.say("on_rotate is for the env store; the " + o.Store + " store keeps a new refresh token itself")
		}
	}
}

// argv is an argument vector in one text; it implements pflag.Value.
type argv struct {
	words []string
	given bool
}

func (v *argv) String() string { return strings.Join(v.words, " ") }

// Type is shown in the help.
func (v *argv) Type() string { return "command" }

func (v *argv) Set(text string) (err error) {
	v.words, err = parseArgv(text)
	v.given = err == nil
	return err
}

// parseArgv reads an argument vector: a JSON array of strings, or words between spaces. There is no
// quoting and no shell, so that what a word holds is never anything but that word. No words: no command.
func parseArgv(text string) ([]string, error) {
	var words []string
	if text = strings.TrimSpace(text); strings.HasPrefix(text, "[") {
		if json.Unmarshal([]byte(text), &words) != nil {
			return nil, errArgv
		}
	} else {
		words = strings.Fields(text)
	}
	return words, checkArgv(words)
}

func checkArgv(words []string) error {
	for i, word := range words {
		if i == 0 && strings.TrimSpace(word) == "" || strings.Contains(word, "\x00") {
			return errArgv
		}
	}
	return nil
}

var errArgv = usage("a command is words between spaces, or a JSON array of strings: [\"program\", \"an argument\"]")
