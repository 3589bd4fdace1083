package callback

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"net/http"
	"strings"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// pages renders what the browser shows at the end of a login. A page is self-contained: it loads nothing,
// so that nothing can leak the address it was opened with.
type pages struct {
	title, account, next string
	policy               string
}

// page is the text of one page. All of it is escaped.
type page struct {
	Tone    string // class of the frame: good, bad or empty
	Heading string
	Lead    string
	Words   string // the provider's or an error's, quoted
	Next    string // what the user does now

	owner string // whose login it is; empty if unknown
}

// newPages returns the pages of a login. next is the command to run after it.
func newPages(title, account, next string) *pages {
	return &pages{
		title:   title,
		account: account,
		next:    next,
		policy: "default-src 'none'; img-src data:; style-src " + hashSource(pageCSS) + "; script-src " + hashSource(pageJS) +
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

// hashSource returns the source expression that allows exactly this text inline (CSP 3, 2.3.1).
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// headers sets the headers of every response. The address of a callback is a secret until its code
// expires: it must stay out of caches and of Referer (RFC 6819 4.4.1.1, RFC 9700 4.2).
func (p *pages) headers(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", p.policy)
}

// show writes a page. Every text goes through EscapeString, and each is placed in the content of an
// element or in a quoted attribute, where that is enough. (html/template would add 2.4 MiB: what it calls
// by name keeps the linker from leaving anything out.)
func (p *pages) show(w http.ResponseWriter, status int, content page) error {
	optional := func(before, text, after string) string {
		if text == "" {
			return ""
		}
		return before + html.EscapeString(text) + after + "\n"
	}
	command := ""
	if content.Tone == "good" {
		command = p.next
	}
	body := strings.NewReplacer(
		"{{script}}", pageJS,
		"{{style}}", pageCSS,
		"{{tone}}", html.EscapeString(content.Tone),
		"{{heading}}", html.EscapeString(content.Heading),
		"{{lead}}", html.EscapeString(content.Lead),
		"{{words}}", optional("<blockquote>", content.Words, "</blockquote>"),
		"{{title}}", html.EscapeString(p.title),
		"{{account}}", optional("<dt>Account</dt><dd>", p.account, "</dd>"),
		"{{owner}}", optional("<dt>Logged in as</dt><dd>", content.owner, "</dd>"),
		"{{next}}", html.EscapeString(content.Next),
		"{{command}}", optional("<p>Next, in the terminal:</p>\n<pre><code>", command, "</code></pre>"),
	).Replace(pageHTML)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return send(w, status, []byte(body))
}

const closeWindow = "You can close this window and return to the terminal."

func success() page {
	return page{
		Tone:    "good",
		Heading: "You are logged in",
		Lead:    "Access was granted, and tokencli stored the login.",
		Next:    closeWindow,
	}
}

func refusal(words string) page {
	return page{
		Tone:    "bad",
		Heading: "Access was refused",
		Lead:    "You are not logged in. The provider says:",
		Words:   words,
		Next:    closeWindow + " It shows what you can do.",
	}
}

func failure(text string) page {
	return page{
		Tone:    "bad",
		Heading: "Login failed",
		Lead:    "You are not logged in. The error is:",
		Words:   text,
		Next:    closeWindow + " It shows what you can do.",
	}
}

func pending() page {
	return page{
		Heading: "Check the terminal for the result",
		Lead:    "The provider's response has arrived. The terminal shows whether the login succeeded.",
		Next:    closeWindow,
	}
}

func already() page {
	return page{
		Tone:    "good",
		Heading: "You are already logged in",
		Lead:    "The provider's response was received before. There is nothing left to do here.",
		Next:    closeWindow,
	}
}
