// Package keepalive has the system's scheduler refresh logins before they expire: a systemd user timer, a launchd
// agent or a task of the Task Scheduler.
package keepalive

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/safefile"
)

// name is what the scheduler knows the job by.
const name = "tokencli-keepalive"

// File is a file that the scheduler reads.
type File struct{ Path, Text string }

// bytes returns what is written: the Task Scheduler expects UTF-16.
func (f File) bytes() []byte {
	if !strings.HasSuffix(f.Path, ".xml") {
		return []byte(f.Text)
	}
	letters := utf16.Encode([]rune("\ufeff" + strings.ReplaceAll(f.Text, "\n", "\r\n")))
	b := make([]byte, 0, 2*len(letters))
	for _, letter := range letters {
		b = binary.LittleEndian.AppendUint16(b, letter)
	}
	return b
}

// Files returns the files for a job, the one to enable last.
func (s *Scheduler) Files(j *Job) ([]File, error) {
	texts, err := s.texts(j)
	if err != nil {
		return nil, err
	}
	files := make([]File, len(texts))
	for i, text := range texts {
		files[i] = File{s.paths[i], text}
	}
	return files, nil
}

// Install writes the files and enables the job; an older one is replaced. It reports false if the scheduler does not
// run for this user: the files are written, and ByHand enables them.
func (s *Scheduler) Install(ctx context.Context, files []File) (enabled bool, err error) {
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return false, fail.New(fail.Internal, "%s cannot be created: %w", filepath.Dir(f.Path), err)
		}
		if err := safefile.WriteAtomic(f.Path, f.bytes()); err != nil {
			return false, fail.New(fail.Internal, "%w", err)
		}
	}
	if s.replace != nil {
		_, _ = run(ctx, s.replace) // fails if there is no older job
	}
	if s.reload != nil {
		if _, err := run(ctx, s.reload); err != nil && ctx.Err() == nil {
			return false, nil
		}
	}
	for _, argv := range s.enable {
		_, err := run(ctx, argv)
		switch {
		case ctx.Err() != nil:
			return false, fail.New(fail.Interrupted, "interrupted; the files are written")
		case err != nil:
			return false, fail.New(fail.Internal, "the files are written, but %s refused them: %w", s.Name, err).
				Advise(fail.DoRunByHand, strings.Join(argv, " "))
		}
	}
	return true, nil
}

// Status is what is installed and what the scheduler reports about it.
type Status struct {
	Installed bool     `json:"installed"` // all files exist
	Files     []string `json:"files"`     // those that exist
	Active    *bool    `json:"active"`    // nil if the scheduler cannot be asked
	Next      string   `json:"next"`      // empty if the scheduler does not say
	Last      string   `json:"last"`
}

// Status returns what is installed.
func (s *Scheduler) Status(ctx context.Context) Status {
	status := Status{Files: []string{}}
	for _, path := range s.paths {
		if _, err := os.Lstat(path); err == nil {
			status.Files = append(status.Files, path)
		}
	}
	if status.Installed = len(status.Files) == len(s.paths); status.Installed {
		s.ask(ctx, &status)
	}
	return status
}

// Remove disables the job and deletes its files, also if the scheduler does not run. It reports false if nothing is
// installed.
func (s *Scheduler) Remove(ctx context.Context) (removed bool, err error) {
	if len(s.Status(ctx).Files) == 0 {
		return false, nil
	}
	_, _ = run(ctx, s.disable)
	for _, path := range append([]string{s.link}, s.paths...) {
		if path == "" {
			continue
		}
		if err := safefile.Remove(path); err != nil {
			return false, fail.New(fail.Internal, "%w", err)
		}
	}
	if s.reload != nil {
		_, _ = run(ctx, s.reload)
	}
	return true, nil
}
