package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// Pages returns the documents for users: the README and everything below docs. root is the folder of the repository.
func Pages(root string) ([]string, error) {
	pages := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		pages = append(pages, found...)
	}
	return pages, nil
}

// Block is a fenced block of a document.
type Block struct {
	Language string
	Text     string
	Line     int    // of its first line of text
	Mark     string // what a comment on the line before it says, as in <!-- not run: it needs a Mollie account -->
}

// Blocks returns the fenced blocks of a document.
func Blocks(path string) ([]Block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	comment := regexp.MustCompile(`^<!--\s*(.*?)\s*-->$`)
	var found []Block
	var open *Block
	mark, number := "", 0
	for line := range strings.Lines(string(text)) {
		number++
		language, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &Block{Language: language, Line: number + 1, Mark: mark}
		case fence:
			found = append(found, *open)
			open = nil
		case open != nil:
			open.Text += line
		}
		if match := comment.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
			mark = match[1]
		} else if strings.TrimSpace(line) != "" {
			mark = ""
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s:%d: the block is not closed", path, open.Line)
	}
	return found, nil
}

// Scripts is what the scripts in testdata/script run and hold.
type Scripts struct {
	Lines map[string]bool // every command line, also of the shell scripts that they start
	Files []string
}

// ReadScripts reads testdata/script below root.
func ReadScripts(root string) (Scripts, error) {
	all := Scripts{Lines: map[string]bool{}}
	paths, err := filepath.Glob(filepath.Join(root, "testdata", "script", "*.txtar"))
	if err != nil {
		return Scripts{}, err
	}
	prefix := regexp.MustCompile(`^(?:! )?(?:exec|exits \d+|fails \d+) (?:(?:person \S+|timeout \S+) )?(.*?)(?: &\w*&?)?$`)
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			return Scripts{}, err
		}
		for line := range strings.Lines(string(archive.Comment)) {
			if match := prefix.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
				all.Lines[match[1]] = true
			}
		}
		for _, file := range archive.Files {
			all.Files = append(all.Files, string(file.Data))
			// A shell script that is started and stops at the first failure.
			if !strings.Contains(string(archive.Comment), "exec bash -eu "+file.Name+"\n") {
				continue
			}
			for line := range strings.Lines(string(file.Data)) {
				all.Lines[strings.TrimSpace(line)] = true
			}
		}
	}
	return all, nil
}
