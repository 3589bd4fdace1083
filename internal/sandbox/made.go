package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// made is a stand-in made from a definition: a request that is not exactly what the definition says is
// refused, with the reason. What the definition leaves open is answered as the RFCs say.
type made struct {
	d      *definition
	secret string // of the client
	keys   signingKeys
}

func makeDialect(text []byte, now time.Time) (dialect, error) {
	d, err := readDefinition(text)
	if err != nil {
		return dialect{}, err
	}
	m := &made{d: d, secret: "secret-for-" + d.Name + "-in-the-sandbox", keys: newSigningKeys()}
	out := dialect{
		name: d.Name, title: d.Title, clientID: "client-of-" + d.Name, clientSecret: m.secret,
		documented:   lives{code: 10 * time.Minute, access: d.Lifetimes.Access, refresh: d.Lifetimes.Refresh},
		rotates:      d.Rotation != "never",
		defaultScope: strings.Join(d.Scopes.Default, " "),
		retryAfter:   "delta",
		render:       m.render,
		missing:      func(*request) string { return "the definition has no such path" },
		newAccess:    func() string { return random(40, alnum) },
		newRefresh:   func() string { return random(40, alnum) },
		newCode:      func() string { return random(40, alnum) },
		sort:         m.operation,
		more:         m.settings(now),
		job:          m.d.Assertion.From == "github_actions",
		noSecret:     d.Client.Secret == "none",
	}
	if d.Authorize != nil && d.Authorize.CodeLife > 0 {
		out.documented.code = d.Authorize.CodeLife
	}
	if d.Lifetimes.Access == 0 {
		out.endless = append(out.endless, "access")
	}
	if d.Lifetimes.Refresh == 0 {
		out.endless = append(out.endless, "refresh")
	}
	out.passwordGrant = d.grants("password")
	if d.grants("static") {
		out.statics = []staticToken{{"static token", "sandbox:" + d.Name + "-static-token"}}
	}
	out.names = m.names()
	out.routes, out.sampleRedirect = m.routes(), m.sampleRedirect()
	return out, nil
}

// names are the fields that faults take out of replies.
func (m *made) names() wireNames {
	names := wireNames{access: m.d.Reply["access_token"][0], refresh: m.d.Reply["refresh_token"][0]}
	names.expiries = []string{"expires_in"}
	for _, field := range []string{"expires_in", "expires_at"} {
		names.expiries = append(names.expiries, m.d.Reply[field]...)
	}
	for _, field := range []string{"refresh_expires_in", "refresh_expires_at"} {
		names.refreshExpiries = append(names.refreshExpiries, m.d.Reply[field]...)
	}
	return names
}

// settings are what a login needs besides the client.
func (m *made) settings(now time.Time) []Variable {
	var list []Variable
	for _, input := range m.d.Inputs {
		for _, value := range []string{input.Default, "sandbox", "demo", "12345", "00000000-0000-4000-8000-000000000000"} {
			if value != "" && matchesWhole(input.Pattern, value) {
				list = append(list, Variable{"_INPUT_" + variableName(input.Name), value})
				break
			}
		}
	}
	if from := m.d.Assertion.From; from == "env" || from == "file" {
		list = append(list, Variable{"_ASSERTION", m.assertion(m.d.Assertion.Audience, now, yearlong)})
	}
	if m.usesClientKey() {
		list = append(list, Variable{"_CLIENT_KEY", m.keys.clientPEM()})
	}
	return list
}

// sampleRedirect is a redirect URI that the definition allows, where it has no default and needs one.
func (m *made) sampleRedirect() string {
	if !m.d.grants(kindCode) || m.d.Redirect.Default != "" {
		return ""
	}
	switch {
	case m.d.Redirect.HTTPS || m.d.Redirect.NoLoopback:
		return "https://app.example.test/callback"
	case m.d.discovers():
		return "" // any port of this machine (RFC 8252 7.3)
	}
	return "http://127.0.0.1:8976/callback"
}

// kept is the value of a field that the login keeps. One that begins an address is an address.
func (m *made) kept(name string) string {
	addresses := []string{m.d.API.URL}
	for _, w := range m.requests() {
		addresses = append(addresses, w.URL)
	}
	for _, address := range addresses {
		if strings.HasPrefix(address, "{"+name+"}") {
			return "https://" + m.d.Name + ".sandbox.example.test"
		}
	}
	return "sandbox-" + name
}

