// Package helper answers other tools in their own credential protocols: git-credential, docker-credential,
// client-go's exec plugins and Go's GOAUTH. A token is handed out only for the hosts that the helper was set
// up for, and only over https, or http on the loopback interface.
package helper

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/loopback"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// Source is where a helper gets its tokens.
type Source struct {
	Session *session.Session
	MinTTL  time.Duration // how long a token must be valid
}

func (s Source) token(ctx context.Context, name account.Name) (*session.Credential, error) {
	return s.Session.TokenForUse(ctx, name, s.MinTTL)
}

// maxInput bounds what a tool may send: its requests are a few lines.
const maxInput = 1 << 20

func readInput(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return "", fail.New(fail.Usage, "cannot read the request of the calling tool: %w", err)
	}
	if len(text) > maxInput {
		return "", fail.New(fail.Usage, "the request of the calling tool is larger than 1 MiB")
	}
	return string(text), nil
}

// CheckHost returns a failure unless host is HOST or HOST:PORT.
func CheckHost(host string) error {
	u, err := url.Parse("https://" + host)
	if err != nil || u.Hostname() == "" || u.Host != host || strings.HasSuffix(host, ":") || strings.ContainsAny(host, "*% ") {
		return fail.New(fail.Usage, "invalid host %q: expected HOST or HOST:PORT, without https:// and path", redact.Scrub(host, 80))
	}
	return nil
}

// allow returns a failure unless the address is one of the hosts and is secure.
func allow(scheme, host string, hosts []string) error {
	if scheme == "" || host == "" {
		return fail.New(fail.Usage, "the request of the calling tool does not name protocol and host")
	}
	if !listed(scheme, host, hosts) {
		return fail.New(fail.Usage, "this helper is not set up for %s", redact.Scrub(host, 80))
	}
	return checkSecure(scheme, host)
}

// checkSecure returns a failure unless the scheme keeps a token secret on its way to the host.
func checkSecure(scheme, host string) error {
	u := url.URL{Host: host}
	if strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http") && loopback.Is(u.Hostname()) {
		return nil
	}
	return fail.New(fail.Usage, "no token is sent to %s over %s; use https", redact.Scrub(host, 80), redact.Scrub(scheme, 20))
}

func listed(scheme, host string, hosts []string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool {
		return strings.EqualFold(withoutDefaultPort(scheme, h), withoutDefaultPort(scheme, host))
	})
}

func withoutDefaultPort(scheme, host string) string {
	port := ":443"
	if strings.EqualFold(scheme, "http") {
		port = ":80"
	}
	return strings.TrimSuffix(host, port)
}

// writeJSON writes one line, without the escapes that only browsers need.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
