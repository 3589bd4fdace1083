package cmd

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
)

func (a *app) whoamiCommand() *cobra.Command {
	var (
		asJSON bool
		rotate rotation
	)
	c := &cobra.Command{
		Use:   "whoami ACCOUNT",
		Short: "Ask the provider whose token it is",
		Long: `Asks the provider whose token it is. The token is refreshed first if it has expired, and once if the provider
refuses it.`,
		Example: `  tokencli whoami mollie
  tokencli whoami monta --json`,
		Args:              a.oneAccount,
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := account.Parse(args[0])
			if err != nil {
				return err
			}
			set, err := a.settings()
			if err != nil {
				return err
			}
			if name, err = a.chosen(name); err != nil {
				return err
			}
			s, err := a.open(rotate.apply(a))
			if err != nil {
				return err
			}
			details, err := s.WhoAmI(cmd.Context(), name, set.MinTTL)
			if err != nil {
				return err
			}
			if asJSON {
				answer := map[string]any{"account": name.String(), "provider": name.Provider}
				for _, d := range details {
					key := strings.ReplaceAll(d.Name, " ", "_")
					if len(d.Values) == 1 {
						answer[key] = d.Values[0]
					} else {
						answer[key] = append([]string{}, d.Values...)
					}
				}
				return a.printJSON(answer)
			}
			rows := [][]string{{"account", name.String()}}
			for _, d := range details {
				value := "-"
				if len(d.Values) > 0 {
					value = strings.Join(d.Values, ", ")
				}
				rows = append(rows, []string{d.Name, value})
			}
			return a.print(table(rows))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	rotate.declare(c.Flags())
	return c
}
