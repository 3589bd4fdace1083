package keepalive

import (
	"context"
	_ "embed"
	"strconv"
	"strings"
)

// windowsTask is a task of the Task Scheduler (schema 1.2). It runs in the user's session, because the Credential
// Manager is open only there.
//
//go:embed templates/task.xml
var windowsTask string

// taskScheduler is the Task Scheduler of Windows, which reads the task from a file in dir.
func taskScheduler(dir string) *Scheduler {
	file := dir + `\` + name + ".xml"
	return &Scheduler{
		Name:    "the Task Scheduler",
		paths:   []string{file},
		texts:   func(j *Job) ([]string, error) { return []string{taskText(j)}, nil },
		enable:  [][]string{{"schtasks", "/Create", "/F", "/TN", name, "/XML", file}},
		disable: []string{"schtasks", "/Delete", "/F", "/TN", name},
		ask: func(ctx context.Context, status *Status) {
			_, err := run(ctx, []string{"schtasks", "/Query", "/TN", name})
			status.Active = new(err == nil)
		},
	}
}

func taskText(j *Job) string {
	repetition := ""
	if j.hours < 24 {
		repetition = "      <Repetition>\n        <Interval>PT" + strconv.Itoa(j.hours) + "H</Interval>\n        <Duration>P1D</Duration>\n      </Repetition>\n"
	}
	command, arguments := taskCommand(j)
	return fill(windowsTask, "{repetition}", repetition, "{command}", escapeXML(command), "{arguments}", escapeXML(arguments))
}

// taskCommand returns what the task runs. A task has no environment of its own and may expand %NAME% in its command;
// where either matters, PowerShell runs the program.
func taskCommand(j *Job) (command, arguments string) {
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

// powerShellQuote quotes a word for PowerShell, which takes the typographic quotes for the plain one. A percent sign
// is written as a number.
func powerShellQuote(word string) string {
	quoted := "'" + fill(word, "'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛", "%", "'+[char]37+'") + "'"
	if strings.Contains(word, "%") {
		return "(" + quoted + ")"
	}
	return quoted
}
