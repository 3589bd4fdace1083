package sandbox

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// outOfBand is the redirect URI that asks for the code to be shown instead of sent.
const outOfBand = "urn:ietf:wg:oauth:2.0:oob"

// askLife is how long a consent page can be answered.
const askLife = 10 * time.Minute

// authorizing is an authorize endpoint as data.
type authorizing struct {
	client, redirect string   // the names of the two parameters
	required         []string // beyond those two
	optional         []string
	responseType     bool // response_type=code is required
	redirectOptional bool // may be left out where one is registered
	outOfBand        bool
	jsonErrors       bool // refusals are JSON, not a page
	bounce           bool // refusals go back to a good redirect URI
	rule             func(*url.URL) *problem
	scopes           func(asked string) ([]string, *problem) // nil: the provider has none
	agreed           func(*request, params)                  // after the consent

	state, scope string                // the names of these parameters, where they are others
	challenge    string                // the name of PKCE's code_challenge; empty: no PKCE
	lists        []string              // parameters that may be repeated; their values are joined by a line break
	verify       func(params) *problem // what is not said above
	extra        map[string]string     // sent back besides the code
}

// ask is a consent page that waits for its answer.
type ask struct {
	spec     *authorizing
	query    params
	redirect string
	scopes   []string
	expires  time.Time
}

func (c *request) authorize(spec *authorizing) *reply {
	q, p := parseForm(c.rawQuery, spec.lists...)
	if p != nil {
		return c.refuseAuthorize(spec, p)
	}
	return c.consider(spec, q)
}

// consider decides about an authorization request, or asks the user.
func (c *request) consider(spec *authorizing, q params) *reply {
	if q[spec.client] == "" {
		return c.refuseAuthorize(spec, bad(badClient, "parameter %s is missing", spec.client))
	}
	if q[spec.client] != c.st.clientID {
		return c.refuseAuthorize(spec, bad(badClient, "no client has this id"))
	}
	redirect, p := c.redirectFor(spec, q)
	if p != nil {
		return c.refuseAuthorize(spec, p)
	}
	scopes, p := spec.check(q)
	if p != nil {
		if !spec.bounce || redirect == outOfBand {
			return c.refuseAuthorize(spec, p)
		}
		return c.sendBack(http.StatusFound, spec, redirect, q, url.Values{"error": {p.codeOr()}, "error_description": {p.text}}).
			refusal(p.text)
	}
	a := &ask{spec: spec, query: q, redirect: redirect, scopes: scopes, expires: c.now.Add(askLife)}
	switch c.srv.cfg.Consent {
	case ConsentAllow:
		return c.allow(a, http.StatusFound)
	case ConsentDeny:
		return c.deny(a, http.StatusFound)
	}
	for id, old := range c.st.asks { // pages that nobody answered
		if over(c.now, old.expires) {
			delete(c.st.asks, id)
		}
	}
	id := random(32, alnum)
	c.st.asks[id] = a
	return c.srv.pages.ask(c, a, id).why("asking the user for consent")
}

// redirectFor returns the URI that the browser will be sent to, which has to be a registered one.
func (c *request) redirectFor(spec *authorizing, q params) (string, *problem) {
	raw, given := q[spec.redirect]
	registered := c.st.redirect
	switch {
	case !given && spec.redirectOptional && len(registered) > 0:
		raw = registered[0]
	case raw == "":
		return "", bad(badURI, "parameter %s is missing", spec.redirect)
	case len(registered) > 0 && !slices.Contains(registered, raw):
		return "", bad(badRedirect, "%s is not exactly a registered one", spec.redirect)
	}
	if raw == outOfBand && spec.outOfBand {
		return raw, nil
	}
	u, p := absolute(raw)
	if p == nil && spec.rule != nil {
		p = spec.rule(u)
	}
	return raw, p
}

