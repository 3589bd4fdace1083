package cmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

// apiOutput is where answers of an API go.
type apiOutput struct {
	app      *app
	include  bool
	terminal bool // stdout is one
	file     *download
	filter   *filter // of what is printed; nil: all of it
	printed  bool    // a body was printed before
	end      byte    // its last byte
}

func (a *app) newAPIOutput(o apiOptions) (*apiOutput, error) {
	out := &apiOutput{
		app:      a,
		include:  o.include || o.request.Method == http.MethodHead,
		terminal: a.stdout == os.Stdout && isTerminal(os.Stdout),
	}
	if o.output == "" || o.output == "-" {
		return out, nil
	}
	var err error
	out.file, err = newDownload(o.output)
	return out, err
}

// take prints one answer: a success through the filter or to the file, if there is one, all else to stdout
// as it came.
func (out *apiOutput) take(ctx context.Context, answer *session.Answer) error {
	a := out.app
	if out.include {
		if err := a.print(head(answer)); err != nil {
			return err
		}
	}
	if answer.Status >= 200 && answer.Status <= 299 {
		switch {
		case out.file != nil:
			return out.save(answer)
		case out.filter != nil:
			return out.filtered(ctx, answer.Body)
		}
	}
	if !out.terminal {
		return out.copy(a.stdout, answer.Body)
	}
	shown := &plain{to: a.stdout}
	defer shown.flush()
	body := bufio.NewReader(answer.Body)
	if isJSON(answer.Header.Get("Content-Type"), body) {
		return out.copy(&layout{to: shown}, body)
	}
	return out.copy(shown, body)
}

// copy hands a body on. Where one follows another, or a terminal follows, a missing line end is added.
func (out *apiOutput) copy(to io.Writer, from io.Reader) error {
	if out.printed && out.end != '\n' {
		if _, err := io.WriteString(to, "\n"); err != nil {
			return cannotPrint(err)
		}
	}
	last := &lastByte{to: to, last: '\n'}
	_, err := io.Copy(last, from)
	out.printed, out.end = true, last.last
	if err == nil && out.terminal && last.last != '\n' {
		_, err = io.WriteString(last, "\n")
		out.end = '\n'
	}
	if last.err != nil {
		return cannotPrint(last.err)
	}
	return err
}

// save appends an answer to the file.
func (out *apiOutput) save(answer *session.Answer) error {
	from := answer.Body
	if isTerminal(os.Stderr) {
		bar := &progress{to: out.app.stderr, size: answer.Size, now: out.app.now}
		defer bar.clear()
		from = io.TeeReader(from, bar)
	}
	return out.file.append(from)
}

// finish puts the file in its place.
func (out *apiOutput) finish() error {
	if out.file == nil {
		return nil
	}
	return out.file.finish()
}

// abandon leaves nothing behind of a file that was not finished.
func (out *apiOutput) abandon() {
	if out.file != nil {
		out.file.abandon()
	}
}

// head returns the status line and the headers of an answer, sorted, and an empty line.
func head(answer *session.Answer) string {
	var b strings.Builder
	b.WriteString(answer.Line + "\n")
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		for _, value := range answer.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String() + "\n"
}

// isJSON reports whether a body is JSON, by its type or, where that is a text or missing, by its looks.
func isJSON(contentType string, body *bufio.Reader) bool {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	if media == "application/json" || strings.HasSuffix(media, "+json") {
		return true
	}
	if media != "" && !strings.HasPrefix(media, "text/") {
		return false
	}
	start, _ := body.Peek(64) // a failure comes again with the body
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[')
}

// lastByte remembers what a text ends with, and tells a failure to write from one to read.
type lastByte struct {
	to   io.Writer
	last byte
	err  error
}

func (l *lastByte) Write(p []byte) (int, error) {
	n, err := l.to.Write(p)
	if n > 0 {
		l.last = p[n-1]
	}
	if err != nil {
		l.err = err
	}
	return n, err
}

// download is a file that takes its place when it is whole.
type download struct {
	path string // that of the file in the end
	file *os.File
	temp string // empty: what path names is written to as it is, a device or a pipe
	end  byte
	any  bool
}

// newDownload makes the file before anything is asked for, so that a request is not made in vain.
func newDownload(path string) (*download, error) {
	cannot := func(err error) error {
		var inner *fs.PathError
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return usage("%s cannot be written: %w", path, err).WithHint("choose another file with --output")
	}
	mode := fs.FileMode(0o600)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, cannot(err)
	case info.IsDir():
		return nil, usage("%s is a folder", path).WithHint("name a file with --output")
	case !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, cannot(err)
		}
		return &download{path: path, file: f}, nil
	default:
		// The file itself is replaced, not a link that leads to it.
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, cannot(err)
		}
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part") // 0600
	if err != nil {
		return nil, cannot(err)
	}
	if mode != 0o600 {
		if err := f.Chmod(mode); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			_ = f.Close()
			_ = os.Remove(f.Name())
			return nil, cannot(err)
		}
	}
	return &download{path: path, file: f, temp: f.Name()}, nil
}

func (d *download) append(from io.Reader) error {
	if d.any && d.end != '\n' {
		if _, err := d.file.WriteString("\n"); err != nil {
			return d.failure(err)
		}
	}
	to := &lastByte{to: d.file, last: '\n'}
	_, err := io.Copy(to, from)
	d.any, d.end = true, to.last
	if to.err != nil {
		return d.failure(to.err)
	}
	return err
}

func (d *download) failure(err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return fail.New(fail.Internal, "%s cannot be written: %w", d.path, err)
}

func (d *download) finish() error {
	f, temp := d.file, d.temp
	d.file, d.temp = nil, ""
	err := f.Close()
	if temp == "" {
		if err != nil {
			return d.failure(err)
		}
		return nil
	}
	if err == nil {
		err = os.Rename(temp, d.path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return d.failure(err)
	}
	return nil
}

func (d *download) abandon() {
	if d.file != nil {
		_ = d.file.Close()
	}
	if d.temp != "" {
		_ = os.Remove(d.temp)
	}
	d.file, d.temp = nil, ""
}
