package safefile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

const isUnix = runtime.GOOS != "windows"

func put(t *testing.T, path, text string, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return chmod(t, path, mode)
}

func folder(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return chmod(t, path, mode)
}

func chmod(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, target, path string) string {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	return path
}

// refused checks a failure: its kind, its words, that it names the path, and that it gives advice.
func refused(t *testing.T, err error, path, words string) {
	t.Helper()
	if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), filepath.Base(path)) {
		t.Errorf("%v, want a failure of the store with %q and the path", err, words)
		return
	}
	if fail.Advice(err) == nil || strings.ContainsAny(err.Error(), "\n") {
		t.Errorf("%v gives no advice or spans lines", err)
	}
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestEnsureDirMakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "state")
	for range 2 {
		if err := EnsureDir(path + "/"); err != nil {
			t.Fatal(err)
		}
	}
	if isUnix {
		for p := path; filepath.Base(p) != "001"; p = filepath.Dir(p) {
			if mode(t, p) != 0o700 {
				t.Errorf("mode of %s = %v", p, mode(t, p))
			}
		}
	}
	if err := CheckDir(path); err != nil {
		t.Errorf("CheckDir of what EnsureDir made: %v", err)
	}
}

func TestEnsureDirAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "state")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := EnsureDir(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestEnsureDirRefuses(t *testing.T) {
	dir := t.TempDir()
	inner := folder(t, filepath.Join(dir, "inner"), 0o700)
	file := put(t, filepath.Join(dir, "file"), "", 0o600)
	for _, test := range []struct {
		name, path, words string
		unix              bool
	}{
		{"link", link(t, inner, filepath.Join(dir, "link")), "is a symbolic link", false},
		{"link with a slash", filepath.Join(dir, "link") + "/", "is a symbolic link", false},
		{"link to nothing", link(t, filepath.Join(dir, "none"), filepath.Join(dir, "dangling")), "is a symbolic link", false},
		{"file", file, "is not a folder", false},
		{"writable by all", folder(t, filepath.Join(dir, "all"), 0o777), "can be written by other users", true},
		{"writable by the group", folder(t, filepath.Join(dir, "group"), 0o770), "can be written by other users", true},
		{"writable by all, sticky", folder(t, filepath.Join(dir, "tmp"), 0o777|fs.ModeSticky), "can be written by other users", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.unix && !isUnix {
				t.Skip("permissions are not checked here")
			}
			before := mode(t, filepath.Clean(test.path))
			refused(t, EnsureDir(test.path), test.path, test.words)
			refused(t, CheckDir(test.path), test.path, test.words)
			_, err := ReadDir(test.path)
			refused(t, err, test.path, test.words)
			if mode(t, filepath.Clean(test.path)) != before {
				t.Error("a refused folder was changed")
			}
		})
	}
	t.Run("below a file", func(t *testing.T) {
		refused(t, EnsureDir(filepath.Join(file, "state")), "state", "")
	})
	t.Run("no home", func(t *testing.T) {
		for _, err := range []error{EnsureDir(""), CheckDir("")} {
			if advice := fail.Advice(err); !fail.Is(err, fail.Store) || advice == nil || advice.Do != fail.DoSetHome {
				t.Errorf("%v (%+v)", err, advice)
			}
		}
	})
}

func TestEnsureDirCloses(t *testing.T) {
	if !isUnix {
		t.Skip("permissions are not checked here")
	}
	for before, after := range map[fs.FileMode]fs.FileMode{0o755: 0o700, 0o711: 0o700, 0o750: 0o700, 0o700: 0o700, 0o555: 0o500, 0o500: 0o500} {
		path := folder(t, filepath.Join(t.TempDir(), "state"), before)
		if err := CheckDir(path); err != nil {
			t.Errorf("CheckDir at %v: %v", before, err)
		}
		if mode(t, path) != before {
			t.Errorf("CheckDir changed %v to %v", before, mode(t, path))
		}
		if err := EnsureDir(path); err != nil {
			t.Errorf("EnsureDir at %v: %v", before, err)
		}
		if mode(t, path) != after {
			t.Errorf("EnsureDir left %v at %v, want %v", before, mode(t, path), after)
		}
	}
}

func TestReadDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if names, err := ReadDir(dir); err != nil || len(names) != 0 {
		t.Errorf("ReadDir of nothing = %v, %v", names, err)
	}
	folder(t, dir, 0o700)
	put(t, filepath.Join(dir, "b"), "", 0o600)
	put(t, filepath.Join(dir, "a"), "", 0o600)
	folder(t, filepath.Join(dir, "folder"), 0o700)
	link(t, filepath.Join(dir, "a"), filepath.Join(dir, "link"))
	want := []string{"a", "b", "link"}
	if _, err := os.Lstat(filepath.Join(dir, "link")); err != nil {
		want = want[:2] // there are no links here
	}
	if names, err := ReadDir(dir); err != nil || !slices.Equal(names, want) {
		t.Errorf("ReadDir = %v, %v", names, err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	all := []Class{State, Private, Config, Key}
	links, open := []Class{Config, Key}, []Class{State, Config}
	file := put(t, filepath.Join(dir, "0600"), "text", 0o600)
	for _, test := range []struct {
		name, path string
		accepted   []Class
		words      string
		unix       bool
	}{
		{"0600", file, all, "", false},
		{"0400", put(t, filepath.Join(dir, "0400"), "text", 0o400), all, "", false},
		{"0644", put(t, filepath.Join(dir, "0644"), "text", 0o644), open, "can be read by other users", true},
		{"0640", put(t, filepath.Join(dir, "0640"), "text", 0o640), open, "can be read by other users", true},
		{"0604", put(t, filepath.Join(dir, "0604"), "text", 0o604), open, "can be read by other users", true},
		{"0620", put(t, filepath.Join(dir, "0620"), "text", 0o620), nil, "can be written by other users", true},
		{"0602", put(t, filepath.Join(dir, "0602"), "text", 0o602), nil, "can be written by other users", true},
		{"0666", put(t, filepath.Join(dir, "0666"), "text", 0o666), nil, "can be written by other users", true},
		{"link", link(t, file, filepath.Join(dir, "link")), links, "is a symbolic link", false},
		{"link to 0666", link(t, filepath.Join(dir, "0666"), filepath.Join(dir, "link0666")), nil, "link0666", true},
		{"folder", folder(t, filepath.Join(dir, "folder"), 0o700), nil, "", false},
		{"nothing", filepath.Join(dir, "nothing"), nil, "cannot be read", false},
		{"below a file", filepath.Join(file, "below"), nil, "cannot be read", false},
		{"more than the limit", put(t, filepath.Join(dir, "large"), "12345", 0o600), nil, "larger than 4 bytes", false},
	} {
		for _, class := range all {
			t.Run(fmt.Sprintf("%s as %d", test.name, class), func(t *testing.T) {
				if test.unix && !isUnix {
					t.Skip("permissions are not checked here")
				}
				data, err := Read(test.path, 4, class)
				if slices.Contains(test.accepted, class) {
					if err != nil || string(data) != "text" {
						t.Errorf("Read = %q, %v", data, err)
					}
					return
				}
				refused(t, err, test.path, test.words)
				if data != nil {
					t.Error("a refused file was read")
				}
				if absent := test.name == "nothing"; isUnix && errors.Is(err, fs.ErrNotExist) != absent {
					t.Errorf("%v: wraps fs.ErrNotExist: %v", err, errors.Is(err, fs.ErrNotExist))
				}
			})
		}
	}
}

func TestCheckTrusted(t *testing.T) {
	dir := t.TempDir()
	good := put(t, filepath.Join(dir, "good"), "", 0o644)
	bad := put(t, filepath.Join(dir, "bad"), "", 0o664)
	for _, test := range []struct {
		name, path, words string
	}{
		{"file", good, ""},
		{"link", link(t, good, filepath.Join(dir, "link")), ""},
		{"folder", folder(t, filepath.Join(dir, "folder"), 0o755), ""},
		{"nothing", filepath.Join(dir, "nothing"), ""},
		{"link to nothing", link(t, filepath.Join(dir, "nothing"), filepath.Join(dir, "dangling")), ""},
		{"file others write", bad, "can be written by other users"},
		{"link to one", link(t, bad, filepath.Join(dir, "badlink")), "can be written by other users"},
		{"folder others write", folder(t, filepath.Join(dir, "open"), 0o775), "can be written by other users"},
		{"below a file", filepath.Join(good, "below"), "cannot be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := CheckTrusted(test.path)
			switch {
			case test.words == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.words != "" && isUnix:
				refused(t, err, test.path, test.words)
			}
		})
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestWriteAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, data := range [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("long"), 1<<16), []byte("two")} {
		if err := WriteAtomic(path, data); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d: %v", len(data), len(got), err)
		}
		if isUnix && mode(t, path) != 0o600 {
			t.Errorf("mode %v", mode(t, path))
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("left in the folder: %v", got)
	}
}

