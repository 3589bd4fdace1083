//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
)

// rig is one store under fire: its settings, its provider, and what was seen.
type rig struct {
	store     string
	binary    string
	dir       string
	env       []string
	peer      *peer
	daemon    int // the keychain's process
	random    *rand.Rand
	providers []string
	log       io.Writer

	ahead atomic.Int64 // how far the clock of the next process is from the real one

	mu        sync.Mutex
	last      int
	processes map[int]*process
	figures
	seen map[string]int // reuses already explained, by provider
}

// logins are the accounts, one a provider, and how they log in.
var logins = map[string][]string{
	"moloni-on": {"--no-browser"},
	"moneybird": {"--no-browser"},
	"moloni":    {"--grant", "password"},
	"monta":     {"--grant", "client_credentials"},
}

func newRig(store, binary, dir string, seed uint64, log io.Writer) (*rig, error) {
	r := &rig{
		store: store, binary: binary, dir: filepath.Join(dir, store), log: log,
		random:    rand.New(rand.NewPCG(seed, uint64(len(store)))), // it has to be repeatable
		providers: []string{"moloni", "moloni-on", "moneybird", "monta"},
		processes: map[int]*process{}, seen: map[string]int{}, figures: newFigures(),
	}
	vars, err := harness.NewEnvironment(r.dir, filepath.Join(r.dir, "key.txt"))
	if err != nil {
		return nil, err
	}
	vars["BROWSER"] = "false"
	vars["TOKENCLI_STATE_DIR"] = r.state()
	vars["TOKENCLI_CONFIG_DIR"] = filepath.Join(r.dir, "config")
	switch store {
	case "file":
	case "keychain":
		vars.UseKeychain()
		if r.daemon, err = strconv.Atoi(os.Getenv("TOKENCLI_TEST_KEYRING_PID")); err != nil {
			return nil, errors.New("the keychain is soaked beside a keyring of its own: .ci/with-keyring")
		}
	default:
		return nil, fmt.Errorf("no store %q to be soaked", store)
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	redirects := map[string][]string{}
	for _, provider := range []string{"moloni-on", "moneybird"} {
		port, err := harness.FreePort()
		if err != nil {
			return nil, err
		}
		uri := "http://127.0.0.1:" + port + "/callback"
		redirects[provider] = []string{uri}
		vars["TOKENCLI_"+strings.ToUpper(strings.ReplaceAll(provider, "-", "_"))+"_REDIRECT_URI"] = uri
	}
	r.env = vars.List()
	if r.peer, err = newPeer(listener, r.providers, redirects, seed, func(kind string) { r.fault("answer " + kind) }); err != nil {
		return nil, err
	}
	for _, provider := range r.providers {
		if err := r.peer.setLife(provider, 4*time.Second); err != nil {
			return nil, err
		}
		if err := r.login(provider); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *rig) state() string { return filepath.Join(r.dir, "state") }

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+/p\d+/\S+`)

// login logs in as a person would: where there is an address to open, it is opened.
func (r *rig) login(provider string) error {
	args := append([]string{"login", provider}, logins[provider]...)
	if logins[provider][0] != "--no-browser" {
		p, err := r.start(provider, args...)
		if err != nil {
			return err
		}
		if p.wait(); p.code != 0 {
			return fmt.Errorf("%s: login to %s: exit %d: %s", r.store, provider, p.code, p.stderr.String())
		}
		return nil
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	attr := &os.ProcAttr{Env: r.environ(r.number()), Files: []*os.File{nil, nil, writer}}
	proc, err := os.StartProcess(r.binary, append([]string{r.binary}, args...), attr)
	_ = writer.Close()
	if err != nil {
		return err
	}
	r.count("login")
	var said strings.Builder
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if at := address.FindString(lines.Text()); at != "" {
			if resp, err := http.Get(at); err == nil { //nolint:noctx // it ends with the process it leads to
				_ = resp.Body.Close()
			}
		}
	}
	state, err := proc.Wait()
	if err == nil && !state.Success() {
		err = fmt.Errorf("%s: login to %s: %s: %s", r.store, provider, state, said.String())
	}
	return err
}

func (r *rig) number() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	return r.last
}

// soak goes on until the time is over: round after round of trouble, each followed by calm, in which
// every account has to give a new token.
func (r *rig) soak(until time.Time) error {
	for time.Now().Before(until) {
		if err := r.round(); err != nil {
			return err
		}
		r.increment(&r.rounds)
	}
	for _, provider := range r.providers {
		r.explainReuse(provider)
	}
	if n := r.peer.trap.Load(); n > 0 {
		r.defect("%d requests followed a redirect", n)
	}
	return nil
}

func (r *rig) round() error {
	var wg sync.WaitGroup
	chosen := slices.Clone(r.providers)
	r.random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	chosen = chosen[:1+r.random.IntN(3)]
	if r.random.IntN(4) == 0 {
		r.peer.ahead.Store(r.hours())
		r.fault("clock of the provider moved by hours")
	}
	if r.random.IntN(4) == 0 {
		hours := r.hours()
		later := time.Duration(r.random.IntN(1500)) * time.Millisecond
		wg.Go(func() {
			time.Sleep(later)
			r.ahead.Store(hours)
			r.fault("own clock moved by hours")
		})
	}
	storeFault := r.random.IntN(4) == 0
	errs := make(chan error, len(chosen)+1)
	for _, provider := range chosen {
		random := rand.New(rand.NewPCG(r.random.Uint64(), 1)) // it has to be repeatable
		wg.Go(func() { errs <- r.trouble(provider, random) })
	}
	if storeFault {
		random := rand.New(rand.NewPCG(r.random.Uint64(), 2)) // it has to be repeatable
		wg.Go(func() {
			time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
			errs <- r.breakStore(time.Duration(200+random.IntN(1800)) * time.Millisecond)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	for _, provider := range r.providers {
		r.peer.calm(provider)
		if !storeFault && !slices.Contains(chosen, provider) {
			continue
		}
		if err := r.calm(provider); err != nil {
			return err
		}
	}
	return nil
}

// hours returns how far a clock is off. A step of less than a minute would pass for the clock being right.
func (r *rig) hours() int64 { return int64(r.random.IntN(72)-36) * int64(10*time.Minute) }

// breakStore makes the store useless for a while.
func (r *rig) breakStore(long time.Duration) error {
	r.breaking.Lock()
	defer r.breaking.Unlock()
	if r.store == "keychain" {
		r.fault("keychain daemon stopped")
		if err := syscall.Kill(r.daemon, syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(long)
		return syscall.Kill(r.daemon, syscall.SIGCONT)
	}
	// Root is bound by no permission, so the folder changes places with a file, in one step: in between,
	// a process would make a new folder.
	r.fault("credentials folder replaced")
	folder, other := filepath.Join(r.state(), "credentials"), filepath.Join(r.dir, "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		return err
	}
	swap := func() error { return unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE) }
	if err := swap(); err != nil {
		return err
	}
	time.Sleep(long)
	return swap()
}

// judge holds a process that has ended to what it printed.
func (r *rig) judge(provider string, p *process) {
	r.countExit(p.code)
	what := strings.Join(p.args, " ")
	x := r.peer.exchangeOf(provider, p.number)
	if x != nil && p.code == 130 {
		r.increment(&r.middle)
	}
	switch {
	case p.hung:
		r.defect("%s hung: %s", what, p.stderr.String())
	case p.code == 1 || p.code == 2:
		r.defect("%s ended with %d: %s", what, p.code, p.stderr.String())
	case p.killed == syscall.SIGTERM || p.killed == syscall.SIGINT:
		// Before tokencli listens to signals they end it at once; then it must not have begun a refresh.
		r.increment(&r.early)
		if x != nil {
			r.defect("%s was ended by %s during a refresh", what, p.killed)
		}
	case p.killed != 0 && p.killed != syscall.SIGKILL:
		r.defect("%s was ended by %s: %s", what, p.killed, p.stderr.String())
	}
	if p.args[0] != "token" || p.stdout.text.Len() == 0 {
		if p.args[0] == "token" && p.code == 0 {
			r.wrong("%s ended with 0 and printed nothing", what)
		}
		return
	}
	if p.code < 0 && !strings.HasSuffix(p.stdout.text.String(), "\n") {
		return // cut off
	}
	l := r.peer.accounts[provider]
	l.mu.Lock()
	defer l.mu.Unlock()
	token, ok := l.tokens[p.token()]
	// An instant in a reply, and its Date, have whole seconds.
	over := p.started.Sub(token.at.Add(token.life + time.Second))
	switch {
	case !ok:
		r.wrong("%s (process %d, exit %d) printed what the provider never gave", what, p.number, p.code)
	case token.life > 0 && over > 0:
		r.wrong("%s (process %d, exit %d) printed a token that was over %s before it started: %s", what, p.number, p.code, over, p.stderr.String())
	default:
		r.increment(&r.right)
	}
	// The token is printed once the refresh is saved and read back.
	if x != nil && !x.answered.IsZero() && p.code == 0 {
		r.window(p.stdout.first.Sub(x.answered))
	}
}

const (
	causeKill  = "inside the KILL window"
	causeReply = "the provider's reply was lost"
	causeOther = "other"
)

// cause tells why what an exchange brought was never kept.
func (r *rig) cause(x *exchange) string {
	if x == nil {
		return causeOther
	}
	r.mu.Lock()
	p := r.processes[x.process]
	r.mu.Unlock()
	switch {
	case x.lost != "":
		return causeReply
	case p != nil && p.killed == syscall.SIGKILL:
		return causeKill
	}
	return causeOther
}

// explainReuse goes through the spent refresh tokens that were sent again since it was called last, and
// returns the cause of the newest.
func (r *rig) explainReuse(provider string) string {
	l := r.peer.accounts[provider]
	l.mu.Lock()
	news := slices.Clone(l.reused[r.seen[provider]:])
	r.seen[provider] = len(l.reused)
	l.mu.Unlock()
	newest := ""
	for _, reused := range news {
		newest = r.cause(reused.first)
		r.reuse(newest)
		if newest == causeOther {
			first := reused.first
			if first == nil {
				first = &exchange{}
			}
			r.mu.Lock()
			a, b := r.processes[first.process], r.processes[reused.process]
			r.mu.Unlock()
			r.defect("%s: the refresh token that process %s spent was sent again by process %s", provider, a.String(), b.String())
		}
	}
	return newest
}

func (p *process) String() string {
	if p == nil {
		return "(long gone)"
	}
	end := fmt.Sprintf("exit %d", p.code)
	if p.killed != 0 {
		end = p.killed.String()
	}
	return fmt.Sprintf("%d (%s; %s, from %s to %s; said: %s)", p.number, strings.Join(p.args, " "), end,
		p.started.Format(clock), p.ended.Format(clock), strings.TrimSpace(p.stderr.String()))
}

const clock = "15:04:05.000"

// calm asks for a new token while nothing goes wrong. A login that is gone is made again.
func (r *rig) calm(provider string) error {
	var p *process
	var err error
	for range 3 {
		if p, err = r.start(provider, "token", provider, "--min-ttl", "1h"); err != nil {
			return err
		}
		if p.wait(); p.code == 0 || p.code == 3 || p.code == 4 {
			break
		}
		time.Sleep(time.Second)
	}
	cause := r.explainReuse(provider)
	l := r.peer.accounts[provider]
	l.mu.Lock()
	lies := l.lies
	l.lies = 0
	l.mu.Unlock()
	if p.code == 0 {
		return nil
	}
	if p.code == 4 && lies > 0 && cause == "" {
		// The provider said that the login had ended. `refresh` asks again.
		again, err := r.start(provider, "refresh", provider)
		if err != nil {
			return err
		}
		if again.wait(); again.code == 0 {
			r.increment(&r.revived)
			return nil
		}
		cause = r.explainReuse(provider)
	}
	if cause == "" || p.code != 4 {
		cause = causeOther
	}
	if cause == causeOther {
		r.defect("%s is lost: process %s", provider, p.String())
	}
	r.lose(cause)
	return r.login(provider)
}
