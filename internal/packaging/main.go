// Command packaging writes what a release contains besides the binary: the man page of every command, the
// Debian changelog and the release notes. The man pages need packages that the product must not link.
//
//	go run ./internal/packaging -version 1.2.3 -date 1764300000 -out packaging
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/tokencli/tokencli/cmd"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func run() error {
	version := flag.String("version", "", "the version being released, without a v")
	date := flag.Int64("date", 0, "the time of the commit, in seconds since 1970: two runs write the same bytes")
	maintainer := flag.String("maintainer", "", "who signs the Debian changelog, as NAME <ADDRESS>")
	out := flag.String("out", "packaging", "the folder to write to")
	flag.Parse()
	if *version == "" || *date == 0 {
		return errors.New("-version and -date are needed")
	}
	at := time.Unix(*date, 0).UTC()
	if err := writeManPages(filepath.Join(*out, "man"), *version, at); err != nil {
		return err
	}
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	notes, err := releaseNotes(string(text), *version)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*out, "notes.md"), []byte(notes), 0o644); err != nil {
		return err
	}
	return writeCompressed(filepath.Join(*out, "changelog.gz"), debianChangelog(notes, *version, *maintainer, at))
}

// writeManPages writes one compressed page for each command that help lists, and one for each help topic.
func writeManPages(dir, version string, at time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var write func(c *cobra.Command) error
	write = func(c *cobra.Command) error {
		if c.Hidden || c.Name() == "help" {
			return nil
		}
		c.DisableAutoGenTag = true
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		header := &doc.GenManHeader{
			Title: strings.ToUpper(name), Section: "1", Date: &at, Source: "tokencli " + version, Manual: "tokencli",
		}
		var page bytes.Buffer
		if err := doc.GenMan(c, header, &page); err != nil {
			return err
		}
		for _, child := range c.Commands() {
			if err := write(child); err != nil {
				return err
			}
		}
		return writeCompressed(filepath.Join(dir, name+".1.gz"), page.String())
	}
	return write(cmd.Tree(version))
}

// releaseNotes returns the section of the changelog for a version; for a snapshot (1.2.3-next), the one of what
// is unreleased.
func releaseNotes(changelog, version string) (string, error) {
	heading := "## " + version
	if strings.Contains(version, "-") {
		heading = "## Unreleased"
	}
	var notes strings.Builder
	inside := false
	for line := range strings.Lines(changelog) {
		if strings.HasPrefix(line, "## ") {
			title := strings.TrimSpace(line)
			inside = title == heading || strings.HasPrefix(title, heading+" ") || strings.HasPrefix(title, heading+":")
			continue
		}
		if inside {
			notes.WriteString(line)
		}
	}
	if strings.TrimSpace(notes.String()) == "" {
		return "", fmt.Errorf("CHANGELOG.md has no section %q", heading)
	}
	return strings.TrimSpace(notes.String()) + "\n", nil
}

// debianChangelog returns the notes in the form of Debian Policy 4.4.
func debianChangelog(notes, version, maintainer string, at time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "tokencli (%s) unstable; urgency=medium\n\n", strings.ReplaceAll(version, "-", "~"))
	for _, item := range items(notes) {
		text.WriteString("  * " + wrap(item, 76, "\n    ") + "\n")
	}
	fmt.Fprintf(&text, "\n -- %s  %s\n", maintainer, at.Format(time.RFC1123Z))
	return text.String()
}

// items returns the paragraphs and list items of the notes, each as one line; headings are left out.
func items(notes string) []string {
	var found []string
	open := false
	for line := range strings.Lines(notes) {
		text, starts := strings.CutPrefix(strings.TrimSpace(line), "- ")
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
			open = false
		case starts || !open:
			found, open = append(found, text), true
		default:
			found[len(found)-1] += " " + text
		}
	}
	return found
}

// wrap breaks a text at spaces into lines of at most width bytes.
func wrap(text string, width int, newline string) string {
	var wrapped strings.Builder
	used := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case used == 0:
		case used+1+len(word) > width:
			wrapped.WriteString(newline)
			used = 0
		default:
			wrapped.WriteByte(' ')
			used++
		}
		wrapped.WriteString(word)
		used += len(word)
	}
	return wrapped.String()
}

// writeCompressed writes a text as `gzip -9n` does: without a name and a time.
func writeCompressed(path, text string) error {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}
