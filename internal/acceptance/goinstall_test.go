package acceptance

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGoInstall installs the module by its address at a version, as `go install MODULE@VERSION` does once it is
// published: from a module proxy in the file system, in front of the modules that this machine has.
func TestGoInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the program once more")
	}
	const module, version = "github.com/tokencli/tokencli", "v0.9.1"
	goCommand := func(env []string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Env, cmd.Dir = append(os.Environ(), env...), t.TempDir()
		out, err := cmd.Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = fmt.Errorf("%w\n%s", err, exit.Stderr)
			}
			t.Fatalf("go %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	proxy := t.TempDir()
	versions := filepath.Join(proxy, module, "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := json.Marshal(map[string]string{"Version": version, "Time": "2026-11-28T00:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"list": []byte(version + "\n"), version + ".info": info, version + ".mod": mod} {
		if err := os.WriteFile(filepath.Join(versions, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	zipModule(t, root, filepath.Join(versions, version+".zip"), module+"@"+version+"/")

	cache := filepath.Join(goCommand(nil, "env", "GOMODCACHE"), "cache", "download")
	bin, modules := t.TempDir(), t.TempDir()
	// Nothing is asked over the network.
	goCommand([]string{
		"GOBIN=" + bin, "GOMODCACHE=" + modules, "GOFLAGS=-modcacherw", "GONOSUMDB=*", "GOSUMDB=off", "GOWORK=off",
		"GOPROXY=file://" + filepath.ToSlash(proxy) + ",file://" + filepath.ToSlash(cache), "CGO_ENABLED=0",
	}, "install", module+"@latest")
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, filepath.Base(module)), "version").Output()
	if want := "tokencli " + version; err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("version prints %q and not %q: %v", out, want, err)
	}
}

// repository is the root of the checkout.
const repository = "../.."

// zipModule writes the files of the module to a zip, in the form of https://go.dev/ref/mod#zip-files: without the
// folders that are modules of their own.
func zipModule(t *testing.T, root, path, prefix string) {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		t.Skip("not a git checkout, so the files of the module are not known")
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	names := strings.Fields(string(list))
	var modules []string
	for _, name := range names {
		if folder, is := strings.CutSuffix(name, "/go.mod"); is {
			modules = append(modules, folder+"/")
		}
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) || slices.ContainsFunc(modules, func(m string) bool { return strings.HasPrefix(name, m) }) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		to, err := w.Create(prefix + name)
		if err == nil {
			_, err = to.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
