package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

// The variables by which the test binary, started again, is told to play another tokencli.
const (
	lockRole = "STORE_TEST_LOCK_ROLE"
	lockDir  = "STORE_TEST_LOCK_DIR"
)

// TestLockPeer is the other process of the tests below.
func TestLockPeer(t *testing.T) {
	locks := Locks{Store: "file", Dir: os.Getenv(lockDir)}
	switch os.Getenv(lockRole) {
	case "":
		return // no part is to be played
	case "hold": // until it is killed or its standard input ends
		release, err := locks.Hold(t.Context(), mollie)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("held")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		release()
	case "count": // read, wait, write: loses steps unless it is alone
		for range peerSteps {
			release, err := locks.Hold(t.Context(), mollie)
			if err != nil {
				t.Fatal(err)
			}
			counter := filepath.Join(locks.Dir, "counter")
			text, err := os.ReadFile(counter)
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(string(text))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			if err := os.WriteFile(counter, []byte(strconv.Itoa(n+1)), 0o600); err != nil {
				t.Fatal(err)
			}
			release()
		}
	}
}

const peerSteps = 5

func peer(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLockPeer$")
	cmd.Env = append(os.Environ(), lockRole+"="+role, lockDir+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// lockHolder starts a process that has the lock, and returns it when it does.
func lockHolder(t *testing.T, dir string) (cmd *exec.Cmd, end func()) {
	t.Helper()
	cmd = peer(t, "hold", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); strings.TrimSpace(line) != "held" {
		t.Fatalf("the other process did not get the lock: %q", line)
	}
	return cmd, func() { _ = stdin.Close() }
}

func acquire(t *testing.T, l Locks, name account.Name, within time.Duration) (func(), error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return l.Hold(ctx, name)
}

func TestLockExcludesProcesses(t *testing.T) {
	dir := stateDir(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	counter := filepath.Join(dir, "counter")
	if err := os.WriteFile(counter, []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	const peers = 8
	var wg sync.WaitGroup
	for range peers {
		wg.Go(func() {
			cmd := peer(t, "count", dir)
			if out, err := cmd.Output(); err != nil {
				t.Errorf("peer: %v: %s", err, out)
			}
		})
	}
	wg.Wait()
	if text, _ := os.ReadFile(counter); string(text) != strconv.Itoa(peers*peerSteps) {
		t.Errorf("%d steps under the lock left the counter at %s", peers*peerSteps, text)
	}
}

func TestLockExcludesGoroutines(t *testing.T) {
	l := Locks{Store: "file", Dir: stateDir(t)}
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			release, err := acquire(t, l, mollie, 20*time.Second)
			if err != nil {
				t.Errorf("Hold: %v", err)
				return
			}
			most.Store(max(most.Load(), inside.Add(1)))
			time.Sleep(2 * time.Millisecond)
			inside.Add(-1)
			release()
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d goroutines had the lock at once", most.Load())
	}
}

func TestLockKilledHolder(t *testing.T) {
	l := Locks{Store: "file", Dir: stateDir(t)}
	cmd, _ := lockHolder(t, l.Dir)
	if _, ok, err := l.Try(t.Context(), mollie); ok || err != nil {
		t.Fatalf("Try beside a holder = %v, %v", ok, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	release, err := acquire(t, l, mollie, 5*time.Second)
	if err != nil {
		t.Fatalf("the lock of a killed process was not had: %v", err)
	}
	release()
}

func TestLockDeadline(t *testing.T) {
	l := Locks{Store: "file", Dir: stateDir(t)}
	release, err := l.Hold(t.Context(), mollie)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	calls := map[string]func(context.Context) error{
		"Hold": func(ctx context.Context) error { _, err := l.Hold(ctx, mollie); return err },
		"Wait": func(ctx context.Context) error { return l.Wait(ctx, mollie) },
	}
	for call, do := range calls {
		t.Run(call, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			err := do(ctx)
			if !fail.Is(err, fail.Store) || !errors.Is(err, context.DeadlineExceeded) || fail.Advice(err) == nil {
				t.Errorf("%v, want a failure of the store", err)
			}
			if want := "could not acquire the lock for mollie within 1s: another tokencli process is refreshing it"; err.Error() != want {
				t.Errorf("%q, want %q", err, want)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
		t.Run(call+" interrupted", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			start := time.Now()
			if err := do(ctx); !fail.Is(err, fail.Interrupted) || !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want an interruption", err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
		t.Run(call+" interrupted before", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := do(ctx); !fail.Is(err, fail.Interrupted) {
				t.Errorf("%v, want an interruption", err)
			}
		})
	}
	// Another account's lock is another lock.
	other, err := acquire(t, l, shopB, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	other()
}

func TestLockRelease(t *testing.T) {
	l := Locks{Store: "file", Dir: stateDir(t)}
	ctx, cancel := context.WithCancel(t.Context())
	first, err := l.Hold(ctx, mollie)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	first()
	second, err := acquire(t, l, mollie, 5*time.Second)
	if err != nil {
		t.Fatalf("release after the context was cancelled: %v", err)
	}
	first() // must not free what is another's now
	if _, ok, err := l.Try(t.Context(), mollie); ok || err != nil {
		t.Errorf("a second release freed another's lock: %v, %v", ok, err)
	}
	second()
	third, ok, err := l.Try(t.Context(), mollie)
	if !ok || err != nil {
		t.Fatalf("Try of a free lock = %v, %v", ok, err)
	}
	third()
	info, err := os.Stat(filepath.Join(l.Dir, "locks-file", "acct-mollie.lock"))
	if err != nil || info.Size() != 0 || isUnix && info.Mode().Perm() != 0o600 {
		t.Errorf("the lock file after use: %v, %v", info, err)
	}
}

// All who wait are let go together: nobody waits for another waiter.
func TestLockWait(t *testing.T) {
	l := Locks{Store: "file", Dir: stateDir(t)}
	if err := l.Wait(t.Context(), mollie); err != nil {
		t.Fatalf("Wait for nobody: %v", err)
	}
	_, end := lockHolder(t, l.Dir)
	const waiters = 50
	var freed atomic.Int64
	var early atomic.Int32
	var slowest atomic.Int64
	var wg sync.WaitGroup
	for range waiters {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := l.Wait(ctx, mollie); err != nil {
				t.Errorf("Wait: %v", err)
			}
			if at := freed.Load(); at == 0 {
				early.Add(1)
			} else {
				slowest.Store(max(slowest.Load(), time.Now().UnixNano()-at))
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	freed.Store(time.Now().UnixNano())
	end()
	wg.Wait()
	if early.Load() > 0 {
		t.Errorf("%d waiters did not wait", early.Load())
	}
	t.Logf("the last of %d waiters went on %v after the holder was told to end", waiters, time.Duration(slowest.Load()))
}

func TestLockNotice(t *testing.T) {
	var noticed atomic.Int32
	l := Locks{Store: "file", Dir: stateDir(t), Notice: func(name account.Name) {
		if name != mollie {
			t.Errorf("notice of %v", name)
		}
		noticed.Add(1)
	}}
	release, err := l.Hold(t.Context(), mollie)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := acquire(t, l, mollie, 300*time.Millisecond); err == nil || noticed.Load() != 0 {
		t.Errorf("a short wait: %v, %d notices", err, noticed.Load())
	}
	if _, err := acquire(t, l, mollie, 1500*time.Millisecond); err == nil || noticed.Load() != 1 {
		t.Errorf("a wait of more than a second: %v, %d notices, want 1", err, noticed.Load())
	}
}

func TestLockUnusable(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(t *testing.T, dir string)
		unix bool
	}{
		{"the lock file is a link", func(t *testing.T, dir string) {
			victim := filepath.Join(dir, "victim")
			if err := os.Symlink(victim, filepath.Join(dir, "locks-file", "acct-mollie.lock")); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if _, err := os.Lstat(victim); err == nil {
					t.Error("the link was followed")
				}
			})
		}, true},
		{"the lock file is a folder", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "locks-file", "acct-mollie.lock"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"others write the folder", func(t *testing.T, dir string) { chmod(t, filepath.Join(dir, "locks-file"), 0o777) }, true},
		{"the folder is a link", func(t *testing.T, dir string) { replaceByLink(t, filepath.Join(dir, "locks-file")) }, true},
		{"the state folder is a link", func(t *testing.T, dir string) { replaceByLink(t, dir) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.unix && !isUnix {
				t.Skip("not checked here")
			}
			l := Locks{Store: "file", Dir: stateDir(t)}
			if err := os.MkdirAll(filepath.Join(l.Dir, "locks-file"), 0o700); err != nil {
				t.Fatal(err)
			}
			test.harm(t, l.Dir)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, errHold := l.Hold(ctx, mollie)
			_, _, errTry := l.Try(ctx, mollie)
			for call, err := range map[string]error{"Hold": errHold, "Try": errTry, "Wait": l.Wait(ctx, mollie)} {
				if !fail.Is(err, fail.Store) || fail.Advice(err) == nil || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s = %v (%+v), want a failure of the store", call, err, fail.Advice(err))
				}
			}
		})
	}
	_, err := Locks{Store: "file"}.Hold(t.Context(), mollie)
	if !fail.Is(err, fail.Store) || fail.Advice(err) == nil {
		t.Errorf("Hold without a state folder = %v (%+v)", err, fail.Advice(err))
	}
	if _, err := (Locks{Store: "file", Dir: t.TempDir()}).Hold(t.Context(), account.Name{Provider: "../up"}); !fail.Is(err, fail.Usage) {
		t.Errorf("Hold of no account name = %v", err)
	}
}
