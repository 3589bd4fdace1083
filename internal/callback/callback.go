package callback

import (
	"io"
	"log"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/redact"
)

// headerTimeout ends connections that send nothing, or send it a byte at a time.
const headerTimeout = 10 * time.Second

func (r *Receiver) newServer() *http.Server {
	s := &http.Server{
		Handler:           http.HandlerFunc(r.serve),
		ReadHeaderTimeout: headerTimeout,
		// Both bounds leave room for a page that waits for the exchange.
		ReadTimeout:    r.hold + headerTimeout,
		WriteTimeout:   r.hold + headerTimeout,
		MaxHeaderBytes: 16 << 10,
		// Failed handshakes are no news: every browser that does not trust the certificate makes one.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.SetKeepAlivesEnabled(false)
	return s
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	if !r.enter() {
		panic(http.ErrAbortHandler)
	}
	defer r.leave()
	r.page.headers(w.Header())
	switch {
	case !slices.Contains(r.target.hosts(r.port), strings.ToLower(req.Host)):
		plain(w, http.StatusForbidden, "this address is answered under its own name only")
	case pathOf(req.URL) != r.target.path():
		plain(w, http.StatusNotFound, "there is nothing here")
	case req.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		plain(w, http.StatusMethodNotAllowed, "only GET is answered")
	case !navigation(req.Header):
		plain(w, http.StatusForbidden, "only a page that is opened is answered, not a part of another page")
	default:
		r.callback(w, req)
	}
}

// navigation reports whether a browser asks because it goes to a page. What another page loads as an
// image, a frame or by script is never the provider's answer. Browsers say which it is (Fetch Metadata);
// who says nothing is believed.
func navigation(h http.Header) bool {
	mode, dest := h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	return (mode == "" || mode == "navigate") && (dest == "" || dest == "document")
}

// callback answers a reply of the provider. Where that is used, the status is 200 however the login ends:
// with any other, browsers write the whole address into their console, with the code in it.
func (r *Receiver) callback(w http.ResponseWriter, req *http.Request) {
	v := r.judge(req.URL.RawQuery, false)
	switch {
	case v.answer != nil:
		first := r.settle(result{answer: v.answer})
		r.showOutcome(w, req, !first, v.answer.Code)
	case v.err != nil:
		if !r.settle(result{err: v.err}) {
			r.showOutcome(w, req, true)
			return
		}
		r.finish(v.err)
		if v.words != "" {
			r.page.show(w, http.StatusOK, refusal(v.words))
		} else {
			r.page.show(w, http.StatusOK, failure(v.err.Error()))
		}
	case v.flaw == nothing && r.isSettled():
		// The page of a finished login, loaded again: it has no query any more.
		r.showOutcome(w, req, true)
	default:
		waiting := !r.isSettled()
		if waiting && r.once(v.flaw) {
			r.voice.say("an answer from the browser was refused: %s; still waiting", v.flaw.reason())
		}
		r.page.show(w, http.StatusBadRequest, v.flaw.page(waiting))
	}
}

// showOutcome holds the browser's request until Finish was called, so that no page says that a login
// worked before it did.
func (r *Receiver) showOutcome(w http.ResponseWriter, req *http.Request, again bool, secrets ...string) {
	timer := time.NewTimer(r.hold)
	defer timer.Stop()
	known := true
	select {
	case <-r.finished:
	case <-timer.C:
		known = false
	case <-req.Context().Done():
		return
	case <-r.closed:
		select {
		case <-r.finished:
		default:
			known = false
		}
	}
	switch {
	case !known:
		r.page.show(w, http.StatusOK, pending())
	case r.outcome != nil:
		text := redact.Scrub(redact.Composed(r.outcome.Error(), append(secrets, r.opts.State)...), 300)
		r.page.show(w, http.StatusOK, failure(text))
	case again:
		r.page.show(w, http.StatusOK, already())
	default:
		r.page.show(w, http.StatusOK, success())
	}
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	send(w, status, []byte("tokencli: "+text+"\n"))
}

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
	// Close may end the connection as soon as the request is counted out.
	_ = http.NewResponseController(w).Flush()
}
