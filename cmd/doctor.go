package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/doctor"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
	"github.com/tokencli/tokencli/internal/terminal"
)

type doctorOptions struct {
	names   []account.Name
	asJSON  bool
	bundle  string
	offline bool
}

func (a *app) doctorCommand() *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor [ACCOUNT...]",
		Short: "Find problems and say how to fix them",
		Long: `Looks at the configuration, the definitions, the environment, the state folder, the store, every account
(or those that are named) with its client, redirect URI and port, the browser, the proxy, the certificates,
whether each provider in use can be reached, and the clock. Each finding is ok, a warning or a problem;
warnings and problems come with a fix. It takes 15 seconds at most.

Nothing is changed or refreshed. To test the store, doctor writes a record of its own and deletes it at
once; for Vault, it only asks what the token is allowed to do.
A provider gets one request for its front page, with nothing in it that belongs to you.

The exit code is 0 if there is no problem, else that of the first one: 2 for what is set wrong on
this machine (settings, variables, port, certificates, clock), 3 or 4 for an account, 6 for the network,
7 for the store or the state folder. "tokencli help exit-codes" lists them.`,
		Example: `  tokencli doctor
  tokencli doctor --json
  tokencli doctor --offline --bundle report.txt`,
		ValidArgsFunction: a.completeAccounts,
		Args: func(_ *cobra.Command, args []string) (err error) {
			o.names, err = parseAccounts(args)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), o) },
	}
	f := c.Flags()
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	f.StringVar(&o.bundle, "bundle", "", "also write a report for an issue to the new `FILE`, without secrets or names")
	f.BoolVar(&o.offline, "offline", false, "ask no provider: leave out reachability and the clock")
	return c
}

func (a *app) doctor(ctx context.Context, o doctorOptions) error {
	if o.bundle != "" {
		// Said before anything is looked at.
		if _, err := os.Lstat(o.bundle); err == nil {
			return usage("%s already exists", redact.Printable(o.bundle)).WithHint("name a new file for the report")
		}
	}
	report, err := doctor.Run(ctx, a.doctorInput(o))
	if err != nil {
		return err
	}
	if o.bundle != "" {
		if err := safefile.Create(o.bundle, []byte(report.Bundle())); err != nil {
			return fail.New(fail.Usage, "%w", err).WithHint("name a new file in a folder that you can write")
		}
	}
	if err := a.printFindings(report, o.asJSON); err != nil {
		return err
	}
	if o.bundle != "" {
		a.say("the report is in " + o.bundle + "; read it before you publish it")
	}
	kind, bad := report.Kind()
	warnings := count(report.Count(doctor.Warning), "warning")
	if !bad {
		a.say("no problem, " + warnings)
		return nil
	}
	a.say(count(report.Count(doctor.Problem), "problem") + ", " + warnings)
	return exitCode(kind)
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// doctorInput collects what doctor looks at. What cannot be read of the settings is a finding itself
// and keeps nothing else from being looked at.
func (a *app) doctorInput(o doctorOptions) *doctor.Input {
	p := &doctor.Input{
		Version: a.versionName(), Environ: os.Environ(), Getenv: a.getenv, Now: a.now, Hint: hintOf,
		Accounts: o.names, Offline: o.offline,
	}
	set, err := a.settings()
	if err != nil {
		p.Config = []doctor.Finding{doctor.Failed("config", err)}
		set = a.settingsDespite()
	} else {
		p.Config = []doctor.Finding{{Check: "config", State: doctor.OK, Text: describeConfig(set)}}
	}
	p.Session, p.StoreFrom = a.sessionOptions(set), set.StoreFrom
	p.Configured = slices.Collect(maps.Keys(set.accounts))
	return p
}

func describeConfig(set *settings) string {
	if set.ConfigFile == "" {
		return "no home folder, so no config.yaml"
	}
	if _, err := os.Stat(set.ConfigFile); errors.Is(err, fs.ErrNotExist) {
		return redact.Printable(set.ConfigFile) + " not found (optional)"
	}
	return redact.Printable(set.ConfigFile) + ": " + count(len(set.accounts), "account")
}

// settingsDespite reads what can be read of settings that are wrong somewhere. The store is empty where
// nothing says which it is.
func (a *app) settingsDespite() *settings {
	s := &settings{StateDir: stateDir(a.getenv)}
	file := &configFile{}
	readable := true
	if dir := configDir(a.getenv); dir != "" {
		s.ConfigFile = filepath.Join(dir, "config.yaml")
		s.DefinitionDir = filepath.Join(dir, "providers")
		text, err := safefile.Read(s.ConfigFile, maxConfig, safefile.Config)
		if err == nil {
			err = yaml.Unmarshal(text, file) // unknown keys are passed over here
		}
		readable = err == nil || errors.Is(err, fs.ErrNotExist)
	}
	s.Store = cmp.Or(a.getenv(account.StoreVar), file.Store)
	if s.Store == "" && readable {
		s.Store = "keychain"
	}
	if !slices.Contains(stores, s.Store) {
		s.Store = ""
	}
	s.StoreFrom = storeFrom(a.getenv, file)
	s.accounts, _ = accountsOf(file, s.ConfigFile)
	return s
}

func (a *app) printFindings(report *doctor.Report, asJSON bool) error {
	if asJSON {
		return a.printJSON(report.Findings)
	}
	to := a.screen()
	var out strings.Builder
	for _, f := range report.Findings {
		subject := f.Check
		if f.Account != "" {
			subject += " " + f.Account
		}
		out.WriteString(to.paint(severity(f.State), fmt.Sprintf("%-8s", f.State)))
		a.hang(&out, to, subject+": "+f.Text)
		if f.Fix != "" {
			out.WriteString(strings.Repeat(" ", 8))
			a.hang(&out, to, "fix: "+f.Fix)
		}
	}
	return a.print(out.String())
}

// hang writes a text behind the column of states. On a terminal it is broken into lines; elsewhere a
// finding is one line, for grep.
func (a *app) hang(out *strings.Builder, to screen, text string) {
	const column = 9
	lines := []string{text}
	if to.terminal && terminal.Cells(text) > to.width-column {
		lines = terminal.Wrap(text, to.width-column)
	}
	for i, line := range lines {
		if i > 0 {
			out.WriteString(strings.Repeat(" ", column-1))
		}
		out.WriteString(" " + line + "\n")
	}
}

func severity(s doctor.State) colour {
	switch s {
	case doctor.OK:
		return green
	case doctor.Warning:
		return yellow
	}
	return red
}
