package callback

import (
	"io"
	"net/url"
	"strings"
	"unicode"
)

// maxLine bounds a pasted line. A terminal cuts one at 4,096 bytes before that.
const maxLine = 8 << 10

// minCode tells a code from a slip of the fingers ("y", "ls"), which would end the login in an exchange
// that cannot work. Codes are at least ten times as long.
const minCode = 4

// judgePasted applies the rules to what a person pasted: the address the browser landed on, the
// parameters of one, or a code alone.
func (r *Receiver) judgePasted(l line) verdict {
	if l.tooLong {
		return verdict{flaw: tooLong}
	}
	text := unwrap(l.text)
	if text == "" {
		return verdict{flaw: blank}
	}
	if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar }) {
		return verdict{flaw: control}
	}
	v := r.read(text)
	if v.answer != nil {
		v.answer.Pasted = true
	}
	return v
}

func (r *Receiver) read(text string) verdict {
	if u, is := r.address(text); is {
		return r.judgeAddress(u)
	}
	if query, is := parameters(text); is {
		return r.judge(query, r.target.way == outOfBand)
	}
	return r.judgeCode(text)
}

// address reads text as an address. Browsers hide the scheme in the address bar, and some copy it that
// way, so it may be missing before the redirect URI's own host. A damaged address is a nil URL.
func (r *Receiver) address(text string) (u *url.URL, is bool) {
	scheme, rest, found := strings.Cut(text, ":")
	own := r.target.url
	switch {
	case found && isScheme(scheme) && (strings.HasPrefix(rest, "//") || strings.EqualFold(scheme, own.Scheme)):
	case own.Host != "" && hasPrefixFold(text, r.shortURI()):
		text = own.Scheme + "://" + text
	default:
		return nil, false
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, true
	}
	return u, true
}

// shortURI returns host, port and path of the redirect URI.
func (r *Receiver) shortURI() string {
	_, short, _ := strings.Cut(r.uri, "://")
	short, _, _ = strings.Cut(short, "?")
	return short
}

func (r *Receiver) judgeAddress(u *url.URL) verdict {
	if u == nil {
		return verdict{flaw: broken}
	}
	query := u.RawQuery
	if _, is := parameters(query); !is {
		// Some providers answer in the fragment (OAuth 2.0 Multiple Response Types 2.1).
		if _, is := parameters(u.EscapedFragment()); is {
			query = u.EscapedFragment()
		}
	}
	own, err := url.Parse(r.uri)
	switch {
	case err == nil && samePlace(u, own):
		return r.judge(query, false)
	case r.target.way == outOfBand && r.authorize != nil && sameOrigin(u, r.authorize) && holdsCode(query):
		// The page that shows the code often has it in its address too.
		return r.judge(query, true)
	case r.authorize != nil && samePlace(u, r.authorize):
		return verdict{flaw: authorizing}
	default:
		return verdict{flaw: elsewhere}
	}
}

// judgeCode takes text as a code alone. It carries no state; that it is of this login is the word of
// the person who pasted it.
func (r *Receiver) judgeCode(text string) verdict {
	code := text
	if r.target.way != outOfBand && strings.Contains(text, "%") {
		// Copied out of the address bar, where it is encoded.
		if decoded, err := url.PathUnescape(text); err == nil {
			code = decoded
		}
	}
	switch {
	case strings.ContainsAny(text, "& \t"), strings.Contains(strings.TrimRight(text, "="), "="), len(code) < minCode:
		// A space, an ampersand or an equals sign in the middle are signs of half an address: the other
		// half may be on the next line.
		return verdict{flaw: unclear}
	case !isCode(code):
		return verdict{flaw: oddCode}
	case r.opts.IssuerRequired && r.target.way != outOfBand:
		return verdict{flaw: needsAddress}
	}
	return verdict{answer: &Answer{Code: code, Params: url.Values{"code": {code}}, Finish: r.finish}}
}

