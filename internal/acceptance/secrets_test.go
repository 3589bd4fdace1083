//go:build linux

package acceptance

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// planted are the secrets that the settings hold. Their odd characters show which encoding they went
// through.
var planted = map[string]string{
	"TOKENCLI_MOLONI_PASSWORD":                "pl4nted/password+of=m%6Floni",
	"TOKENCLI_MOLLIE__SHOP_ACCESS_TOKEN":      "pl4nted-access-token-of-the-environment",
	"TOKENCLI_MOLLIE__SHOP_REFRESH_TOKEN":     "pl4nted-refresh-token-of-the-environment",
	"TOKENCLI_FILE_PASSPHRASE":                "pl4nted correct horse battery staple",
	"TOKENCLI_FILE_KEY":                       harness.Key,
	"TOKENCLI_MOLONI_ON_CLIENT_SECRET":        plantedClientSecret("moloni-on"),
	"TOKENCLI_MOLONI_CLIENT_SECRET":           plantedClientSecret("moloni"),
	"TOKENCLI_MOLLIE_CLIENT_SECRET":           plantedClientSecret("mollie"),
	"TOKENCLI_MONEYBIRD_CLIENT_SECRET":        plantedClientSecret("moneybird"),
	"TOKENCLI_MONTA_CLIENT_SECRET":            plantedClientSecret("monta"),
	"TOKENCLI_MONEYBIRD__UNUSED_ACCESS_TOKEN": "pl4nted-access-token-of-nobody",
}

func plantedClientSecret(provider string) string { return "pl4nted/" + provider + "+secret=%41~" }

// plantedToken is a static one, given on stdin, and what people put on a command line by mistake.
const plantedToken = "pl4nted_static_token_0123456789"

// watched is a sandbox that remembers every secret that it hands out.
type watched struct {
	server *sandbox.Server

	mu      sync.Mutex
	secrets []string
}

var secretField = regexp.MustCompile(`(?i)token$`)

func (w *watched) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	w.mu.Lock()
	var fields map[string]any
	_ = json.Unmarshal(rec.Body.Bytes(), &fields) // most answers are something else
	for name, value := range fields {
		if text, ok := value.(string); ok && secretField.MatchString(name) && len(text) >= shortestSecret {
			w.secrets = append(w.secrets, text)
		}
	}
	if to, err := url.Parse(rec.Header().Get("Location")); err == nil && len(to.Query().Get("code")) >= shortestSecret {
		w.secrets = append(w.secrets, to.Query().Get("code"))
	}
	w.mu.Unlock()
	for name, values := range rec.Header() {
		out.Header()[name] = values
	}
	out.WriteHeader(rec.Code)
	_, _ = io.Copy(out, rec.Body)
}

