//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// figures are what a rig counts.
type figures struct {
	counts   sync.Mutex
	breaking sync.Mutex // the store is broken by one at a time

	commands map[string]int
	exits    map[int]int
	signals  map[syscall.Signal]int
	faults   map[string]int
	lost     map[string]int
	reuses   map[string]int
	windows  []time.Duration
	right    int // tokens printed that were the provider's, and not over
	wrongs   int
	rounds   int
	revived  int
	middle   int // interrupted after the provider had refreshed: exit 130
	early    int // ended by a signal before they listened to signals
	defects  []string
}

func newFigures() figures {
	return figures{
		commands: map[string]int{}, exits: map[int]int{}, signals: map[syscall.Signal]int{}, faults: map[string]int{},
		lost: map[string]int{}, reuses: map[string]int{},
	}
}

func (f *figures) increment(n *int) {
	f.counts.Lock()
	defer f.counts.Unlock()
	*n++
}

func tally[K comparable](f *figures, m map[K]int, key K) {
	f.counts.Lock()
	defer f.counts.Unlock()
	m[key]++
}

func (f *figures) count(command string)           { tally(f, f.commands, command) }
func (f *figures) countExit(code int)             { tally(f, f.exits, code) }
func (f *figures) countSignal(sig syscall.Signal) { tally(f, f.signals, sig) }
func (f *figures) fault(kind string)              { tally(f, f.faults, kind) }
func (f *figures) lose(cause string)              { tally(f, f.lost, cause) }
func (f *figures) reuse(cause string)             { tally(f, f.reuses, cause) }

func (f *figures) window(d time.Duration) {
	f.counts.Lock()
	defer f.counts.Unlock()
	f.windows = append(f.windows, d)
}

// defect notes what must not be.
func (r *rig) defect(format string, args ...any) {
	text := fmt.Sprintf("%s %s: %s", time.Now().Format(clock), r.store, fmt.Sprintf(format, args...))
	fmt.Fprintln(r.log, "DEFECT", text)
	r.counts.Lock()
	defer r.counts.Unlock()
	r.defects = append(r.defects, text)
}

// wrong notes a wrong answer.
func (r *rig) wrong(format string, args ...any) {
	r.defect("wrong answer: "+format, args...)
	r.increment(&r.wrongs)
}

func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1))]
}

func report(w io.Writer, seed uint64, took time.Duration, rigs []*rig) {
	fmt.Fprintf(w, "\n%s, seed %d\n\n", took.Round(time.Second), seed)
	row := func(name string, cell func(*rig) string) {
		fmt.Fprintf(w, "| %s |", name)
		for _, r := range rigs {
			fmt.Fprintf(w, " %s |", cell(r))
		}
		fmt.Fprintln(w)
	}
	number := func(name string, get func(*rig) int) {
		row(name, func(r *rig) string { return fmt.Sprint(get(r)) })
	}
	row("", func(r *rig) string { return "`" + r.store + "`" })
	fmt.Fprintln(w, "| --- |"+strings.Repeat(" ---: |", len(rigs)))
	number("rounds", func(r *rig) int { return r.rounds })
	for _, command := range []string{"token", "refresh", "status", "login"} {
		number("`"+command+"` calls", func(r *rig) int { return r.commands[command] })
	}
	number("refreshes at the providers", func(r *rig) (n int) {
		for _, l := range r.peer.accounts {
			n += len(l.all)
		}
		return n
	})
	number("correct tokens printed", func(r *rig) int { return r.right })
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		number("sent "+map[syscall.Signal]string{syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT", syscall.SIGKILL: "SIGKILL"}[sig],
			func(r *rig) int { return r.signals[sig] })
	}
	kinds := map[string]bool{}
	for _, r := range rigs {
		for kind := range r.faults {
			kinds[kind] = true
		}
	}
	number("faults", func(r *rig) (n int) {
		for _, count := range r.faults {
			n += count
		}
		return n
	})
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		number("— "+kind, func(r *rig) int { return r.faults[kind] })
	}
	codes := map[int]bool{}
	for _, r := range rigs {
		for code := range r.exits {
			codes[code] = true
		}
	}
	row("exit codes", func(r *rig) string {
		var parts []string
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			name := fmt.Sprint(code)
			if code < 0 {
				name = "killed"
			}
			parts = append(parts, fmt.Sprintf("%s: %d", name, r.exits[code]))
		}
		return strings.Join(parts, ", ")
	})
	number("SIGTERM or SIGINT during a refresh, saved first", func(r *rig) int { return r.middle })
	number("ended by SIGTERM or SIGINT before they listened for it, no refresh begun", func(r *rig) int { return r.early })
	number("logins that the provider wrongly called ended, recovered by `refresh`", func(r *rig) int { return r.revived })
	number("**wrong answers**", func(r *rig) int { return r.wrongs })
	for _, cause := range []string{causeKill, causeReply, causeOther} {
		number("**logins lost**: "+cause, func(r *rig) int { return r.lost[cause] })
	}
	for _, cause := range []string{causeKill, causeReply, causeOther} {
		number("spent refresh tokens sent again: "+cause, func(r *rig) int { return r.reuses[cause] })
	}
	for _, q := range []struct {
		name string
		q    float64
	}{{"median", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"longest", 1}} {
		row("KILL window, "+q.name, func(r *rig) string {
			return fmt.Sprintf("%.1f ms", float64(quantile(r.windows, q.q))/float64(time.Millisecond))
		})
	}
	number("KILL windows measured", func(r *rig) int { return len(r.windows) })
	for _, r := range rigs {
		for _, text := range r.defects {
			fmt.Fprintln(w, "DEFECT", text)
		}
	}
}