// requests returns every request that carries a credential.
func (m *made) requests() []*wanted {
	var list []*wanted
	for _, kind := range keys(m.d.Token) {
		list = append(list, m.d.Token[kind])
	}
	for _, w := range []*wanted{m.d.Revoke.Request, m.d.DeviceAuthorization} {
		if w != nil {
			list = append(list, w)
		}
	}
	return list
}

func (m *made) routes() []route {
	var list []route
	if a := m.d.Authorize; a != nil {
		path, _ := a.address()
		list = append(list, route{http.MethodGet, path, opAuthorize, m.authorize})
		if a.PAR {
			path, _ := splitAddress(m.pushURL())
			list = append(list, route{http.MethodPost, path, opPush, m.push})
		}
	}
	for _, w := range m.requests() {
		path, _ := w.address()
		r := route{w.Method, path, opToken, m.token}
		switch w.kind {
		case kindRevoke:
			r.op, r.handle = opRevoke, m.revoke
		case kindDevice:
			r.op, r.handle = opDevice, m.device
		}
		if !slices.ContainsFunc(list, func(o route) bool { return o.method == r.method && o.pattern == r.pattern }) {
			list = append(list, r)
		}
	}
	list = append(list, m.metadata()...)
	if m.d.Assertion.From == "github_actions" {
		list = append(list, route{http.MethodGet, idTokenPath, opOther, m.idToken})
	}
	if m.d.DeviceAuthorization != nil {
		list = append(list, route{http.MethodGet, devicePath, opConsent, (*request).devicePage},
			route{http.MethodPost, devicePath, opConsent, (*request).deviceDecided})
	}
	for _, p := range m.d.WhoAmI {
		path, _ := splitAddress(p.URL)
		list = append(list, route{p.method(), path, opAPI, func(c *request) *reply { return m.probe(c, p) }})
	}
	if m.d.API.URL != "" {
		path, _ := splitAddress(m.d.API.URL)
		// What `api` resolves against this address is below its last slash (RFC 3986 5.2.3).
		list = append(list, route{"", path[:strings.LastIndex(path, "/")+1] + "*", opAPI, m.api})
	}
	return list
}

func (m *made) authorize(c *request) *reply {
	if m.d.Authorize.PAR {
		return m.authorizePushed(c)
	}
	return c.authorize(m.authorizing(c, &m.d.Authorize.wanted))
}

// authorizing is the authorize endpoint of the definition for requests with the parameters of w.
func (m *made) authorizing(c *request, w *wanted) *authorizing {
	expected := m.d.expected(w)
	spec := &authorizing{bounce: true, redirectOptional: true, outOfBand: m.d.Redirect.OutOfBand, extra: map[string]string{}}
	for _, name := range keys(expected) {
		templates := expected[name]
		if len(templates) > 1 {
			spec.lists = append(spec.lists, name)
		}
		switch templates[0] {
		case "{client_id}":
			spec.client = name
		case "{redirect_uri}":
			spec.redirect, spec.redirectOptional = name, false
		case "{state}":
			spec.state = name
			spec.required = append(spec.required, name)
		case "{scope}":
			spec.scope = name
			spec.optional = append(spec.optional, name)
		case "{resource}":
			spec.optional = append(spec.optional, name)
		case "{code_challenge}":
			spec.challenge = name
			spec.required = append(spec.required, name)
		default:
			spec.required = append(spec.required, name)
		}
	}
	if slices.ContainsFunc([]string{"openid", "offline_access"}, func(s string) bool {
		return m.d.discovers() || slices.Contains(m.d.Scopes.Default, s)
	}) { // OpenID Connect Core 3.1.2.1
		spec.optional = append(spec.optional, "nonce", "prompt")
	}
	if spec.redirect == "" && len(c.st.redirect) == 0 {
		c.st.redirect = []string{m.d.Redirect.Default}
	}
	for _, name := range m.d.Callback.Keep {
		spec.extra[name] = m.kept(name)
	}
	spec.rule = m.redirectRule
	spec.scopes = func(asked string) ([]string, *problem) { return m.split(asked), nil }
	spec.verify = func(q params) *problem { return m.verifyAuthorize(c, q, expected) }
	return spec
}