func (w *watched) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := append(slices.Clone(w.secrets), plantedToken)
	for _, secret := range planted {
		list = append(list, secret)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// witness is a program that writes down its own and its parent's command line, and its environment.
const witness = `#!/bin/sh
at=$(mktemp "$WITNESSED/XXXXXX")
{ cat /proc/$$/environ; echo; tr '\0' ' ' </proc/$$/cmdline; echo; tr '\0' ' ' </proc/$PPID/cmdline; } >"$at"
case $1 in
browse) exec fakebrowser "$2" ;;
fail) exit 9 ;;
read) cat >/dev/null ;;
esac
`

// TestSecretsStayInside runs every command, in success and in failure, with secrets wherever they can be,
// and looks for them wherever they must not be: outputs, files, and the command lines and environments
// of the programs that tokencli starts. All runs have a umask of 000, and no file may be open to others.
func TestSecretsStayInside(t *testing.T) {
	secret := map[string]string{}
	for _, provider := range sandbox.Providers() {
		secret[provider] = plantedClientSecret(provider)
	}
	server, err := sandbox.New(sandbox.Config{
		Consent: sandbox.ConsentAllow, ClientSecret: secret, Password: planted["TOKENCLI_MOLONI_PASSWORD"],
	})
	if err != nil {
		t.Fatal(err)
	}
	provider := &watched{server: server}
	peer := httptest.NewServer(provider)
	t.Cleanup(peer.Close)

	dir := t.TempDir()
	home, state, witnessed := filepath.Join(dir, "home"), filepath.Join(dir, "home", "state"), filepath.Join(dir, "witnessed")
	for _, folder := range []string{home, witnessed, filepath.Join(home, "tmp")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "witness")
	if err := os.WriteFile(program, []byte(witness), 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + filepath.Join(home, "tmp"), "TERM=dumb",
		"TOKENCLI_STATE_DIR=" + state, "TOKENCLI_CONFIG_DIR=" + filepath.Join(home, "config"), "TOKENCLI_STORE=file",
		"BROWSER=" + program + " browse", "WITNESSED=" + witnessed, "HTTPS_PROXY=http://127.0.0.1:9",
		"GOCOVERDIR=" + os.Getenv("GOCOVERDIR"),
	}
	for _, v := range server.Variables(peer.URL) {
		if planted[v.Name] == "" {
			env = append(env, v.Name+"="+v.Value)
		}
	}
	for name, value := range planted {
		env = append(env, name+"="+value)
	}
	for _, provider := range []string{"moloni-on", "mollie", "moneybird"} {
		env = append(env, account.Name{Provider: provider}.Var(account.RedirectURI)+"="+freeAddress(t, provider == "mollie"))
	}

	seen := map[string]bool{} // commands that were run
	leak := func(where, text string) {
		t.Helper()
		for _, secret := range provider.all() {
			for form, sought := range formsOf([]string{secret}) {
				if strings.Contains(text, sought) {
					t.Errorf("the secret %.12s... (form %d of it) is in %s", secret, form, where)
					return
				}
			}
		}
	}
	const failure, whatever = -1, -2
	// run runs tokencli. want is its exit code, failure or whatever. A command whose answer is a token, or
	// what the provider said, comes with answer.
	type how struct {
		stdin  string
		env    []string
		answer bool
		want   int
	}
	run := func(h how, args ...string) string {
		t.Helper()
		seen[args[0]] = true
		cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `umask 000; exec tokencli "$@"`, "sh"}, args...)...)
		cmd.Env = append(slices.Clone(env), h.env...)
		cmd.Dir = home
		cmd.Stdin = strings.NewReader(h.stdin)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		what := "tokencli " + strings.Join(args, " ")
		if code := cmd.ProcessState.ExitCode(); h.want != whatever && code != h.want && (h.want != failure || code == 0) {
			t.Errorf("%s: exit %d instead of %d (%v): %s", what, code, h.want, err, stderr.String())
		}
		leak("stderr of "+what, stderr.String())
		if !h.answer {
			leak("stdout of "+what, stdout.String())
		}
		if strings.Contains(stderr.String(), "goroutine ") {
			t.Errorf("%s: panic: %s", what, stderr.String())
		}
		return stdout.String()
	}
	fault := func(on, kind string, change ...func(*sandbox.Fault)) {
		t.Helper()
		server.ClearFaults()
		f := sandbox.Fault{On: on, Kind: kind, Times: -1}
		for _, c := range change {
			c(&f)
		}
		if err := server.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	accounts := []string{"moloni-on", "moloni", "mollie", "moneybird", "monta"}
	login := func(h how, name string) {
		t.Helper()
		args := []string{"login", name}
		if name == "moloni" {
			args = append(args, "--grant", "password")
		}
		run(h, args...)
	}

	// Failures before anything is kept.
	echoes := []func(on string){
		func(on string) { fault(on, "echo") },
		func(on string) { fault(on, "escape") },
		func(on string) {
			fault(on, "error_in_200", func(f *sandbox.Fault) { f.Description = "sent: {secret}" })
		},
		func(on string) { fault(on, "error", func(f *sandbox.Fault) { f.Error = "sent {secret}" }) },
		func(on string) { fault(on, "html", func(f *sandbox.Fault) { f.Body = "<b>{secret}</b>" }) },
		func(on string) { fault(on, "status", func(f *sandbox.Fault) { f.Status, f.Body = 400, "{secret}" }) },
		func(on string) {
			fault(on, "status", func(f *sandbox.Fault) { f.Status, f.Body = 500, `{"message":"{secret}"}` })
		},
		func(on string) { fault(on, "redirect", func(f *sandbox.Fault) { f.Location = "/?leak={secret}" }) },
	}
	for i, echo := range echoes {
		echo("token")
		login(how{want: failure}, accounts[i%len(accounts)])
	}
	server.ClearFaults()
	run(how{want: 3}, "token", "mollie")
	run(how{want: 3}, "proxy", "mollie")

	// Logins, and everything that uses them.
	for _, name := range accounts {
		login(how{}, name)
	}
	run(how{stdin: plantedToken + "\n"}, "login", "mollie/live", "--with-token")
	run(how{stdin: plantedToken + "\x01\n", want: 2}, "login", "mollie/odd", "--with-token")
	for _, name := range accounts {
		token := strings.TrimSpace(run(how{answer: true}, "token", name))
		if !slices.Contains(provider.all(), token) {
			t.Errorf("the token of %s was not seen: nothing is proved of it", name)
		}
		output := "header"
		if name == "moloni" {
			output = "query"
		}
		for _, output := range []string{output, "json", "env", "curl"} {
			run(how{answer: true}, "token", name, "-o", output)
		}
		run(how{}, "refresh", name)
		run(how{}, "whoami", name)
		run(how{}, "exec", name, "--", program)
		run(how{answer: true}, "helper", "kubectl", name)
		run(how{}, "status", name)
		// What a person puts into the wrong place.
		for _, args := range [][]string{
			{"token", name, "--min-ttl", plantedToken},
			{"token", name, "--client-secret", plantedToken},
			{"login", name, "--timeout", plantedToken},
			{"login", name, "--client-secret=" + plantedToken},
			{"refresh", name, "--within", plantedToken},
			{"login", "--with-token", plantedToken + "/x y"},
			{"exec", name, "--min-ttl=" + plantedToken, "--", "true"},
		} {
			run(how{want: 2}, args...)
		}
	}
	run(how{}, "api", "monta", "/api/v1/auth/me")
	run(how{}, "status", "--json")
	run(how{}, "refresh", "--all", "--json")
	run(how{}, "doctor", "--json", "--bundle", filepath.Join(home, "bundle.txt"), "--offline")
	run(how{}, "provider", "list")
	run(how{}, "provider", "show", "mollie")
	run(how{}, "version")
	run(how{}, "help", "environment")
	run(how{}, "completion", "bash")
	run(how{}, "__complete", "token", "")
	run(how{}, "store", "init", "file", "--key", filepath.Join(home, "key.txt"))
	run(how{want: 2}, "keepalive", "install", "--print") // it would have to write the key
	run(how{env: []string{"TOKENCLI_FILE_KEY=" + filepath.Join(home, "key.txt")}}, "keepalive", "install", "--print")
	run(how{}, "demo")
	run(how{want: 2}, "sandbox", "--listen", "192.0.2.1:0")

	// The provider repeats what it was sent.
	for i, echo := range echoes {
		name := accounts[i%len(accounts)]
		echo("refresh")
		run(how{want: failure}, "refresh", "moneybird")
		run(how{want: failure}, "refresh", "mollie", "--json")
		echo("api")
		run(how{want: failure}, "whoami", name)
		run(how{want: whatever, answer: true}, "api", "mollie", "/v2/organizations/me")
		echo("revoke")
		run(how{want: failure}, "revoke", "mollie")
	}
	fault("authorize", "echo")
	run(how{want: failure, env: []string{"BROWSER=false"}}, "login", "moloni-on", "--timeout", "1s")
	server.ClearFaults()

	// A store that cannot be used; a configuration that holds what it must not.
	run(how{want: 7, env: []string{"TOKENCLI_FILE_KEY=" + otherKey}}, "token", "mollie")
	run(how{want: 7, env: []string{"TOKENCLI_FILE_KEY="}}, "token", "mollie")
	run(how{want: 2, env: []string{"TOKENCLI_FILE_KEY=" + strings.ToLower(planted["TOKENCLI_FILE_KEY"]) + "x"}}, "token", "mollie")
	config := filepath.Join(dir, "config")
	if err := os.Mkdir(config, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"client_secret: " + plantedToken, "min_ttl: " + plantedToken, "accounts: " + plantedToken, "store: " + plantedToken + ": x"} {
		if err := os.WriteFile(filepath.Join(config, "config.yaml"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		run(how{want: 2, env: []string{"TOKENCLI_CONFIG_DIR=" + config}}, "token", "mollie")
	}

	// The env store. The refresh token is on stdin of on_rotate, and after a failure in the rescue file.
	pair, err := server.Mint("mollie", "", account.Name{Provider: "mollie"}.Var(account.RedirectURI))
	if err != nil {
		t.Fatal(err)
	}
	on, err := server.Mint("moloni-on", "", "")
	if err != nil {
		t.Fatal(err)
	}
	provider.mu.Lock()
	provider.secrets = append(provider.secrets, pair.AccessToken, pair.RefreshToken, on.AccessToken, on.RefreshToken)
	provider.mu.Unlock()
	fromEnv := []string{"TOKENCLI_STORE=env", "TOKENCLI_MOLLIE_ACCESS_TOKEN=" + pair.AccessToken, "TOKENCLI_MOLONI_ON_REFRESH_TOKEN=" + on.RefreshToken}
	run(how{env: fromEnv, answer: true}, "token", "mollie")
	run(how{env: fromEnv}, "whoami", "mollie")
	run(how{env: fromEnv, want: 4}, "token", "moloni-on")
	run(how{env: fromEnv}, "refresh", "moloni-on", "--on-rotate", program+" read")
	on, err = server.Mint("moloni-on", "", "")
	if err != nil {
		t.Fatal(err)
	}
	provider.mu.Lock()
	provider.secrets = append(provider.secrets, on.AccessToken, on.RefreshToken)
	provider.mu.Unlock()
	fromEnv[2] = "TOKENCLI_MOLONI_ON_REFRESH_TOKEN=" + on.RefreshToken
	run(how{env: fromEnv, want: 7}, "refresh", "moloni-on", "--on-rotate", program+" fail")

	for _, name := range append(accounts, "mollie/live") {
		run(how{}, "revoke", name)
	}

	// Every command was run.
	help := run(how{}, "--help")
	for _, match := range regexp.MustCompile(`(?m)^  ([a-z]+)  +[A-Z]`).FindAllStringSubmatch(help, -1) {
		if !seen[match[1]] {
			t.Errorf("%s was not run", match[1])
		}
	}

	rescued := 0
	walk(t, home, func(path string, info fs.FileInfo) {
		if info.Mode().Perm()&0o077 != 0 && path != home {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		if info.IsDir() || strings.HasSuffix(path, ".age") || info.Name() == "key.txt" {
			return
		}
		if strings.HasPrefix(path, filepath.Join(state, "rescue")+"/") {
			rescued++
			return
		}
		leak(path, read(t, path))
	})
	if rescued != 1 {
		t.Errorf("%d rescue files instead of 1", rescued)
	}
	programs := 0
	walk(t, witnessed, func(path string, info fs.FileInfo) {
		if info.IsDir() {
			return
		}
		programs++
		// The token that exec hands over is its answer, under one name.
		text := regexp.MustCompile(`(^|\x00)(MOLONI_ON|MOLONI|MOLLIE|MONEYBIRD|MONTA)_ACCESS_TOKEN=[^\x00]*`).ReplaceAllString(read(t, path), "")
		leak("a program that tokencli started: "+path, text)
	})
	if programs < 10 {
		t.Errorf("only %d programs were started: the browser, those of exec and on_rotate are more", programs)
	}
	if len(provider.all()) < len(planted)+20 {
		t.Errorf("only %d secrets were looked for", len(provider.all()))
	}
}

// otherKey opens nothing of this test.
const otherKey = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"

func walk(t *testing.T, root string, visit func(path string, info fs.FileInfo)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			visit(path, info)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// freeAddress is a redirect URI of this machine that nobody else has.
func freeAddress(t *testing.T, https bool) string {
	t.Helper()
	l := httptest.NewServer(http.NotFoundHandler())
	defer l.Close()
	if https {
		return strings.Replace(l.URL, "http://127.0.0.1", "https://localhost", 1) + "/callback"
	}
	return l.URL + "/callback"
}
