//go:build unix

package session

import (
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

// Ctrl-C goes to every process in the group of the one at the terminal.
func TestOnRotateHasAGroupOfItsOwn(t *testing.T) {
	w := newCI(t, moloniOn)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	defer signal.Stop(signals)
	s := w.session()
	s.OnRotate = []string{"sh", "-c", `trap "" USR1; kill -USR1 0; cat >"$1"`, "sh", w.file}
	if _, err := s.Token(t.Context(), moloniOn, 0); err != nil {
		t.Fatal(err)
	}
	if len(w.received()) != 1 {
		t.Error("on_rotate did not get to its end")
	}
	select {
	case <-signals:
		t.Error("the command shares its group of processes")
	case <-time.After(100 * time.Millisecond):
	}
}

func TestOnRotateIsStoppedWithItsChildren(t *testing.T) {
	w := newCI(t, moloniOn)
	s := w.session()
	s.bounds.Hook = 500 * time.Millisecond
	s.OnRotate = []string{"sh", "-c", `sleep 60 & echo $! >"$1"; wait`, "sh", w.file}
	_, err := s.Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.Store, "did not finish within 500ms")
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		if err := syscall.Kill(child, 0); errors.Is(err, syscall.ESRCH) {
			return true
		}
		// Where nobody collects orphans it stays as a zombie.
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(child) + "/stat")
		return err == nil && strings.Contains(string(stat), ") Z ")
	})
}
