package cmd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
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
	asJSON        bool
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
	j, notes, err := a.job(runtime.GOOS, o)
	if err != nil {
		return err
	}
	units := j.units()
	text := show(units)
	if o.print {
		if len(units) == 1 {
			fmt.Fprintf(a.stderr, "# %s\n", units[0].path)
			text = units[0].text
		}
		for _, note := range notes {
			a.say(note)
		}
		return a.print(text)
	}
	if a.getenv(sandboxMarker) != "" {
		return usage("these settings are those of a sandbox, and end with it").
			WithHint("install it in a shell without them")
	}
	for line := range strings.Lines(text) {
		fmt.Fprintln(a.stderr, redact.Printable(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "  ")))
	}
	for _, note := range notes {
		a.say(note)
	}
	if !o.yes {
		if err := a.agree(ctx, "write and start this? (yes or no)"); err != nil {
			return err
		}
	}
	for _, u := range units {
		if err := os.MkdirAll(filepath.Dir(u.path), 0o755); err != nil {
			return fail.New(fail.Internal, "%s cannot be made: %w", filepath.Dir(u.path), err)
		}
		if err := safefile.WriteAtomic(u.path, u.bytes()); err != nil {
			return fail.New(fail.Internal, "%w", err).WithHint("`tokencli keepalive install --print` prints the files")
		}
	}
	started, err := a.scheduler(ctx, j).start(units)
	if err != nil {
		return err
	}
	if started {
		a.say("logins are refreshed every " + strings.TrimSuffix(j.every.String(), "0m0s") + "; `tokencli keepalive status` shows the next run")
	}
	return nil
}

// show is the files one after the other, each under its path.
func show(units []unit) string {
	var b strings.Builder
	for i, u := range units {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "# %s\n%s", u.path, u.text)
	}
	return b.String()
}

// agree asks for a yes on the terminal.
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
		return usage("not agreed to; nothing was written")
	}
	return nil
}

