// Package account holds the names of accounts, the environment variables that belong to them, and which
// of those variables hold a secret.
package account

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Name is one login at a provider: `mollie` is the default one, `mollie/shop-b` a named one. The zero
// value names none. Names are comparable.
type Name struct {
	Provider string
	Label    string // empty for the default account
}

// Parse reads PROVIDER or PROVIDER/NAME. Anything else is a usage failure.
func Parse(s string) (Name, error) {
	provider, label, named := strings.Cut(s, "/")
	if !ValidPart(provider) || (named && !ValidPart(label)) {
		return Name{}, fail.New(fail.Usage, "%q is not an account name", redact.Scrub(s, 80)).
			Advise(fail.DoNameAccount)
	}
	return Name{Provider: provider, Label: label}, nil
}

// ValidPart reports whether s may be the name of a provider or of an account at one:
// [a-z0-9][a-z0-9._-]{0,63} with no dot at the end, so that it is safe as a file name everywhere once
// it has a prefix.
func ValidPart(s string) bool {
	if s == "" || len(s) > 64 || s[len(s)-1] == '.' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// String returns the name as a user writes it.
func (n Name) String() string {
	if n.Label == "" {
		return n.Provider
	}
	return n.Provider + "/" + n.Label
}

// File returns the name as part of a file name: unique, free of separators, and never one of the device
// names of Windows.
func (n Name) File() string {
	if n.Label == "" {
		return "acct-" + n.Provider
	}
	return "acct-" + n.Provider + "~" + n.Label
}

// FromFile is the reverse of File. It reports false for anything that File does not return.
func FromFile(s string) (Name, bool) {
	s, ok := strings.CutPrefix(s, "acct-")
	if !ok {
		return Name{}, false
	}
	provider, label, named := strings.Cut(s, "~")
	if !ValidPart(provider) || (named && !ValidPart(label)) {
		return Name{}, false
	}
	return Name{Provider: provider, Label: label}, true
}

// Default returns the provider's default account.
func (n Name) Default() Name { return Name{Provider: n.Provider} }

// Var returns the environment variable of a setting, such as TOKENCLI_MOLONI_ON_CLIENT_ID or, for a
// named account, TOKENCLI_MOLLIE__SHOP_B_CLIENT_ID.
func (n Name) Var(setting string) string { return prefix + n.stem("__") + "_" + setting }

// TokenVar returns the variable under which `exec` and `token -o env` hand out the access token.
func (n Name) TokenVar() string { return n.stem("_") + "_ACCESS_TOKEN" }

// APIVar returns the variable under which the address of a proxy to the account's API is handed out.
func (n Name) APIVar() string { return n.stem("_") + "_API_URL" }

func (n Name) stem(separator string) string {
	stem := n.Provider
	if n.Label != "" {
		stem += separator + n.Label
	}
	return upper(stem)
}

func upper(s string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(s))
}

// Compare orders names by provider, then by label, so that the default account of a provider comes first.
func Compare(a, b Name) int {
	return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Label, b.Label))
}

// Sort sorts names in the order of Compare.
func Sort(names []Name) { slices.SortFunc(names, Compare) }

// Collides reports whether two different accounts would share an environment variable, as moloni/on and
// moloni-on do.
func (n Name) Collides(other Name) bool {
	return n != other && (n.TokenVar() == other.TokenVar() || n.Var("") == other.Var(""))
}
