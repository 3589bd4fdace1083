package cmd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

// asker asks on the terminal that stdin is.
type asker struct {
	ctx context.Context
	in  *os.File
	out io.Writer
}

// asker returns nil where nobody can be asked: a secret is never prompted for when stdin is no terminal.
func (a *app) asker(ctx context.Context) session.Asker {
	if !isTerminal(a.stdin) {
		return nil
	}
	return &asker{ctx: ctx, in: a.stdin, out: a.stderr}
}

func (q *asker) Ask(label string) (string, error) {
	return q.read(label, func() (string, error) { return bufio.NewReader(q.in).ReadString('\n') })
}

func (q *asker) AskSecret(label string) (string, error) {
	return q.read(label, func() (string, error) {
		text, err := term.ReadPassword(int(q.in.Fd()))
		fmt.Fprintln(q.out)
		return string(text), err
	})
}

// read waits for a line or for an interruption, after which the terminal shows again what is typed.
func (q *asker) read(label string, line func() (string, error)) (string, error) {
	fmt.Fprintf(q.out, "%s: ", label)
	state, stateErr := term.GetState(int(q.in.Fd()))
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := line()
		done <- result{text, err}
	}()
	select {
	case <-q.ctx.Done():
		if stateErr == nil {
			_ = term.Restore(int(q.in.Fd()), state)
		}
		fmt.Fprintln(q.out)
		return "", fail.New(fail.Interrupted, "interrupted")
	case r := <-done:
		text := strings.TrimSpace(r.text)
		if text == "" {
			return "", usage("nothing was entered for %q", label)
		}
		return text, nil
	}
}
