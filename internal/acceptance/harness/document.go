package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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
