//go:build linux

package main

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

type process struct {
	number  int
	args    []string
	cmd     *exec.Cmd
	stdout  stamped
	stderr  bytes.Buffer
	started time.Time
	ended   time.Time
	done    chan struct{}

	// Known once done is closed.
	code   int            // -1: ended by a signal
	killed syscall.Signal // that ended it; 0: none
	hung   bool           // it had to be ended by this program
}

// stamped is an output and the time of its first byte.
type stamped struct {
	text  bytes.Buffer // not embedded: its ReadFrom would be called instead of Write
	first time.Time
}

func (s *stamped) Write(p []byte) (int, error) {
	if s.first.IsZero() {
		s.first = time.Now()
	}
	return s.text.Write(p)
}

// patience is more than a process may take: the bound of the lock, of the wire, and of the save.
const patience = 150 * time.Second

// start runs tokencli. It does not wait.
func (r *rig) start(provider string, args ...string) (*process, error) {
	r.mu.Lock()
	r.last++
	p := &process{number: r.last, args: args, done: make(chan struct{})}
	r.processes[p.number] = p
	r.mu.Unlock()

	p.cmd = exec.CommandContext(context.Background(), r.binary, args...)
	p.cmd.Env = r.environ(p.number)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	r.count(args[0])
	go func() {
		defer close(p.done)
		guard := time.AfterFunc(patience, func() {
			p.hung = true
			_ = p.cmd.Process.Kill()
		})
		_ = p.cmd.Wait() // the state tells
		guard.Stop()
		p.ended = time.Now()
		p.code = p.cmd.ProcessState.ExitCode()
		if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			p.killed = status.Signal()
		}
		r.judge(provider, p)
	}()
	return p, nil
}

// signal sends a signal, and reports whether the process was still there.
func (p *process) signal(r *rig, sig syscall.Signal) {
	select {
	case <-p.done:
		return
	default:
	}
	if p.cmd.Process.Signal(sig) == nil {
		r.countSignal(sig)
	}
}

func (p *process) wait() { <-p.done }

func (p *process) token() string { return strings.TrimSpace(p.stdout.text.String()) }

type crowd struct {
	mu   sync.Mutex
	list []*process
}

func (c *crowd) add(p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, p)
}

func (c *crowd) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.list {
		p.wait()
	}
}

// environ is that of one process: the settings of the store, and addresses that are its own.
func (r *rig) environ(number int) []string {
	env := append([]string{"TOKENCLI_SOAK_CLOCK=" + time.Duration(r.ahead.Load()).String()}, r.env...)
	for _, v := range r.peer.server.Variables(r.peer.base(number)) {
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}
