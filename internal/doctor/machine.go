package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/callback"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
	"github.com/tokencli/tokencli/internal/session"
)

func (e *run) version(context.Context) []Finding {
	text := []string{"tokencli " + e.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	return []Finding{ok("version", "%s", strings.Join(append(text, callback.HostKind(e.Environ)...), ", "))}
}

func (e *run) config(context.Context) []Finding { return e.Config }

func (e *run) definitions(context.Context) []Finding {
	const check = "definitions"
	dir := e.Session.DefinitionDir
	names, err := e.session.Catalog.Names()
	if err != nil {
		return []Finding{Failed(check, err)}
	}
	if dir == "" {
		return []Finding{ok(check, "%d built in", len(names))}
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []Finding{wrong(check, fail.Store, "make it readable", "%s cannot be read", redact.Printable(dir))}
	}
	var findings []Finding
	own := 0
	for _, entry := range entries {
		name := entry.Name()
		stem := strings.TrimSuffix(strings.TrimSuffix(name, ".yaml"), ".yml")
		if stem == name {
			continue
		}
		path := filepath.Join(dir, name)
		found, err := e.session.Catalog.Lint(path)
		switch {
		case err != nil:
			findings = append(findings, Failed(check, err))
		case len(found) > 0:
			findings = append(findings, advise(wrong(check, fail.Usage, "", "%s:%s", redact.Printable(path), oneLine(found[0].String())), fail.DoLint, quoted(path)))
		default:
			if _, err := e.session.Catalog.Find(stem); err != nil {
				findings = append(findings, Failed(check, err))
				continue
			}
			own++
		}
	}
	if len(findings) == 0 {
		findings = append(findings, ok(check, "%d built in, %d of your own", len(names)-own, own))
	}
	return findings
}

// onRotate looks for the command that is to be run after a refresh.
func (e *run) onRotate(context.Context) []Finding {
	const check = "on_rotate"
	if len(e.Session.OnRotate) == 0 {
		return nil
	}
	if _, err := exec.LookPath(e.Session.OnRotate[0]); err != nil {
		return []Finding{wrong(check, fail.Usage, "write the command in full, or install it; a list of words is run without a shell",
			"%s is not a command that can be run here", redact.Printable(e.Session.OnRotate[0]))}
	}
	return []Finding{ok(check, "%s found", redact.Printable(e.Session.OnRotate[0]))}
}

// state looks at the folder that everything is written to.
func (e *run) state(context.Context) []Finding {
	const check = "state"
	dir := e.Session.StateDir
	if err := safefile.CheckDir(dir); err != nil {
		return []Finding{Failed(check, err)}
	}
	shown := redact.Printable(dir)
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := safefile.CheckParents(dir); err != nil {
			return []Finding{Failed(check, err)}
		}
		if parent, err := tryParent(dir); err != nil {
			return []Finding{wrong(check, fail.Store, "make "+quoted(parent)+" writable, or set TOKENCLI_STATE_DIR to a folder of your own",
				"%s does not exist and cannot be created in %s: %s", shown, redact.Printable(parent), reason(err))}
		}
		return []Finding{ok(check, "%s does not exist yet; the first login creates it", shown)}
	}
	if err == nil {
		err = tryWrite(dir)
	}
	if err != nil {
		return []Finding{wrong(check, fail.Store, "make it writable, make room on its disk, or set TOKENCLI_STATE_DIR to another folder",
			"%s cannot be written: %s", shown, reason(err))}
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return []Finding{warn(check, "chmod 700 "+quoted(dir), "%s can be read by other users (mode %04o)", shown, info.Mode().Perm())}
	}
	return []Finding{ok(check, "%s is private and writable", shown)}
}

// tryWrite writes 64 KiB, which is more than any credential takes, and removes them.
func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".tokencli-doctor-*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 64<<10))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// tryParent makes and removes a folder in the first parent of dir that is there, and returns that parent.
func tryParent(dir string) (string, error) {
	parent := filepath.Dir(dir)
	for {
		if _, err := os.Stat(parent); err == nil || filepath.Dir(parent) == parent {
			break
		}
		parent = filepath.Dir(parent)
	}
	temp, err := os.MkdirTemp(parent, ".tokencli-doctor-*.tmp")
	if err != nil {
		return parent, err
	}
	return parent, os.Remove(temp)
}

