//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type command struct {
	name string
	argv []string
	env  []string
	want string // what it must print; empty: anything

	wall, cpu []float64 // milliseconds, one a round
}

// once runs the command with its output in a pipe, as $(command) does, and returns its times in
// milliseconds.
func (c *command) once(ctx context.Context) (wall, cpu float64, err error) {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env = c.env
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	start := time.Now()
	err = cmd.Run()
	wall = milliseconds(time.Since(start))
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", c.name, err, strings.TrimSpace(complaint.String()))
	}
	if c.want != "" && strings.TrimSpace(out.String()) != c.want {
		return 0, 0, fmt.Errorf("%s printed something else than the token", c.name)
	}
	state := cmd.ProcessState
	return wall, milliseconds(state.UserTime() + state.SystemTime()), nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rounds runs all commands in turn, in a new random order every round, so that every round is a paired
// sample of all of them: what disturbs the machine disturbs all alike.
func rounds(ctx context.Context, commands []*command, n int) error {
	for round := -3; round < n; round++ { // three to warm up
		for _, i := range rand.Perm(len(commands)) {
			c := commands[i]
			wall, cpu, err := c.once(ctx)
			if err != nil {
				return err
			}
			if round >= 0 {
				c.wall, c.cpu = append(c.wall, wall), append(c.cpu, cpu)
			}
		}
	}
	return nil
}

// ratio is the median of the ratios round by round.
func ratio(c, base *command) float64 {
	ratios := make([]float64, len(c.wall))
	for i := range c.wall {
		ratios[i] = c.wall[i] / base.wall[i]
	}
	return quantile(ratios, 0.5)
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 == len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// herd starts total processes, at most atOnce at a time, and returns the time until all have ended and
// how many failed or printed something else than want. An empty want asks only that all print the same.
func herd(ctx context.Context, c *command, total, atOnce int) (took float64, failed int, first error) {
	var (
		wg      sync.WaitGroup
		bad     atomic.Int64
		mu      sync.Mutex
		printed string
		slots   = make(chan struct{}, atOnce)
	)
	start := time.Now()
	for range total {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
			cmd.Env = c.env
			var out, complaint bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &complaint
			err := cmd.Run()
			text := strings.TrimSpace(out.String())
			mu.Lock()
			defer mu.Unlock()
			if c.want == "" && printed == "" && err == nil {
				printed = text
			}
			want := c.want
			if want == "" {
				want = printed
			}
			if err == nil && text != want {
				err = errors.New("printed something else")
			}
			if err != nil {
				bad.Add(1)
				if first == nil {
					first = fmt.Errorf("%s: %w: %s", c.name, err, strings.TrimSpace(complaint.String()))
				}
			}
		})
	}
	wg.Wait()
	return milliseconds(time.Since(start)), int(bad.Load()), first
}

// peak returns the most memory a command had, in MiB. A process inherits the peak of the one that started
// it, so this program starts itself again first, which is small then.
func peak(ctx context.Context, self string, c *command) (float64, error) {
	cmd := exec.CommandContext(ctx, self, append([]string{"-peak"}, c.argv...)...)
	cmd.Env = c.env
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	var kib float64
	_, err = fmt.Sscan(string(out), &kib)
	return kib / 1024, err
}

func showPeak(ctx context.Context, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	if err := cmd.Run(); err != nil {
		return err
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not tell")
	}
	_, err := fmt.Fprintln(os.Stdout, usage.Maxrss)
	return err
}

// pidOf finds the process that owns a name on the session bus.
func pidOf(ctx context.Context, name string) string {
	out, err := exec.CommandContext(ctx, "dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/",
		"org.freedesktop.DBus.GetConnectionUnixProcessID", "string:"+name).Output()
	if err != nil {
		return "none"
	}
	return strings.TrimSpace(string(out))
}

func have(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

func fileSize(path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return float64(info.Size()) / (1 << 20)
}
