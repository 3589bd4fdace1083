package main

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/cmd"
)

const changelog = "# Changelog\n\n## Unreleased\n\n- Soon.\n\n## 1.1.0 (2026-12-01)\n\n### Added\n\n- One thing\n  on two lines.\n\n## 1.0.0\n\n- Old.\n"

func TestReleaseNotes(t *testing.T) {
	for version, want := range map[string]string{
		"1.1.0":      "### Added\n\n- One thing\n  on two lines.\n",
		"1.0.0":      "- Old.\n",
		"1.1.1-next": "- Soon.\n",
		"1.1":        "",
		"2.0.0":      "",
	} {
		got, err := releaseNotes(changelog, version)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
}

func TestDebianChangelog(t *testing.T) {
	long := strings.Repeat("12345678 ", 10)
	got := debianChangelog("### Added\n\nWords.\n\n- One thing\n  on two lines.\n- "+long+"\n", "1.1.0-rc1", "A <a@example.com>", time.Unix(0, 0).UTC())
	want := "tokencli (1.1.0~rc1) unstable; urgency=medium\n\n  * Words.\n  * One thing on two lines.\n" +
		"  * " + strings.TrimSpace(long[:72]) + "\n    12345678 12345678\n\n -- A <a@example.com>  Thu, 01 Jan 1970 00:00:00 +0000\n"
	if got != want {
		t.Errorf("got %q", got)
	}
}

// Every command that help lists has a page, which names its flags.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if err := writeManPages(dir, "1.0.0", time.Unix(0, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" {
			return
		}
		page := unpack(t, filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1.gz"))
		if !strings.HasPrefix(page, ".nh\n.TH ") || !strings.Contains(page, `"Jan 1970" "tokencli 1.0.0"`) {
			t.Errorf("%s: %.80q", c.CommandPath(), page)
		}
		for _, child := range c.Commands() {
			check(child)
		}
	}
	check(cmd.Tree(""))
	if page := unpack(t, filepath.Join(dir, "tokencli-token.1.gz")); !strings.Contains(page, `\-\-min\-ttl`) && !strings.Contains(page, "--min-ttl") {
		t.Error("the page of token does not name its flags")
	}
}

func unpack(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
