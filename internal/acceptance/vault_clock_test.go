//go:build linux

package acceptance

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/store/vaultfake"
)

var soon = regexp.MustCompile("in (5[5-9]|60) min")

var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// shifted moves every time in a body.
func shifted(body io.ReadCloser, by time.Duration) (io.ReadCloser, int) {
	text, _ := io.ReadAll(body)
	_ = body.Close()
	text = instant.ReplaceAllFunc(text, func(at []byte) []byte {
		t, err := time.Parse(time.RFC3339Nano, string(at))
		if err != nil || t.Year() < 2000 {
			return at
		}
		return t.Add(by).AppendFormat(nil, time.RFC3339Nano)
	})
	return io.NopCloser(bytes.NewReader(text)), len(text)
}

// seenBy returns the address at which a machine sees Vault, and all that Vault holds, whose clock is behind by so
// much.
func (s *vaultShop) seenBy(behind time.Duration) string {
	target, err := url.Parse(s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if r.Out.Body != nil {
				var length int
				r.Out.Body, length = shifted(r.Out.Body, -behind)
				r.Out.ContentLength = int64(length)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if date, err := http.ParseTime(r.Header.Get("Date")); err == nil {
				r.Header.Set("Date", date.Add(behind).UTC().Format(http.TimeFormat))
			}
			r.Header.Del("Content-Length")
			var length int
			r.Body, length = shifted(r.Body, behind)
			r.ContentLength = int64(length)
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	s.t.Cleanup(server.Close)
	return server.URL
}

func (s *vaultShop) wrongClocks() map[string]attempt {
	return map[string]attempt{
		"a clock 10 minutes slow": {env: map[string]string{"VAULT_ADDR": s.seenBy(10 * time.Minute)}},
		"a clock 10 minutes fast": {env: map[string]string{"VAULT_ADDR": s.seenBy(-10 * time.Minute)}},
	}
}

// A machine whose clock is wrong counts by Vault's: it hands out the same token as the others, refreshes when they
// would, and what it refreshes is fresh to them.
func TestVaultClock(t *testing.T) {
	address := ""
	if binary := os.Getenv(vaultBinary); binary != "" {
		var stop func()
		var err error
		if address, stop, err = startVault(binary); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
	} else {
		address = new(vaultfake.Server).Start(t).URL
	}
	s := newShopAt(t, address)
	refreshes := func() int { return s.sandbox.Stats()["moloni-on"].Requests["refresh"] }
	for name, behind := range map[string]time.Duration{"slow": 10 * time.Minute, "fast": -10 * time.Minute, "days slow": 50 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			wrong := map[string]string{"VAULT_ADDR": s.seenBy(behind), "TOKENCLI_STATE_DIR": filepath.Join(t.TempDir(), "state")}
			before := refreshes()
			_, right, _ := s.run(nil, "token", "moloni-on")
			exit, token, stderr := s.run(wrong, "token", "moloni-on")
			if exit != 0 || token != right || refreshes() != before {
				t.Errorf("exit %d, the same token: %v, %d refreshes, %q", exit, token == right, refreshes()-before, stderr)
			}
			if strings.Count(stderr, "this machine's clock is ") != 1 {
				t.Errorf("it said %q, want one warning", stderr)
			}
			exit, _, stderr = s.run(wrong, "refresh", "moloni-on")
			if exit != 0 || refreshes() != before+1 {
				t.Fatalf("exit %d, %d refreshes, %q", exit, refreshes()-before, stderr)
			}
			_, token, _ = s.run(wrong, "token", "moloni-on")
			exit, again, stderr := s.run(nil, "token", "moloni-on")
			if exit != 0 || again != token || again == right || refreshes() != before+1 {
				t.Errorf("a machine whose clock is right: exit %d, the same token: %v, a new one: %v, %d refreshes, %q", exit, again == token, again != right, refreshes()-before, stderr)
			}
			if strings.Contains(stderr, "clock") {
				t.Errorf("a machine whose clock is right said %q", stderr)
			}
			// The token expires in an hour.
			for _, run := range []struct {
				args []string
				want int
			}{{[]string{"token", "moloni-on", "--min-ttl", "55m"}, 1}, {[]string{"refresh", "--all", "--within", "55m"}, 1}, {[]string{"token", "moloni-on", "--min-ttl", "65m"}, 2}} {
				if exit, _, stderr := s.run(wrong, run.args...); exit != 0 || refreshes() != before+run.want {
					t.Errorf("%q: exit %d, %d refreshes, want %d, %q", run.args, exit, refreshes()-before, run.want, stderr)
				}
			}
			if _, status, _ := s.run(wrong, "status"); !soon.MatchString(status) {
				t.Errorf("status: %s", status)
			}
		})
	}
}

// A fresh token is one request to Vault.
func TestVaultFreshToken(t *testing.T) {
	server := new(vaultfake.Server)
	s := newShopAt(t, server.Start(t).URL)
	before := len(server.Requests())
	exit, _, stderr := s.run(nil, "token", "moloni-on")
	if sent := server.Requests()[before:]; exit != 0 || !slices.Equal(sent, []string{"GET /v1/secret/data/tokencli/moloni-on"}) {
		t.Errorf("exit %d, %q was sent, %s", exit, sent, stderr)
	}
}