func (m *made) verifyAuthorize(c *request, q params, expected map[string]words) *problem {
	h := held{}
	for _, name := range keys(expected) {
		value, given := q[name]
		if !given {
			continue // what is required was checked
		}
		if p := h.take(name, expected[name], strings.Split(value, "\n")); p != nil {
			return p
		}
	}
	if challenge, ok := h["code_challenge"]; ok && len(challenge) != 43 {
		return bad(badRequest, "code_challenge is not that of S256 (RFC 7636 4.2)")
	}
	return m.verify(c, h)
}

func (m *made) split(asked string) []string {
	return strings.FieldsFunc(asked, func(r rune) bool { return r == ' ' || strings.ContainsRune(m.d.Scopes.Separator, r) })
}

func (m *made) redirectRule(u *url.URL) *problem {
	if m.d.Redirect.HTTPS && u.Scheme != "https" {
		return bad(badURI, "the definition takes only https as redirect URI")
	}
	if m.d.Redirect.NoLoopback {
		return notLoopback(u)
	}
	return nil
}

// choose returns the request of the definition that a token request is meant to be: several may have one
// address, and differ in the parameters that are constant.
func (m *made) choose(c *request) *wanted {
	var first *wanted
	for _, w := range m.requests() {
		path, _ := w.address()
		if _, ok := match(path, c.path); !ok || w.Method != c.method || w.kind == kindRevoke || w.kind == kindDevice {
			continue
		}
		if first == nil {
			first = w
		}
		if m.fits(c, w) {
			return w
		}
	}
	return first // whose refusal says what is missing
}

// fits reports whether a request has the encoding of w and every parameter of it that is constant.
func (m *made) fits(c *request, w *wanted) bool {
	_, fixed := w.address()
	values, p := c.lists(w.Encoding, fixed)
	if p != nil {
		return false
	}
	for name, templates := range m.d.expected(w) {
		if len(holders(strings.Join(templates, ""))) == 0 && !slices.Equal(values[name], templates) {
			return false
		}
	}
	return true
}

func (m *made) operation(c *request) string {
	if w := m.choose(c); w != nil && w.kind == kindRefresh && m.fits(c, w) {
		return opRefresh
	}
	return opToken
}

func (m *made) token(c *request) *reply {
	w := m.choose(c)
	h, p := m.judge(c, w)
	if p != nil {
		return c.refuse(p)
	}
	got, nonce, p := m.grant(c, w.kind, h)
	if p != nil {
		return c.refuse(p)
	}
	return got.reply(m.tokens(c, got, nonce))
}

func (m *made) grant(c *request, kind string, h held) (granted, string, *problem) {
	var redirect *string
	if value, ok := h["redirect_uri"]; ok {
		redirect = &value
	}
	switch kind {
	case kindCode:
		var nonce string
		if k := c.st.codes[h["code"]]; k != nil {
			if nonce = k.nonce; k.challenge != "" && k.challenge != challengeOf(h["code_verifier"]) {
				return granted{}, "", bad(badGrant, "code_verifier does not fit the code_challenge (RFC 7636 4.6)")
			}
		}
		got, p := c.grant(kind, h["code"], redirect, "", badGrant)
		return got, nonce, p
	case kindRefresh:
		if p := m.mayRefresh(c, h, redirect); p != nil {
			return granted{}, "", p
		}
		got, p := c.grant("refresh_token", "", nil, h["refresh_token"], badGrant)
		return got, "", p
	case kindPoll:
		got, p := c.poll(h["device_code"])
		return got, "", p
	case "password":
		if h["username"] != c.srv.cfg.Username || h["password"] != c.srv.cfg.Password {
			return granted{}, "", bad(badGrant, "the user name or the password is wrong")
		}
	case "jwt_bearer", "token_exchange":
		if p := m.checkAssertion(c, h["assertion"]); p != nil {
			return granted{}, "", p
		}
	}
	return c.mint(m.split(h["scope"])), "", nil
}

// mayRefresh checks what a refresh token alone does not say.
func (m *made) mayRefresh(c *request, h held, redirect *string) *problem {
	t := c.st.tokens[h["refresh_token"]]
	if t == nil || !t.refresh || t.spent {
		return nil // its own refusal follows
	}
	if _, sends := m.sends(kindRefresh, "{redirect_uri}"); sends {
		had := t.family.redirect
		if (had == nil) != (redirect == nil) || had != nil && *had != *redirect {
			return bad(badRequest, "redirect_uri is not the one of the exchange of the code")
		}
	}
	latest := t.family.latest
	if wait := m.d.Lifetimes.RefreshNotBefore; wait > 0 && !over(c.now, latest.expires) && c.now.Sub(latest.issued) < wait {
		return bad(badRequest, "the access token is younger than %s", wait)
	}
	return nil
}

