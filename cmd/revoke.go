package cmd

import "github.com/spf13/cobra"

func (a *app) revokeCommand() *cobra.Command {
	var local bool
	c := &cobra.Command{
		Use:        "revoke ACCOUNT",
		Aliases:    []string{"logout"},
		SuggestFor: []string{"signout", "rm", "remove", "delete"},
		Short:      "End a login and delete its credential",
		Long: `Ends the login at the provider, then deletes its credential. If the provider has no way to end a login, the
credential is deleted, and you are told where to end the login by hand and until when its tokens stay valid.
If the provider cannot be reached, nothing is deleted, so that you can try again.`,
		Example: `  tokencli revoke mollie
  tokencli revoke moneybird --local`,
		Args:              a.oneAccount,
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, name, err := a.openAccount(args[0])
			if err != nil {
				return err
			}
			return s.Revoke(cmd.Context(), name, local)
		},
	}
	c.Flags().BoolVar(&local, "local", false, "only delete the credential; do not contact the provider")
	return c
}
