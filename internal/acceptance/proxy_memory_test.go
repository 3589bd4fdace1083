//go:build linux && !race

// Not under the race detector, which takes several times the memory that a program asks for.

package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A gigabyte in each direction passes through a proxy whose memory stays small.
func TestProxyMemory(t *testing.T) {
	const size, most = 1 << 30, 40 << 20
	t.Parallel()
	s := newStage(t)
	if err := s.Variables(s.variable); err != nil {
		t.Fatal(err)
	}
	s.variable["TOKENCLI_MONTA_BASE_URL"] = s.withLarge(t, size) + "/monta"
	login := exec.CommandContext(t.Context(), "tokencli", "login", "monta")
	login.Env = s.environ()
	if said, err := login.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	process, client := s.startProxy(t, "monta")

	if got, err := io.ReadAll(client(http.MethodPost, io.LimitReader(zeros{}, size))); string(got) != strconv.Itoa(size) {
		t.Errorf("the API received %q bytes: %v", got, err)
	}
	if n, err := io.Copy(io.Discard, client(http.MethodGet, nil)); n != size {
		t.Errorf("the program received %d bytes: %v", n, err)
	}
	if peak := peakMemory(t, process.Pid); peak > most {
		t.Errorf("the proxy took up to %d KiB of memory, at most %d allowed", peak>>10, most>>10)
	} else {
		t.Logf("the proxy took up to %d KiB of memory", peak>>10)
	}
}

// withLarge serves the sandbox with one more resource, large, which has size bytes and takes any number, and returns
// the address.
func (s *stage) withLarge(t *testing.T, size int64) string {
	t.Helper()
	address, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	others := httputil.NewSingleHostReverseProxy(address)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasSuffix(r.URL.Path, "/large"):
			others.ServeHTTP(w, r)
		case r.Method == http.MethodGet:
			_, _ = io.CopyN(w, zeros{}, size)
		default:
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// startProxy starts a proxy of one account as a process that ends with the test. The function that it returns sends a
// request for large with the proxy's key and returns the body of the answer.
func (s *stage) startProxy(t *testing.T, account string) (*os.Process, func(method string, body io.Reader) io.Reader) {
	t.Helper()
	file := filepath.Join(s.home, "proxy.env")
	cmd := exec.CommandContext(t.Context(), "tokencli", "proxy", account, "--env-file", file)
	cmd.Env, cmd.Stderr = s.environ(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context has ended it
	var lines []byte
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if lines, err = os.ReadFile(file); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	variable := map[string]string{}
	for line := range strings.Lines(string(lines)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		_, name, _ = strings.Cut(name, "_")
		variable[name] = value
	}
	return cmd.Process, func(method string, body io.Reader) io.Reader {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, variable["API_URL"]+"large", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+variable["ACCESS_TOKEN"])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s was answered with %s", method, resp.Status)
		}
		return resp.Body
	}
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peakMemory returns the largest resident memory, in bytes, that a process has had (proc_pid_status(5)).
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := peakLine.FindSubmatch(text)
	if found == nil {
		t.Fatalf("no VmHWM in %s", text)
	}
	peak, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return peak << 10
}
