package callback

import (
	"context"
	"net/http"
	"strings"
	"time"
)

const (
	// closeGrace is how long Close waits for the browser to receive its page.
	closeGrace = 2 * time.Second
	// closeLinger is how long Close waits for a second request of a browser that asks twice.
	closeLinger = 150 * time.Millisecond
)

// visits are what is known of the requests on the callback path, for Close to know what still may come.
type visits struct {
	shown      bool // a page was received in full by a browser that had opened it
	prefetched bool // a page was received in full by a browser that only fetched it in advance
	aborted    bool // a browser left before its page was complete; it may ask again
}

// isPrefetch reports whether a browser fetches the page before it is opened, to be faster then.
func isPrefetch(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if strings.Contains(strings.ToLower(h.Get(name)), "prefetch") || strings.EqualFold(h.Get(name), "preview") {
			return true
		}
	}
	return false
}

// visited notes how a request that was answered with the outcome ended.
func (r *Receiver) visited(req *http.Request, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.visits.aborted = true
	case isPrefetch(req.Header):
		r.visits.prefetched = true
	default:
		r.visits.shown = true
	}
}

// Close stops listening and frees the port. Before that it lets the browser receive its page, also if it
// asks for it a second time, for two seconds at most. It must be called before the process exits, or the
// page may be cut off. A page for which Finish was not called refers to the terminal. More calls do nothing.
func (r *Receiver) Close() error {
	r.closeOnce.Do(func() {
		close(r.closed)
		if r.server == nil {
			return
		}
		grace, cancel := context.WithTimeout(context.Background(), r.grace)
		defer cancel()
		r.awaitVisits(grace.Done())
		for _, l := range r.listeners {
			_ = l.Close()
		}
		r.awaitIdle(grace.Done())
		// Not http.Server.Shutdown: that waits up to five seconds for the connections which browsers
		// open in advance and never use.
		_ = r.server.Close()
	})
	return nil
}

// awaitVisits waits while the browser may still ask for its page.
func (r *Receiver) awaitVisits(grace <-chan struct{}) {
	for {
		r.mu.Lock()
		idle, inFlight, seen := r.idle, r.inFlight, r.visits
		r.mu.Unlock()
		var linger <-chan time.Time
		switch {
		case inFlight > 0:
		case seen.shown:
			linger = time.After(r.linger)
		case !seen.prefetched && !seen.aborted:
			return
		}
		select {
		case <-idle:
		case <-linger:
			return
		case <-grace:
			return
		}
	}
}

// awaitIdle waits until no request is being answered.
func (r *Receiver) awaitIdle(grace <-chan struct{}) {
	for {
		r.mu.Lock()
		idle, inFlight := r.idle, r.inFlight
		r.mu.Unlock()
		if inFlight == 0 {
			return
		}
		select {
		case <-idle:
		case <-grace:
			return
		}
	}
}

func (r *Receiver) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight++
}

func (r *Receiver) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inFlight--; r.inFlight == 0 {
		close(r.idle)
		r.idle = make(chan struct{})
	}
}
