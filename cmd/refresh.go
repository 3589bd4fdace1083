package cmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tokencli/internal/account"
	"tokencli/internal/fail"
	"tokencli/internal/session"
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
		Use:   "refresh ACCOUNT...",
		Short: "Renew logins now",
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

func (a *app) refresh(ctx context.Context, s *session.Session, o refreshOptions, limited bool) error {
	if o.all {
		var err error
		if o.names, err = s.Accounts(ctx); err != nil {
			return err
		}
	}
	answers := []refreshJSON{}
	var first error
	for _, name := range o.names {
		answer := refreshJSON{Account: name.String()}
		skipped, err := a.refreshOne(ctx, s, name, o, limited, &answer)
		answer.Skipped = skipped
		answer.Renewed = err == nil && skipped == ""
		if err != nil {
			if len(o.names) > 1 && !strings.Contains(err.Error(), name.String()) {
				err = fmt.Errorf("%s: %w", name, err)
			}
			answer.Error = oneLine(err.Error())
			first = a.goOn(first, err)
		}
		answers = append(answers, answer)
		if fail.Is(err, fail.Interrupted) {
			break
		}
	}
	if o.asJSON {
		if err := a.printJSON(answers); err != nil {
			return err
		}
	}
	return first
}

func (a *app) refreshOne(ctx context.Context, s *session.Session, name account.Name, o refreshOptions, limited bool, answer *refreshJSON) (skipped string, err error) {
	if o.all || limited {
		st, err := s.Status(ctx, name)
		switch {
		case o.all && fail.Is(err, fail.NotLoggedIn):
			return "not logged in", nil // on the list of names, but forgotten in the keychain itself
		case err != nil:
			return "", err
		case o.all && st.Static():
			return "a static token", nil
		case o.all && st.Dead():
			return "the login has ended", nil
		case limited && !st.EndsWithin(o.within, a.now()):
			return "not due", nil
		}
	}
	c, err := s.Refresh(ctx, name)
	if c != nil {
		answer.AccessExpiresAt, answer.RefreshExpiresAt = instant(c.AccessExpiresAt), instant(c.RefreshExpiresAt)
	}
	if err == nil {
		text := fmt.Sprintf("%s: renewed", name)
		if !c.AccessExpiresAt.IsZero() {
			text += ", valid for " + lasting(c.AccessExpiresAt, a.now())
		}
		a.say(text)
	}
	return "", err
}
