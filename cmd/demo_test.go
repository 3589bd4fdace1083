package cmd

import (
	"net"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
)

// Where this machine cannot connect to itself, the demonstration says so at once and does not wait for its browser.
func TestDemoNeedsLoopback(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := checkLoopback(t.Context(), address); err != nil {
		t.Errorf("%s: %v", address, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkLoopback(t.Context(), address); !fail.Is(err, fail.Unavailable) || hintOf(err) == "" {
		t.Errorf("without a listener: %v", err)
	}
}
