package cmd

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/callback"
)

const openBrowser = "open-browser"

// openBrowserCommand opens an address by the system's opener. A login starts it as a process in a session
// of its own, so that the browser never ends with the login.
func (a *app) openBrowserCommand() *cobra.Command {
	return &cobra.Command{
		Use:    openBrowser + " ADDRESS",
		Short:  "Open an address in the browser (used by login)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return callback.OpenBySystem(args[0]) },
	}
}

// browserOpener returns the command line that runs openBrowserCommand; none if this program cannot be found.
func browserOpener() []string {
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{program, openBrowser}
}
