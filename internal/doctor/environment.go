package doctor

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

const prefix = "TOKENCLI_"

func (e *run) providers() []string {
	names, _ := e.session.Catalog.Names() // an unreadable folder is a finding of another check
	return names
}

// inVariables returns the accounts that have a client, a user or a token in the environment.
func (e *run) inVariables() []account.Name {
	var names []account.Name
	providers := e.providers()
	for _, variable := range variables(e.Environ) {
		name, setting, ok := account.ParseVar(variable, providers)
		if ok && !slices.Contains([]string{account.BaseURL, account.Chosen, account.Scopes, account.RedirectURI}, setting) &&
			!strings.HasPrefix(setting, account.Input) {
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
func (e *run) environment(context.Context) []Finding {
	const check = "environment"
	providers := e.providers()
	set := variables(e.Environ)
	var findings []Finding
	for _, variable := range set {
		name, setting, known := account.ParseVar(variable, providers)
		if _, err := account.CleanVar(variable, e.Getenv(variable)); err != nil && (known || slices.Contains(account.General(), variable)) {
			findings = append(findings, Failed(check, err))
			continue
		}
		switch {
		case slices.Contains(account.General(), variable):
			if store := "file"; (variable == account.FileKey || variable == account.FilePassphrase) && e.Session.Store != store {
				findings = append(findings, e.otherStore(variable, store))
			}
		case !known:
			findings = append(findings, misspelt(variable, providers))
		case setting == account.Chosen:
			findings = append(findings, e.chosen(name, variable))
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
		findings = append(findings, ok(check, "set variables of tokencli: %d, all of them known", len(set)))
	}
	return findings
}

// chosen reports which account the bare name of a provider means.
func (e *run) chosen(name account.Name, variable string) Finding {
	const check = "environment"
	label, _ := account.CleanVar(variable, e.Getenv(variable)) // checked by the caller
	if label != "" && !account.ValidPart(label) {
		return wrong(check, fail.Usage, "set it to the name of an account, such as shop-b for "+name.Provider+"/shop-b, or unset it",
			"%s is not the name of an account", variable)
	}
	name.Label = label
	return ok(check, "%s: %s means the account %s", variable, name.Provider, name)
}

func (e *run) otherStore(variable, store string) Finding {
	return warn("environment", "unset it, or set TOKENCLI_STORE="+store, "%s is set but counts only in the %s store; the store is %s",
		variable, store, cmp.Or(e.Session.Store, "not known"))
}

// misspelt is what to say about a variable that nothing reads.
func misspelt(variable string, providers []string) Finding {
	const check = "environment"
	shown := redact.Scrub(variable, 120)
	if near := nearest(variable, providers); near != "" {
		return wrong(check, fail.Usage, "rename it to "+near, "%s is not a variable of tokencli; did you mean %s?", shown, near)
	}
	return advise(warn(check, "", "%s is not a variable of tokencli, or its provider is unknown", shown), fail.DoSeeEnvironment)
}

// nearest returns the variable that was probably meant, or "".
func nearest(variable string, providers []string) string {
	candidates := account.General()
	settings := append(account.Settings(), account.BaseURL, account.Chosen)
	for _, provider := range providers {
		for _, setting := range settings {
			candidates = append(candidates, account.Name{Provider: provider}.Var(setting))
		}
		// The setting of a named account, with its own label.
		rest, fits := strings.CutPrefix(variable, account.Name{Provider: provider}.Var("_"))
		for cut := range len(rest) {
			if fits && rest[cut] == '_' {
				for _, setting := range account.Settings() {
					candidates = append(candidates, strings.TrimSuffix(variable, rest)+rest[:cut]+"_"+setting)
				}
			}
		}
	}
	return fail.Nearest(variable, candidates)
}
