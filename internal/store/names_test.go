package store

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

const isUnix = runtime.GOOS != "windows"

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// replaceByLink moves what is at path away and puts a symbolic link to it there.
func replaceByLink(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".moved", path); err != nil {
		t.Fatal(err)
	}
}

func checkNames(t *testing.T, n Names, want ...account.Name) {
	t.Helper()
	if got, err := n.List(); err != nil || !slices.Equal(got, want) {
		t.Errorf("List = %v, %v; want %v", got, err, want)
	}
}

func TestNames(t *testing.T) {
	n := Names{Dir: stateDir(t), Folder: "names"}
	checkNames(t, n)
	if err := n.Remove(mollie); err != nil {
		t.Errorf("Remove from no list: %v", err)
	}
	if _, err := os.Stat(n.Dir); err == nil {
		t.Error("reading the list made a folder")
	}
	dotted := account.Name{Provider: "a.b-c_d", Label: "x.y"}
	for _, name := range []account.Name{shopB, dotted, mollie, shopB} {
		if err := n.Add(name); err != nil {
			t.Fatalf("Add(%v): %v", name, err)
		}
	}
	checkNames(t, n, dotted, mollie, shopB)

	folder := filepath.Join(n.Dir, "names")
	for _, file := range []string{"README", "acct-UPPER", "acct-a~b~c", "mollie"} {
		if err := os.WriteFile(filepath.Join(folder, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "acct-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	checkNames(t, n, dotted, mollie, shopB)

	for range 2 {
		if err := n.Remove(mollie); err != nil {
			t.Fatalf("Remove: %v", err)
		}
		checkNames(t, n, dotted, shopB)
	}
}

func TestNamesAtOnce(t *testing.T) {
	dir := stateDir(t)
	var wg sync.WaitGroup
	var want []account.Name
	for i := range 10 {
		name := account.Name{Provider: "mollie", Label: fmt.Sprintf("n%d", i)}
		want = append(want, name)
		for range 3 {
			wg.Go(func() {
				if err := (Names{Dir: dir, Folder: "names"}).Add(name); err != nil {
					t.Errorf("Add: %v", err)
				}
			})
		}
	}
	wg.Wait()
	checkNames(t, Names{Dir: dir, Folder: "names"}, want...)
}

func TestNamesRefused(t *testing.T) {
	n := Names{Dir: stateDir(t), Folder: "names"}
	for _, name := range []account.Name{{}, {Provider: "../up"}, {Provider: "a/b"}, {Provider: "a~b"}} {
		if err := n.Add(name); !fail.Is(err, fail.Usage) {
			t.Errorf("Add(%q) = %v, want a usage failure", name, err)
		}
		if err := n.Remove(name); !fail.Is(err, fail.Usage) {
			t.Errorf("Remove(%q) = %v, want a usage failure", name, err)
		}
	}
	checkNames(t, n)

	if !isUnix {
		return
	}
	if err := n.Add(mollie); err != nil {
		t.Fatal(err)
	}
	chmod(t, filepath.Join(n.Dir, "names"), 0o777)
	_, err := n.List()
	for _, err := range []error{err, n.Add(shopB), n.Remove(mollie), (Names{}).Add(mollie)} {
		if !fail.Is(err, fail.Store) || fail.Advice(err) == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v (%+v), want a failure of the store", err, fail.Advice(err))
		}
	}
}
