package session

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/refresh"
)

// lookup finds the settings of a login: in the flags, the environment, the configuration, the stored
// credential and the definition, in this order.
type lookup struct {
	*Session
	flags      Login
	name       account.Name
	definition *provider.Definition
	old        *credential.Credential // nil: not logged in
	challenge  []string               // the scopes that the resource asks for
}

func (s *Session) defaults(name account.Name) Defaults {
	if s.Defaults == nil {
		return Defaults{}
	}
	return s.Defaults(name)
}

func (l *lookup) grant() (credential.Grant, error) {
	if l.flags.StaticToken != "" {
		return credential.Static, nil
	}
	grant := cmp.Or(l.flags.Grant, l.defaults(l.name).Grant, l.definition.Grants[0])
	switch {
	case grant == GrantStatic:
		return "", fail.New(fail.Usage, "a static token is read from stdin").Advise(fail.DoReadToken, l.name)
	case !l.definition.Has(grant):
		return "", fail.New(fail.Usage, "%s has no grant %q; its grants are %s", l.definition.Title, redact.Scrub(grant, 40), strings.Join(l.definition.Grants, ", "))
	}
	return credential.Grant(grant), nil
}

func (l *lookup) clientID() string {
	id := l.givenClientID()
	if id == "" && l.keepsClient() {
		id = l.old.ClientID
	}
	return id
}

// givenClientID returns the id of the client that the user registered.
func (l *lookup) givenClientID() string {
	return cmp.Or(l.flags.ClientID, l.name.Lookup(l.Getenv, account.ClientID), l.defaults(l.name).ClientID)
}

// keepsClient reports whether a new login uses the client of the stored one: not at another issuer, and not a
// registration whose secret has expired (RFC 7591 3.2.1).
func (l *lookup) keepsClient() bool {
	if l.old == nil || l.old.Issuer != "" && l.old.Issuer != l.definition.Issuer {
		return false
	}
	expires := l.old.Registration.SecretExpiresAt
	return expires.IsZero() || l.now().Before(expires)
}

// clientSecret returns the secret of the client id. A stored secret belongs to the stored id.
func (l *lookup) clientSecret(id string) string {
	secret := l.name.Lookup(l.Getenv, account.ClientSecret)
	if secret == "" && l.keepsClient() && l.old.ClientID == id {
		secret = l.old.ClientSecret.Reveal()
	}
	return secret
}

// clientKey returns the key of the client id, or the path of a file with it. A stored key belongs to the stored id.
func (l *lookup) clientKey(id string) credential.Secret {
	key := refresh.KeySetting(l.name.Lookup(l.Getenv, account.ClientKey))
	if key == "" && l.keepsClient() && l.old.ClientID == id {
		key = l.old.ClientKey
	}
	return key
}

func (l *lookup) redirectURI() string {
	uri := cmp.Or(l.flags.RedirectURI, l.name.Lookup(l.Getenv, account.RedirectURI), l.defaults(l.name).RedirectURI)
	standard := l.definition.Redirect.Default
	if uri == "" && l.old != nil && !pickedPort(standard, l.old.RedirectURI) {
		uri = l.old.RedirectURI
	}
	return cmp.Or(uri, standard)
}

// pickedPort reports whether uri is standard with a free port in place of its port 0. That port was picked for
// one login, and another program may use it at the next.
func pickedPort(standard, uri string) bool {
	a, errA := url.Parse(standard)
	b, errB := url.Parse(uri)
	return errA == nil && errB == nil && a.Port() == "0" && b.Port() != "" &&
		a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && a.RequestURI() == b.RequestURI()
}

// scopes returns the scopes to ask for. It warns about those of the stored login that --scope would drop.
func (l *lookup) scopes() []string {
	set := l.chosenScopes()
	if dropped := without(l.storedScopes(), set); len(split(l.flags.Scopes)) > 0 && len(dropped) > 0 {
		l.tell("warning: the new login of %s does not ask for scopes of the present one: %s", l.name, printable(dropped))
	}
	return set
}

func (l *lookup) storedScopes() []string {
	if l.old == nil {
		return nil
	}
	return l.old.Scopes
}

func (l *lookup) chosenScopes() []string {
	stored := l.storedScopes()
	flags := split(l.flags.Scopes)
	set := flags
	for _, list := range [][]string{
		credential.SplitScopes(l.name.Lookup(l.Getenv, account.Scopes)), l.defaults(l.name).Scopes, stored, l.definition.Scopes.Default,
	} {
		if len(set) == 0 {
			set = list
		}
	}
	added := split(l.flags.AddScopes)
	if len(added) > 0 && len(flags) == 0 && len(stored) > 0 {
		set = stored
	}
	set = slices.Clone(set)
	for _, scope := range added {
		if !slices.Contains(set, scope) {
			set = append(set, scope)
		}
	}
	return set
}

func split(lists []string) []string { return credential.SplitScopes(strings.Join(lists, " ")) }

func without(scopes, others []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return slices.Contains(others, scope) })
}

func printable(scopes []string) string { return redact.Printable(strings.Join(scopes, ", ")) }
