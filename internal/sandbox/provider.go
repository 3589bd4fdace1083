package sandbox

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// dialect is what sets one provider apart: its names, rules, lives, endpoints and words.
type dialect struct {
	name, title            string
	clientID, clientSecret string        // of the client that exists without registration
	documented             lives         // what the provider's pages say
	endless                []string      // the lives that the pages leave without an end: "access", "refresh"
	rotates                bool          // a refresh replaces the refresh token
	passwordGrant          bool          // there is a user with a password
	noSecret               bool          // the client is public
	sampleRedirect         string        // for a provider that takes no loopback address
	defaultScope           string        // what a token minted for a test has
	names                  wireNames     // in token requests and replies
	retryAfter             string        // "delta" or "epoch": how Retry-After is written
	statics                []staticToken // credentials without a login
	routes                 []route
	sort                   func(*request) string          // the operation of a token request; nil: by names.grantType
	more                   []Variable                     // settings besides the client's, without the prefix
	job                    bool                           // issues ID tokens for a GitHub Actions job
	render                 func(*request, problem) *reply // puts a refusal into the provider's form
	missing                func(*request) string          // why a path is not found
	newAccess, newRefresh  func() string
	newCode                func() string
}

// wireNames are what the provider calls things; faults and the sorting of requests need them.
type wireNames struct {
	grantType       string
	access, refresh string   // in replies
	expiries        []string // in replies, of the access token
	refreshExpiries []string
}

type staticToken struct{ kind, value string }

// lives are how long things are good for; zero is without end.
type lives struct{ code, access, refresh time.Duration }

// provider is one provider in play: its dialect and everything it has handed out.
type provider struct {
	dialect
	lives    lives
	asks     map[string]*ask    // by the one-time id of the consent page
	pushes   map[string]*pushed // by request_uri
	codes    map[string]*code   // by value; used ones stay, to tell reuse from invention
	tokens   map[string]*token  // by value; spent ones stay
	devices  map[string]*device // by device code; used ones stay
	interval time.Duration      // between the polls of device logins from now on
	redirect []string           // registered URIs; empty: those that keep the rule
	keep     bool               // the refresh token stays, however the dialect has it
	noState  bool
	granted  []string // the most that a consent gives; nil: everything
	stats    Stats
}

// family is one authorization: what was agreed to once, and all tokens that come from it.
type family struct {
	scopes   []string
	redirect *string // sent with the exchange; nil when it was left out
	kind     string  // of a static token
	latest   *token  // the access token that was made last
	ended    bool
}

type token struct {
	value   string
	refresh bool
	family  *family
	expires time.Time // zero: never
	issued  time.Time
	spent   bool
	revoked bool
}

type code struct {
	value    string
	redirect string // at authorize, byte for byte
	scopes   []string
	expires  time.Time
	used     bool

	challenge, nonce string // sent to the authorize endpoint: PKCE (RFC 7636 4.3), OpenID Connect
}

type pair struct{ access, refresh *token }

func newProvider(d dialect, cfg Config) *provider {
	st := &provider{
		dialect: d, asks: map[string]*ask{}, pushes: map[string]*pushed{}, codes: map[string]*code{}, tokens: map[string]*token{},
		devices: map[string]*device{}, interval: standardInterval,
		redirect: cfg.RedirectURIs[d.name], granted: cfg.GrantScopes[d.name], noState: cfg.OmitState[d.name],
		keep: !d.rotates, lives: d.documented, stats: Stats{Requests: map[string]int{}},
	}
	if id, ok := cfg.ClientID[d.name]; ok {
		st.clientID = id
	}
	if secret, ok := cfg.ClientSecret[d.name]; ok {
		st.clientSecret = secret
	}
	if rotate, ok := cfg.Rotate[d.name]; ok {
		st.keep = !rotate
	}
	for life, set := range map[*time.Duration]time.Duration{
		&st.lives.code: cfg.CodeLife, &st.lives.access: cfg.AccessLife, &st.lives.refresh: cfg.RefreshLife,
	} {
		if set > 0 {
			*life = set
		}
	}
	for _, t := range d.statics {
		st.tokens[t.value] = &token{value: t.value, family: &family{kind: t.kind}}
	}
	return st
}

func after(now time.Time, life time.Duration) time.Time {
	if life == 0 {
		return time.Time{}
	}
	return now.Add(life)
}

func over(now, end time.Time) bool { return !end.IsZero() && !now.Before(end) }

func (st *provider) newToken(now time.Time, value string, refresh bool, f *family, life time.Duration) *token {
	t := &token{value: value, refresh: refresh, family: f, issued: now, expires: after(now, life)}
	if !refresh {
		f.latest = t
	}
	st.tokens[value] = t
	return t
}

