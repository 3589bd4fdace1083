package cmd

import (
	"context"
	"os/signal"
	"sync/atomic"
	"time"
)

// interruption is a context that SIGINT, SIGTERM, SIGHUP and SIGQUIT cancel. It starts to listen for them when
// something first waits for its end, because listening costs a thread that most calls of `token` do not
// need. Until then a signal ends the process at once: no token has been spent and nothing saved. Work that
// must not be interrupted derives a context first, which counts as waiting.
type interruption struct {
	listening atomic.Pointer[listening]
}

type listening struct {
	ctx  context.Context
	stop context.CancelFunc
}

func (i *interruption) listen() context.Context {
	if l := i.listening.Load(); l != nil {
		return l.ctx
	}
	outlivePipes()
	ctx, stop := signal.NotifyContext(context.Background(), ending()...)
	if !i.listening.CompareAndSwap(nil, &listening{ctx: ctx, stop: stop}) {
		stop()
	}
	return i.listening.Load().ctx
}

func (i *interruption) stop() {
	if l := i.listening.Load(); l != nil {
		l.stop()
	}
}

func (i *interruption) Done() <-chan struct{} { return i.listen().Done() }

func (i *interruption) Err() error {
	if l := i.listening.Load(); l != nil {
		return l.ctx.Err()
	}
	return nil
}

func (i *interruption) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func (i *interruption) Value(key any) any {
	if l := i.listening.Load(); l != nil {
		return l.ctx.Value(key)
	}
	return nil
}
