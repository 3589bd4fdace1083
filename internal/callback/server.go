package callback

import (
	"io"
	"log"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/redact"
)

// headerTimeout ends connections that send their request a byte at a time.
const headerTimeout = 5 * time.Second

func (r *Receiver) newServer() *http.Server {
	s := &http.Server{
		Handler:           http.HandlerFunc(r.serve),
		ReadHeaderTimeout: headerTimeout,
		// Both bounds leave room for a page that waits for the exchange.
		ReadTimeout:  r.hold + headerTimeout,
		WriteTimeout: r.hold + headerTimeout,
		// Cookies of localhost come along, whichever port set them.
		MaxHeaderBytes: 256 << 10,
		ConnContext:    withConnection,
		// Failed handshakes are expected: every browser that does not trust the certificate makes one.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.SetKeepAlivesEnabled(false)
	return s
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	r.enter()
	defer r.leave()
	setComplete(req.Context())
	r.page.headers(w.Header())
	switch {
	case !slices.Contains(r.redirect.hosts(r.port), strings.ToLower(req.Host)):
		r.reportMisdirected(req, "its host is not the one of the redirect URI")
		plain(w, http.StatusForbidden, "this address is served under its own host name only")
	case pathOf(req.URL) != r.redirect.path():
		r.reportMisdirected(req, "its path is not the one of the redirect URI")
		plain(w, http.StatusNotFound, "not found")
	case req.Method != http.MethodGet:
		r.reportMisdirected(req, "its method is not GET")
		w.Header().Set("Allow", http.MethodGet)
		plain(w, http.StatusMethodNotAllowed, "the method must be GET")
	case !isNavigation(req.Header):
		r.reportMisdirected(req, "it was loaded as part of another page")
		plain(w, http.StatusForbidden, "this page must be opened, not loaded as part of another page")
	default:
		r.callback(w, req)
	}
}

// reportMisdirected reports a response of the provider that arrived in a way that is not accepted: the
// redirect URI is probably registered differently. It must be called before the response is written.
func (r *Receiver) reportMisdirected(req *http.Request, why string) {
	query := req.URL.RawQuery
	if req.Method == http.MethodPost {
		// The response mode form_post (OAuth 2.0 Form Post Response Mode).
		body, _ := io.ReadAll(io.LimitReader(req.Body, maxCode))
		query += "&" + string(body)
	}
	params, _ := url.ParseQuery(query)
	if (params.Has("code") || params.Has("error")) && !r.isSettled() && r.first(why) {
		r.console.notify("warning: refused a response from the browser: %s, %s; still waiting", why, r.shownURI())
	}
}

// isNavigation reports whether a browser opens the page. What another page loads as an image, a frame or
// by script is never the provider's response. Browsers say which it is (Fetch Metadata); a request that
// does not say is accepted.
func isNavigation(h http.Header) bool {
	mode, dest := h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	return (mode == "" || mode == "navigate") && (dest == "" || dest == "document")
}

// callback answers a response of the provider. If it is used, the status is 200 however the login ends:
// with any other, browsers write the whole address, with the code in it, to their console.
func (r *Receiver) callback(w http.ResponseWriter, req *http.Request) {
	res := r.validateResponse(req.URL.RawQuery, false)
	switch {
	case res.answer != nil:
		first := r.settle(res)
		r.showOutcome(w, req, !first, res.answer.Code)
	case res.err != nil:
		if !r.settle(res) {
			r.showOutcome(w, req, true)
			return
		}
		r.finish(res.err)
		content := failure(res.err.Error())
		if res.words != "" {
			content = refusal(res.words)
		}
		r.visited(req, r.page.show(w, http.StatusOK, content))
	case res.rejection == nothing && r.isSettled():
		// The page of a finished login, loaded again without its query.
		r.showOutcome(w, req, true)
	default:
		waiting := !r.isSettled()
		if waiting && r.first(res.rejection) {
			r.console.notify("warning: refused a response from the browser: %s; still waiting", res.rejection.reason())
		}
		_ = r.page.show(w, http.StatusBadRequest, res.rejection.page(waiting))
	}
}

// showOutcome holds the browser's request until Finish was called, so that no page reports success before
// the login succeeded.
func (r *Receiver) showOutcome(w http.ResponseWriter, req *http.Request, again bool, secrets ...string) {
	known := true
	select {
	case <-r.finished:
	case <-time.After(r.hold):
		known = false
	case <-req.Context().Done():
		r.visited(req, req.Context().Err())
		return
	case <-r.closed:
		select {
		case <-r.finished:
		default:
			known = false
		}
	}
	var content page
	switch {
	case !known:
		content = pending()
	case r.outcome != nil:
		content = failure(redact.Scrub(r.outcome.Error(), 300, append(secrets, r.opts.State)...))
	case again:
		content = already()
	default:
		content = success()
	}
	if known {
		content.owner = r.owner
	}
	if err := req.Context().Err(); err != nil {
		r.visited(req, err)
		return
	}
	r.visited(req, r.page.show(w, http.StatusOK, content))
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_ = send(w, status, []byte("tokencli: "+text+"\n"))
}

func send(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return err
	}
	// Close may end the connection as soon as the request is counted out.
	return http.NewResponseController(w).Flush()
}
