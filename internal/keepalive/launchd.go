package keepalive

import (
	"context"
	_ "embed"
	"os"
	"path"
	"strconv"
	"strings"
)

// launchdAgent is a launchd.plist(5). Calendar times are caught up after sleep, StartInterval is not.
//
//go:embed templates/launchd.plist
var launchdAgent string

func launchd(home string) *Scheduler {
	plist := path.Join(home, "Library/LaunchAgents", name+".plist")
	domain := "gui/" + strconv.Itoa(os.Getuid())
	bootout := []string{"launchctl", "bootout", domain + "/" + name}
	return &Scheduler{
		Name:    "launchd",
		paths:   []string{plist},
		texts:   func(j *Job) ([]string, error) { return []string{launchdText(home, j)}, nil },
		replace: bootout,
		enable:  [][]string{{"launchctl", "bootstrap", domain, plist}},
		disable: bootout,
		ask: func(ctx context.Context, status *Status) {
			if _, err := run(ctx, []string{"launchctl", "print", domain}); err == nil {
				_, err := run(ctx, []string{"launchctl", "print", domain + "/" + name})
				status.Active = new(err == nil)
			}
		},
	}
}

func launchdText(home string, j *Job) string {
	var words, environment, times strings.Builder
	for _, word := range append([]string{j.binary}, j.args...) {
		words.WriteString("\t\t<string>" + escapeXML(word) + "</string>\n")
	}
	for _, v := range j.environment {
		environment.WriteString("\t\t<key>" + escapeXML(v.name) + "</key>\n\t\t<string>" + escapeXML(v.value) + "</string>\n")
	}
	for hour := 0; hour < 24; hour += j.hours {
		times.WriteString("\t\t<dict><key>Hour</key><integer>" + strconv.Itoa(hour) + "</integer><key>Minute</key><integer>17</integer></dict>\n")
	}
	return fill(launchdAgent, "{words}", words.String(), "{environment}", environment.String(), "{times}", times.String(),
		"{log}", escapeXML(path.Join(home, "Library/Logs", name+".log")))
}
