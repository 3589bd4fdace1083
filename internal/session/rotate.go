package session

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// rotated is what OnRotate reads from its stdin, on one line.
type rotated struct {
	Account  string `json:"account"`
	Provider string `json:"provider"`
	// Variable is the environment variable that the new refresh token belongs into.
	Variable         string  `json:"variable"`
	RefreshToken     string  `json:"refresh_token"`
	RefreshExpiresAt *string `json:"refresh_expires_at"`
	AccessToken      string  `json:"access_token"`
	AccessExpiresAt  *string `json:"access_expires_at"`
	ClientID         string  `json:"client_id"`
}

// rotateRescue is where a credential lies that OnRotate did not take. It is named after the token that it
// replaces, which is what the next process has in its environment.
func (s *Session) rotateRescue(name account.Name, replaced string) string {
	return filepath.Join(s.StateDir, "rescue", s.Store.Kind()+"-"+name.File()+"+"+replaced[:16]+".json")
}

// handOver records that old was replaced and hands the new credential to OnRotate. What it does not take
// goes to a rescue file; the error is fail.Store then.
func (r *renewal) handOver(ctx context.Context, spent *spentTokens, old, c *credential.Credential) error {
	spent.note(old, c, r.now())
	r.keepSpent(c.Account, spent)
	path := r.rotateRescue(c.Account, fingerprint(old))
	saved := *c
	saved.ClientSecret = "" // it is in the environment, and nobody else needs it
	rescued := false
	rescue := func() error {
		r.free()
		err := r.rescue(path, &saved)
		rescued = rescued || err == nil
		return err
	}
	// Whoever interrupts may kill next.
	err := r.runOnRotate(ctx, c, func() { _ = rescue() })
	if err == nil {
		if rescued {
			r.drop(path)
		}
		return nil
	}
	failure := fail.New(fail.Store, "%s was renewed, but on_rotate (%s) %w", c.Account, program(r.OnRotate), err)
	if !rescued {
		if rescueErr := rescue(); rescueErr != nil {
			failure.Text += fmt.Sprintf("; nor could a rescue file be written: %v", rescueErr)
			return failure.WithHint("the access token works until it ends; then log in again")
		}
	}
	return failure.WithHint("%s", r.howToTakeIn(c.Account, path))
}

func (r *renewal) howToTakeIn(name account.Name, path string) string {
	return fmt.Sprintf("the new login is safe in %s; run the same again to hand it to on_rotate once more, or put its refresh_token into %s yourself and delete it",
		path, name.Var(account.RefreshToken))
}

