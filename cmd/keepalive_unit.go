package cmd

import (
	"encoding/binary"
	"fmt"
	"html"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// keepaliveName is what the system's scheduler knows the job by.
const keepaliveName = "tokencli-keepalive"

// job is a refresh that a scheduler runs. Its texts for systemd, launchd and the Task Scheduler depend on
// goos alone, so that each can be printed and tested on any system.
type job struct {
	goos   string
	binary string // absolute
	args   []string
	// environment is what the job needs of it, without a secret.
	environment []setting
	every       time.Duration // whole hours that divide a day
	home        string
	configHome  string // where systemd looks for the user's units
	stateDir    string
}

// setting is a variable of the environment.
type setting struct{ name, value string }

// unit is a file that the scheduler reads.
type unit struct {
	path string
	text string
}

// bytes is the unit as it is written: the Task Scheduler wants UTF-16.
func (u unit) bytes() []byte {
	if !strings.HasSuffix(u.path, ".xml") {
		return []byte(u.text)
	}
	letters := utf16.Encode([]rune("\ufeff" + strings.ReplaceAll(u.text, "\n", "\r\n")))
	b := make([]byte, 0, 2*len(letters))
	for _, letter := range letters {
		b = binary.LittleEndian.AppendUint16(b, letter)
	}
	return b
}

// units returns the files of the job, the one that is switched on last.
func (j job) units() []unit {
	switch j.goos {
	case "darwin":
		return []unit{{path.Join(j.home, "Library/LaunchAgents", keepaliveName+".plist"), j.launchd()}}
	case "windows":
		return []unit{{j.stateDir + `\` + keepaliveName + ".xml", j.task()}}
	}
	dir := path.Join(j.configHome, "systemd/user")
	return []unit{
		{path.Join(dir, keepaliveName+".service"), j.service()},
		{path.Join(dir, keepaliveName+".timer"), j.timer()},
	}
}

// The reason for the job, shown by the scheduler.
const keepaliveWhy = "Refresh the logins of tokencli before they expire"

// service is a systemd.service(5). A failure that may pass by itself (exit code 6) is retried; the
// others need the user or the next run. The hardening leaves the session bus, on which the keychain is,
// the network and the state folder.
func (j job) service() string {
	var b strings.Builder
	b.WriteString("[Unit]\nDescription=" + keepaliveWhy + "\n")
	b.WriteString("StartLimitIntervalSec=2h\nStartLimitBurst=4\n")
	b.WriteString("\n[Service]\nType=oneshot\n")
	for _, v := range j.environment {
		b.WriteString("Environment=" + systemdQuote(v.name+"="+v.value) + "\n")
	}
	// The colon keeps a dollar sign from being taken for a variable.
	b.WriteString("ExecStart=:" + systemdQuote(j.binary))
	for _, arg := range j.args {
		b.WriteString(" " + systemdQuote(arg))
	}
	b.WriteString(`
TimeoutStartSec=10min
Restart=on-failure
RestartSec=15min
RestartPreventExitStatus=1 2 3 4 5 7
Nice=10
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
`)
	return b.String()
}

// timer is a systemd.timer(5). Only a calendar time is made up for after the machine was off
// (Persistent), so the interval is written as one.
func (j job) timer() string {
	hours := int(j.every / time.Hour)
	calendar := "*-*-* 00:00:00"
	if hours < 24 {
		calendar = fmt.Sprintf("*-*-* 00/%d:00:00", hours)
	}
	return "[Unit]\nDescription=" + keepaliveWhy + "\n\n[Timer]\nOnCalendar=" + calendar +
		"\nRandomizedDelaySec=30min\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
}

// systemdQuote quotes a word of a unit file (systemd.syntax(7), systemd.unit(5) on specifiers).
func systemdQuote(word string) string {
	var b strings.Builder
	plain := word != ""
	for i := range len(word) {
		switch c := word[i]; {
		case c == '%':
			b.WriteString("%%")
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
			plain = false
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
			plain = false
		default:
			b.WriteByte(c)
			plain = plain && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_./=:,+@%", c) >= 0)
		}
	}
	if plain {
		return b.String()
	}
	return `"` + b.String() + `"`
}

// launchd is a launchd.plist(5). Calendar times are made up for after sleep, StartInterval is not.
func (j job) launchd() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ` + keepaliveWhy + ` -->
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>` + keepaliveName + `</string>
	<key>ProgramArguments</key>
	<array>
`)
	for _, arg := range append([]string{j.binary}, j.args...) {
		b.WriteString("\t\t<string>" + escaped(arg) + "</string>\n")
	}
	b.WriteString("\t</array>\n")
	if len(j.environment) > 0 {
		b.WriteString("\t<key>EnvironmentVariables</key>\n\t<dict>\n")
		for _, v := range j.environment {
			b.WriteString("\t\t<key>" + escaped(v.name) + "</key>\n\t\t<string>" + escaped(v.value) + "</string>\n")
		}
		b.WriteString("\t</dict>\n")
	}
	b.WriteString("\t<key>StartCalendarInterval</key>\n\t<array>\n")
	for hour := 0; hour < 24; hour += int(j.every / time.Hour) {
		fmt.Fprintf(&b, "\t\t<dict><key>Hour</key><integer>%d</integer><key>Minute</key><integer>17</integer></dict>\n", hour)
	}
	b.WriteString(`	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>ProcessType</key>
	<string>Background</string>
	<key>Umask</key>
	<integer>63</integer>
	<key>StandardErrorPath</key>
	<string>` + escaped(path.Join(j.home, "Library/Logs", keepaliveName+".log")) + `</string>
</dict>
</plist>
`)
	return b.String()
}

// task is a task of the Task Scheduler (schema 1.2). It runs in the user's session, because the
// Credential Manager is open only there.
func (j job) task() string {
	command, arguments := j.taskCommand()
	return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>` + keepaliveWhy + `</Description>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
` + j.repetition() + `      <StartBoundary>2026-01-01T00:00:00</StartBoundary>
      <RandomDelay>PT30M</RandomDelay>
      <ScheduleByDay>
        <DaysInterval>1</DaysInterval>
      </ScheduleByDay>
    </CalendarTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>true</RunOnlyIfNetworkAvailable>
    <ExecutionTimeLimit>PT10M</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>` + escaped(command) + `</Command>
      <Arguments>` + escaped(arguments) + `</Arguments>
    </Exec>
  </Actions>
</Task>
`
}

func (j job) repetition() string {
	if j.every >= 24*time.Hour {
		return ""
	}
	return "      <Repetition>\n        <Interval>PT" + strconv.Itoa(int(j.every/time.Hour)) +
		"H</Interval>\n        <Duration>P1D</Duration>\n      </Repetition>\n"
}

// taskCommand is what the task runs. A task has no environment of its own and may expand %NAME% in what
// it runs; where either matters, PowerShell stands between.
func (j job) taskCommand() (command, arguments string) {
	if len(j.environment) == 0 && !strings.Contains(j.binary, "%") {
		return `"` + j.binary + `"`, strings.Join(j.args, " ")
	}
	var script strings.Builder
	for _, v := range j.environment {
		script.WriteString("$env:" + v.name + "=" + powerShellQuote(v.value) + "; ")
	}
	script.WriteString("& " + powerShellQuote(j.binary))
	for _, arg := range j.args {
		script.WriteString(" " + powerShellQuote(arg))
	}
	script.WriteString("; exit $LASTEXITCODE")
	// Within the quotes of the command line, a quote and the backslashes before it are escaped.
	var quoted strings.Builder
	slashes := 0
	for _, r := range script.String() {
		switch r {
		case '\\':
			slashes++
		case '"':
			quoted.WriteString(strings.Repeat(`\`, slashes+1))
			slashes = 0
		default:
			slashes = 0
		}
		quoted.WriteRune(r)
	}
	return "powershell.exe", `-NoProfile -NonInteractive -WindowStyle Hidden -Command "` + quoted.String() + `"`
}

// powerShellQuote quotes a word for PowerShell. A percent sign is written as a number.
func powerShellQuote(word string) string {
	// PowerShell takes the typographic quotes for the plain one.
	for _, quote := range []string{"'", "\u2018", "\u2019", "\u201a", "\u201b"} {
		word = strings.ReplaceAll(word, quote, quote+quote)
	}
	if !strings.Contains(word, "%") {
		return "'" + word + "'"
	}
	return "('" + strings.ReplaceAll(word, "%", "'+[char]37+'") + "')"
}

// escaped is a text as XML writes it. Package encoding/xml would build its tables at every start.
func escaped(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && !strings.ContainsRune("\t\r\n", r) {
			return '\ufffd' // XML 1.0 has no place for it
		}
		return r
	}, text)
	return strings.NewReplacer("\r", "&#13;", "\n", "&#10;", "\t", "&#9;").Replace(html.EscapeString(text))
}
