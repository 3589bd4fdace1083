package doctor

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Report is what an run found, in a fixed order.
type Report struct {
	Findings []Finding
	patient  *Input
	hidden   hidden
}

// Count returns how many findings have a state.
func (r *Report) Count(s State) int {
	n := 0
	for _, f := range r.Findings {
		if f.State == s {
			n++
		}
	}
	return n
}

// Kind returns the kind of the first problem, and false where there is none.
func (r *Report) Kind() (fail.Kind, bool) {
	for _, f := range r.Findings {
		if f.State == Problem {
			return f.Kind, true
		}
	}
	return 0, false
}

// Bundle returns the report as a text that can be published: it holds no secret, no path that names the
// user, no address of a server of theirs, no name of an account beyond its provider, and of client ids no
// more than the ends.
func (r *Report) Bundle() string {
	var b strings.Builder
	b.WriteString("tokencli doctor, for an issue. Secrets, hosts, user and account names are left out.\n\n")
	fmt.Fprintf(&b, "version: %s (%s, %s/%s)\n", r.patient.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&b, "store: %s, by %s\n", either(r.patient.Session.Store, "not known"), r.patient.StoreFrom)
	fmt.Fprintf(&b, "variables that are set: %s\n\n", either(strings.Join(r.set(), ", "), "none"))
	for _, f := range r.Findings {
		subject := f.Check
		if f.Account != "" {
			subject += " " + f.Account
		}
		fmt.Fprintf(&b, "%-8s %s: %s\n", f.State, subject, f.Text)
		if f.Fix != "" {
			fmt.Fprintf(&b, "         fix: %s\n", f.Fix)
		}
	}
	return r.hidden.apply(b.String())
}

// set returns the names of the variables that matter, and no value.
func (r *Report) set() []string {
	names := variables(r.patient.Environ)
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "BROWSER"} {
		if r.patient.Getenv(name) != "" || r.patient.Getenv(strings.ToLower(name)) != "" {
			names = append(names, name)
		}
	}
	return names
}

// hidden is what a report leaves out.
type hidden struct {
	secrets []string
	words   map[string]string // a word, and what replaces it
	named   int               // how many named accounts there are
	user    string
}

func (h *hidden) start(p *Input) {
	h.words = make(map[string]string)
	h.user = p.User
	for _, secret := range account.SecretValues(p.Environ) {
		// The path of the key is a path like others.
		if _, err := os.Stat(secret); err != nil || secret != p.Getenv(account.FileKey) {
			h.secrets = append(h.secrets, secret)
		}
	}
	for _, entry := range p.Environ {
		name, value, _ := strings.Cut(entry, "=")
		name = strings.ToUpper(name)
		if strings.HasPrefix(name, prefix) && (strings.HasSuffix(name, "_"+account.ClientID) || strings.HasSuffix(name, "_"+account.Username)) {
			h.words[value] = masked(value)
		}
	}
	homes := []string{p.Home}
	if resolved, err := filepath.EvalSymlinks(p.Home); err == nil {
		homes = append(homes, resolved)
	}
	for _, home := range homes {
		if len(strings.Trim(home, `/\`)) > 1 {
			h.words[filepath.Clean(home)] = "~"
		}
	}
	delete(h.words, "")
}

func (h *hidden) clone() hidden {
	c := *h
	c.secrets, c.words = slices.Clone(h.secrets), maps.Clone(h.words)
	return c
}

// hideAccount puts a number in the place of an account's own name, which may be a customer's.
func (e *run) hideAccount(name account.Name) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.hidden.words[name.String()]; known || name.Label == "" {
		return
	}
	e.hidden.named++
	other := account.Name{Provider: name.Provider, Label: fmt.Sprint("n", e.hidden.named)}
	e.hidden.words[name.String()] = other.String()
	e.hidden.words[name.File()] = other.File()
	for _, setting := range append(account.Settings(), account.BaseURL, account.Chosen) {
		e.hidden.words[name.Var(setting)] = other.Var(setting)
	}
}

// hide keeps a text out of the report.
func (e *run) hide(text, with string) {
	if text == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hidden.words[text] = with
}

// hideSecret keeps secrets out of the report, in whatever form they are echoed.
func (e *run) hideSecret(secrets ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" {
			e.hidden.secrets = append(e.hidden.secrets, secret)
		}
	}
}

// apply takes everything hidden out of a text.
func (h *hidden) apply(text string) string {
	text = redact.Secrets(text, h.secrets...)
	words := slices.Collect(maps.Keys(h.words))
	// Longest first, so that a word which is part of another does not cut it in two.
	slices.SortFunc(words, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	for _, word := range words {
		text = replaceWord(text, word, h.words[word])
	}
	return withoutUser(text, h.user)
}

// replaceWord replaces a word where it is not a part of a longer one.
func replaceWord(text, word, with string) string {
	part := func(c byte) bool {
		return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
	}
	var out strings.Builder
	for {
		i := strings.Index(text, word)
		if i < 0 {
			return out.String() + text
		}
		end := i + len(word)
		begins := i == 0 || !part(word[0]) || !part(text[i-1])
		ends := end == len(text) || !part(text[end])
		out.WriteString(text[:i])
		if begins && ends {
			out.WriteString(with)
		} else {
			out.WriteString(word)
		}
		text = text[end:]
	}
}

// withoutUser replaces the user's name where it is a part of a path, as in /run/media/NAME.
func withoutUser(text, user string) string {
	if user == "" {
		return text
	}
	var out strings.Builder
	for {
		i := strings.Index(text, user)
		if i < 0 {
			return out.String() + text
		}
		end := i + len(user)
		before := i > 0 && (text[i-1] == '/' || text[i-1] == '\\')
		after := end == len(text) || strings.IndexByte("/\\: ,;'\")\n", text[end]) >= 0
		out.WriteString(text[:i])
		if before && after {
			out.WriteString("USER")
		} else {
			out.WriteString(user)
		}
		text = text[end:]
	}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