// check judges what is left once the client and the redirect URI are known to be good.
func (spec *authorizing) check(q params) ([]string, *problem) {
	known := slices.Concat([]string{spec.client, spec.redirect, spec.stateName()}, spec.required, spec.optional)
	required := spec.required
	if spec.responseType {
		known = append(known, "response_type")
		required = slices.Concat([]string{"response_type"}, required)
	}
	p := q.only(known...)
	if p == nil {
		p = q.need(required...)
	}
	switch {
	case p != nil:
	case spec.responseType && q["response_type"] != "code":
		p = bad(badResponse, "response_type has to be code")
	case spec.verify != nil:
		p = spec.verify(q)
	}
	if p != nil || spec.scopes == nil {
		return nil, p
	}
	return spec.scopes(q[cmp.Or(spec.scope, "scope")])
}

func (spec *authorizing) stateName() string { return cmp.Or(spec.state, "state") }

func (c *request) refuseAuthorize(spec *authorizing, p *problem) *reply {
	if spec.jsonErrors {
		return c.refuse(p)
	}
	return c.refusedPage(p)
}

// sendBack redirects with the values and the state. The registered URI stays as it is, byte for byte.
func (c *request) sendBack(status int, spec *authorizing, redirect string, q params, v url.Values) *reply {
	name := spec.stateName()
	if state, ok := q[name]; ok && !c.st.noState {
		v.Set(name, state)
	}
	sep := "?"
	if strings.Contains(redirect, "?") {
		sep = "&"
	}
	return redirectReply(status, redirect+sep+v.Encode())
}

func (c *request) allow(a *ask, status int) *reply {
	if a.spec.agreed != nil {
		a.spec.agreed(c, a.query)
	}
	k := &code{
		value: c.st.newCode(), redirect: a.redirect, scopes: c.st.allowed(a.scopes),
		expires: after(c.now, c.st.lives.code), challenge: a.query[a.spec.challenge], nonce: a.query["nonce"],
	}
	c.st.codes[k.value] = k
	var out *reply
	if a.redirect == outOfBand {
		out = c.srv.pages.code(c, k.value).why("consent given; the code is shown")
	} else {
		v := url.Values{"code": {k.value}}
		for name, value := range a.spec.extra {
			v.Set(name, value)
		}
		out = c.sendBack(status, a.spec, a.redirect, a.query, v).why("consent given; a code is sent back")
	}
	return out.counts(func(s *Stats) { s.Allowed++ })
}

// deny answers with access_denied (RFC 6749 4.1.2.1). For Moloni ON and Moloni it is unknown how a "no"
// comes back; the stand-in chooses the same for all.
func (c *request) deny(a *ask, status int) *reply {
	var out *reply
	if a.redirect == outOfBand {
		out = c.srv.pages.refused(c, bad(kind{"access_denied", http.StatusForbidden}, "access was denied"))
	} else {
		out = c.sendBack(status, a.spec, a.redirect, a.query,
			url.Values{"error": {"access_denied"}, "error_description": {"the user denied access"}})
	}
	return out.why("consent denied").counts(func(s *Stats) { s.Denied++ })
}

// consentGiven takes the answer of the consent page. Its id is good once.
func (c *request) consentGiven() *reply {
	v, p := c.values("form")
	if p == nil {
		p = v.exactly("request", "decision")
	}
	if p != nil {
		return c.refusedPage(p)
	}
	a := c.st.asks[v["request"]]
	delete(c.st.asks, v["request"])
	switch {
	case a == nil:
		return c.refusedPage(bad(badRequest, "this page was answered before, or never asked"))
	case over(c.now, a.expires):
		return c.refusedPage(bad(badRequest, "this page was left open too long"))
	case v["decision"] == "allow":
		return c.allow(a, http.StatusSeeOther)
	case v["decision"] == "deny":
		return c.deny(a, http.StatusSeeOther)
	}
	return c.refusedPage(bad(badRequest, "the decision is neither allow nor deny"))
}

func (c *request) refusedPage(p *problem) *reply { return c.srv.pages.refused(c, p).refusal(p.text) }
