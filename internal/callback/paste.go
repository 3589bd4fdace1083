package callback

import (
	"net/url"
	"strings"
	"unicode"
)

// minCode tells a code from a typing error ("y", "ls"), which would end the login in an exchange that cannot
// work. Codes are at least ten times as long.
const minCode = 4

// partial is an address of which only the beginning was pasted.
type partial struct {
	text    string
	refused string // a part of it that was pasted later; pasted again, it counts as a code
}

// parsePasted applies the rules to a paste: the address the browser ended up on, the parameters of one, or
// a code alone. A terminal from which it was copied may have broken it into lines. A paste with several of
// these has several results; the last may decide the login.
func (r *Receiver) parsePasted(p paste) []result {
	if p.tooLong {
		return []result{{rejection: tooLong}}
	}
	entries := r.entries(p.text)
	if len(entries) > 1 {
		// A line of an address may itself begin like an address (?iss=https://...).
		if res := r.parse(strings.Join(entries, "")); res.decided() {
			return []result{res}
		}
	}
	var results []result
	for _, entry := range entries {
		res := r.parseEntry(entry)
		results = append(results, res)
		if res.decided() {
			break
		}
	}
	return results
}

// entries joins the lines of a paste that belong together: all that follow the beginning of an address.
func (r *Receiver) entries(text string) []string {
	var entries []string
	open := false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimFunc(line, isPadding)
		_, begins := r.address(unwrap(line))
		switch {
		case line == "":
			open = false
		case open && !begins:
			entries[len(entries)-1] += line
		default:
			entries = append(entries, line)
			open = true
		}
	}
	return entries
}

// parseEntry reads one entry, as the continuation of what was pasted before where it can be one.
func (r *Receiver) parseEntry(entry string) result {
	_, begins := r.address(unwrap(entry))
	before := r.partial
	r.partial = partial{}
	if before.text != "" && !begins && entry != before.refused {
		res := r.parse(before.text + entry)
		if !res.decided() {
			r.partial = partial{text: before.text, refused: entry}
			if r.isIncomplete(before.text+entry, res.rejection) {
				r.partial.text += entry
			}
			res = result{rejection: fragment}
		}
		return res
	}
	res := r.parse(entry)
	if begins && r.isIncomplete(entry, res.rejection) || res.rejection == fragment && hasPrefixFold(r.uri, entry) {
		r.partial = partial{text: entry}
	}
	return res
}

// isIncomplete reports whether text, which was refused, may be the beginning of the right address.
func (r *Receiver) isIncomplete(text string, why rejection) bool {
	text = unwrap(text)
	switch why {
	case nothing, broken, noState, noCode:
		return true
	case wrongState:
		_, query, _ := strings.Cut(text, "?")
		params, err := parseQuery(query)
		return err == nil && strings.HasPrefix(r.opts.State, params.Get("state"))
	case elsewhere:
		return hasPrefixFold(r.uri, text)
	}
	return false
}

func (r *Receiver) parse(text string) result {
	text = unwrap(text)
	if text == "" {
		return result{rejection: blank}
	}
	if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar }) {
		return result{rejection: control}
	}
	var res result
	if u, is := r.address(withoutPadding(text)); is {
		res = r.parseAddress(u)
	} else if query, is := parameters(withoutPadding(text)); is {
		res = r.validateResponse(query, r.redirect.way == outOfBand)
	} else {
		res = r.parseCode(text)
	}
	if res.answer != nil {
		res.answer.Pasted = true
	}
	return res
}

// address reads text as an address. Browsers hide the scheme in the address bar, and some copy it that
// way, so it may be missing before the redirect URI's own host. A damaged address is a nil URL.
func (r *Receiver) address(text string) (u *url.URL, is bool) {
	scheme, rest, found := strings.Cut(text, ":")
	own := r.redirect.url
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

func (r *Receiver) shortURI() string {
	_, short, _ := strings.Cut(r.uri, "://")
	short, _, _ = strings.Cut(short, "?")
	return short
}

func (r *Receiver) parseAddress(u *url.URL) result {
	if u == nil {
		return result{rejection: broken}
	}
	query := u.RawQuery
	if _, is := parameters(query); !is {
		// Some providers respond in the fragment (OAuth 2.0 Multiple Response Types 2.1).
		if _, is := parameters(u.EscapedFragment()); is {
			query = u.EscapedFragment()
		}
	}
	own, err := url.Parse(r.uri)
	switch {
	case err == nil && samePlace(u, own):
		return r.validateResponse(query, false)
	case r.redirect.way == outOfBand && r.authorize != nil && sameOrigin(u, r.authorize) && hasCode(query):
		// The page that shows the code often has it in its address too.
		return r.validateResponse(query, true)
	case r.authorize != nil && samePlace(u, r.authorize):
		return result{rejection: authorizing}
	default:
		return result{rejection: elsewhere}
	}
}

// parseCode takes text as a code alone. It carries no state; that it belongs to this login is the word of
// the user who pasted it.
func (r *Receiver) parseCode(text string) result {
	code := text
	if r.redirect.way != outOfBand && strings.Contains(text, "%") {
		// Copied from the address bar, where it is encoded.
		if decoded, err := url.PathUnescape(text); err == nil {
			code = decoded
		}
		if _, is := r.address(code); is { // an address that was encoded as a whole
			return r.parse(code)
		}
	}
	switch {
	case strings.ContainsAny(text, "& \t"), strings.Contains(strings.TrimRight(text, "="), "="), len(code) < minCode:
		// A space, an ampersand or an equals sign in the middle are signs of half an address.
		return result{rejection: unclear}
	case strings.HasSuffix(r.opts.State, text), hasPrefixFold(r.uri, text):
		return result{rejection: fragment}
	case !isCode(code):
		return result{rejection: oddCode}
	case r.opts.IssuerRequired && r.redirect.way != outOfBand:
		return result{rejection: needsAddress}
	}
	return result{answer: r.answer(code, url.Values{"code": {code}})}
}

// parameters returns the query in text, and whether it has any parameter of an authorization response.
func parameters(text string) (query string, is bool) {
	query = strings.TrimLeft(text, "?#&")
	for _, name := range []string{"code", "state", "error"} {
		if hasParameter(query, name) {
			return query, true
		}
	}
	return text, false
}

func hasCode(query string) bool {
	params, err := parseQuery(query)
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

// isPadding reports whether r comes from the page or the terminal from which text was copied: white space and
// characters of no width.
func isPadding(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Cf) }

// withoutPadding removes padding from an address, which has none of its own (RFC 3986 appendix C).
func withoutPadding(text string) string {
	return strings.Map(func(r rune) rune {
		if isPadding(r) {
			return -1
		}
		return r
	}, text)
}

// unwrap removes what people and programs put around an address.
func unwrap(text string) string {
	pairs := []string{`""`, `''`, "``", "<>", "()", "“”", "‘’", "«»"}
	for {
		before := text
		text = strings.TrimFunc(text, isPadding)
		// The sequences of a terminal that was left in its bracketed paste mode.
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
