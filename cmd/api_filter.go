package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// filterPrograms are those that understand the language of jq, in the order in which they are looked for.
// A program and not a library: what Go has to offer builds its tables at every start, `token` included.
var filterPrograms = []string{"jq", "gojq", "jaq"}

// notCompiled is the exit code with which the programs above refuse a filter that they do not understand.
const notCompiled = 3

// maxComplaint is how much of what a filter program says about a failure is looked at.
const maxComplaint = 4 << 10

// maxFiltered is how long an answer may be that is filtered.
const maxFiltered = 64 << 20

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
	err := f.run(ctx, nil, io.Discard)
	var bad *filterError
	if errors.As(err, &bad) && bad.exit == notCompiled {
		err = usage("%w", err).WithHint("the language is described at https://jqlang.org/manual/")
	}
	return f, err
}

// run hands a text to the filter and what comes of it to a writer.
func (f *filter) run(ctx context.Context, text []byte, to io.Writer) error {
	complaint := &beginning{room: maxComplaint}
	cmd := exec.CommandContext(ctx, f.argv[0], f.argv[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = f.environ, bytes.NewReader(text), to, complaint
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fail.New(fail.Interrupted, "interrupted")
	case errors.As(err, &exit) && exitOf(exit.ProcessState) == int(pipeClosed):
		return pipeClosed
	case errors.As(err, &exit):
		return &filterError{exit: exit.ExitCode(), text: complaint.line(exit)}
	case err != nil:
		return fail.New(fail.Internal, "--jq: %w", err)
	}
	return nil
}

// filterError is what a filter program said when it failed.
type filterError struct {
	exit int
	text string
}

func (e *filterError) Error() string { return "--jq: " + e.text }

// filtered prints what the filter makes of an answer. All of it is read first: whether the provider calls
// it a success may stand at its end.
func (out *apiOutput) filtered(ctx context.Context, body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, maxFiltered+1))
	if err != nil {
		return err
	}
	if len(text) > maxFiltered {
		return fail.New(fail.Internal, "--jq: the answer is longer than %d MiB", maxFiltered>>20).
			WithHint("write it to a file with --output, and filter that")
	}
	out.printed, out.end = true, '\n'
	if !out.terminal {
		return out.filter.run(ctx, text, out.app.stdout)
	}
	shown := &plain{to: out.app.stdout}
	defer shown.flush()
	return out.filter.run(ctx, text, shown)
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
	return redact.Scrub(text, 300)
}

// filterFor returns the filter of the flag, if there is one.
func (a *app) filterFor(ctx context.Context, o apiOptions) (*filter, error) {
	switch {
	case o.filter == "":
		return nil, nil
	case o.output != "" && o.output != "-":
		return nil, usage("--jq prints what it finds, and --output writes what came").WithHint("leave --output out, and write: > %s", redact.Scrub(o.output, 80))
	}
	return newFilter(ctx, o.filter, os.Environ())
}
