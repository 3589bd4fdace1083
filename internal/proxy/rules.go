package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Rules limit what may be requested. The zero value allows everything.
type Rules struct {
	ReadOnly bool // GET, HEAD and OPTIONS on every path
	Allow    []Rule
}

// Rule allows requests with a method to paths that match a pattern.
type Rule struct {
	Method string   // in upper case; * is any
	path   []string // segments; * is any one, and a ** at the end is any rest
}

// ParseRule reads a rule such as "GET /v2/payments/*" or "* /v2/**".
func ParseRule(text string) (Rule, error) {
	method, path, ok := strings.Cut(strings.TrimSpace(text), " ")
	path = strings.TrimSpace(path)
	shown := redact.Scrub(text, 80)
	if !ok || !isMethod(method) || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?# ") {
		return Rule{}, fail.New(fail.Usage, "invalid rule %q: expected METHOD /PATH, such as GET /v2/**", shown)
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if s == "**" && i == len(segments)-1 || s == "*" {
			continue
		}
		if strings.Contains(s, "*") {
			return Rule{}, fail.New(fail.Usage, "invalid rule %q: * is a whole segment, and ** the last one", shown)
		}
		if _, err := url.PathUnescape(s); err != nil || strings.Contains(s, "%") || s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return Rule{}, fail.New(fail.Usage, "invalid rule %q: write the path decoded, without empty and dot segments", shown)
		}
	}
	return Rule{Method: strings.ToUpper(method), path: segments}, nil
}

// isMethod reports whether a rule can have this method: * for any, or the name of one.
func isMethod(s string) bool {
	return s == "*" || s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
	})
}

func (r Rule) allows(method string, path []string) bool {
	if r.Method != "*" && r.Method != method {
		return false
	}
	for i, s := range r.path {
		if s == "**" && i == len(r.path)-1 {
			return len(path) >= i
		}
		if i >= len(path) || s != "*" && s != path[i] || s == "*" && path[i] == "" {
			return false
		}
	}
	return len(path) == len(r.path)
}

func (r Rules) limited() bool { return r.ReadOnly || len(r.Allow) > 0 }

// check refuses what no rule allows, and paths that a server may read in another way than the rules do.
func (r Rules) check(req *http.Request) *refusal {
	if !r.limited() {
		return nil
	}
	escaped := strings.ToLower(req.URL.EscapedPath())
	for _, odd := range []string{"//", "%2f", "%2e", "%5c", "%25", "\\"} {
		if strings.Contains(escaped, odd) {
			return forbidden("the rules of this proxy allow no %s in a path", odd)
		}
	}
	if r.ReadOnly {
		switch req.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			return nil
		}
	}
	path := strings.Split(strings.TrimPrefix(req.URL.Path, "/"), "/")
	for _, rule := range r.Allow {
		if rule.allows(req.Method, path) {
			return nil
		}
	}
	return forbidden("the rules of this proxy do not allow %s %s", req.Method, redact.Scrub(req.URL.Path, 200))
}

// overrides are headers with which some servers let a request name another method than it has.
var overrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// strip drops headers that would go around the rules.
func (r Rules) strip(h http.Header) {
	if r.limited() {
		for _, name := range overrides {
			h.Del(name)
		}
	}
}
