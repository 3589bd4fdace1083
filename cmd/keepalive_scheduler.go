package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// scheduler runs the commands of the system's scheduler.
type scheduler struct {
	*app
	ctx context.Context
	job *job
}

func (a *app) scheduler(ctx context.Context, j *job) scheduler { return scheduler{a, ctx, j} }

func (s scheduler) name() string {
	switch s.job.goos {
	case "darwin":
		return "launchd"
	case "windows":
		return "the Task Scheduler"
	}
	return "systemd"
}

// run runs a command without the secrets of the environment and returns what it printed.
func (s scheduler) run(argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = account.Environ(os.Environ())
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err != nil && said.Len() > 0 {
		// What was done comes first, why it was not done last.
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		err = errors.New(strings.TrimRight(redact.Scrub(lines[len(lines)-1], 200), ". "))
	}
	return out.String(), err
}

func domain() string { return "gui/" + strconv.Itoa(os.Getuid()) }

const keepaliveTimer = keepaliveName + ".timer"

// start switches the job on. It reports false, and says what to do, where the scheduler does not run for
// this user: the files are right all the same.
func (s scheduler) start(units []unit) (bool, error) {
	last := units[len(units)-1].path
	var commands [][]string
	switch s.job.goos {
	case "darwin":
		_, _ = s.run("launchctl", "bootout", domain()+"/"+keepaliveName) // of an older install, if any
		commands = [][]string{{"launchctl", "bootstrap", domain(), last}}
	case "windows":
		commands = [][]string{{"schtasks", "/Create", "/F", "/TN", keepaliveName, "/XML", last}}
	default:
		if _, err := s.run("systemctl", "--user", "daemon-reload"); err != nil {
			if s.ctx.Err() != nil {
				return false, fail.New(fail.Interrupted, "interrupted; the files are written")
			}
			s.say("the files are written; systemd does not run for this user here, so nothing is switched on")
			fmt.Fprintf(s.stderr, "hint: in a login session run `systemctl --user enable --now %s`\n", keepaliveTimer)
			return false, nil
		}
		commands = [][]string{{"systemctl", "--user", "enable", "--now", keepaliveTimer}, {"systemctl", "--user", "restart", keepaliveTimer}}
	}
	for _, argv := range commands {
		if _, err := s.run(argv...); err != nil {
			if s.ctx.Err() != nil {
				return false, fail.New(fail.Interrupted, "interrupted; the files are written")
			}
			return false, fail.New(fail.Internal, "the files are written, but %s did not take them: %w", s.name(), err).
				WithHint("run it by hand: %s", strings.Join(argv, " "))
		}
	}
	return true, nil
}

// stop switches the job off, as far as the scheduler runs.
func (s scheduler) stop(units []unit) {
	var argv []string
	switch s.job.goos {
	case "darwin":
		argv = []string{"launchctl", "bootout", domain() + "/" + keepaliveName}
	case "windows":
		argv = []string{"schtasks", "/Delete", "/F", "/TN", keepaliveName}
	default:
		argv = []string{"systemctl", "--user", "disable", "--now", keepaliveTimer}
	}
	if _, err := s.run(argv...); err != nil && s.name() == "systemd" {
		// What `systemctl enable` made has to go all the same.
		link := filepath.Join(filepath.Dir(units[0].path), "timers.target.wants", keepaliveTimer)
		if info, err := os.Lstat(link); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			_ = os.Remove(link)
		}
	}
}

// forget lets systemd notice that the files are gone.
func (s scheduler) forget() {
	if s.name() == "systemd" {
		_, _ = s.run("systemctl", "--user", "daemon-reload")
	}
}

// ask returns what the scheduler says: whether the job is on (nil: it cannot be asked), when it runs
// next and when it ran last.
func (s scheduler) ask() (active *bool, next, last string) {
	yes, no := true, false
	switch s.job.goos {
	case "darwin":
		if _, err := s.run("launchctl", "print", domain()); err != nil {
			return nil, "", ""
		}
		if _, err := s.run("launchctl", "print", domain()+"/"+keepaliveName); err != nil {
			return &no, "", ""
		}
		return &yes, "", ""
	case "windows":
		if _, err := s.run("schtasks", "/Query", "/TN", keepaliveName); err != nil {
			return &no, "", ""
		}
		return &yes, "", ""
	}
	timer, err := s.properties(keepaliveTimer, "ActiveState", "NextElapseUSecRealtime")
	if err != nil {
		return nil, "", ""
	}
	active = &no
	if timer["ActiveState"] == "active" {
		active = &yes
	}
	// The timer's own memory of its last turn is also set when it is switched on; the service has run.
	if service, err := s.properties(keepaliveName+".service", "ExecMainExitTimestamp", "ExecMainStatus"); err == nil && service["ExecMainExitTimestamp"] != "" {
		last = service["ExecMainExitTimestamp"] + ", exit code " + service["ExecMainStatus"]
	}
	return active, timer["NextElapseUSecRealtime"], last
}

// properties asks systemd about a unit.
func (s scheduler) properties(unit string, names ...string) (map[string]string, error) {
	out, err := s.run("systemctl", "--user", "show", unit, "--property="+strings.Join(names, ","))
	properties := make(map[string]string)
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		properties[name] = redact.Scrub(value, 60)
	}
	return properties, err
}
