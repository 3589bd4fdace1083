//go:build linux

// Command bench measures what a token costs, beside other programs that read a secret, and writes the
// tables of docs/performance.md. `make bench` builds everything and runs it beside a keychain of its own.
//
// Times of a machine that others use as well say little; so everything is compared within one run, round
// by round in a random order, and the limits are ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	bin    string
	rounds int
	short  bool
	write  string
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.bin, "bin", "", "the folder that holds tokencli, hello, keyring and bench")
	flag.IntVar(&o.rounds, "rounds", 100, "rounds of the tables")
	flag.BoolVar(&o.short, "short", false, "fewer rounds and smaller herds; fails where a limit is missed by half")
	flag.StringVar(&o.write, "write", "", "the document whose tables are replaced")
	isPeak := flag.Bool("peak", false, "run a command and print its peak memory in KiB")
	flag.Parse()
	if *isPeak {
		return showPeak(ctx, flag.Args())
	}
	if o.short {
		o.rounds = min(o.rounds, 30)
	}
	b := &bench{options: o, ctx: ctx}
	defer b.close()
	if err := b.prepare(); err != nil {
		return err
	}
	for _, measure := range []func() error{b.table, b.refresh, b.discovered, b.vault, b.helpers, b.herds, b.growth, b.sizes} {
		if err := measure(); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(os.Stdout, b.out.String()); err != nil {
		return err
	}
	if o.write != "" {
		if err := b.document(); err != nil {
			return err
		}
	}
	if len(b.missed) > 0 {
		return fmt.Errorf("limits missed: %s", strings.Join(b.missed, "; "))
	}
	return nil
}

type bench struct {
	options
	ctx     context.Context // one run, one context
	home    string
	env     []string // with the sandbox, on the keychain
	sandbox *harness.Sandbox
	hello   float64 // how long that takes, in milliseconds
	columns int     // of the table of growth
	gnupg   string  // the folder of a gpg-agent, if there is one
	out     strings.Builder
	missed  []string
}

func (b *bench) close() {
	if b.sandbox != nil {
		_ = b.sandbox.Stop()
	}
	if b.gnupg != "" {
		_ = exec.CommandContext(context.WithoutCancel(b.ctx), "gpgconf", "--homedir", b.gnupg, "--kill", "gpg-agent").Run()
	}
	if b.home != "" {
		_ = os.RemoveAll(b.home)
	}
}

func (b *bench) tool(name string) string { return filepath.Join(b.bin, name) }

func (b *bench) prepare() (err error) {
	if b.home, err = os.MkdirTemp("", "tokencli-bench-"); err != nil {
		return err
	}
	if b.sandbox, err = harness.Start(sandbox.Config{Consent: sandbox.ConsentAllow}); err != nil {
		return err
	}
	vars, err := harness.NewEnvironment(filepath.Join(b.home, "user"), filepath.Join(b.home, "key.txt"))
	if err != nil {
		return err
	}
	vars.UseKeychain()
	if err := b.sandbox.Variables(vars); err != nil {
		return err
	}
	vars["HOME"] = os.Getenv("HOME") // .ci/with-keyring made it, and the other programs use it
	b.env = vars.List()
	return b.quiet(b.env, "login", "monta")
}

func without(environ []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool { return strings.HasPrefix(entry, prefix) })
}

// quiet runs tokencli for its effect.
func (b *bench) quiet(env []string, args ...string) error {
	return b.feed(env, "", append([]string{b.tool("tokencli")}, args...)...)
}

// feed runs a program for its effect, with a text on its stdin.
func (b *bench) feed(env []string, stdin string, argv ...string) error {
	cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return nil
}

// token returns a command that prints the token of an account.
func (b *bench) token(name string, env []string, account string) (*command, error) {
	c := &command{name: name, argv: []string{b.tool("tokencli"), "token", account}, env: env}
	cmd := exec.CommandContext(b.ctx, c.argv[0], c.argv[1:]...)
	cmd.Env = env
	out, err := cmd.Output()
	c.want = strings.TrimSpace(string(out))
	return c, err
}

// withFile is the environment with the file store, and a login there.
func (b *bench) withFile() ([]string, error) {
	env := append(slices.Clone(b.env), "TOKENCLI_STORE=file", "TOKENCLI_FILE_KEY="+filepath.Join(b.home, "key.txt"))
	return env, b.quiet(env, "login", "monta")
}

