package cmd

import (
	"context"
	"os/signal"
	"sync/atomic"
	"time"
)

// interruption is a context that SIGINT, SIGTERM and SIGHUP end. It begins to listen to them when somebody
// first waits for its end, because listening costs a thread and most calls of `token` are answered without.
// Until then a signal ends the process at once; no token is spent and nothing is saved before. What must
// not be cut off derives a context of its own first, which counts as waiting.
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
