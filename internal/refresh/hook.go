package refresh

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/coredump"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/redact"
)

// Handed is what a command that takes a new login reads from its stdin: one line of JSON.
type Handed struct {
	Account  string `json:"account"`
	Provider string `json:"provider"`
	// Variable is the environment variable for the new refresh token.
	Variable         string  `json:"variable"`
	RefreshToken     string  `json:"refresh_token"`
	RefreshExpiresAt *string `json:"refresh_expires_at"`
	AccessToken      string  `json:"access_token"`
	AccessExpiresAt  *string `json:"access_expires_at"`
	ClientID         string  `json:"client_id"`
}

// handedJSON is one line, without the escapes that only HTML needs, so that simple readers manage.
func handedJSON(c *credential.Credential) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(Handed{
		Account: c.Account.String(), Provider: c.Account.Provider,
		Variable:     c.Account.Var(account.RefreshToken),
		RefreshToken: c.RefreshToken.Reveal(), RefreshExpiresAt: Instant(c.RefreshExpiresAt),
		AccessToken: c.AccessToken.Reveal(), AccessExpiresAt: Instant(c.AccessExpiresAt),
		ClientID: c.ClientID,
	})
	return text.Bytes(), err
}

// Instant returns a time as JSON has it (RFC 3339, UTC), and nil for the zero time.
func Instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC().Format(time.RFC3339))
}

func (r *Refresher) runHook(ctx context.Context, c *credential.Credential, interrupted func()) error {
	return r.RunHook(ctx, "on_rotate", r.OnRotate, c, interrupted)
}

// RunHook passes a credential to a command, whatever happens to ctx, and calls interrupted once if ctx is
// cancelled meanwhile. What the command prints is shown with its secrets masked, because the log of a CI job
// must not hold what the command was given. The error continues a sentence about the command.
func (r *Refresher) RunHook(ctx context.Context, what string, argv []string, c *credential.Credential, interrupted func()) error {
	input, err := handedJSON(c)
	if err != nil {
		return err
	}
	limit := cmp.Or(r.Bounds.Hook, hookTime)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	cmd := exec.CommandContext(bounded, argv[0], argv[1:]...)
	environ := r.Environ()
	cmd.Env = account.Environ(environ)
	cmd.Stdin = bytes.NewReader(input)
	secrets := append(c.Secrets(), account.SecretValues(environ)...)
	output := &lines{line: func(text string) { r.tell("%s: %s", what, redact.Scrub(text, 500, secrets...)) }}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = 2 * time.Second // for children of it that keep its output open
	detach(cmd)
	done := make(chan error, 1)
	go func() { done <- coredump.Run(cmd) }()
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
		return fmt.Errorf("was stopped: it did not finish within %s", limit)
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return fmt.Errorf("failed with exit code %d", exit.ExitCode())
	case errors.As(err, &exit):
		return fmt.Errorf("was killed (%s)", exit.ProcessState)
	}
	return fmt.Errorf("could not be run: %w", LookupError(err))
}

// LookupError removes the name from an error of exec.LookPath.
func LookupError(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// lines passes on what is written to it line by line. A line longer than the bound is left out: a secret that
// is cut in two could not be masked.
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

func (l *lines) end() {
	switch text := strings.TrimSpace(string(l.pending)); {
	case l.tooLong:
		l.line("(a line that is too long to show)")
	case text != "":
		l.line(text)
	}
	l.pending, l.tooLong = l.pending[:0], false
}
