package cmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

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
		Short:      "Show every account and what it needs",
		Long: `Shows every account, or those that are named: its state, when its tokens end, how it was logged in and
where it is kept. No provider is asked and nothing is renewed. What needs a person comes first, then what
ends soonest; --json sorts by name.

The state is valid (the token can be used), refreshable (the next use renews it) or login_needed. Under
REFRESH stands when the login ends unless it is renewed: "no end" is a login without a known end, "-" one
that cannot be renewed, "refused" one that the provider has ended.`,
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
				return usage("--within goes with --check")
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
	f.BoolVar(&o.check, "check", false, "exit with 4 when an account needs a login")
	f.Var(&within, "within", "with --check: or will need one within this (48h, 3d)")
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
	names := o.names
	if len(names) == 0 {
		var err error
		if names, err = s.Accounts(ctx); err != nil {
			return err
		}
	}
	names = byName(names)
	answers := readStatus(ctx, s, names)
	if ctx.Err() != nil {
		return fail.New(fail.Interrupted, "interrupted")
	}
	var (
		found []*session.Status
		first error
		// Those that need a person, and those that will unless they are renewed.
		needy, ending []string
	)
	for i, answer := range answers {
		if answer.err != nil {
			first = a.goOn(first, answer.err)
			continue
		}
		found = append(found, answer.status)
		switch st := answer.status; {
		case !st.NeedsLogin(o.within, a.now()):
		case st.Refreshes() && !st.NeedsLogin(0, a.now()):
			ending = append(ending, names[i].String())
		default:
			needy = append(needy, names[i].String())
		}
	}
	if len(found) == 0 && len(o.names) == 0 && first == nil && !o.asJSON {
		a.say("no account is logged in")
		fmt.Fprintln(a.stderr, "hint: tokencli login PROVIDER; `tokencli provider list` names the providers")
	}
	if err := a.printStatus(found, o); err != nil {
		return err
	}
	switch {
	case first != nil || !o.check:
	case len(needy) > 0:
		return fail.New(fail.LoginNeeded, "a login is needed: %s", strings.Join(needy, ", ")).
			WithHint("tokencli login %s", strings.Join(needy, "; tokencli login "))
	case len(ending) > 0:
		return fail.New(fail.LoginNeeded, "%s ends within %s unless it is renewed", strings.Join(ending, ", "), span(o.within)).
			WithHint("tokencli refresh %s", strings.Join(ending, " "))
	}
	return first
}

// byName returns the names sorted, each once.
func byName(names []account.Name) []account.Name {
	names = slices.Clone(names)
	slices.SortFunc(names, func(a, b account.Name) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Label, b.Label))
	})
	return slices.Compact(names)
}

type statusAnswer struct {
	status *session.Status
	err    error
}

// readersAtOnce is how many accounts are read at the same time. A keychain's service answers one after
// the other; a few at once hide the ways there and back without crowding it.
const readersAtOnce = 4

