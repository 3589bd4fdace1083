//go:build unix

package safefile

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const nobody = 65534

// become makes the process act as another user until the test ends. It takes root.
func become(t *testing.T, uid int) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("takes root")
	}
	if err := syscall.Seteuid(uid); err != nil {
		t.Skipf("root cannot become another user here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Seteuid(0); err != nil {
			panic(err)
		}
	})
}

func chown(t *testing.T, path string, uid int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("takes root")
	}
	if err := os.Lchown(path, uid, -1); err != nil {
		t.Fatal(err)
	}
	return path
}

// openTemp returns a temporary folder that every user can enter.
func openTemp(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	chmod(t, filepath.Dir(dir), 0o755)
	return chmod(t, dir, 0o755)
}

func TestAnotherUsersFiles(t *testing.T) {
	dir := openTemp(t)
	theirs := chown(t, put(t, filepath.Join(dir, "theirs"), "text", 0o644), nobody)
	theirFolder := chown(t, folder(t, filepath.Join(dir, "folder"), 0o755), nobody)
	const words = "belongs to another user"
	for _, class := range []Class{State, Private, Config, Key} {
		_, err := Read(theirs, 10, class)
		refused(t, err, theirs, words)
	}
	refused(t, CheckTrusted(theirs), theirs, words)
	refused(t, CheckTrusted(theirFolder), theirFolder, words)
	refused(t, EnsureDir(theirFolder), theirFolder, words)
	if mode(t, theirFolder) != 0o755 {
		t.Error("another user's folder was changed")
	}
	_, err := ReadDir(theirFolder)
	refused(t, err, theirFolder, words)
}

// Root may hand a user configuration and keys, but keeps no state for them.
func TestRootsFiles(t *testing.T) {
	dir := openTemp(t)
	config := put(t, filepath.Join(dir, "config"), "text", 0o644)
	key := put(t, filepath.Join(dir, "key"), "text", 0o640)
	if os.Getuid() == 0 {
		// The group is that of the process, as for a service that may read a key.
		if err := os.Chown(key, 0, os.Getegid()); err != nil {
			t.Fatal(err)
		}
	}
	writable := put(t, filepath.Join(dir, "writable"), "text", 0o666)
	state := folder(t, filepath.Join(dir, "state"), 0o755)
	become(t, nobody)
	for _, test := range []struct {
		path  string
		class Class
		words string // of the refusal; empty where there is none
	}{
		{config, Config, ""},
		{config, State, "belongs to another user"},
		{config, Private, "belongs to another user"},
		{config, Key, "can be read by other users"},
		{key, Key, ""},
		{key, Config, ""},
		{writable, Config, "can be written by other users"},
	} {
		data, err := Read(test.path, 10, test.class)
		if test.words != "" {
			refused(t, err, test.path, test.words)
		} else if err != nil || string(data) != "text" {
			t.Errorf("Read(%s, %d) = %q, %v", test.path, test.class, data, err)
		}
	}
	if err := CheckTrusted(state); err != nil {
		t.Errorf("CheckTrusted of root's folder: %v", err)
	}
	refused(t, EnsureDir(state), state, "belongs to another user")
}

func TestWithoutPermission(t *testing.T) {
	dir := openTemp(t)
	closed := folder(t, filepath.Join(dir, "closed"), 0o700)
	file := put(t, filepath.Join(closed, "file"), "text", 0o600)
	if os.Getuid() == 0 {
		become(t, nobody)
	} else {
		chmod(t, closed, 0o000)
		t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	}
	const words = "permission denied"
	_, err := Read(file, 10, State)
	refused(t, err, file, words)
	refused(t, WriteAtomic(file, nil), file, words)
	refused(t, Create(file+"2", nil), file, words)
	refused(t, Remove(file), file, words)
	refused(t, CheckTrusted(file), file, words)
	refused(t, CheckDir(filepath.Join(closed, "state")), "state", words)
	refused(t, EnsureDir(filepath.Join(closed, "state")), "state", words)
	unwritable := filepath.Join(closed, "..", "state")
	if os.Getuid() == 0 {
		refused(t, EnsureDir(unwritable), "state", words)
	}
}

