// Package doctor looks for what is wrong with a machine, its settings and its accounts, and says how each
// finding is fixed.
//
// Its rules: it changes nothing and leaves nothing behind, refreshes nothing and prompts for nothing; no provider is
// sent anything that belongs to an account; it ends in bounded time, whatever hangs; no finding holds a
// secret; every warning and problem has a fix.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// State is how much a finding matters.
type State string

// The states. A warning is something that works and may surprise.
const (
	OK      State = "ok"
	Warning State = "warning"
	Problem State = "problem"
)

// Finding is what a check has to say. Texts are one line without a full stop.
type Finding struct {
	Check   string    `json:"check"`
	Account string    `json:"account,omitempty"` // empty where it concerns the machine
	State   State     `json:"state"`
	Text    string    `json:"text"`
	Fix     string    `json:"fix"` // what to do; empty where all is well
	Kind    fail.Kind `json:"-"`   // of a problem
	words   string    // Text without what it quotes (fail.Words)
	advice  *fail.Error
}

// Input is what is examined.
type Input struct {
	Version string
	// Environ is the environment as NAME=VALUE, and Getenv looks into it.
	Environ []string
	Getenv  func(string) string
	Now     func() time.Time
	// Hint puts into words what the user can do about a failure.
	Hint func(error) string

	// Config are the findings about the configuration file, which only the caller can read.
	Config []Finding
	// Session are the settings; an empty Store stands for one that is not known, because the settings
	// cannot be read. StoreFrom is the setting that named the store.
	Session   session.Options
	StoreFrom string
	// Configured are the accounts that the configuration file names.
	Configured []account.Name
	// Accounts are those to be examined; empty: all.
	Accounts []account.Name
	// Offline leaves out what needs a network.
	Offline bool
}

// The bounds. A store and a provider have bounds of their own, which fit into these.
const (
	totalTime = 15 * time.Second
	shortTime = 5 * time.Second
	// grace is what a check gets to put the end of its time into words.
	grace = 500 * time.Millisecond
)

// check is one named thing to look at. Its findings are in the order in which they are to be shown.
type check struct {
	name  string
	limit time.Duration
	run   func(*run, context.Context) []Finding
}

// checks returns all checks, in the order in which their findings are shown. All run at the same time; one that needs
// another's result waits for it.
func checks() []check {
	return []check{
		{"version", shortTime, (*run).version},
		{"config", shortTime, (*run).config},
		{"definitions", shortTime, (*run).definitions},
		{"on_rotate", shortTime, (*run).onRotate},
		{"environment", shortTime, (*run).environment},
		{"state", shortTime, (*run).state},
		{"store", 12 * time.Second, (*run).store},
		{"rescue", shortTime, (*run).rescue},
		{"account", totalTime, (*run).accounts},
		{"browser", shortTime, (*run).browser},
		{"proxy", shortTime, (*run).proxy},
		{"certificates", shortTime, (*run).certificates},
		{"reach", 8 * time.Second, (*run).reach},
		{"clock", totalTime, (*run).clock},
	}
}

type run struct {
	*Input
	session  *session.Session
	names    []account.Name
	namesErr error

	temp     string // a folder that is deleted at the end
	tempErr  error
	proved   chan struct{} // closed when the store was tried
	storeOK  bool
	storeErr string
	asked    chan struct{} // closed when the providers were asked
	skews    []skew

	mu      sync.Mutex
	secrets []string // what no finding may show
}

// Run runs every check.
func Run(ctx context.Context, p *Input) (*Report, error) {
	e := &run{Input: p, proved: make(chan struct{}), asked: make(chan struct{}), secrets: account.SecretValues(p.Environ)}
	options := e.options()
	if options.Store == "" {
		options.Store = "memory"
	}
	var err error
	if e.session, err = session.Open(options); err != nil {
		return nil, err
	}
	if e.temp, e.tempErr = os.MkdirTemp("", "tokencli-doctor-"); e.tempErr == nil {
		defer os.RemoveAll(e.temp)
	}
	return e.report(ctx, checks())
}

