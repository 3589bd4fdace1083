//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The action installs a release only if its checksum is right.
func TestInstallRelease(t *testing.T) {
	for _, program := range []string{"bash", "curl", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	archive := packed(t, "tokencli", "#!/bin/sh\necho tokencli 1.2.3\n")
	right := fmt.Sprintf("%x  tokencli_1.2.3_linux_amd64.tar.gz\n", sha256.Sum256(archive))
	for _, test := range []struct {
		name, version, checksums string
		fails                    string // what it says; empty: it installs
	}{
		{"by version", "1.2.3", right, ""},
		{"by tag", "v1.2.3", right, ""},
		{"latest", "latest", right, ""},
		{"another checksum", "1.2.3", strings.Repeat("0", 64) + right[64:], "the checksum of tokencli_1.2.3_linux_amd64.tar.gz is wrong"},
		{"no checksum", "1.2.3", "", "checksums.txt does not name"},
		{"no release", "1.2.4", right, "cannot download"},
		{"no version", "../1.2.3", right, "is no version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pages := http.NewServeMux()
			pages.Handle("/latest", http.RedirectHandler("/tag/v1.2.3", http.StatusFound))
			pages.HandleFunc("/tag/v1.2.3", func(http.ResponseWriter, *http.Request) {})
			pages.HandleFunc("/download/v1.2.3/tokencli_1.2.3_linux_amd64.tar.gz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
			pages.HandleFunc("/download/v1.2.3/checksums.txt", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(test.checksums)) })
			server := httptest.NewServer(pages)
			defer server.Close()

			dir := t.TempDir()
			install := exec.CommandContext(t.Context(), "bash", "../../.github/install-release")
			install.Env = []string{
				"PATH=" + os.Getenv("PATH"), "VERSION=" + test.version, "RUNNER_OS=Linux", "RUNNER_ARCH=X64", "RUNNER_TEMP=" + dir,
				"GITHUB_PATH=" + filepath.Join(dir, "path"), "GITHUB_OUTPUT=" + filepath.Join(dir, "output"),
				"TOKENCLI_TEST_RELEASES=" + server.URL,
			}
			out, err := install.CombinedOutput()
			path, _ := os.ReadFile(filepath.Join(dir, "path")) // missing after a failure
			if test.fails != "" {
				if err == nil || !strings.Contains(string(out), test.fails) || len(path) > 0 {
					t.Errorf("%v, %s, %q", err, out, path)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			said, err := exec.CommandContext(t.Context(), filepath.Join(strings.TrimSpace(string(path)), "tokencli")).Output()
			if err != nil || string(said) != "tokencli 1.2.3\n" {
				t.Errorf("what was installed says %q: %v", said, err)
			}
			if output, err := os.ReadFile(filepath.Join(dir, "output")); err != nil || string(output) != "version=1.2.3\n" {
				t.Errorf("%q, %v", output, err)
			}
		})
	}
}

func packed(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))})
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	for _, close := range []func() error{w.Close, z.Close} {
		if err == nil {
			err = close()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