// A named pipe or a device does not make the reader wait, and is refused.
func TestReadIrregular(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skipf("no named pipes here: %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, class := range []Class{State, Key} {
			_, err := Read(pipe, 10, class)
			refused(t, err, pipe, "is not a regular file")
		}
		if os.Getuid() == 0 { // else it is another user's, which is said only after
			_, err := Read("/dev/zero", 10, Config)
			refused(t, err, "zero", "is not a regular file")
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("a named pipe made the reader wait")
	}
}

// A disk that is full leaves the old file, and no other.
func TestWriteAtomicFullDisk(t *testing.T) {
	const variable = "SAFEFILE_TEST_FULL_DISK"
	if path := os.Getenv(variable); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		// Enough for the report of a test with coverage.
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 256 << 10, Max: 256 << 10}); err != nil {
			t.Fatal(err)
		}
		refused(t, WriteAtomic(path, make([]byte, 300_000)), path, "cannot be written")
		refused(t, Create(path+"2", make([]byte, 300_000)), path, "cannot be written")
		return
	}
	dir := t.TempDir()
	path := put(t, filepath.Join(dir, "file"), "old", 0o600)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriteAtomicFullDisk$")
	cmd.Env = append(os.Environ(), variable+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the old file holds %q", got)
	}
	if got := strings.Join(names(t, dir), " "); got != "file" {
		t.Errorf("left in the folder: %s", got)
	}
}

// A folder above one's own that others can write lets them put another in its place.
func TestCheckParents(t *testing.T) {
	dir := t.TempDir()
	open := folder(t, filepath.Join(dir, "open"), 0o777)
	group := folder(t, filepath.Join(dir, "group"), 0o770)
	sticky := folder(t, filepath.Join(dir, "sticky"), 0o777|os.ModeSticky)
	home := folder(t, filepath.Join(dir, "home"), 0o755)
	for _, parent := range []string{open, group, sticky, home} {
		put(t, filepath.Join(folder(t, filepath.Join(parent, "inner"), 0o700), "config.yaml"), "text", 0o600)
	}
	link(t, filepath.Join(open, "inner"), filepath.Join(home, "to-open"))
	link(t, filepath.Join("..", "home", "inner"), filepath.Join(open, "to-home"))
	link(t, filepath.Join("..", "home", "inner"), filepath.Join(sticky, "to-home"))
	link(t, "loop", filepath.Join(home, "loop"))
	for _, test := range []struct{ path, culprit string }{
		{filepath.Join(home, "inner"), ""},
		{filepath.Join(sticky, "inner"), ""},
		{filepath.Join(sticky, "to-home"), ""},
		{filepath.Join(home, "none", "none"), ""},
		{filepath.Join(open, "inner"), open},
		{filepath.Join(group, "inner"), group},
		{filepath.Join(home, "to-open"), open},
		{filepath.Join(open, "to-home"), open},
		{filepath.Join(home, "loop"), "loop"},
	} {
		_, errRead := Read(filepath.Join(test.path, "config.yaml"), 10, Config)
		for call, err := range map[string]error{"CheckParents": CheckParents(test.path), "Read": errRead, "CheckTrusted": CheckTrusted(test.path)} {
			switch {
			case test.culprit != "":
				refused(t, err, test.culprit, "")
			case err != nil && filepath.Base(test.path) != "none":
				t.Errorf("%s(%s): %v", call, test.path, err)
			}
		}
	}
	const words = "can be written by other users, who could replace what is in it"
	refused(t, EnsureDir(filepath.Join(open, "inner")), open, words)
	refused(t, EnsureDir(filepath.Join(open, "new")), open, words)
	refused(t, CheckDir(filepath.Join(open, "inner")), open, words)
	if _, err := os.Lstat(filepath.Join(open, "new")); err == nil {
		t.Error("a folder was created where others can replace it")
	}
}

// Root creates nothing in the home folder of another user, as with sudo -E.
func TestCheckParentsOfAnotherUsersHome(t *testing.T) {
	home := chown(t, folder(t, filepath.Join(openTemp(t), "home"), 0o755), nobody)
	for _, path := range []string{filepath.Join(home, "state"), filepath.Join(home, ".local", "state", "tokencli")} {
		refused(t, EnsureDir(path), home, "belongs to another user")
	}
	if got := names(t, home); len(got) > 0 {
		t.Errorf("created: %v", got)
	}
	become(t, nobody)
	if err := EnsureDir(filepath.Join(home, "state")); err != nil {
		t.Errorf("the owner of the home folder: %v", err)
	}
}