// A link at the path is replaced: what it points to stays as it is.
func TestWriteAtomicOverLink(t *testing.T) {
	dir := t.TempDir()
	victim := put(t, filepath.Join(dir, "victim"), "untouched", 0o644)
	path := link(t, victim, filepath.Join(dir, "file"))
	if err := WriteAtomic(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(victim); string(got) != "untouched" {
		t.Errorf("the link was followed: %q", got)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link was not replaced: %v, %v", info, err)
	}
}

func TestWriteAtomicFails(t *testing.T) {
	dir := t.TempDir()
	full := folder(t, filepath.Join(dir, "full"), 0o700)
	put(t, filepath.Join(full, "inside"), "", 0o600)
	refused(t, WriteAtomic(full, []byte("x")), full, "cannot be replaced")
	if got := names(t, dir); !slices.Equal(got, []string{"full"}) {
		t.Errorf("left in the folder: %v", got)
	}
	none := filepath.Join(dir, "none", "file")
	err := WriteAtomic(none, []byte("x"))
	refused(t, err, none, "cannot be written")
	if errors.Is(err, fs.ErrNotExist) {
		t.Error("a folder that is gone looks like a file that does not exist")
	}
}

func TestWriteAtomicReadersSeeItWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	versions := [][]byte{bytes.Repeat([]byte("a"), 10), bytes.Repeat([]byte("b"), 100_000)}
	if err := WriteAtomic(path, versions[0]); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := Read(path, 1<<20, State)
				if err != nil || !bytes.Equal(got, versions[0]) && !bytes.Equal(got, versions[1]) {
					t.Errorf("a reader got %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for i := range 50 {
		if err := WriteAtomic(path, versions[i%2]); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}

func TestWriteAtomicRemovesStale(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * staleAfter)
	for name, at := range map[string]time.Time{
		".tokencli-1.tmp": old, ".tokencli-2.tmp": time.Now(), ".other.tmp": old, "tokencli.tmp": old, ".tokencli-3": old,
	} {
		path := put(t, filepath.Join(dir, name), "", 0o600)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteAtomic(filepath.Join(dir, "file"), nil); err != nil {
		t.Fatal(err)
	}
	want := []string{".other.tmp", ".tokencli-2.tmp", ".tokencli-3", "file", "tokencli.tmp"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("left: %v, want %v", got, want)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.txt")
	if err := Create(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if isUnix && mode(t, path) != 0o600 {
		t.Errorf("mode %v", mode(t, path))
	}
	err := Create(path, []byte("second"))
	refused(t, err, path, "is not overwritten")
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v does not wrap fs.ErrExist", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "first" {
		t.Errorf("the file holds %q", got)
	}

	target := filepath.Join(dir, "target")
	dangling := link(t, target, filepath.Join(dir, "dangling"))
	refused(t, Create(dangling, nil), dangling, "is not overwritten")
	if _, err := os.Lstat(target); err == nil {
		t.Error("the link was followed")
	}
	none := filepath.Join(dir, "none", "key.txt")
	refused(t, Create(none, nil), none, "cannot be written")
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	target := put(t, filepath.Join(dir, "target"), "", 0o600)
	path := link(t, target, filepath.Join(dir, "link"))
	for range 2 {
		if err := Remove(path); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"target"}) {
		t.Errorf("left: %v", got)
	}
	full := folder(t, filepath.Join(dir, "full"), 0o700)
	put(t, filepath.Join(full, "inside"), "", 0o600)
	refused(t, Remove(full), full, "cannot be deleted")
}

// A path that would move the cursor is shown escaped.
func TestPathsAreShownEscaped(t *testing.T) {
	_, err := Read("no\x1b[31m\nsuch", 1, State)
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("%q", err)
	}
}
