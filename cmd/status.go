package cmd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

type statusOptions struct {
	names  []account.Name
	asJSON bool
	check  bool
	within time.Duration
}

func (a *app) statusCommand() *cobra.Command {
	var (
		o      statusOptions
		within duration
	)
	c := &cobra.Command{
		Use:        "status [ACCOUNT...]",
		SuggestFor: []string{"list", "ls", "accounts", "show"},
		Short:      "Show accounts, their state and when they expire",
		Long: `Shows every account, or the ones given: its state, when its tokens expire, how it was logged in and where
it is stored. No provider is contacted and nothing is refreshed. Accounts that need a login come first, then
those that expire soonest; --json sorts by name. On a terminal, the table is cut to fit; elsewhere names and
columns are whole, unless COLUMNS is set.

The state is valid (the token can be used), refreshable (the next use refreshes it) or login_needed. LOGIN
EXPIRES is when the login expires unless it is refreshed: "no expiry" if none is known, "-" if it cannot be
refreshed, "ended" if the provider refuses to refresh it, "missing" if its credential is gone from the store.`,
		Example: `  tokencli status
  tokencli status --json
  tokencli status --check --within 48h`,
		ValidArgsFunction: a.completeAccounts,
		Args: func(_ *cobra.Command, args []string) (err error) {
			o.names, err = parseAccounts(args)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.within = time.Duration(within)
			if o.within > 0 && !o.check {
				return usage("--within needs --check")
			}
			s, err := a.open()
			if err != nil {
				return err
			}
			return a.status(cmd.Context(), s, o)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	f.BoolVar(&o.check, "check", false, "exit with 4 if an account needs a login")
	f.Var(&within, "within", "with --check: also if it will need one within `DURATION` (48h, 3d)")
	return c
}

type statusJSON struct {
	Account          string   `json:"account"`
	Provider         string   `json:"provider"`
	Grant            string   `json:"grant"`
	State            string   `json:"state"`
	AccessExpiresAt  *string  `json:"access_expires_at"`
	RefreshExpiresAt *string  `json:"refresh_expires_at"`
	Scopes           []string `json:"scopes"`
	Store            string   `json:"store"`
}

func (a *app) status(ctx context.Context, s *session.Session, o statusOptions) error {
	names := slices.Clone(o.names)
	account.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		var err error
		if names, err = s.Accounts(ctx); err != nil {
			return err
		}
	}
	var (
		rows  []accountStatus
		first error
	)
	for _, row := range readStatus(ctx, s, names) {
		if row.err != nil {
			first = a.reportAndContinue(first, row.err)
			continue
		}
		rows = append(rows, row)
	}
	if ctx.Err() != nil {
		return fail.New(fail.Interrupted, "interrupted")
	}
	if len(names) == 0 {
		if first = s.CheckEmpty(ctx); first != nil {
			return first
		}
	}
	if len(rows) == 0 && len(o.names) == 0 && first == nil && !o.asJSON {
		a.say("no account is logged in")
		a.hint("tokencli login PROVIDER; `tokencli provider list` lists the providers")
	}
	if err := a.printStatus(rows, o.asJSON); err != nil {
		return err
	}
	if first != nil || !o.check {
		return first
	}
	return needsAttention(rows, o.within, a.now())
}

// needsAttention is the failure of --check: accounts that need a login, or will unless they are refreshed.
func needsAttention(rows []accountStatus, within time.Duration, now time.Time) error {
	var needed, expiring []string
	for _, row := range rows {
		switch {
		case !row.NeedsLogin(within, now):
		case row.Refreshes() && !row.NeedsLogin(0, now):
			expiring = append(expiring, row.Account.String())
		default:
			needed = append(needed, row.Account.String())
		}
	}
	switch {
	case len(needed) > 0:
		return fail.New(fail.LoginNeeded, "login needed: %s", strings.Join(needed, ", ")).
			WithHint("tokencli login %s", strings.Join(needed, "; tokencli login "))
	case len(expiring) > 0:
		return fail.New(fail.LoginNeeded, "expires within %s unless refreshed: %s", span(within), strings.Join(expiring, ", ")).
			WithHint("tokencli refresh %s", strings.Join(expiring, " "))
	}
	return nil
}

// sayChosen says which account the bare name of a provider means where a variable chooses one.
func (a *app) sayChosen(rows []accountStatus) error {
	var last string
	for _, row := range rows { // sorted by name
		bare := account.Name{Provider: row.Account.Provider}
		name, err := a.chosen(bare)
		if err != nil {
			return err
		}
		if name != bare && last != bare.Provider {
			a.say(bare.String() + " means " + name.String() + " to commands that use a token (" + bare.Var(account.Chosen) + ")")
		}
		last = bare.Provider
	}
	return nil
}

// accountStatus is the status of an account, or why it could not be read.
type accountStatus struct {
	*session.Status
	Account account.Name
	err     error
}

// readersAtOnce is how many accounts are read at the same time. The keychain's service answers one request
// after the other; a few at once hide the time on the way without crowding it.
const readersAtOnce = 4

// readStatus reads the accounts and returns them in the same order.
func readStatus(ctx context.Context, s *session.Session, names []account.Name) []accountStatus {
	rows := make([]accountStatus, len(names))
	var readers errgroup.Group
	readers.SetLimit(readersAtOnce)
	for i, name := range names {
		readers.Go(func() error {
			rows[i].Account = name
			rows[i].Status, rows[i].err = s.Status(ctx, name)
			return nil
		})
	}
	_ = readers.Wait() // each row has its own error
	return rows
}

func (a *app) printStatus(rows []accountStatus, asJSON bool) error {
	if asJSON {
		answers := make([]statusJSON, 0, len(rows))
		for _, row := range rows {
			answers = append(answers, statusJSON{
				Account: row.Account.String(), Provider: row.Account.Provider, Grant: string(row.Grant), State: string(row.State),
				AccessExpiresAt: session.Instant(row.AccessExpiresAt), RefreshExpiresAt: session.Instant(row.RefreshExpiresAt),
				Scopes: append([]string{}, row.Scopes...), Store: row.Store,
			})
		}
		return a.printJSON(answers)
	}
	if len(rows) == 0 {
		return nil
	}
	if err := a.print(statusTable(rows, a.now(), a.screen())); err != nil {
		return err
	}
	return a.sayChosen(rows)
}