// limit notes a limit that is missed: by any amount in a full run, by half in a short one.
func (b *bench) limit(what string, got, limit float64) string {
	allowed := limit
	if b.short {
		allowed = limit * 1.5
	}
	if got > allowed {
		b.missed = append(b.missed, fmt.Sprintf("%s is %.2f, at most %.2f", what, got, allowed))
	}
	return fmt.Sprintf("%.2f", limit)
}

// table is the time of one call beside that of others.
func (b *bench) table() error {
	keychain, err := b.token("tokencli, keychain", b.env, "monta")
	if err != nil {
		return err
	}
	header := &command{
		name: "tokencli, keychain, --header", argv: []string{b.tool("tokencli"), "token", "monta", "--header"}, env: b.env,
		want: "Authorization: Bearer " + keychain.want,
	}
	fileEnv, err := b.withFile()
	if err != nil {
		return err
	}
	file, err := b.token("tokencli, file store", fileEnv, "monta")
	if err != nil {
		return err
	}
	static := append(slices.Clone(b.env), "TOKENCLI_STORE=env", "TOKENCLI_MONTA_ACCESS_TOKEN="+keychain.want)
	env, err := b.token("tokencli, env store", static, "monta")
	if err != nil {
		return err
	}
	hello := &command{name: "hello world in Go", argv: []string{b.tool("hello")}, want: "hello", env: b.env}
	bare := &command{name: "go-keyring alone", argv: []string{b.tool("keyring"), "tokencli", "monta"}, env: b.env}
	commands := []*command{hello, keychain, header, file, env, bare}
	others, err := b.others(keychain.want)
	if err != nil {
		return err
	}
	commands = append(commands, others...)
	if err := rounds(b.ctx, commands, b.rounds); err != nil {
		return err
	}
	b.hello = quantile(hello.wall, 0.5)
	fmt.Fprintf(&b.out, "A fresh token, %d rounds:\n\n| command | wall ms (p90) | cpu ms | peak MiB | x hello | x go-keyring |\n| --- | --- | --- | --- | --- | --- |\n", b.rounds)
	for _, c := range commands {
		mem, err := peak(b.ctx, b.tool("bench"), c)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b.out, "| %s | %.1f (%.1f) | %.1f | %.1f | %.2f | %.2f |\n", c.name, quantile(c.wall, 0.5), quantile(c.wall, 0.9),
			quantile(c.cpu, 0.5), mem, ratio(c, hello), ratio(c, bare))
		if c == keychain {
			b.limit("peak memory of token in MiB", mem, 10)
		}
	}
	fmt.Fprintf(&b.out, "\n| limit | is | at most |\n| --- | --- | --- |\n")
	row := func(what string, got, limit float64) {
		fmt.Fprintf(&b.out, "| %s | %.2f | %s |\n", what, got, b.limit(what, got, limit))
	}
	row("keychain / hello", ratio(keychain, hello), 4.2)
	row("keychain / go-keyring", ratio(keychain, bare), 1.0)
	for _, c := range others {
		switch c.argv[0] {
		case "secret-tool":
			row("keychain / secret-tool", ratio(keychain, c), 0.45)
		case "gh":
			row("file / gh", ratio(file, c), 0.10)
		}
	}
	row("file / hello", ratio(file, hello), 2.4)
	row("env / hello", ratio(env, hello), 2.1)
	return nil
}

// refresh is a call that has to refresh, against one that has not. The provider is on this machine and
// answers at once.
func (b *bench) refresh() error {
	fresh, err := b.token("fresh", b.env, "monta")
	if err != nil {
		return err
	}
	// A token that lives an hour never has a week left, so every call refreshes.
	expired := &command{name: "refresh", argv: []string{b.tool("tokencli"), "token", "monta", "--min-ttl", "7d"}, env: b.env}
	fresh.want = "" // the refreshes change it
	if err := rounds(b.ctx, []*command{fresh, expired}, max(10, b.rounds/4)); err != nil {
		return err
	}
	got := ratio(expired, fresh)
	fmt.Fprintf(&b.out, "| refresh / fresh | %.2f | %s |\n", got, b.limit("refresh / fresh", got, 5))
	return nil
}

