package cmd

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/keepalive"
	"github.com/tokencli/tokencli/internal/redact"
)

func (a *app) keepaliveCommand() *cobra.Command {
	return group("keepalive", "Refresh logins in the background before they expire",
		`Some logins expire if unused: Moloni's refresh tokens after 14 days, and then you have to log in again.
keepalive has the system's scheduler run

  tokencli refresh --all --within 3d

twice a day: a systemd user timer on Linux, a launchd agent on macOS, a scheduled task on Windows. Runs
missed while the machine was off are caught up.`,
		`  tokencli keepalive install --print
  tokencli keepalive status`,
		a.keepaliveInstallCommand(), a.keepaliveStatusCommand(), a.keepaliveRemoveCommand())
}

type keepaliveOptions struct {
	within, every time.Duration
	print, yes    bool
}

func (a *app) keepaliveInstallCommand() *cobra.Command {
	var o keepaliveOptions
	within, every := duration(72*time.Hour), duration(12*time.Hour)
	c := &cobra.Command{
		Use:   "install",
		Short: "Have the system's scheduler refresh logins",
		Long: `Shows the files that the system's scheduler needs, asks for confirmation, then writes them and enables
the job. A second install replaces the first. The files hold the settings that decide which store is used,
and never a secret: a file store needs TOKENCLI_FILE_KEY as the path of a key file.

The job runs as you. If the keychain is locked when it runs, the next run tries again. For a file store on a
server, let the timer run while you are not logged in: loginctl enable-linger.`,
		Example: `  tokencli keepalive install --print
  tokencli keepalive install --within 5d --every 6h --print`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.within, o.every = time.Duration(within), time.Duration(every)
			return a.keepaliveInstall(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.Var(&within, "within", "refresh logins whose access or refresh token expires within this (default 3d)")
	f.Var(&every, "every", "how often: whole hours that divide a day (default 12h)")
	f.BoolVar(&o.print, "print", false, "print the files and write nothing")
	f.BoolVar(&o.yes, "yes", false, "write the files without asking")
	f.Lookup("within").DefValue, f.Lookup("every").DefValue = "", "" // the text says it in days
	return c
}

func (a *app) keepaliveInstall(ctx context.Context, o keepaliveOptions) error {
	scheduler, err := a.scheduler()
	if err != nil {
		return err
	}
	set, err := a.settings()
	if err != nil {
		return err
	}
	job, err := keepalive.NewJob(keepalive.Options{
		Args:  []string{"refresh", "--all", "--within", hoursAndDays(o.within)},
		Every: o.every, Within: o.within, Store: set.Store, Getenv: set.getenv(a.getenv),
	})
	if err != nil {
		return err
	}
	if set.Store == "vault" {
		if err := a.checkVaultToken(ctx, o.every); err != nil {
			return err
		}
	}
	files, err := scheduler.Files(job)
	if err != nil {
		return err
	}
	if o.print {
		return a.keepalivePrint(files, job.LeftOut)
	}
	if a.getenv(account.Sandbox) != "" {
		return usage("these settings are those of a sandbox, and end with it").
			WithHint("install it in a shell without them")
	}
	for line := range strings.Lines(show(files)) {
		fmt.Fprintln(a.stderr, redact.Printable(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "  ")))
	}
	a.sayLeftOut(job.LeftOut)
	if !o.yes {
		if err := a.agree(ctx, "write and start this? (yes or no)"); err != nil {
			return err
		}
	}
	switch enabled, err := scheduler.Install(ctx, files); {
	case err != nil:
		return err
	case !enabled:
		a.say("the files are written; " + scheduler.Name + " does not run for this user here, so nothing is enabled")
		a.hint("in a login session run `" + scheduler.ByHand + "`")
	default:
		a.say("logins are refreshed every " + hoursAndDays(o.every) + "; `tokencli keepalive status` shows the next run")
	}
	return nil
}

func (a *app) scheduler() (*keepalive.Scheduler, error) {
	return keepalive.Find(runtime.GOOS, stateDir(a.getenv), a.getenv)
}

// keepalivePrint prints the files: a single one as it is, so that it can be piped into a file.
func (a *app) keepalivePrint(files []keepalive.File, leftOut []string) error {
	text := show(files)
	if len(files) == 1 {
		fmt.Fprintf(a.stderr, "# %s\n", files[0].Path)
		text = files[0].Text
	}
	a.sayLeftOut(leftOut)
	return a.print(text)
}

// show returns the files one after the other, each below its path.
func show(files []keepalive.File) string {
	var b strings.Builder
	for i, f := range files {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "# %s\n%s", f.Path, f.Text)
	}
	return b.String()
}

func (a *app) sayLeftOut(variables []string) {
	for _, name := range variables {
		a.say("warning: " + name + " holds a user name or password and is left out of the job; if the job needs it, set it for the whole session")
	}
}

func (a *app) agree(ctx context.Context, question string) error {
	ask := a.asker(ctx)
	if ask == nil {
		return usage("stdin is not a terminal, so tokencli cannot ask for confirmation; nothing was written").WithHint("look at `tokencli keepalive install --print`, then add --yes")
	}
	answer, err := ask.Ask(question)
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return usage("not confirmed; nothing was written")
	}
	return nil
}

// hoursAndDays formats a duration for --within.
func hoursAndDays(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	}
	return d.String()
}

func (a *app) keepaliveStatusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show whether logins are refreshed, and when next",
		Long: `Shows whether the job is installed, and what the system's scheduler reports about it. The exit code is 0
either way.`,
		Example: `  tokencli keepalive status
  tokencli keepalive status --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keepaliveStatus(cmd.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) keepaliveStatus(ctx context.Context, asJSON bool) error {
	scheduler, err := a.scheduler()
	if err != nil {
		return err
	}
	status := scheduler.Status(ctx)
	if asJSON {
		return a.printJSON(status)
	}
	if !status.Installed {
		text := "not installed\n"
		if len(status.Files) > 0 {
			text = "half installed: a file is missing\n"
		}
		if err := a.print(text); err != nil {
			return err
		}
		a.hint("tokencli keepalive install")
		return nil
	}
	active := "no; `tokencli keepalive install` enables it"
	switch {
	case status.Active == nil:
		active = "not known: " + scheduler.Name + " cannot be asked here"
	case *status.Active:
		active = "yes"
	}
	rows := [][]string{{"installed", strings.Join(status.Files, ", ")}, {"active", active}}
	for _, row := range [][]string{{"next", status.Next}, {"last", status.Last}} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	return a.print(table(rows))
}

func (a *app) keepaliveRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove",
		Short:   "Stop refreshing logins in the background",
		Long:    `Disables the job and removes its files. No login is touched. If nothing is installed, nothing happens.`,
		Example: `  tokencli keepalive remove`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			scheduler, err := a.scheduler()
			if err != nil {
				return err
			}
			removed, err := scheduler.Remove(cmd.Context())
			switch {
			case err != nil:
				return err
			case removed:
				a.say("logins are no longer refreshed in the background")
			default:
				a.say("nothing is installed")
			}
			return nil
		},
	}
}
