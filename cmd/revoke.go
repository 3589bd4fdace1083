package cmd

import (
	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
)

func (a *app) revokeCommand() *cobra.Command {
	var local bool
	c := &cobra.Command{
		Use:        "revoke ACCOUNT",
		SuggestFor: []string{"logout", "signout", "rm", "remove", "delete", "forget"},
		Short:      "End a login and forget it",
		Long: `Ends the login at the provider, where it has a way, and then forgets it. Where the provider has none, the
login is forgotten and you are told where to end it by hand and until when its tokens stay alive. When the
provider cannot be reached nothing is forgotten, so that it can be tried again.`,
		Example: `  tokencli revoke mollie
  tokencli revoke moneybird --local`,
		Args:              oneAccount,
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := account.Parse(args[0])
			if err != nil {
				return err
			}
			s, err := a.open()
			if err != nil {
				return err
			}
			return s.Revoke(cmd.Context(), name, local)
		},
	}
	c.Flags().BoolVar(&local, "local", false, "only forget the login; the provider is not asked")
	return c
}
