package keepalive

import (
	"context"
	_ "embed"
	"path"
	"strconv"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// systemdService is a systemd.service(5). A failure that may pass by itself (exit code 6) is retried; the others need
// the user or the next run. The hardening leaves the session bus, on which the keychain is, the network and the state
// folder. The colon before the command keeps a dollar sign from being taken for a variable.
//
//go:embed templates/systemd.service
var systemdService string

// systemdTimer is a systemd.timer(5). Only a calendar time is caught up after the machine was off (Persistent).
//
//go:embed templates/systemd.timer
var systemdTimer string

// systemd is the systemd of the user, whose units are below config.
func systemd(config string) *Scheduler {
	const timer = name + ".timer"
	dir := path.Join(config, "systemd/user")
	return &Scheduler{
		Name:    "systemd",
		ByHand:  "systemctl --user enable --now " + timer,
		paths:   []string{path.Join(dir, name+".service"), path.Join(dir, timer)},
		texts:   systemdTexts,
		link:    path.Join(dir, "timers.target.wants", timer),
		reload:  []string{"systemctl", "--user", "daemon-reload"},
		enable:  [][]string{{"systemctl", "--user", "enable", "--now", timer}, {"systemctl", "--user", "restart", timer}},
		disable: []string{"systemctl", "--user", "disable", "--now", timer},
		ask:     askSystemd,
	}
}

func systemdTexts(j *Job) ([]string, error) {
	if strings.ContainsAny(j.binary, `"'\`) || redact.Printable(j.binary) != j.binary {
		return nil, fail.New(fail.Usage, "systemd cannot run a program whose path contains a quote or a backslash: %s", redact.Printable(j.binary)).
			Advise(fail.DoInstallProgram)
	}
	var environment, command strings.Builder
	for _, v := range j.environment {
		environment.WriteString("Environment=" + systemdQuote(v.name+"="+v.value) + "\n")
	}
	command.WriteString(systemdQuote(j.binary))
	for _, arg := range j.args {
		command.WriteString(" " + systemdQuote(arg))
	}
	hours := "00"
	if j.hours < 24 {
		hours += "/" + strconv.Itoa(j.hours)
	}
	return []string{
		fill(systemdService, "{environment}", environment.String(), "{command}", command.String()),
		fill(systemdTimer, "{hours}", hours),
	}, nil
}

// systemdQuote quotes a word of a unit file (systemd.syntax(7), systemd.unit(5) on specifiers).
func systemdQuote(word string) string {
	const plain = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_./=:,+@%"
	escaped := fill(word, "%", "%%", `"`, `\"`, `\`, `\\`, "\t", `\x09`, "\n", `\x0a`, "\r", `\x0d`)
	if word != "" && strings.Trim(word, plain) == "" {
		return escaped
	}
	return `"` + escaped + `"`
}

func askSystemd(ctx context.Context, status *Status) {
	timer, err := properties(ctx, name+".timer", "ActiveState", "NextElapseUSecRealtime")
	if err != nil {
		return
	}
	status.Active, status.Next = new(timer["ActiveState"] == "active"), timer["NextElapseUSecRealtime"]
	// The timer's LastTriggerUSec is also set when it is enabled; the service's exit is a run.
	service, err := properties(ctx, name+".service", "ExecMainExitTimestamp", "ExecMainStatus")
	if err == nil && service["ExecMainExitTimestamp"] != "" {
		status.Last = service["ExecMainExitTimestamp"] + ", exit code " + service["ExecMainStatus"]
	}
}

func properties(ctx context.Context, unit string, names ...string) (map[string]string, error) {
	out, err := run(ctx, []string{"systemctl", "--user", "show", unit, "--property=" + strings.Join(names, ",")})
	values := make(map[string]string)
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = redact.Scrub(value, 60)
	}
	return values, err
}