// herds are many processes at once.
func (b *bench) herds() error {
	n, reads := 200, 20000
	if b.short {
		n, reads = 100, 1000
	}
	daemon := pidOf(b.ctx, "org.freedesktop.secrets")
	fresh, err := b.token("fresh", b.env, "monta")
	if err != nil {
		return err
	}
	bare := &command{name: "go-keyring", argv: []string{b.tool("keyring"), "tokencli", "monta"}, env: b.env}
	var ours, theirs []float64
	for range 3 {
		took, failed, err := herd(b.ctx, fresh, n, n)
		if failed > 0 {
			return fmt.Errorf("%d of %d failed: %w", failed, n, err)
		}
		ours = append(ours, took)
		if took, failed, err = herd(b.ctx, bare, n, n); failed > 0 {
			return fmt.Errorf("%d of %d failed: %w", failed, n, err)
		}
		theirs = append(theirs, took)
	}
	got := quantile(ours, 0.5) / quantile(theirs, 0.5)
	fmt.Fprintf(&b.out, "| %d at once, fresh / as many go-keyring reads | %.2f | %s |\n", n, got, b.limit("herd, fresh", got, 1.1))

	if err := b.loginForHerd(); err != nil {
		return err
	}
	var waited []float64
	for range 3 {
		refresh, total, err := b.expiredHerd(n)
		if err != nil {
			return err
		}
		waited = append(waited, total-refresh)
	}
	got = quantile(waited, 0.5) / quantile(ours, 0.5)
	fmt.Fprintf(&b.out, "| %d at once, expired: total less one refresh / fresh | %.2f | %s |\n", n, got, b.limit("herd, expired", got, 2))

	if took, failed, err := herd(b.ctx, fresh, reads, 8); failed > 0 {
		return fmt.Errorf("%d of %d reads failed: %w", failed, reads, err)
	} else if now := pidOf(b.ctx, "org.freedesktop.secrets"); now != daemon {
		return errors.New("the keyring daemon died")
	} else {
		fmt.Fprintf(&b.out, "\n%d reads, 8 at a time: %.0f a second, none failed, none wrong, the keyring daemon the same process as before.\n", reads, float64(reads)/took*1000)
	}
	return nil
}

func (b *bench) loginForHerd() error {
	env := append(slices.Clone(b.env), "BROWSER=curl -sL")
	return b.quiet(env, "login", "moloni-on")
}

// expiredHerd measures one refresh, and then a herd that finds a rotating login expired.
func (b *bench) expiredHerd(n int) (refresh, total float64, err error) {
	if err := b.sandbox.SetLifetimes(sandbox.Lifetimes{Provider: "moloni-on", Access: "1s"}); err != nil {
		return 0, 0, err
	}
	single := &command{name: "refresh", argv: []string{b.tool("tokencli"), "token", "moloni-on", "--min-ttl", "7d"}, env: b.env}
	if refresh, _, err = single.once(b.ctx); err != nil {
		return 0, 0, err
	}
	if err := b.sandbox.SetLifetimes(sandbox.Lifetimes{Provider: "moloni-on", Access: "documented"}); err != nil {
		return 0, 0, err
	}
	time.Sleep(1100 * time.Millisecond)
	before := b.sandbox.Stats()["moloni-on"].Refreshes
	c := &command{name: "expired", argv: []string{b.tool("tokencli"), "token", "moloni-on", "--min-ttl", "0s"}, env: b.env}
	total, failed, err := herd(b.ctx, c, n, n)
	if failed > 0 {
		return 0, 0, fmt.Errorf("%d of %d failed: %w", failed, n, err)
	}
	if n := b.sandbox.Stats()["moloni-on"].Refreshes - before; n != 1 {
		return 0, 0, fmt.Errorf("%d refreshes instead of one", n)
	}
	return refresh, total, nil
}

func (b *bench) sizes() error {
	size := fileSize(b.tool("tokencli"))
	fmt.Fprintf(&b.out, "\nThe binary has %.1f MiB (limit %s).\n", size, b.limit("size of the binary in MiB", size, 12))
	return nil
}

// machine describes what the figures were taken on.
func machine(ctx context.Context) string {
	version := func(argv ...string) string {
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
		if err != nil {
			return ""
		}
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return line
	}
	number := func(program string) string { // "D-Bus Message Bus Daemon 1.14.10", "gh version 2.23.0 (2023-02-27)"
		for word := range strings.FieldsSeq(version(program, "--version")) {
			if word[0] >= '0' && word[0] <= '9' {
				return word
			}
		}
		return "?"
	}
	parts := []string{
		fmt.Sprintf("%d processors", runtime.NumCPU()), runtime.GOOS + "/" + runtime.GOARCH, runtime.Version(),
		"gnome-keyring " + number("gnome-keyring-daemon"), "dbus " + number("dbus-daemon"),
	}
	if have("gh") {
		parts = append(parts, "gh "+number("gh"))
	}
	return strings.Join(parts, ", ")
}
