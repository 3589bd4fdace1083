//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// control steers the sandbox.
func (b *bench) control(what, body string) error {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, b.url+"/_sandbox/"+what, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("sandbox: %s: status %d", what, resp.StatusCode)
	}
	return nil
}

// refreshes counts the renewals that the sandbox has seen.
func (b *bench) refreshes() (int, error) {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodGet, b.url+"/_sandbox/stats", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var stats struct {
		Providers map[string]struct {
			Refreshes int `json:"refreshes"`
		} `json:"providers"`
	}
	err = json.NewDecoder(resp.Body).Decode(&stats)
	return stats.Providers["moloni-on"].Refreshes, err
}

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