// report runs checks at the same time and returns their findings in order.
func (e *run) report(ctx context.Context, checks []check) (*Report, error) {
	bounded, cancel := context.WithTimeout(ctx, totalTime-grace)
	defer cancel()
	e.names, e.namesErr = e.choose(bounded)
	results := make([][]Finding, len(checks))
	var running sync.WaitGroup
	for i, c := range checks {
		running.Go(func() { results[i] = c.within(ctx, bounded, e) })
	}
	running.Wait()
	if ctx.Err() != nil {
		// The item that the keychain was tried with is deleted first.
		if e.Session.Store == "keychain" {
			select {
			case <-e.proved:
			case <-time.After(3 * time.Second):
			}
		}
		return nil, fail.New(fail.Interrupted, "interrupted")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	findings := slices.Concat(results...)
	for i := range findings {
		if advice := findings[i].advice; advice != nil && e.Hint != nil {
			findings[i].Fix = e.Hint(advice)
		}
		// The backstop: a check quotes no secret, and our own words stay as they are.
		findings[i].Text = redact.Composed(findings[i].Text, e.secrets...)
		findings[i].Fix = redact.Composed(findings[i].Fix, e.secrets...)
	}
	return &Report{Findings: findings, input: e.Input, variables: e.published()}, nil
}

// within returns the findings of a check, or that it timed out. A check that hangs is left behind. An interrupt
// (ctx) ends the wait.
func (c check) within(ctx, bounded context.Context, e *run) []Finding {
	limited, cancel := context.WithTimeout(bounded, c.limit)
	defer cancel()
	found := make(chan []Finding, 1)
	go func() { found <- c.run(e, limited) }()
	select {
	case f := <-found:
		return f
	case <-ctx.Done():
		return nil
	case <-time.After(min(c.limit+grace, totalTime)):
		return []Finding{advise(warn(c.name, "", "timed out"), fail.DoCheckAgain)}
	}
}

// addSecrets keeps secrets out of the findings, in whatever form they are echoed.
func (e *run) addSecrets(secrets ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secrets = append(e.secrets, secrets...)
}

// options are the settings for a look that asks nobody.
func (e *run) options() session.Options {
	o := e.Session
	o.NoPrompt = true
	o.Tell = nil
	return o
}

// choose returns the accounts to be examined: those that were named, or all that are logged in, in the
// configuration file, or set up in the environment.
func (e *run) choose(ctx context.Context) ([]account.Name, error) {
	if len(e.Accounts) > 0 {
		return sorted(e.Accounts), nil
	}
	names, err := e.session.Accounts(ctx)
	for _, name := range e.Configured {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range e.inVariables() {
		// It may be known under a name with other punctuation.
		if !slices.ContainsFunc(names, name.Collides) {
			names = append(names, name)
		}
	}
	return sorted(names), err
}

func sorted(names []account.Name) []account.Name {
	names = slices.Clone(names)
	account.Sort(names)
	return slices.Compact(names)
}

func finding(f Finding, format string, args ...any) Finding {
	f.Text, f.words = fmt.Sprintf(format, args...), fail.Words(format, args...)
	return f
}

func ok(check, format string, args ...any) Finding {
	return finding(Finding{Check: check, State: OK}, format, args...)
}

func warn(check, fix, format string, args ...any) Finding {
	return finding(Finding{Check: check, State: Warning, Fix: fix}, format, args...)
}

func wrong(check string, kind fail.Kind, fix, format string, args ...any) Finding {
	return finding(Finding{Check: check, State: Problem, Fix: fix, Kind: kind}, format, args...)
}

// advise says what to do about a finding. The command line puts it into words (Input.Hint).
func advise(f Finding, do fail.Action, about ...any) Finding {
	f.advice = fail.New(f.Kind, "%s", f.Text).Advise(do, about...)
	return f
}

// Failed makes a problem of an error.
func Failed(check string, err error) Finding {
	text := err.Error()
	if errors.Is(err, context.DeadlineExceeded) && fail.KindOf(err) == fail.Internal {
		text = "no answer in time"
	}
	f := wrong(check, fail.KindOf(err), fail.HintOf(err), "%s", oneLine(text))
	f.words = fail.WordsOf(err)
	advice := fail.Advice(err)
	switch {
	case advice != nil && advice.Do != 0:
		f.advice = advice
	case f.Fix != "":
	case fail.Is(err, fail.Usage):
		f.Fix = "correct or remove what is named there"
	default:
		f = advise(f, fail.DoSeeExitCodes)
	}
	return f
}

func oneLine(text string) string { return strings.Join(strings.Fields(redact.Printable(text)), " ") }

// about says which account findings are about.
func about(name account.Name, findings ...Finding) []Finding {
	for i := range findings {
		findings[i].Account = name.String()
	}
	return findings
}
