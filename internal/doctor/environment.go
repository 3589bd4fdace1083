package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

const prefix = "TOKENCLI_"

// general are the variables that belong to no account.
var general = []string{
	"TOKENCLI_STORE", "TOKENCLI_CONFIG_DIR", "TOKENCLI_STATE_DIR", "TOKENCLI_OUTPUT", "TOKENCLI_DEBUG", "TOKENCLI_ON_ROTATE", "TOKENCLI_SANDBOX", account.FileKey, account.FilePassphrase,
}

// ofAccounts are what the variables of accounts end in.
var ofAccounts = []string{
	account.ClientID, account.ClientSecret, account.RedirectURI, account.Scopes, account.Username, account.Password,
	account.AccessToken, account.RefreshToken, account.BaseURL,
}

// spelling knows which variables there are.
type spelling struct {
	providers []string
}

func (e *examination) spelling() spelling {
	names, _ := e.session.Catalog.Names() // an unreadable folder is a finding of another check
	return spelling{names}
}

// read takes a variable apart. It reports false where no provider and setting fit.
func (s spelling) read(variable string) (name account.Name, setting string, ok bool) {
	for _, provider := range s.providers {
		rest, fits := strings.CutPrefix(variable, account.Name{Provider: provider}.Var(""))
		if !fits {
			continue
		}
		for _, setting := range ofAccounts {
			if rest == setting {
				return account.Name{Provider: provider}, setting, true
			}
			label, named := strings.CutPrefix(rest, "_")
			label, ends := strings.CutSuffix(label, "_"+setting)
			label = strings.ToLower(strings.ReplaceAll(label, "_", "-"))
			// Only the provider as a whole has a base URL.
			if named && ends && account.ValidPart(label) && setting != account.BaseURL {
				return account.Name{Provider: provider, Label: label}, setting, true
			}
		}
	}
	return account.Name{}, "", false
}

// accounts returns those that have a client, a user or a token in the environment.
func (s spelling) accounts(environ []string) []account.Name {
	var names []account.Name
	for _, variable := range variables(environ) {
		name, setting, ok := s.read(variable)
		if ok && setting != account.BaseURL && setting != account.Scopes && setting != account.RedirectURI {
			names = append(names, name)
		}
	}
	return sorted(names)
}

// variables returns the names of tokencli's variables that are set, sorted, in upper case: Windows does
// not tell the cases apart.
func variables(environ []string) []string {
	var names []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		name = strings.ToUpper(name)
		if strings.HasPrefix(name, prefix) && value != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// environment looks for variables that do not count: misspelt ones, and those of another store.
func (e *examination) environment(context.Context) []Finding {
	const check = "environment"
	spelling := e.spelling()
	set := variables(e.Environ)
	var findings []Finding
	for _, variable := range set {
		_, setting, known := spelling.read(variable)
		switch {
		case slices.Contains(general, variable):
			if store := "file"; (variable == account.FileKey || variable == account.FilePassphrase) && e.Session.Store != store {
				findings = append(findings, e.otherStore(variable, store))
			}
		case !known:
			findings = append(findings, e.misspelt(spelling, variable))
		case setting == account.AccessToken || setting == account.RefreshToken:
			if store := "env"; e.Session.Store != store {
				findings = append(findings, e.otherStore(variable, store))
			}
		}
	}
	if e.Session.Store == "file" && slices.Contains(set, account.FileKey) && slices.Contains(set, account.FilePassphrase) {
		findings = append(findings, warn(check, "unset one of them", "both %s and %s are set; the key counts", account.FileKey, account.FilePassphrase))
	}
	if len(findings) == 0 {
		text := "no variable of tokencli is set"
		if len(set) > 0 {
			text = fmt.Sprintf("%d of tokencli's variables are set, all of them known", len(set))
		}
		findings = append(findings, ok(check, "%s", text))
	}
	return findings
}

func (e *examination) otherStore(variable, store string) Finding {
	return warn("environment", "unset it, or set TOKENCLI_STORE="+store, "%s is set but counts only in the %s store; the store is %s",
		variable, store, either(e.Session.Store, "not known"))
}

// misspelt is what to say about a variable that nothing reads.
func (e *examination) misspelt(s spelling, variable string) Finding {
	const check = "environment"
	shown := redact.Scrub(variable, 120)
	if near := s.nearest(variable); near != "" {
		return wrong(check, fail.Usage, "rename it to "+near, "%s is no variable of tokencli; %s is", shown, near)
	}
	return warn(check, "see `tokencli help environment`; a variable of an account needs a provider that is known, see `tokencli provider list`",
		"%s is no variable of tokencli, or belongs to a provider that is not known", shown)
}

// nearest returns the variable that was probably meant, or nothing.
func (s spelling) nearest(variable string) string {
	candidates := slices.Clone(general)
	for _, provider := range s.providers {
		for _, setting := range ofAccounts {
			candidates = append(candidates, account.Name{Provider: provider}.Var(setting))
		}
		// The setting of a named account, with its own label.
		if rest, fits := strings.CutPrefix(variable, account.Name{Provider: provider}.Var("_")); fits {
			for cut := range len(rest) {
				if rest[cut] != '_' {
					continue
				}
				for _, setting := range ofAccounts {
					if setting != account.BaseURL {
						candidates = append(candidates, strings.TrimSuffix(variable, rest)+rest[:cut]+"_"+setting)
					}
				}
			}
		}
	}
	// One slip in every eight letters, beyond the prefix that all share.
	best, least := "", 1+(len(variable)-len(prefix))/8
	for _, candidate := range candidates {
		if d := distance(variable, candidate); d <= least && candidate != variable {
			if d < least || best == "" {
				best, least = candidate, d
			}
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with their neighbour that lead from a to b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
