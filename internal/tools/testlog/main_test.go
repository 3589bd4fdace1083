package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	const (
		pass  = `{"Action":"pass","Package":"p","Test":"TestKeychain/save"}` + "\n"
		skip  = `{"Action":"output","Package":"p","Test":"TestWine","Output":"no wine here\n"}` + "\n" + `{"Action":"skip","Package":"p","Test":"TestWine"}` + "\n"
		fails = `{"Action":"output","Package":"p","Test":"TestA","Output":"want 1\n"}` + "\n" + `{"Action":"fail","Package":"p","Test":"TestA"}` + "\n"
		ok    = `{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}` + "\n" + `{"Action":"pass","Package":"p"}` + "\n"
	)
	allow := filepath.Join(t.TempDir(), "allow")
	if err := os.WriteFile(allow, []byte("# why\np.TestWine # needs it\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, in, allow, need string
		shown, err            string
	}{
		{name: "all is well", in: pass + ok, need: "(?i)keychain", shown: "ok  \tp\t0.1s\ntests: 1 passed, 0 failed, 0 skipped\n"},
		{name: "a failure is told", in: pass + fails, shown: "want 1\n", err: "1 tests or packages failed"},
		{name: "no test", in: ok, err: "no test ran"},
		{name: "an unlisted skip is told", in: pass + skip, shown: "no wine here\n", err: "p.TestWine"},
		{name: "a listed skip", in: pass + skip, allow: allow, shown: "skipped: p.TestWine\n"},
		{name: "a needed test is gone", in: pass, need: "Browser", err: "Browser"},
		{name: "a package that does not build", in: pass + `{"Action":"build-fail","ImportPath":"p"}` + "\n", err: "failed"},
		{name: "the go command itself", in: "go: no such module\n", shown: "go: no such module\n", err: "no test ran"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			err := run(strings.NewReader(tt.in), &out, tt.allow, tt.need)
			if !strings.Contains(out.String(), tt.shown) {
				t.Errorf("shown %q, want %q in it", out.String(), tt.shown)
			}
			if (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}