// deliverRescued looks for a rescue file of the refresh token in the environment, or of one that followed
// from it, and hands it to OnRotate. It returns the rescued credential, together with an error where it
// was not taken and can be used all the same, and nil where there is none.
func (r *renewal) deliverRescued(ctx context.Context, spent *spentTokens, c *credential.Credential) (*credential.Credential, error) {
	// Somebody took it in by hand.
	if parent := spent.parent(fingerprint(c)); parent != nil {
		if path := r.rotateRescue(c.Account, parent.Token); isThere(path) {
			r.tell("%s is deleted: its refresh token has arrived in %s", path, c.Account.Var(account.RefreshToken))
			r.drop(path)
		}
	}
	var path string
	for token, n := fingerprint(c), 0; token != "" && n <= spentKept; n++ {
		if p := r.rotateRescue(c.Account, token); isThere(p) {
			path = p
		}
		next := spent.find(token)
		token = ""
		if next != nil {
			token = next.By
		}
	}
	if path == "" {
		return nil, nil
	}
	rescued, err := readRescue(path, c.Account)
	if rescued == nil {
		return nil, err
	}
	if err := checkOrigin(rescued, r.client.Definition); err != nil {
		return nil, err
	}
	rescued.ClientID, rescued.ClientSecret, rescued.RedirectURI = c.ClientID, c.ClientSecret, c.RedirectURI
	if err := r.runOnRotate(ctx, rescued, func() {}); err != nil {
		failure := fail.New(fail.Store, "on_rotate (%s) %w; the login in %s is still waiting for it", program(r.OnRotate), err, path).
			WithHint("%s", r.howToTakeIn(c.Account, path))
		if !rescued.Fresh(r.now(), 0) {
			rescued = nil
		}
		return rescued, failure
	}
	r.tell("the login of %s in %s was handed to on_rotate", c.Account, path)
	r.drop(path)
	return rescued, nil
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (r *renewal) drop(path string) {
	if err := safefile.Remove(path); err != nil {
		r.tell("warning: %v", err)
	}
}

// program is the command's name as it may be printed; its arguments may hold secrets.
func program(argv []string) string { return redact.Scrub(filepath.Base(argv[0]), 80) }

// runOnRotate runs the command, whatever happens to ctx, and calls interrupted once when ctx is
// cancelled meanwhile. What it prints is told, with its secrets masked: the log of a CI job is no
// place for what the command was handed.
func (r *renewal) runOnRotate(ctx context.Context, c *credential.Credential, interrupted func()) error {
	input, err := rotatedJSON(c)
	if err != nil {
		return err
	}
	limit := cmp.Or(r.bounds.rotate, rotateTime)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	cmd := exec.CommandContext(bounded, r.OnRotate[0], r.OnRotate[1:]...)
	environ := r.Environ
	if environ == nil {
		environ = os.Environ
	}
	cmd.Env = account.Environ(environ())
	cmd.Stdin = bytes.NewReader(input)
	output := &lines{line: func(text string) {
		r.tell("on_rotate: %s", redact.Scrub(text, 500, append(c.Secrets(), account.SecretValues(environ())...)...))
	}}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = 2 * time.Second // for children of it that keep its output open
	setApart(cmd)
	done := make(chan error, 1)
	go func() { done <- cmd.Run() }()
	select {
	case err = <-done:
	case <-ctx.Done():
		interrupted()
		err = <-done
	}
	output.end()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return nil
	case bounded.Err() != nil:
		return fmt.Errorf("was stopped: it did not end within %s", limit)
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return fmt.Errorf("ended with exit code %d", exit.ExitCode())
	case errors.As(err, &exit):
		return fmt.Errorf("was ended from outside (%s)", exit.ProcessState)
	}
	return fmt.Errorf("could not be run: %w", notFound(err))
}

// rotatedJSON is one line, without the escapes that only browsers need, so that a simple reader does.
func rotatedJSON(c *credential.Credential) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(rotated{
		Account: c.Account.String(), Provider: c.Account.Provider,
		Variable:     c.Account.Var(account.RefreshToken),
		RefreshToken: c.RefreshToken.Reveal(), RefreshExpiresAt: Instant(c.RefreshExpiresAt),
		AccessToken: c.AccessToken.Reveal(), AccessExpiresAt: Instant(c.AccessExpiresAt),
		ClientID: c.ClientID,
	})
	return text.Bytes(), err
}

// Instant is a time as JSON has it (RFC 3339, UTC), and null for the zero time.
func Instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339)
	return &text
}

// lines hands on what is written to it line by line. A line that is longer than the bound is left out: a
// secret that is cut in two could not be masked.
type lines struct {
	line    func(string)
	pending []byte
	tooLong bool
}

const longestLine = 64 << 10

func (l *lines) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case b == '\n':
			l.end()
		case len(l.pending) == longestLine:
			l.pending, l.tooLong = l.pending[:0], true
		case !l.tooLong:
			l.pending = append(l.pending, b)
		}
	}
	return len(p), nil
}

// end ends the last line.
func (l *lines) end() {
	switch text := strings.TrimSpace(string(l.pending)); {
	case l.tooLong:
		l.line("(a very long line)")
	case text != "":
		l.line(text)
	}
	l.pending, l.tooLong = l.pending[:0], false
}