// reason is an error of the file system without the path that it repeats.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return oneLine(err.Error())
}

// browser tells what would open the authorization page.
func (e *run) browser(context.Context) []Finding {
	const check = "browser"
	environ := account.Environ(e.Environ)
	command, tried := callback.FindOpener(environ)
	switch {
	case command != "" && e.Getenv("BROWSER") != "":
		return []Finding{ok(check, "%s, by BROWSER", redact.Scrub(command, 120))}
	case command != "":
		return []Finding{ok(check, "%s", redact.Scrub(command, 120))}
	case len(tried) == 0:
		return []Finding{ok(check, "no display found: login prints the URL and accepts the redirect URL pasted back")}
	case e.Getenv("BROWSER") != "":
		return []Finding{advise(warn(check, "",
			"BROWSER names no command that can be run here: %s", redact.Scrub(strings.Join(tried, ", "), 120)), fail.DoSetBrowser)}
	}
	return []Finding{warn(check, "install xdg-utils, or set BROWSER; login prints the address in any case, and takes a pasted one",
		"no command found that opens a browser (%s)", strings.Join(tried, ", "))}
}

// proxy checks the settings by which net/http finds its proxy, as every request does.
func (e *run) proxy(context.Context) []Finding {
	const check = "proxy"
	if err := session.CheckProxies(); err != nil {
		return []Finding{Failed(check, err)}
	}
	var findings []Finding
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY"} {
		set, value := e.either(name)
		if value == "" {
			continue
		}
		with := ""
		if i := strings.LastIndexByte(value, '@'); i >= 0 {
			value, with = value[i+1:], ", with a user name or password"
		}
		findings = append(findings, ok(check, "%s: %s%s", fail.Word(set), redact.Scrub(value, 120), fail.Word(with)))
	}
	if _, all := e.either("ALL_PROXY"); all != "" && len(findings) == 0 {
		findings = append(findings, warn(check, "set HTTPS_PROXY", "ALL_PROXY is set but has no effect"))
	}
	if findings == nil {
		findings = append(findings, ok(check, "none is set"))
	}
	return findings
}

// either returns a variable that may be written in upper or lower case.
func (e *run) either(name string) (set, value string) {
	for _, set := range []string{name, strings.ToLower(name)} {
		if value := e.Getenv(set); value != "" {
			return set, value
		}
	}
	return name, ""
}

// certificates checks what is trusted for TLS, as every request does.
func (e *run) certificates(context.Context) []Finding {
	const check = "certificates"
	if err := session.CheckCertificates(); err != nil {
		return []Finding{Failed(check, err)}
	}
	if path := e.Getenv("SSL_CERT_FILE"); path != "" {
		return []Finding{ok(check, "SSL_CERT_FILE: %s", redact.Scrub(path, 200))}
	}
	if dir := e.Getenv("SSL_CERT_DIR"); dir != "" && runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		for _, dir := range filepath.SplitList(dir) {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return []Finding{wrong(check, fail.Usage, "unset it, or set it to a folder of PEM certificates",
					"SSL_CERT_DIR names a folder that does not exist: %s", redact.Scrub(dir, 200))}
			}
		}
	}
	pool, err := x509.SystemCertPool()
	if err != nil || runtime.GOOS == "linux" && pool.Equal(x509.NewCertPool()) {
		return []Finding{wrong(check, fail.Usage, "install the package ca-certificates, or set SSL_CERT_FILE", "this system has no certificates to trust")}
	}
	return []Finding{ok(check, "those of the system")}
}

// quoted is a path as it can be pasted into a shell.
func quoted(path string) string {
	if strings.ContainsAny(path, " '\"$`\\*?&;|<>()") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return redact.Printable(path)
}
