//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
)

// The lines of a document between which the tables stand.
const (
	tablesBegin = "<!-- tables: make bench -->"
	tablesEnd   = "<!-- end of tables -->"
)

// document replaces the tables of a document.
func (b *bench) document() error {
	text, err := os.ReadFile(b.write)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), tablesBegin)
	_, after, end := strings.Cut(rest, tablesEnd)
	if !ok || !end {
		return fmt.Errorf("%s has no place for the tables", b.write)
	}
	tables := tablesBegin + "\n\n" + machine(b.ctx) + ".\n\n" + b.out.String() + "\n" + tablesEnd
	return os.WriteFile(b.write, []byte(before+tables+after), 0o644) // a public document
}