// sends returns the name of the parameter whose value is the placeholder.
func (m *made) sends(kind, placeholder string) (string, bool) {
	if w := m.d.Token[kind]; w != nil {
		for name, templates := range m.d.expected(w) {
			if slices.Contains(templates, placeholder) {
				return name, true
			}
		}
	}
	return "", false
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// tokens writes a reply with the names of the definition.
func (m *made) tokens(c *request, got granted, nonce string) map[string]any {
	out := map[string]any{}
	m.put(out, "access_token", got.access.value)
	if m.d.Token[kindRefresh] != nil {
		m.put(out, "refresh_token", got.refresh.value)
		m.putExpiry(c, out, got.refresh.expires, "refresh_expires_in", "refresh_expires_at")
	}
	m.putExpiry(c, out, got.access.expires, "expires_in", "expires_at")
	if m.d.Reply["access_token"][0] == "access_token" || m.d.Reply["token_type"] != nil {
		m.put(out, "token_type", "Bearer")
	}
	scopes := got.access.family.scopes
	if len(scopes) > 0 {
		m.put(out, "scope", strings.Join(scopes, m.d.Scopes.Separator))
	}
	for _, name := range m.d.Reply["keep"] {
		place(out, name, m.kept(name))
	}
	if slices.Contains(scopes, "openid") {
		m.put(out, "id_token", sign(m.keys.issuer, map[string]any{
			"iss": m.issuer(), "sub": "sandbox-user", "aud": c.st.clientID, "nonce": nonce,
			"iat": c.now.Unix(), "exp": c.now.Add(time.Hour).Unix(),
		}))
	}
	return out
}

// put writes a field where the definition has it.
func (m *made) put(out map[string]any, field string, value any) {
	path := field
	if names := m.d.Reply[field]; len(names) > 0 {
		path = names[0]
	}
	place(out, path, value)
}

// putExpiry writes an expiry as an instant where the definition knows one, else in seconds. That of a
// refresh token has no standard name.
func (m *made) putExpiry(c *request, out map[string]any, end time.Time, in, at string) {
	switch {
	case end.IsZero():
	case len(m.d.Reply[at]) > 0:
		m.put(out, at, end.UTC().Format(time.RFC3339))
	case len(m.d.Reply[in]) > 0 || in == "expires_in":
		m.put(out, in, int64(end.Sub(c.now)/time.Second))
	}
}

// place puts a value at a path such as data.token.
func place(out map[string]any, path string, value any) {
	parts := strings.Split(path, ".")
	for _, name := range parts[:len(parts)-1] {
		inner, ok := out[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			out[name] = inner
		}
		out = inner
	}
	out[parts[len(parts)-1]] = value
}

func (m *made) device(c *request) *reply {
	h, p := m.judge(c, m.d.DeviceAuthorization)
	if p != nil {
		return c.refuse(p)
	}
	return c.startDevice(m.split(h["scope"]))
}

func (m *made) revoke(c *request) *reply {
	h, p := m.judge(c, m.d.Revoke.Request)
	if p != nil {
		return c.refuse(p)
	}
	return c.revoke(&reply{status: http.StatusOK}, h["token"], false)
}

// render writes a refusal with the names of the definition, and with the words by which it knows the end of
// a login or of an access token.
func (m *made) render(c *request, p problem) *reply {
	status, code, text := p.statusOr(), p.codeOr(), p.text
	var known []rule
	switch {
	case p.kind == badToken && p.code == "":
		known = m.d.API.Expired
	case p.kind == badGrant && p.code == "" && c.op == opRefresh:
		known = m.d.Errors.Ended
		if m.d.Errors.Undocumented {
			code = "refused"
		}
	}
	if len(known) > 0 {
		r := known[0]
		set(&r.Code, code)
		code, text = r.Code, strings.TrimSpace(r.Text+" "+text)
		if r.Status != 0 && p.status == 0 {
			status = r.Status
		}
	}
	body := map[string]any{}
	place(body, m.d.Errors.Description[0], text)
	place(body, m.d.Errors.Code[0], code)
	out := jsonReply(status, body)
	if status == http.StatusUnauthorized {
		out.set("WWW-Authenticate", `Bearer error="`+p.kind.code+`"`)
	}
	return out
}
