//go:build linux

package main

import (
	"math/rand/v2"
	"net/http"
	"syscall"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

// The faults of a provider. Those that lose a reply after the refresh token was spent cost the login
// wherever refresh tokens rotate, so they come seldom.
var (
	yes       = true
	harmless  = harmlessFaults()
	expensive = []sandbox.Fault{
		{Kind: "drop_reply"},
		{Kind: "no_refresh_token"},
		{Kind: "html", Handled: &yes},
		{Kind: "truncated", Handled: &yes},
		{Kind: "status", Handled: &yes, Status: http.StatusBadGateway},
	}
)

func harmlessFaults() []sandbox.Fault {
	about := "the client {client_id} with the secret {secret} may not do that"
	list := []sandbox.Fault{
		{Kind: "drop"},
		{Kind: "html"},
		{Kind: "empty"},
		{Kind: "truncated"},
		{Kind: "no_expiry"},
		{Kind: "huge", Bytes: 3 << 20},
		{Kind: "redirect", Location: "/trap"},
		{Kind: "error", Error: "invalid_client", Description: about, Status: http.StatusUnauthorized},
		{Kind: "error", Error: "invalid_scope", Status: http.StatusUnprocessableEntity},
		{Kind: "error_in_200", Description: about},
		{Kind: "escape", Status: http.StatusUnprocessableEntity},
		{Kind: "echo", Description: about},
		{Kind: "status", Status: http.StatusRequestTimeout},
		{Kind: "status", Status: http.StatusInternalServerError, Body: `{"error":"invalid_grant"}`},
		{Kind: "status", Status: http.StatusNotFound, Body: `{"error":"invalid_grant"}`},
		{Kind: "503"},
		{Kind: "503", Seconds: 1},
	}
	for _, form := range []string{"delta", "date", "epoch"} {
		list = append(list, sandbox.Fault{Kind: "429", Seconds: 1, Form: form}, sandbox.Fault{Kind: "503", Seconds: 3600, Form: form})
	}
	return list
}

// trouble is what one account goes through in a round.
func (r *rig) trouble(provider string, random *rand.Rand) error {
	r.peer.stir(provider)
	if err := r.peer.setLife(provider, time.Duration(2+random.IntN(4))*time.Second); err != nil {
		return err
	}
	if random.IntN(2) == 0 {
		for range 1 + random.IntN(3) {
			if err := r.provoke(provider, random); err != nil {
				return err
			}
		}
	}
	switch n := random.IntN(100); {
	case n < 15:
		return r.burst(provider, random, 30+random.IntN(31))
	case n < 45:
		return r.mix(provider, random)
	case n < 80:
		return r.cutOff(provider, random)
	case n < 83:
		return r.hang(provider, random)
	case n < 90:
		return r.expire(provider, random)
	default:
		return r.unsaved(provider, random)
	}
}

// provoke queues a fault for the next refresh.
func (r *rig) provoke(provider string, random *rand.Rand) error {
	f := harmless[random.IntN(len(harmless))]
	switch n := random.IntN(100); {
	case n < 4:
		f = expensive[random.IntN(len(expensive))]
	case n < 10:
		f = sandbox.Fault{Kind: "error", Error: "invalid_grant", Status: http.StatusBadRequest, Description: lie}
	case n < 30:
		kind := []string{"delay", "delay_reply"}[random.IntN(2)]
		r.peer.hold(provider, &wait{kind: kind, long: time.Duration(100+random.IntN(1200)) * time.Millisecond, held: make(chan int, 1)})
		r.fault(kind)
		return nil
	}
	f.Provider, f.On, f.After = provider, "refresh", random.IntN(2)
	name := f.Kind
	switch {
	case f.Handled != nil:
		name += ", spent"
	case f.Description == lie:
		name = "false invalid_grant"
	}
	r.fault(name)
	return r.peer.server.Inject(f)
}

// burst is many at once, most of which find the token too old.
func (r *rig) burst(provider string, random *rand.Rand, n int) error {
	var all crowd
	for range n {
		ttl := []string{"1s", "1s", "3s", "10s"}[random.IntN(4)]
		p, err := r.start(provider, "token", provider, "--min-ttl", ttl)
		if err != nil {
			return err
		}
		all.add(p)
		r.perhapsEnd(p, random, 10)
	}
	all.wait()
	return nil
}

// perhapsEnd sends one in so many processes a signal, at a moment of its own.
func (r *rig) perhapsEnd(p *process, random *rand.Rand, oneIn int) {
	if random.IntN(oneIn) > 0 {
		return
	}
	sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL}[random.IntN(3)]
	time.AfterFunc(time.Duration(random.IntN(400))*time.Millisecond, func() { p.signal(r, sig) })
}

