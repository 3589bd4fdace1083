package acceptance

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// release builds the binary as it is released.
func release(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokencli.exe")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "../..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// TestStart holds down what every call pays before main: the work that packages do when they are loaded,
// and the size of the binary.
func TestStart(t *testing.T) {
	const (
		all     = 1.5 // milliseconds
		one     = 0.3
		longest = 12 << 20
		runs    = 25
	)
	binary := release(t)
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	// Doubling is what happens when something calls methods by name (text/template does): the linker then
	// keeps everything.
	if info.Size() > longest && runtime.GOARCH == "amd64" {
		t.Errorf("the binary has %.1f MiB, %d were promised", float64(info.Size())/(1<<20), longest>>20)
	}
	// The least of many runs is what the work costs; the rest is what else the machine does.
	least := make(map[string]float64)
	for range runs {
		cmd := exec.CommandContext(t.Context(), binary, "version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		lines := bufio.NewScanner(&stderr)
		for lines.Scan() {
			// init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
			fields := strings.Fields(lines.Text())
			if len(fields) < 5 || fields[0] != "init" {
				continue
			}
			ms, err := strconv.ParseFloat(fields[4], 64)
			if err != nil {
				t.Fatalf("not understood: %s", lines.Text())
			}
			name := fields[1]
			if before, seen := least[name]; seen {
				ms = math.Min(ms, before)
			}
			least[name] = ms
		}
	}
	if len(least) < 20 {
		t.Fatalf("only %d packages were traced", len(least))
	}
	var sum float64
	for name, ms := range least {
		sum += ms
		if ms > one {
			t.Errorf("%s takes %.2f ms to load, at most %.1f", name, ms, one)
		}
	}
	if sum > all {
		t.Errorf("all packages take %.2f ms to load, at most %.1f", sum, all)
	}
	t.Logf("%d packages, %.2f ms", len(least), sum)
}
