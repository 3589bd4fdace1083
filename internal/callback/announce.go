package callback

import (
	"strconv"
	"time"

	"github.com/tokencli/tokencli/internal/redact"
)

// announce says what is about to happen, before the browser opens. The address is always printed, on a
// line of its own.
func (r *Receiver) announce(address string, validFor time.Duration, opening, canPaste bool) {
	who := r.title()
	if r.opts.Account != "" {
		who += " (account " + r.account() + ")"
	}
	port := strconv.Itoa(r.port)
	if r.redirect.listens() && r.redirect.port == 0 && r.opts.ExactPort {
		r.console.notify("warning: the redirect URI uses port %s this time, but %s expects the registered port", port, r.title())
	}
	if r.cert == nil && r.opts.TLSCert != "" {
		r.console.notify("warning: the certificate is not used, because the redirect URI is not https on this machine")
	}
	if r.cert != nil && r.cert.selfSigned {
		r.announceCertificate()
	}
	if opening {
		r.console.explain("opening the browser to log in to %s; if it does not open, go to:", who)
	} else {
		r.console.explain("to log in to %s, open this address in a browser:", who)
	}
	r.console.verbatim(redact.Printable(address))
	if validFor > 0 { // RFC 9126 2.2
		r.console.explain("the address works once, and expires after %s", duration(validFor))
	}
	if r.redirect.listens() {
		r.console.explain("approve access in the browser; login then finishes by itself")
		for _, hint := range detectHost(r.opts.Environ, fileExists).hints(port) {
			if !r.opts.Quiet {
				r.console.verbatim(hint)
			}
		}
	}
	if canPaste {
		r.announcePaste()
	}
}

// announceCertificate explains the browser's warning, which would otherwise surprise the user while the
// code expires.
func (r *Receiver) announceCertificate() {
	within := ""
	if d := r.opts.CodeLife; d > 0 {
		within = " within " + duration(d) + ", before the code expires"
	}
	r.console.explain("after you approve access, your browser will warn that the connection to this machine is not private: its certificate is self-signed")
	r.console.explain("choose Advanced, then Proceed%s; the certificate has this SHA-256 fingerprint:", within)
	r.console.verbatim(r.cert.fingerprint())
}

// announcePaste says what is to be pasted, and how long it can be used.
func (r *Receiver) announcePaste() {
	expires := ""
	if d := r.opts.CodeLife; d > 0 {
		expires = " (the code expires after " + duration(d) + ")"
	}
	switch r.redirect.way {
	case outOfBand:
		r.console.notify("%s shows a code: paste it here and press Enter%s", r.title(), expires)
	case byAddress:
		r.console.explain("after you approve access, the browser goes to %s", r.shownURI())
		r.console.notify("whatever it shows there, paste the whole address here%s", expires)
	default:
		r.console.explain("or paste the address your browser ends up on%s", expires)
	}
}
