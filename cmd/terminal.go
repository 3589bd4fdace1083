package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
	"github.com/tokencli/tokencli/internal/terminal"
)

// asker prompts on the terminal that stdin is.
type asker struct {
	ctx context.Context
	in  *os.File
	out io.Writer
}

// asker returns nil if stdin is not a terminal: a secret is never prompted for then.
func (a *app) asker(ctx context.Context) session.Asker {
	if !isTerminal(a.stdin) {
		return nil
	}
	return &asker{ctx: ctx, in: a.stdin, out: a.stderr}
}

// Ask shows the label and reads a line.
func (q *asker) Ask(label string) (string, error) {
	text, err := q.prompt(label, false, false)
	if err != nil {
		return "", err
	}
	return account.Clean("what was entered for "+label, text)
}

// AskOr does the same; an empty line means standard.
func (q *asker) AskOr(label, standard string) (string, error) {
	text, err := q.Ask(label + " [" + standard + "]")
	if errors.Is(err, errEmptyLine) {
		return standard, nil
	}
	return text, err
}

// AskSecret does the same without showing what is typed. White space may be part of a password and stays.
func (q *asker) AskSecret(label string) (string, error) {
	text, err := q.prompt(label, true, false)
	if err != nil {
		return "", err
	}
	return account.CleanPassword("what was entered for "+label, text)
}

// prompt waits for a line or an interrupt, after which the terminal is as before. With join, the lines of
// one paste count as one.
func (q *asker) prompt(label string, hidden, join bool) (string, error) {
	ask := func() { fmt.Fprintf(q.out, "%s: ", label) }
	var echo io.Writer
	if !hidden {
		echo = q.in
	}
	reader, err := terminal.NewReader(q.in, echo, ask)
	if err != nil {
		return "", fail.New(fail.Internal, "cannot prepare the terminal for a prompt: %w", err)
	}
	defer reader.Close()
	ask()
	type line struct {
		text string
		err  error
	}
	lines := make(chan line)
	go func() {
		for more := true; more; more = join {
			text, err := reader.ReadLine()
			select {
			case lines <- line{text, err}:
			case <-q.ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	text, first := "", true
	var gap <-chan time.Time
	for {
		select {
		case <-q.ctx.Done():
			fmt.Fprintln(q.out)
			return "", fail.New(fail.Interrupted, "interrupted")
		case <-gap:
			return answer(label, text, true)
		case l := <-lines:
			if first && hidden {
				fmt.Fprintln(q.out)
			}
			switch {
			case errors.Is(l.err, terminal.ErrTooLong):
				return "", usage("what was entered for %q is too long", label)
			case l.err != nil && !errors.Is(l.err, io.EOF):
				return "", fail.New(fail.Internal, "cannot read from the terminal: %w", l.err)
			}
			text += l.text
			if !join || l.err != nil {
				return answer(label, text, l.err == nil)
			}
			first, gap = false, time.After(terminal.PasteGap)
		}
	}
}

// errEmptyLine says that the user entered an empty line, and did not end the input.
var errEmptyLine = errors.New("an empty line")

func answer(label, text string, line bool) (string, error) {
	if strings.TrimSpace(text) != "" {
		return text, nil
	}
	e := usage("nothing was entered for %q", label)
	if line {
		e.Err = errEmptyLine
	}
	return "", e
}
