package doctor

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/callback"
	"github.com/tokencli/tokencli/internal/fail"
)

// Report is what a run found, in a fixed order.
type Report struct {
	Findings  []Finding
	input     *Input
	variables []string
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

// Bundle returns the report as a text that can be published. It consists of the words of the findings, without anything
// that they quote: no value of a setting, no path, host or account name.
func (r *Report) Bundle() string {
	var b strings.Builder
	b.WriteString("tokencli doctor, for an issue. … stands for what is left out: values, paths, hosts, names.\n\n")
	host := append([]string{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}, callback.HostKind(r.input.Environ)...)
	fmt.Fprintf(&b, "version: %s (%s)\n", r.input.Version, strings.Join(host, ", "))
	fmt.Fprintf(&b, "store: %s, by %s\n", cmp.Or(r.input.Session.Store, "not known"), r.input.StoreFrom)
	fmt.Fprintf(&b, "variables that are set: %s\n\n", cmp.Or(strings.Join(r.variables, ", "), "none"))
	numbers := make(map[string]int) // of accounts with a name of their own
	for _, f := range r.Findings {
		subject := f.Check
		if provider, label, _ := strings.Cut(f.Account, "/"); provider != "" {
			subject += " " + provider
			if label != "" {
				if numbers[f.Account] == 0 {
					numbers[f.Account] = len(numbers) + 1
				}
				subject += fmt.Sprintf("/n%d", numbers[f.Account])
			}
		}
		fmt.Fprintf(&b, "%-8s %s: %s\n", f.State, subject, cmp.Or(f.words, "…"))
		if f.State == Problem {
			fmt.Fprintf(&b, "         exit code: %d\n", int(f.Kind))
		}
	}
	return b.String()
}

// published returns the variables that are set and known, without the names of accounts in them.
func (e *run) published() []string {
	var names []string
	unknown := 0
	providers := e.providers()
	for _, variable := range variables(e.Environ) {
		name, setting, ok := account.ParseVar(variable, providers)
		switch {
		case slices.Contains(account.General(), variable):
			names = append(names, variable)
		case !ok:
			unknown++
		case name.Label == "":
			names = append(names, name.Var(setting))
		default:
			names = append(names, name.Default().Var("_…_"+setting))
		}
	}
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "BROWSER"} {
		if _, value := e.either(name); value != "" {
			names = append(names, name)
		}
	}
	if unknown > 0 {
		names = append(names, fmt.Sprintf("%d unknown", unknown))
	}
	return names
}
