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

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

type refreshOptions struct {
	names  []account.Name
	all    bool
	within time.Duration
	asJSON bool
}

func (a *app) refreshCommand() *cobra.Command {
	var (
		o      refreshOptions
		within duration
		rotate rotation
	)
	c := &cobra.Command{
		Use:        "refresh ACCOUNT...",
		SuggestFor: []string{"renew"},
		Short:      "Renew logins now",
		Long: `Renews logins now, whatever life is left in them. The provider is asked even where a login is marked as
ended. Made for cron and timers: --all goes on past a failure and exits with the first one's code, and
skips ended logins and static tokens.`,
		Example: `  tokencli refresh mollie
  tokencli refresh --all --within 3d`,
		ValidArgsFunction: a.completeAccounts,
		Args: func(_ *cobra.Command, args []string) (err error) {
			o.names, err = parseAccounts(args)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.within = time.Duration(within)
			switch {
			case o.all && len(o.names) > 0:
				return usage("name accounts or use --all, not both")
			case !o.all && len(o.names) == 0:
				return usage("name the accounts to renew, or use --all")
			}
			s, err := a.open(rotate.apply(a))
			if err != nil {
				return err
			}
			return a.refresh(cmd.Context(), s, o, cmd.Flags().Changed("within"))
		},
	}
	f := c.Flags()
	f.BoolVar(&o.all, "all", false, "every account in the store")
	f.Var(&within, "within", "only those whose access or refresh token ends within this (48h, 3d)")
	f.BoolVar(&o.asJSON, "json", false, "print what was done as JSON")
	rotate.declare(f)
	return c
}

type refreshJSON struct {
	Account          string  `json:"account"`
	Renewed          bool    `json:"renewed"`
	Skipped          string  `json:"skipped,omitempty"`
	Error            string  `json:"error,omitempty"`
	AccessExpiresAt  *string `json:"access_expires_at"`
	RefreshExpiresAt *string `json:"refresh_expires_at"`
}

// maxPause bounds how long a batch waits for one account's turn at a provider that asks to come back.
const maxPause = 2 * time.Minute

// refresh renews the accounts, those of different providers at the same time and those of one provider one
// after the other: a provider that counts requests (Monta takes about ten a minute) is not to be flooded.
func (a *app) refresh(ctx context.Context, s *session.Session, o refreshOptions, limited bool) error {
	if o.all {
		var err error
		if o.names, err = s.Accounts(ctx); err != nil {
			return err
		}
	}
	answers := make([]refreshJSON, len(o.names))
	failures := make([]error, len(o.names))
	turns := make(map[string][]int)
	for i, name := range o.names {
		turns[name.Provider] = append(turns[name.Provider], i)
	}
	batch := &batch{app: a, total: len(o.names), shown: isTerminal(os.Stderr)}
	var wg sync.WaitGroup
	for _, turn := range turns {
		wg.Go(func() {
			for _, i := range turn {
				if ctx.Err() != nil {
					answers[i] = refreshJSON{Account: o.names[i].String(), Skipped: "interrupted"}
					continue
				}
				answers[i], failures[i] = batch.one(ctx, s, o, o.names[i], limited)
			}
		})
	}
	wg.Wait()
	if ctx.Err() == nil && (batch.shown || batch.total == 0) {
		batch.sayIdle(answers)
	}
	if o.asJSON {
		if err := a.printJSON(answers); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		if !slices.ContainsFunc(failures, func(err error) bool { return fail.Is(err, fail.Interrupted) }) {
			batch.report(fail.New(fail.Interrupted, "interrupted"))
		}
		return exitCode(fail.Interrupted)
	}
	for _, err := range failures {
		if err != nil {
			return exitCode(fail.KindOf(err)) // it was reported when it happened
		}
	}
	return nil
}

// batch is many renewals under way. Its methods may be called by several goroutines.
type batch struct {
	*app
	total int
	shown bool // whether to show how far it is

	mu   sync.Mutex
	done int
}

// sayIdle tells a person that there was nothing to be done, and why.
func (b *batch) sayIdle(answers []refreshJSON) {
	why := make(map[string]int)
	for _, answer := range answers {
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
	b.say("nothing to renew: " + strings.Join(reasons, ", "))
}

// one renews an account and says how that went. An account that the provider is too busy for gets a second
// try when it has waited as long as it was asked to.
func (b *batch) one(ctx context.Context, s *session.Session, o refreshOptions, name account.Name, limited bool) (refreshJSON, error) {
	answer := refreshJSON{Account: name.String()}
	text, err := b.refreshOne(ctx, s, name, o, limited, &answer)
	if wait := session.RetryAfter(err); o.all && wait > 0 && wait <= maxPause {
		b.say(fmt.Sprintf("%s: the provider asks to wait %s", name, wait.Round(time.Second)))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			text, err = b.refreshOne(ctx, s, name, o, limited, &answer)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	if err != nil {
		if b.total > 1 && !strings.Contains(err.Error(), name.String()) {
			err = fmt.Errorf("%s: %w", name, err)
		}
		answer.Error = oneLine(err.Error())
		b.report(err)
		return answer, err
	}
	answer.Renewed = answer.Skipped == ""
	if text != "" {
		if b.shown && b.total > 1 {
			text = fmt.Sprintf("%d of %d: %s", b.done, b.total, text)
		}
		b.say(text)
	}
	return answer, nil
}

// refreshOne renews an account, where that is due, and returns what to say of it.
func (a *app) refreshOne(ctx context.Context, s *session.Session, name account.Name, o refreshOptions, limited bool, answer *refreshJSON) (text string, err error) {
	if o.all || limited {
		st, err := s.Status(ctx, name)
		switch {
		case err != nil:
			return "", err
		case o.all && st.Static():
			answer.Skipped = "a static token"
			return "", nil
		case st.Vanished:
			return "", st.Blocked
		case o.all && st.Expired():
			answer.Skipped = "the login has ended"
			return "", nil
		case o.all && a.now().Before(st.NotBefore):
			answer.Skipped = "too early for the provider"
			return "", nil
		case limited && !st.EndsWithin(o.within, a.now()):
			answer.Skipped = "not due"
			return "", nil
		}
	}
	c, err := s.Refresh(ctx, name)
	if c != nil {
		answer.AccessExpiresAt, answer.RefreshExpiresAt = session.Instant(c.AccessExpiresAt), session.Instant(c.RefreshExpiresAt)
	}
	if err == nil {
		text = fmt.Sprintf("%s: renewed", name)
		if !c.AccessExpiresAt.IsZero() {
			text += ", valid for " + lifeOf(c)
		}
	}
	return text, err
}