// parameters returns the query in text, and whether it has any parameter of an authorization response.
func parameters(text string) (query string, is bool) {
	query = strings.TrimLeft(text, "?#&")
	for pair := range strings.SplitSeq(query, "&") {
		switch name, _, found := strings.Cut(pair, "="); name {
		case "code", "state", "error":
			if found {
				return query, true
			}
		}
	}
	return text, false
}

func holdsCode(query string) bool {
	params, err := url.ParseQuery(query)
	return err == nil && (params.Has("code") || params.Has("error"))
}

// samePlace reports whether two addresses differ in nothing but query and fragment.
func samePlace(a, b *url.URL) bool {
	return sameOrigin(a, b) && a.Opaque == b.Opaque && pathOf(a) == pathOf(b)
}

func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case strings.EqualFold(u.Scheme, "http"):
		return "80"
	case strings.EqualFold(u.Scheme, "https"):
		return "443"
	}
	return ""
}

// unwrap takes off what people and programs put around an address.
func unwrap(text string) string {
	pairs := []string{`""`, `''`, "``", "<>", "()", "“”", "‘’", "«»"}
	for {
		before := text
		// Zero-width characters come along when text is copied from some pages, the sequences around
		// it from a terminal that was left in its bracketed paste mode.
		text = strings.Trim(text, " \t\r\n\u00a0\u200b\ufeff")
		text = strings.TrimSuffix(strings.TrimPrefix(text, "\x1b[200~"), "\x1b[201~")
		for _, p := range pairs {
			open, shut := p[:len(p)/2], p[len(p)/2:]
			if len(text) >= len(p) && strings.HasPrefix(text, open) && strings.HasSuffix(text, shut) {
				text = text[len(open) : len(text)-len(shut)]
				break
			}
		}
		if text == before {
			return text
		}
	}
}

// isScheme reports whether s is a URI scheme (RFC 3986 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || (s[i] < '0' || s[i] > '9') && !strings.ContainsRune("+-.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// openPaste starts to read what is pasted, or returns nil where there is nothing to read from. A stdin
// that is no terminal belongs to somebody else's data unless a code can come no other way or the person
// said that no browser is there.
func (r *Receiver) openPaste() *input {
	if !r.opts.StdinIsTerminal && r.opts.Stdin != nil && (!r.target.listens() || r.opts.NoBrowser) {
		return readLines(r.opts.Stdin, false, false)
	}
	if t := r.openForeground(); t != nil {
		return readLines(t, true, true)
	}
	if r.opts.StdinIsTerminal && r.opts.Stdin != nil && !r.target.listens() {
		return readLines(r.opts.Stdin, true, false)
	}
	return nil
}

// afterEnd is what is read when the input has ended while a listener waits: after a stdin, the terminal.
func (r *Receiver) afterEnd(ended *input) *input {
	ended.stop()
	if ended.terminal {
		return nil
	}
	if t := r.openForeground(); t != nil {
		return readLines(t, true, true)
	}
	return nil
}

// openForeground opens the terminal. A process in the background would be stopped for reading from it
// (SIGTTIN), also under `timeout`, which is no reason to stop a login that listens.
func (r *Receiver) openForeground() io.ReadCloser {
	t, err := r.opts.OpenTerminal()
	if err != nil || t == nil {
		return nil
	}
	if r.target.listens() && !inForeground(t) {
		_ = t.Close()
		return nil
	}
	return t
}

// describe says what is to be pasted, and how long it can be used.
func (r *Receiver) describe() []string {
	life := ""
	if d := r.opts.CodeLife; d > 0 {
		life = " (the code lives " + roughly(d) + ")"
	}
	switch r.target.way {
	case outOfBand:
		return []string{r.title() + " shows a code: paste it here and press Enter" + life}
	case byAddress:
		return []string{
			"after you agree, the browser goes to " + r.shownURI(),
			"whatever it shows there, paste the whole address here" + life,
		}
	default:
		return []string{"or paste here the address you land on, or the code in it" + life}
	}
}
