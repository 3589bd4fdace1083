package cmd

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/session"
)

// minTTL is the value of --min-ttl.
type minTTL struct {
	duration
	given bool
}

func (m *minTTL) declare(f *pflag.FlagSet) {
	f.Var(m, "min-ttl", "refresh first if the token expires within `DURATION` (default 60s)")
}

func (m *minTTL) Set(s string) error {
	m.given = true
	return m.duration.Set(s)
}

// or returns the value or, if the flag is not given, that of the settings.
func (m *minTTL) or(setting time.Duration) time.Duration {
	if m.given {
		return time.Duration(m.duration)
	}
	return setting
}

// rotation holds the flags that say what happens to a new refresh token in the env store.
type rotation struct {
	discard  bool
	onRotate argv
}

func (r *rotation) declare(f *pflag.FlagSet) {
	f.BoolVar(&r.discard, "discard-rotated", false, "in the env store, refresh even though the new refresh token is lost")
	f.Var(&r.onRotate, "on-rotate", "in the env store, pass a new refresh token as JSON to the stdin of `CMD`")
}

// apply returns the change of the session's options, for app.open.
func (r *rotation) apply(a *app) func(*session.Options) {
	return func(o *session.Options) {
		o.DiscardRotated = r.discard
		if !r.onRotate.given {
			return
		}
		o.OnRotate = r.onRotate.words
		if o.Store != "env" && len(o.OnRotate) > 0 {
			a.say("on_rotate applies to the env store; the " + o.Store + " store keeps a new refresh token itself")
		}
	}
}

// argv is a command given as one text; it implements pflag.Value.
type argv struct {
	words []string
	given bool
}

func (v *argv) String() string { return strings.Join(v.words, " ") }

// Type is the name of the value in the help.
func (v *argv) Type() string { return "CMD" }

func (v *argv) Set(text string) (err error) {
	if text, err = account.CleanText("the command", text); err != nil {
		return err
	}
	v.words, err = parseArgv(text)
	v.given = err == nil
	return err
}

// parseArgv reads a command: a JSON array of strings, or words separated by spaces. There is no quoting and
// no shell, so a word is passed on exactly as it is. No words mean no command.
func parseArgv(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "[") {
		var words []string
		if json.Unmarshal([]byte(text), &words) != nil {
			return nil, errArgv
		}
		return words, checkArgv(words)
	}
	words := strings.Fields(text)
	for i, word := range words {
		start := strings.TrimLeft(word, "0123456789") // 2>FILE
		switch {
		case strings.Contains(word, "$("), strings.Contains(word, "`"), strings.ContainsAny(word[len(word)-1:], operators),
			start != "" && strings.ContainsAny(start[:1], operators),
			i > 0 && words[i-1] == "-c" && strings.ContainsAny(word[:1], `'"`): // of sh -c, which would read half of the text
			return nil, errShellSyntax
		}
	}
	return words, checkArgv(words)
}

// checkArgv refuses a command without a program, one that the system cannot take, and operators of a shell:
// the command runs after the refresh token is spent, too late to find out that it cannot work.
func checkArgv(words []string) error {
	for i, word := range words {
		switch {
		case i == 0 && strings.TrimSpace(word) == "", strings.Contains(word, "\x00"):
			return errArgv
		case strings.HasPrefix(word, "$(") && !strings.Contains(word, " "), strings.ContainsAny(word, operators) && strings.Trim(word, operators+"0123456789") == "":
			return errShellSyntax
		}
	}
	return nil
}

// operators are the characters that the operators of a shell consist of.
const operators = "<>|&;"

var (
	errArgv = usage(`a command is words separated by spaces, or a JSON array of strings: ["program", "an argument"]`)
	// errShellSyntax is the mistake of writing shell syntax where no shell reads it.
	errShellSyntax = usage("the command contains shell syntax, and no shell reads it").
			WithHint(`start a shell: ["sh", "-c", "jq -r .refresh_token > FILE"]`)
)
