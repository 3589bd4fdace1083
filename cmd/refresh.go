package cmd

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

type refreshOptions struct {
	names  []account.Name
	all    bool
	within *time.Duration // nil: whatever the expiry
	jobs   int
	asJSON bool
}

func (a *app) refreshCommand() *cobra.Command {
	var (
		o      refreshOptions
		within duration
		rotate rotation
	)
	c := &cobra.Command{
		Use:        "refresh {ACCOUNT... | --all}",
		SuggestFor: []string{"renew", "update"},
		Short:      "Refresh logins now",
		Long: `Refreshes logins now, however long their tokens are still valid. The provider is contacted even if a login
is marked as ended. Made for cron and timers: --all continues after a failure and exits with the code of the
first one; it skips ended logins and static tokens.`,
		Example: `  tokencli refresh mollie
  tokencli refresh --all --within 3d`,
		ValidArgsFunction: a.completeAccounts,
		Args: func(_ *cobra.Command, args []string) error {
			names, err := parseAccounts(args)
			for _, name := range names {
				if !slices.Contains(o.names, name) { // an account that is named twice is refreshed once
					o.names = append(o.names, name)
				}
			}
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("within") {
				o.within = (*time.Duration)(&within)
			}
			switch {
			case o.all && len(o.names) > 0:
				return usage("accounts and --all exclude each other")
			case !o.all && len(o.names) == 0:
				return a.missingAccount(cmd)
			case o.jobs < 1:
				return usage("--jobs must be at least 1")
			}
			s, err := a.open(rotate.apply(a))
			if err != nil {
				return err
			}
			return a.refresh(cmd.Context(), s, o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.all, "all", false, "refresh every account in the store")
	f.Var(&within, "within", "only accounts whose access or refresh token expires within `DURATION` (48h, 3d)")
	f.IntVar(&o.jobs, "jobs", 4, "refresh `N` accounts of one provider at the same time")
	f.BoolVar(&o.asJSON, "json", false, "print what was done as JSON")
	rotate.declare(f)
	return c
}

type refreshJSON struct {
	Account          string  `json:"account"`
	Refreshed        bool    `json:"refreshed"`
	Skipped          string  `json:"skipped,omitempty"`
	Error            string  `json:"error,omitempty"`
	AccessExpiresAt  *string `json:"access_expires_at"`
	RefreshExpiresAt *string `json:"refresh_expires_at"`
}

// maxPause bounds how long a batch waits for an account whose provider asks to retry later.
const maxPause = 2 * time.Minute

// refresh decides first which accounts are due, so that the progress counts those alone.
func (a *app) refresh(ctx context.Context, s *session.Session, o refreshOptions) error {
	if o.all {
		var err error
		if o.names, err = s.Accounts(ctx); err != nil {
			return err
		}
		if len(o.names) == 0 {
			if err := s.CheckEmpty(ctx); err != nil {
				return err
			}
		}
	}
	b := &batch{
		app: a, session: s, refreshOptions: o, terminal: isTerminal(os.Stderr),
		answers: make([]refreshJSON, len(o.names)), failures: make([]error, len(o.names)),
	}
	if o.all {
		b.since = time.Now()
	}
	b.run(ctx, b.due(ctx))
	if ctx.Err() == nil && (b.terminal || len(o.names) == 0) {
		b.sayIdle()
	}
	if o.asJSON {
		if err := a.printJSON(b.answers); err != nil {
			return err
		}
	}
	return b.outcome(ctx)
}

// batch is a number of accounts that are refreshed together.
type batch struct {
	*app
	refreshOptions
	session  *session.Session
	terminal bool      // whether to show the progress
	since    time.Time // when the run began; zero for accounts that were named

	answers  []refreshJSON // one for each account
	failures []error       // one for each account; reported already

	mu    sync.Mutex // guards what follows, and keeps the lines of an account together
	done  int
	total int
}

// due returns the indices of the accounts to refresh. The others have their answer or failure.
func (b *batch) due(ctx context.Context) []int {
	var due []int
	if !b.all && b.within == nil {
		for i, name := range b.names {
			b.answers[i].Account = name.String()
			due = append(due, i)
		}
		return due
	}
	for i, row := range readStatus(ctx, b.session, b.names) {
		answer := &b.answers[i]
		answer.Account = row.Account.String()
		switch {
		case ctx.Err() != nil:
			answer.Skipped = "interrupted"
		case row.err != nil:
			b.fails(i, row.err)
		case b.all && row.Static():
			answer.Skipped = "static token"
		case row.Vanished:
			b.fails(i, row.Blocked)
		case b.all && row.Expired():
			answer.Skipped = "login ended"
		case b.all && b.now().Before(row.NotBefore):
			answer.Skipped = "too early for the provider"
		case b.within != nil && !row.EndsWithin(*b.within, b.now()):
			answer.Skipped = "not due"
		default:
			due = append(due, i)
		}
	}
	return due
}

// run refreshes the accounts, those of different providers independently of each other.
func (b *batch) run(ctx context.Context, due []int) {
	b.total = len(due)
	var providers sync.WaitGroup
	queues := make(map[string][]int)
	for _, i := range due {
		queues[b.names[i].Provider] = append(queues[b.names[i].Provider], i)
	}
	for _, queue := range queues {
		providers.Go(func() {
			var group errgroup.Group
			group.SetLimit(b.jobs)
			for _, i := range queue {
				group.Go(func() error { b.one(ctx, i); return nil })
			}
			_ = group.Wait()
		})
	}
	providers.Wait()
}

// one refreshes an account and reports the result. If the provider asks to retry later, a batch waits and
// tries once more.
func (b *batch) one(ctx context.Context, i int) {
	if ctx.Err() != nil {
		b.answers[i].Skipped = "interrupted"
		return
	}
	name := b.names[i]
	c, err := b.session.RefreshSince(ctx, name, b.since)
	if wait := session.RetryAfter(err); b.all && wait > 0 && wait <= maxPause {
		b.say(fmt.Sprintf("%s: the provider asks to wait %s", name, wait.Round(time.Second)))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			c, err = b.session.RefreshSince(ctx, name, b.since)
		}
	}
	answer := &b.answers[i]
	if c != nil {
		answer.AccessExpiresAt, answer.RefreshExpiresAt = session.Instant(c.AccessExpiresAt), session.Instant(c.RefreshExpiresAt)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	if err != nil {
		b.fails(i, err)
		return
	}
	answer.Refreshed = true
	text := name.String() + ": refreshed"
	if !c.AccessExpiresAt.IsZero() {
		text += ", valid for " + lifetime(c)
	}
	if b.terminal && b.total > 1 {
		text = fmt.Sprintf("%d of %d: %s", b.done, b.total, text)
	}
	b.say(text)
}

// fails reports the failure of an account. Goroutines hold the lock when they call it.
func (b *batch) fails(i int, err error) {
	if name := b.names[i].String(); len(b.names) > 1 && !strings.Contains(err.Error(), name) {
		err = fmt.Errorf("%s: %w", name, err)
	}
	b.answers[i].Error, b.failures[i] = oneLine(err.Error()), err
	b.report(err)
}

// sayIdle says that nothing was due, and why.
func (b *batch) sayIdle() {
	why := make(map[string]int)
	for _, answer := range b.answers {
		if answer.Skipped == "" {
			return
		}
		why[answer.Skipped]++
	}
	reasons := make([]string, 0, len(why))
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		reasons = append(reasons, fmt.Sprintf("%s (%d)", reason, why[reason]))
	}
	if len(reasons) == 0 {
		reasons = []string{"no account is logged in"}
	}
	b.say("nothing to refresh: " + strings.Join(reasons, ", "))
}

// outcome is the failure of the whole command, none of which is left to report.
func (b *batch) outcome(ctx context.Context) error {
	if ctx.Err() != nil {
		if !slices.ContainsFunc(b.failures, func(err error) bool { return fail.Is(err, fail.Interrupted) }) {
			b.report(fail.New(fail.Interrupted, "interrupted"))
		}
		return exitCode(fail.Interrupted)
	}
	for _, err := range b.failures {
		if err != nil {
			return exitCode(fail.KindOf(err))
		}
	}
	return nil
}
