package keepalive

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Scheduler is the scheduler of the system for the jobs of this user.
type Scheduler struct {
	Name   string
	ByHand string // the command that enables the job in a login session

	paths []string // of the files that it reads, the one to enable last
	texts func(*Job) ([]string, error)
	link  string // what enabling creates beside the files

	replace []string   // ends an older job, before enable
	reload  []string   // has it read its files again; fails where it does not run for this user
	enable  [][]string // a command that fails ends it
	disable []string
	ask     func(context.Context, *Status) // fills in what it reports
}

// Find returns the scheduler of a system, named as runtime.GOOS does. On Windows the job's file is in stateDir.
func Find(goos, stateDir string, getenv func(string) string) (*Scheduler, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fail.New(fail.Usage, "this user has no home folder, so tokencli does not know where to put the files").
			Advise(fail.DoSetVariable, "HOME")
	}
	switch goos {
	case "linux":
		if config := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(config) {
			return systemd(config), nil
		}
		return systemd(filepath.Join(home, ".config")), nil
	case "darwin":
		return launchd(home), nil
	case "windows":
		return taskScheduler(stateDir), nil
	}
	return nil, fail.New(fail.Usage, "tokencli knows no scheduler of this system").Advise(fail.DoUseCron)
}

// run runs a command of the scheduler without the secrets of the environment and returns what it printed.
func run(ctx context.Context, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = account.Environ(os.Environ())
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err != nil && said.Len() > 0 {
		// The last line says why.
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		err = errors.New(strings.TrimRight(redact.Scrub(lines[len(lines)-1], 200), ". "))
	}
	return out.String(), err
}