func (st *provider) issue(now time.Time, f *family) pair {
	return pair{
		access:  st.newToken(now, st.newAccess(), false, f, st.lives.access),
		refresh: st.newToken(now, st.newRefresh(), true, f, st.lives.refresh),
	}
}

// rotate makes the tokens that follow from a refresh token that lives. Where the provider rotates, the old
// one is spent. The access token of before lives out its time: no source says that it ends.
func (st *provider) rotate(now time.Time, old *token) pair {
	if st.keep {
		return pair{access: st.newToken(now, st.newAccess(), false, old.family, st.lives.access), refresh: old}
	}
	old.spent = true
	return st.issue(now, old.family)
}

// living returns the refresh token of that value, or why it cannot be used. Reuse of a spent one is
// refused and counted, and ends nothing else: vendor plugins and reports tell of losers of a race that
// continue with the winner's pair; for the others it is unknown.
//
// The texts name no client and no credentials: where a provider has no error codes, callers tell a dead
// token from a bad client by the words.
func (st *provider) living(now time.Time, value string) (*token, *problem) {
	t := st.tokens[value]
	switch {
	case t == nil || !t.refresh:
		return nil, bad(badGrant, "the refresh token is unknown")
	case t.spent:
		st.stats.ReusedRefreshTokens++
		return nil, bad(badGrant, "the refresh token was used before, and is spent")
	case t.revoked || t.family.ended:
		return nil, bad(badGrant, "the authorization of this refresh token was ended")
	case over(now, t.expires):
		return nil, bad(badGrant, "the refresh token has expired")
	}
	return t, nil
}

// usable returns the access token of that value, or why it cannot be used.
func (st *provider) usable(now time.Time, value string) (*token, *problem) {
	t := st.tokens[value]
	switch {
	case t == nil:
		return nil, bad(badToken, "the access token is unknown")
	case t.refresh:
		return nil, bad(badToken, "this is a refresh token, not an access token")
	case t.revoked || t.family.ended:
		return nil, bad(badToken, "the access token was revoked")
	case over(now, t.expires):
		return nil, bad(badToken, "the access token has expired")
	}
	return t, nil
}

// redeem spends a code. redirect is the one sent with the exchange, nil for none; it has to be the one of
// the authorize request, byte for byte (RFC 6749 4.1.3). Reuse is refused and ends nothing: unknown for
// all four.
func (st *provider) redeem(now time.Time, value string, redirect *string, mismatch kind) (*code, *problem) {
	k := st.codes[value]
	switch {
	case k == nil:
		return nil, bad(badGrant, "the code is unknown")
	case k.used:
		st.stats.ReusedCodes++
		return nil, bad(badGrant, "the code was used before: it is good for one exchange")
	case over(now, k.expires):
		return nil, bad(badGrant, "the code has expired: it was valid for %s", st.lives.code)
	case redirect != nil && *redirect != k.redirect:
		return nil, bad(mismatch, "redirect_uri is not the one of the authorize request")
	}
	k.used = true
	return k, nil
}

func (st *provider) client(id, secret string) *problem {
	switch {
	case id != st.clientID:
		return bad(badClient, "no client has this id")
	case secret != st.clientSecret:
		return bad(badClient, "the client secret is wrong")
	}
	return nil
}

// allowed cuts what was asked for down to what is granted.
func (st *provider) allowed(asked []string) []string {
	if st.granted == nil {
		return asked
	}
	return slices.DeleteFunc(slices.Clone(asked), func(scope string) bool { return !slices.Contains(st.granted, scope) })
}

func (t *token) has(scope string) bool {
	return t.family.kind != "" || slices.Contains(t.family.scopes, scope)
}

func (t *token) scope() string { return strings.Join(t.family.scopes, " ") }

// expire ends tokens as if their time had passed.
func (st *provider) expire(now time.Time, access, refresh bool) (ended int) {
	for _, t := range st.tokens {
		if t.family.kind == "" && (t.refresh && refresh || !t.refresh && access) && !over(now, t.expires) {
			t.expires = now
			ended++
		}
	}
	return ended
}

// absolute parses a redirect URI that the browser could be sent to.
func absolute(raw string) (*url.URL, *problem) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil {
		return nil, bad(badURI, "the redirect URI is not an absolute address")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, bad(badURI, "the redirect URI is neither http nor https")
	}
	if strings.Contains(raw, "#") {
		return nil, bad(badURI, "the redirect URI has a fragment (RFC 6749 3.1.2)")
	}
	return u, nil
}
