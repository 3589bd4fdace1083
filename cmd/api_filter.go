package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"

	"tokencli/internal/account"
	"tokencli/internal/fail"
)

// filterPrograms are those that understand the language of jq, in the order in which they are looked for.
// A program and not a library: what Go has to offer builds its tables at every start, `token` included.
var filterPrograms = []string{"jq", "gojq", "jaq"}

// notCompiled is the exit code with which the programs above refuse a filter that they do not understand.
const notCompiled = 3

// maxComplaint is how much of what a filter program says about a failure is looked at.
const maxComplaint = 4 << 10

// filter is a jq filter, run by an installed program.
type filter struct {
	argv    []string
	environ []string
}

// newFilter finds a program and has it read the filter, before anything is asked of the provider.
func newFilter(ctx context.Context, text string, environ []string) (*filter, error) {
	path := ""
	for _, program := range filterPrograms {
		if found, err := exec.LookPath(program); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, usage("--jq needs the program jq, which is not installed").WithHint("https://jqlang.org/download/")
	}
	if strings.HasPrefix(text, "-") {
		text = " " + text // not a flag
	}
	f := &filter{argv: []string{path, "-r", text}, environ: account.Environ(environ)}
	// Without any input a filter is read and does nothing.
	return f, f.run(ctx, strings.NewReader(""), io.Discard)
}

// run hands a body to the filter and what comes of it to a writer.
func (f *filter) run(ctx context.Context, body io.Reader, to io.Writer) error {
	source := &source{from: body}
	complaint := &beginning{room: maxComplaint}
	cmd := exec.CommandContext(ctx, f.argv[0], f.argv[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = f.environ, source, to, complaint
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fail.New(fail.Interrupted, "interrupted")
	case source.err != nil:
		return source.err
	case errors.As(err, &exit) && exit.ExitCode() == notCompiled:
		return usage("--jq: %s", complaint.line(exit)).WithHint("the language is described at https://jqlang.org/manual/")
	case errors.As(err, &exit):
		return fail.New(fail.Unforeseen, "--jq: %s", complaint.line(exit))
	case err != nil:
		return fail.New(fail.Unforeseen, "--jq: %w", err)
	}
	return nil
}

// filtered prints what the filter makes of an answer.
func (out *apiOutput) filtered(ctx context.Context, body io.Reader) error {
	out.printed, out.end = true, '\n'
	if !out.terminal {
		return out.filter.run(ctx, body, out.app.stdout)
	}
	shown := &plain{to: out.app.stdout}
	defer shown.flush()
	return out.filter.run(ctx, body, shown)
}

// source tells a failure to read the body from one of the program that reads it.
type source struct {
	from io.Reader
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// beginning keeps the beginning of a text.
type beginning struct {
	text bytes.Buffer
	room int
}

func (b *beginning) Write(p []byte) (int, error) {
	b.text.Write(p[:min(len(p), b.room-b.text.Len())])
	return len(p), nil
}

// line returns the first line of what a program said or, if it said nothing, how it ended.
func (b *beginning) line(exit *exec.ExitError) string {
	text, _, _ := strings.Cut(strings.TrimSpace(b.text.String()), "\n")
	for _, prefix := range []string{"jq: ", "gojq: ", "error: ", "Error: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	if text == "" {
		text = exit.String()
	}
	return fail.Scrub(text, 300)
}

// filterFor returns the filter of the flag, if there is one.
func (a *app) filterFor(ctx context.Context, o apiOptions) (*filter, error) {
	switch {
	case o.filter == "":
		return nil, nil
	case o.output != "" && o.output != "-":
		return nil, usage("--jq prints what it finds, and --output writes what came").WithHint("leave --output out, and write: > %s", fail.Scrub(o.output, 80))
	}
	return newFilter(ctx, o.filter, os.Environ())
}