// readStatus reads the accounts and returns what was found, in their order.
func readStatus(ctx context.Context, s *session.Session, names []account.Name) []statusAnswer {
	answers := make([]statusAnswer, len(names))
	var readers sync.WaitGroup
	next := make(chan int)
	for range min(readersAtOnce, len(names)) {
		readers.Go(func() {
			for i := range next {
				answers[i].status, answers[i].err = s.Status(ctx, names[i])
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	readers.Wait()
	return answers
}

func (a *app) printStatus(found []*session.Status, o statusOptions) error {
	if o.asJSON {
		answers := make([]statusJSON, 0, len(found))
		for _, st := range found {
			answers = append(answers, statusJSON{
				Account: st.Account.String(), Provider: st.Account.Provider, Grant: string(st.Grant), State: string(st.State),
				AccessExpiresAt: session.Instant(st.AccessExpiresAt), RefreshExpiresAt: session.Instant(st.RefreshExpiresAt),
				Scopes: append([]string{}, st.Scopes...), Store: st.Store,
			})
		}
		return a.printJSON(answers)
	}
	if len(found) == 0 {
		return nil
	}
	return a.print(statusTable(found, a.now(), a.screen()))
}

// statusTable lays the accounts out so that no line is wider than the screen: a long name gives way in
// its middle, because names differ at their ends, and scopes stand below their account.
func statusTable(found []*session.Status, now time.Time, to screen) string {
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b *session.Status) int { return urgency(a, b, now) })
	rows := [][]string{{"ACCOUNT", "STATE", "ACCESS", "REFRESH", "GRANT", "STORE"}}
	for _, st := range found {
		rows = append(rows, []string{
			st.Account.String(), string(st.State), accessEnd(st, now), refreshEnd(st, now), grantWord(string(st.Grant)), st.Store,
		})
	}
	const gap, shortest = 2, 12
	others := 0
	for column := 1; column < len(rows[0]); column++ {
		widest := 0
		for _, row := range rows {
			widest = max(widest, utf8.RuneCountInString(row[column]))
		}
		others += gap + widest
	}
	for _, row := range rows {
		row[0] = shorten(row[0], max(shortest, to.width-others))
	}
	lines := strings.SplitAfter(table(rows), "\n")
	var out strings.Builder
	out.WriteString(to.paint(faint, lines[0]))
	for i, st := range found {
		// The state is the first place after the name where its word stands.
		name := len(rows[i+1][0])
		out.WriteString(lines[i+1][:name])
		out.WriteString(strings.Replace(lines[i+1][name:], string(st.State), to.paint(stateColour(st, now), string(st.State)), 1))
		if len(st.Scopes) > 0 {
			const indent = "  "
			for _, line := range wrap(strings.Join(st.Scopes, " "), to.width-len(indent)) {
				out.WriteString(indent + to.paint(faint, line) + "\n")
			}
		}
	}
	return out.String()
}

// urgency orders by what needs a person first: a login, then the login that ends soonest.
func urgency(a, b *session.Status, now time.Time) int {
	rank := func(st *session.Status) (int, time.Time) {
		end := st.AccessExpiresAt
		if st.Refreshes() {
			end = st.RefreshExpiresAt
		}
		switch {
		case st.NeedsLogin(0, now):
			return 0, time.Time{}
		case !end.IsZero() && string(st.Grant) != "client_credentials": // which mints as long as the client lives
			return 1, end
		}
		return 2, time.Time{}
	}
	rankA, endA := rank(a)
	rankB, endB := rank(b)
	return cmp.Or(cmp.Compare(rankA, rankB), endA.Compare(endB))
}

func refreshEnd(st *session.Status, now time.Time) string {
	switch {
	case st.Ended:
		return "refused"
	case !st.RefreshExpiresAt.IsZero():
		return relative(st.RefreshExpiresAt, now)
	case st.Refreshes():
		return "no end"
	}
	return "-"
}

// grantWord is the grant as the table has room for it.
func grantWord(grant string) string {
	word, _, _ := strings.Cut(strings.TrimPrefix(grant, "authorization_"), "_")
	return word
}

func stateColour(st *session.Status, now time.Time) colour {
	switch {
	case st.NeedsLogin(0, now):
		return red
	case st.State == session.Valid:
		return green
	}
	return yellow
}

// accessEnd tells when the access token ends; "-" where there is none yet: one without a known end counts as
// valid.
func accessEnd(st *session.Status, now time.Time) string {
	if st.AccessExpiresAt.IsZero() && st.State != session.Valid {
		return "-"
	}
	return relative(st.AccessExpiresAt, now)
}

// relative tells when t is in words that a person reads at a glance.
func relative(t, now time.Time) string {
	if t.IsZero() {
		return "no end"
	}
	if d := t.Sub(now); d > 0 {
		return "in " + span(d)
	}
	return span(now.Sub(t)) + " ago"
}

// span is a length of time in the largest unit that still tells something. What is left is rounded down:
// nobody should count on a minute that is not there.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}

// lifeOf is how long a token lives that was just obtained: "60 min", though a second of them has passed.
func lifeOf(c *session.Credential) string {
	return span(c.AccessExpiresAt.Sub(c.ObtainedAt).Round(time.Second))
}