// job puts the job together and refuses one that could not do its work. The notes say what the files do
// not hold.
func (a *app) job(goos string, o keepaliveOptions) (*job, []string, error) {
	hours := o.every / time.Hour
	if o.every%time.Hour != 0 || hours < 1 || hours > 24 || 24%hours != 0 {
		return nil, nil, usage("--every must be whole hours that divide a day").WithHint("1h, 2h, 3h, 4h, 6h, 8h, 12h or 24h")
	}
	if o.within < 2*o.every {
		return nil, nil, usage("--within must be twice --every or more, or one turn that fails loses a login").
			WithHint("such as --within 3d --every 12h")
	}
	if !slices.Contains([]string{"linux", "darwin", "windows"}, goos) {
		return nil, nil, usage("no scheduler of this system is known").
			WithHint("run this from cron: tokencli refresh --all --within %s", hoursAndDays(o.within))
	}
	set, err := a.settings()
	if err != nil {
		return nil, nil, err
	}
	binary, err := ownPath()
	if err != nil {
		return nil, nil, err
	}
	if goos == "linux" && (strings.ContainsAny(binary, `"'\`) || redact.Printable(binary) != binary) {
		return nil, nil, usage("systemd runs no program whose path holds a quote or a backslash: %s", redact.Printable(binary)).
			WithHint("put tokencli into another folder, such as ~/.local/bin")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, nil, usage("no home folder is known, so tokencli does not know where to put the files").WithHint("set HOME")
	}
	j := &job{
		goos: goos, binary: binary, every: o.every, home: home, stateDir: set.StateDir,
		args:       []string{"refresh", "--all", "--within", hoursAndDays(o.within)},
		configHome: filepath.Join(home, ".config"),
	}
	if dir := a.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		j.configHome = dir
	}
	if j.environment, err = a.jobStore(set); err != nil {
		return nil, nil, err
	}
	network, notes, err := a.jobNetwork()
	if err != nil {
		return nil, nil, err
	}
	j.environment = append(j.environment, network...)
	return j, notes, nil
}

// jobStore returns the settings that decide where the logins are, and refuses where the job could not
// open them without a secret in its files.
func (a *app) jobStore(set *settings) ([]setting, error) {
	var environment []setting
	add := func(name, value string) {
		if value != "" {
			environment = append(environment, setting{name, value})
		}
	}
	add("TOKENCLI_STORE", a.getenv("TOKENCLI_STORE"))
	if a.getenv("TOKENCLI_STATE_DIR") != "" {
		add("TOKENCLI_STATE_DIR", set.StateDir)
	}
	if a.getenv("TOKENCLI_CONFIG_DIR") != "" {
		add("TOKENCLI_CONFIG_DIR", filepath.Dir(set.ConfigFile))
	}
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
		if dir := a.getenv(name); filepath.IsAbs(dir) {
			add(name, dir)
		}
	}
	switch set.Store {
	case "env":
		return nil, usage("the env store is read-only, so there is nothing to keep alive").
			WithHint("choose another store: TOKENCLI_STORE=keychain or TOKENCLI_STORE=file")
	case "file":
		key := strings.TrimSpace(a.getenv(account.FileKey))
		const hint = "make a key file (`tokencli store init file`) and set " + account.FileKey + " to its path"
		switch {
		case key == "" && a.getenv(account.FilePassphrase) != "":
			return nil, usage("a passphrase cannot be given to a job without writing it down").WithHint(hint)
		case key == "":
			return nil, usage("the file store has no key: %s is not set", account.FileKey).WithHint(hint)
		}
		if info, err := os.Stat(key); err != nil || !info.Mode().IsRegular() {
			// It may be a key, so it is not quoted.
			return nil, usage("%s is not the path of a file, and a key itself is not written into a job", account.FileKey).WithHint(hint)
		}
		add(account.FileKey, absolute(key))
	}
	return environment, nil
}

// jobNetwork returns the settings of the way to the providers. A proxy with a password is left out, with a note; a base
// URL with one is refused, because the job would contact the real provider without it.
func (a *app) jobNetwork() (environment []setting, notes []string, err error) {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(strings.ToUpper(name), "TOKENCLI_") && strings.HasSuffix(strings.ToUpper(name), "_"+account.BaseURL) && value != "" {
			if strings.Contains(value, "@") {
				return nil, nil, usage("%s holds a user name or password, which is not written into a job", name).
					WithHint("set %s to an address without it", name)
			}
			environment = append(environment, setting{name, value})
		}
	}
	slices.SortFunc(environment, func(a, b setting) int { return strings.Compare(a.name, b.name) })
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		value := a.getenv(name)
		if value == "" || slices.ContainsFunc(environment, func(v setting) bool { return strings.EqualFold(v.name, name) }) {
			continue
		}
		if strings.Contains(value, "@") {
			notes = append(notes, "warning: "+name+" holds a user name or password and is left out of the job; where the job needs it, give it to the session by other means")
			continue
		}
		environment = append(environment, setting{name, value})
	}
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value := a.getenv(name); value != "" {
			environment = append(environment, setting{name, value})
		}
	}
	return environment, notes, nil
}

// ownPath returns the path by which this program is found, which outlasts an update: a package manager
// replaces the file behind a link, and the link stays.
func ownPath() (string, error) {
	file, err := os.Executable()
	if err != nil {
		return "", fail.New(fail.Internal, "the path of this program is not known: %w", err)
	}
	if strings.Contains(file, string(filepath.Separator)+"go-build") {
		return "", usage("this program was built for one run only, by `go run`").WithHint("install it first: `go install .`")
	}
	if named, err := exec.LookPath(os.Args[0]); err == nil {
		if named, err = filepath.Abs(named); err == nil && sameFile(named, file) {
			return named, nil
		}
	}
	return file, nil
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// hoursAndDays writes a duration as a person does.
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
	var o keepaliveOptions
	c := &cobra.Command{
		Use:   "status",
		Short: "Show whether logins are refreshed, and when next",
		Long: `Shows whether the job is installed, and what the system's scheduler reports about it. The exit code is 0
either way.`,
		Example: `  tokencli keepalive status
  tokencli keepalive status --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keepaliveStatus(cmd.Context(), o) },
	}
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

type keepaliveJSON struct {
	Installed bool     `json:"installed"`
	Files     []string `json:"files"`
	Active    *bool    `json:"active"` // null where the scheduler cannot be asked
	Next      string   `json:"next"`
	Last      string   `json:"last"`
}

func (a *app) keepaliveStatus(ctx context.Context, o keepaliveOptions) error {
	j, err := a.placedJob()
	if err != nil {
		return err
	}
	answer := keepaliveJSON{Files: []string{}}
	units := j.units()
	for _, u := range units {
		if _, err := os.Lstat(u.path); err == nil {
			answer.Files = append(answer.Files, u.path)
		}
	}
	answer.Installed = len(answer.Files) == len(units)
	if answer.Installed {
		answer.Active, answer.Next, answer.Last = a.scheduler(ctx, j).ask()
	}
	if o.asJSON {
		return a.printJSON(answer)
	}
	if !answer.Installed {
		text := "not installed"
		if len(answer.Files) > 0 {
			text = "half installed: a file is missing"
		}
		if err := a.print(text + "\n"); err != nil {
			return err
		}
		fmt.Fprintln(a.stderr, "hint: tokencli keepalive install")
		return nil
	}
	rows := [][]string{{"installed", strings.Join(answer.Files, ", ")}}
	switch {
	case answer.Active == nil:
		rows = append(rows, []string{"active", "not known: " + a.scheduler(ctx, j).name() + " cannot be asked here"})
	case *answer.Active:
		rows = append(rows, []string{"active", "yes"})
	default:
		rows = append(rows, []string{"active", "no; `tokencli keepalive install` switches it on"})
	}
	for _, row := range [][]string{{"next", answer.Next}, {"last", answer.Last}} {
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
			j, err := a.placedJob()
			if err != nil {
				return err
			}
			return a.keepaliveRemove(cmd.Context(), j)
		},
	}
}

func (a *app) keepaliveRemove(ctx context.Context, j *job) error {
	units := j.units()
	there := slices.ContainsFunc(units, func(u unit) bool { _, err := os.Lstat(u.path); return err == nil })
	if !there {
		a.say("nothing is installed")
		return nil
	}
	scheduler := a.scheduler(ctx, j)
	scheduler.stop(units)
	for _, u := range units {
		if err := safefile.Remove(u.path); err != nil {
			return fail.New(fail.Internal, "%w", err)
		}
	}
	scheduler.forget()
	a.say("logins are not refreshed in the background any more")
	return nil
}

// placedJob is a job of which only the places of its files matter.
func (a *app) placedJob() (*job, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, usage("no home folder is known").WithHint("set HOME")
	}
	j := &job{goos: runtime.GOOS, every: 12 * time.Hour, home: home, stateDir: stateDir(a.getenv), configHome: filepath.Join(home, ".config")}
	if dir := a.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		j.configHome = dir
	}
	return j, nil
}
