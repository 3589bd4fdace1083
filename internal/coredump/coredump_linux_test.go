package coredump_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/coredump"
)

// TestMain makes the test binary a process that disables core dumps, reports a child's limit, and then
// waits to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("COREDUMP_TEST") == "" {
		os.Exit(m.Run())
	}
	coredump.Disable()
	child := exec.CommandContext(context.Background(), "sh", "-c", "ulimit -Sc; cat /proc/self/stat >/dev/null; test -r /proc/self/environ && echo readable")
	child.Stdout = os.Stdout
	if err := coredump.Start(child); err != nil {
		panic(err)
	}
	_ = child.Wait()
	os.Stdout.Close()
	time.Sleep(time.Minute)
}

func TestNoCoreDump(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max != ^uint64(0) {
		t.Skip("core dumps cannot be allowed here")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -Sc unlimited; exec "$0"`, os.Args[0])
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "COREDUMP_TEST=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 64)
	n, _ := stdout.Read(said)
	for m := n; m > 0; n += m {
		m, _ = stdout.Read(said[n:])
	}
	if got := string(said[:n]); got != "unlimited\nreadable\n" {
		t.Errorf("a child has the limit %q, want unlimited, and is dumpable", got)
	}
	limits, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "limits"))
	if err != nil || !strings.Contains(string(limits), "Max core file size        0 ") {
		t.Errorf("limits of the process: %v\n%s", err, limits)
	}
	if err := cmd.Process.Signal(syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.CoreDump() {
		t.Error("the process left a core dump")
	}
	if left, _ := os.ReadDir(cmd.Dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
