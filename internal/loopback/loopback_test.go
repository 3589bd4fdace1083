package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestIs(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.1.2.3": true, "::1": true, "::ffff:127.0.0.1": true,
		"localhost.": false, "sub.localhost": false, "localhost.example.com": false, "127.0.0.1.nip.io": false, "0.0.0.0": false,
		"127.1": false, "2130706433": false, "0x7f.0.0.1": false, "::": false, "10.0.0.1": false, "": false, "[::1]": false,
	} {
		if got := Is(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}

// onlyIPv6 listens on a port that nothing uses over IPv4. It is below those that the system gives out by itself, so no other
// test takes it meanwhile.
func onlyIPv6(t *testing.T) net.Listener {
	t.Helper()
	for range 1000 {
		port := 10_240 + rand.IntN(10_000)
		l, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", port)) //nolint:noctx // a test's own listener
		if err != nil {
			continue
		}
		if four, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil { //nolint:noctx // as above
			_ = four.Close()
			return l
		}
		_ = l.Close()
	}
	t.Fatal("no port is free")
	return nil
}

func TestLocalhostIsBothFamilies(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil { //nolint:noctx // a test's own listener
		_ = l.Close()
	} else {
		t.Logf("this machine has no IPv6 loopback: %v", err)
		return
	}
	l := onlyIPv6(t)
	defer func() { _ = l.Close() }()
	dial := Dial(&net.Dialer{Timeout: 5 * time.Second})
	port := l.Addr().(*net.TCPAddr).Port
	conn, err := dial(t.Context(), "tcp", fmt.Sprintf("localhost:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.RemoteAddr().String(); got != l.Addr().String() {
		t.Errorf("connected to %s", got)
	}
	_ = conn.Close()
	_ = l.Close()
	if _, err := dial(t.Context(), "tcp", fmt.Sprintf("localhost:%d", port)); !fail.ConnectionRefused(err) {
		t.Errorf("%v", err)
	}
	if _, err := dial(t.Context(), "tcp", "no port"); err == nil {
		t.Error("an address without a port is dialled")
	}
}
