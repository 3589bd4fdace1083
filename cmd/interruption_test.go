//go:build unix

package cmd

import (
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"
)

func TestInterruption(t *testing.T) {
	i := new(interruption)
	defer i.stop()
	if i.Err() != nil || i.Value("key") != nil || i.listening.Load() != nil {
		t.Fatal("it listens before anybody waits")
	}
	child, cancel := context.WithCancel(i)
	defer cancel()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-child.Done():
	case <-time.After(time.Minute):
		t.Fatal("SIGTERM did not end it")
	}
	if !errors.Is(i.Err(), context.Canceled) || !errors.Is(child.Err(), context.Canceled) {
		t.Errorf("Err = %v and %v, want that it was cancelled", i.Err(), child.Err())
	}
}

// Listening costs a thread; docs/performance.md has the figure.
func TestTokenThatIsThereListensToNoSignals(t *testing.T) {
	for name, value := range map[string]string{
		"TOKENCLI_STORE": "env", "TOKENCLI_MOLLIE_ACCESS_TOKEN": "access_1",
		"TOKENCLI_STATE_DIR": t.TempDir(), "TOKENCLI_CONFIG_DIR": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	a := newApp("test")
	a.stdout = io.Discard
	i := new(interruption)
	if code, done := a.quickToken(i, []string{"token", "mollie"}); code != 0 || !done {
		t.Fatalf("code %d, done %v", code, done)
	}
	if i.listening.Load() != nil {
		i.stop()
		t.Error("it listens")
	}
}