// mix is all commands, one after the other and side by side.
func (r *rig) mix(provider string, random *rand.Rand) error {
	var all crowd
	for range 4 + random.IntN(10) {
		args := []string{"token", provider, "--min-ttl", []string{"0s", "1s", "10s"}[random.IntN(3)]}
		switch random.IntN(5) {
		case 0:
			args = []string{"refresh", provider}
		case 1:
			args = []string{"status", "--json"}
		}
		p, err := r.start(provider, args...)
		if err != nil {
			return err
		}
		all.add(p)
		r.perhapsEnd(p, random, 4)
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
	}
	all.wait()
	return nil
}

// cutOff sends a signal to a process whose refresh the provider has carried out, and whose answer it
// holds back, or has just sent.
func (r *rig) cutOff(provider string, random *rand.Rand) error {
	for range 1 + random.IntN(3) {
		w := &wait{kind: "delay_reply", long: time.Duration(random.IntN(400)) * time.Millisecond, held: make(chan int, 1)}
		r.peer.hold(provider, w)
		r.fault(w.kind)
		p, err := r.start(provider, "token", provider, "--min-ttl", "10s")
		if err != nil {
			return err
		}
		other, err := r.start(provider, "token", provider, "--min-ttl", "10s")
		if err != nil {
			return err
		}
		select {
		case number := <-w.held:
			sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}[random.IntN(2)]
			if random.IntN(15) == 0 {
				sig = syscall.SIGKILL
			}
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			for _, one := range []*process{p, other} {
				if one.number == number {
					one.signal(r, sig)
				}
			}
		case <-p.done:
		}
		p.wait()
		other.wait()
	}
	return nil
}

// hang is a provider that never answers. Nothing is spent by it.
func (r *rig) hang(provider string, random *rand.Rand) error {
	w := &wait{kind: "hang", long: time.Minute, held: make(chan int, 1)}
	r.peer.hold(provider, w)
	r.fault(w.kind)
	p, err := r.start(provider, "token", provider, "--min-ttl", "10s")
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(300+random.IntN(1500)) * time.Millisecond)
	p.signal(r, []syscall.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM}[random.IntN(3)])
	p.wait()
	return nil
}

// expire ends the access tokens at the provider before their time. Nobody can know that; but after a
// refresh no token of before may be printed.
func (r *rig) expire(provider string, random *rand.Rand) error {
	r.peer.calm(provider)
	if _, err := r.peer.server.Expire(provider, "access"); err != nil {
		return err
	}
	r.fault("access tokens ended early")
	at := time.Now()
	p, err := r.start(provider, "refresh", provider)
	if err != nil {
		return err
	}
	if p.wait(); p.code != 0 {
		return nil
	}
	next, err := r.start(provider, "token", provider, "--min-ttl", []string{"0s", "1s"}[random.IntN(2)])
	if err != nil {
		return err
	}
	if next.wait(); next.code != 0 {
		return nil
	}
	l := r.peer.accounts[provider]
	l.mu.Lock()
	defer l.mu.Unlock()
	if token, ok := l.tokens[next.token()]; ok && token.at.Before(at) {
		r.wrong("after refresh, %s prints a token of before", provider)
	}
	return nil
}

// unsaved breaks the store while an answer is on its way: in the best case for long enough that the
// rescue file is needed.
func (r *rig) unsaved(provider string, random *rand.Rand) error {
	w := &wait{kind: "delay_reply", long: 300 * time.Millisecond, held: make(chan int, 1)}
	r.peer.hold(provider, w)
	r.fault(w.kind)
	p, err := r.start(provider, "token", provider, "--min-ttl", "10s")
	if err != nil {
		return err
	}
	select {
	case <-w.held:
		long := time.Duration(200+random.IntN(2000)) * time.Millisecond
		if random.IntN(2) == 0 {
			long = time.Duration(6+random.IntN(6)) * time.Second
		}
		r.perhapsEnd(p, random, 6)
		if err := r.breakStore(long); err != nil {
			return err
		}
	case <-p.done:
	}
	p.wait()
	return nil
}
