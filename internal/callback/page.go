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

// pages renders what the browser shows at the end of the way. A page is whole in itself: nothing is
// loaded, so nothing can leak the address it was opened with.
type pages struct {
	title, account string
	policy         string
}

// page is the text of one page. All of it is escaped.
type page struct {
	Tone    string // class of the frame: good, bad or empty
	Heading string
	Lead    string
	Words   string // somebody else's, quoted
	Next    string // what the person does now
}

func newPages(title, account string) *pages {
	return &pages{
		title:   title,
		account: account,
		policy: "default-src 'none'; img-src data:; style-src " + hashSource(pageCSS) + "; script-src " + hashSource(pageJS) +
			"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

// hashSource returns the source expression that allows exactly this text inline (CSP 3, 2.3.1).
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// headers sets what every reply carries. The address of a callback is a secret for as long as its code
// lives: it must stay out of caches and of Referer (RFC 6819 4.4.1.1, RFC 9700 4.2).
func (p *pages) headers(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", p.policy)
}

// show writes a page. Every text goes through EscapeString, and every place for one is the content of an
// element or a quoted attribute, where that is enough. (html/template would bring 2.4 MiB: what it calls by
// name keeps the linker from leaving anything out.)
func (p *pages) show(w http.ResponseWriter, status int, content page) {
	optional := func(before, text, after string) string {
		if text == "" {
			return ""
		}
		return before + html.EscapeString(text) + after + "\n"
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
		"{{next}}", html.EscapeString(content.Next),
	).Replace(pageHTML)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	send(w, status, []byte(body))
}

const closeWindow = "You can close this window and return to the terminal."

func success() page {
	return page{
		Tone:    "good",
		Heading: "You are logged in",
		Lead:    "Access was granted, and tokencli keeps it for you.",
		Next:    closeWindow,
	}
}

func refusal(words string) page {
	return page{
		Tone:    "bad",
		Heading: "The login was refused",
		Lead:    "No access was granted. The provider says:",
		Words:   words,
		Next:    closeWindow,
	}
}

func failure(text string) page {
	return page{
		Tone:    "bad",
		Heading: "The login did not work",
		Lead:    "Nobody was logged in. This is what went wrong:",
		Words:   text,
		Next:    closeWindow + " It says what can be done.",
	}
}

func pending() page {
	return page{
		Heading: "The terminal knows how it went",
		Lead:    "The provider's answer has arrived. Whether the login worked is said in the terminal.",
		Next:    closeWindow,
	}
}

func already() page {
	return page{
		Tone:    "good",
		Heading: "This login is already done",
		Lead:    "The provider's answer had arrived before. There is nothing left to do here.",
		Next:    closeWindow,
	}
}

// page returns what the browser shows about a reply that was not used.
func (f flaw) page(waiting bool) page {
	p := page{Next: closeWindow}
	if waiting {
		p.Next = "The terminal is still waiting. Open the address that stands there once more."
	}
	switch f {
	case nothing:
		p.Heading = "Nothing has arrived yet"
		p.Lead = "This is where the provider sends you back to after you agreed. This request carried no answer."
	case noState, wrongState:
		p.Heading = "This answer is not for this login"
		p.Lead = "It belongs to another login, or somebody made it up, so it was not used."
	default:
		p.Heading = "This answer cannot be used"
		p.Lead = "It was refused: " + f.reason() + "."
	}
	return p
}

// reason says in a few words why a reply of the browser was not used.
func (f flaw) reason() string {
	switch f {
	case nothing:
		return "it carried no answer"
	case repeated:
		return "it holds a parameter twice"
	case noState:
		return "it carries no state"
	case wrongState:
		return "it carries the state of another login"
	case noCode:
		return "it holds no code"
	case oddCode:
		return "its code holds characters that no code has"
	default:
		return "it is damaged"
	}
}
