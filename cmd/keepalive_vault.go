package cmd

import (
	"context"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

// checkVaultToken refuses a token for Vault that expires before a job that uses it runs again. The job has no
// VAULT_TOKEN: its token is the one in ~/.vault-token, unless it logs in to Vault by itself.
func (a *app) checkVaultToken(ctx context.Context, every time.Duration) error {
	s, err := a.open(func(o *session.Options) {
		getenv := o.Getenv
		o.Getenv = func(name string) string {
			if name == account.VaultToken {
				return ""
			}
			return getenv(name)
		}
	})
	if err != nil {
		return err
	}
	token, err := s.Vault().TokenState(ctx)
	switch {
	case err != nil && fail.Is(err, fail.Usage) && a.getenv(account.VaultToken) != "":
		return usage("%s is a secret, which is not written into a job, and ~/.vault-token holds no token for the job", account.VaultToken).
			Advise(fail.DoUseVaultLogin, account.VaultToken)
	case err != nil:
		return err
	case !token.Own || token.Lifetime == 0:
		return nil
	case token.Lifetime < every:
		return usage("the token in ~/.vault-token expires in %s, before the job runs again (every %s)", span(token.Lifetime), hoursAndDays(every)).
			Advise(fail.DoUseLastingToken)
	}
	a.say("warning: the token in ~/.vault-token expires in " + span(token.Lifetime) + "; after that the job fails until you log in to Vault again")
	return nil
}
