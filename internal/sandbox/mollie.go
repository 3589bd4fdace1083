package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Mollie: https://docs.mollie.com/reference/oauth2/authorize,
// https://docs.mollie.com/reference/oauth-revoke-tokens. The two hosts my.mollie.com and
// api.mollie.com are one here: their paths do not meet.

const (
	mollieKey = "API key" // live_ and test_: of one profile
	mollieOrg = "organization access token"
)

func mollie() dialect {
	return dialect{
		name:         "mollie",
		title:        "Mollie",
		clientID:     "app_SandboxSandboxSandboxSa",
		clientSecret: "sandboxMollieSecretSandboxMollieSecret00",
		documented:   lives{code: 30 * time.Second, access: time.Hour}, // code: docs/providers.md
		endless:      []string{"refresh"},                              // "The refresh token does not expire."
		rotates:      false,                                            // the sample's reply repeats it
		defaultScope: "organizations.read",
		names: wireNames{
			grantType: "grant_type", access: "access_token", refresh: "refresh_token", expiries: []string{"expires_in"},
		},
		retryAfter: "delta", // unknown; the stand-in chooses the common form
		statics: []staticToken{
			{mollieKey, "live_SandboxSandboxSandboxSandboxSa"},
			{mollieKey, "test_SandboxSandboxSandboxSandboxSa"},
			{mollieOrg, "access_SandboxOrganizationTokenSandbox"},
		},
		routes: []route{
			{http.MethodGet, "/oauth2/authorize", opAuthorize, func(c *request) *reply { return c.authorize(mollieAuthorize()) }},
			{http.MethodPost, "/oauth2/tokens", opToken, mollieTokens},
			{http.MethodDelete, "/oauth2/tokens", opRevoke, mollieRevoke},
			{http.MethodGet, "/oauth2/tokens", opToken, mollieGet},
			{http.MethodGet, "/v2/organizations/me", opAPI, mollieOrganization},
			{http.MethodGet, "/v2/profiles/me", opAPI, mollieProfile},
			{http.MethodGet, "/v2/permissions", opAPI, molliePermissions},
			{http.MethodGet, "/v2/payments", opAPI, molliePayments},
		},
		render: mollieProblem,
		missing: func(c *request) string {
			if strings.HasPrefix(c.path, "/v2/oauth2/") {
				return "the token endpoint has no /v2 before it"
			}
			return "Mollie does not have this path"
		},
		newAccess:  func() string { return "access_" + random(30, alnum) },
		newRefresh: func() string { return "refresh_" + random(30, alnum) },
		newCode:    func() string { return "auth_" + random(30, alnum) },
	}
}

// mollieAuthorize: docs/providers.md. Whether PKCE of a dashboard app is ignored or refused is unknown
// (3.3.3); it is not in the list, so the stand-in refuses it. Errors come back on the redirect (row 4).
func mollieAuthorize() *authorizing {
	return &authorizing{
		client: "client_id", redirect: "redirect_uri", redirectOptional: true, responseType: true, bounce: true,
		required: []string{"state", "scope"},
		optional: []string{"approval_prompt", "locale", "landing_page"},
		rule: func(u *url.URL) *problem {
			if u.Scheme != "https" { // docs/providers.md, said by an employee
				return bad(badURI, "Mollie takes only https as redirect_uri")
			}
			return nil
		},
		scopes: mollieScopes,
		agreed: func(c *request, q params) {
			if q["approval_prompt"] == "force" { // ends the active authorizations of that app
				for _, t := range c.st.tokens {
					t.family.ended = t.family.ended || t.family.kind == ""
				}
			}
		},
	}
}

// A scope has the form resource.read or resource.write; the list of resources moves, so it is not checked.
var mollieScope = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z]+(-[a-z]+)*\.(read|write)$`)
})

func mollieScopes(asked string) ([]string, *problem) {
	scopes := strings.Fields(asked)
	for _, scope := range scopes {
		if !mollieScope().MatchString(scope) {
			return nil, bad(badScope, "%s is no scope: they look like payments.read, with spaces between them", clean(scope))
		}
	}
	if len(scopes) == 0 {
		return nil, bad(badScope, "scope is empty")
	}
	return scopes, nil
}

// mollieProblem: error and error_description from the OAuth endpoints, HAL from the API.
// The status of a bad client is not found; the stand-in chooses that of RFC 6749 5.2.
func mollieProblem(c *request, p problem) *reply {
	if c.op != opAPI && c.op != opOther {
		o := jsonReply(p.statusOr(), oauthError{p.codeOr(), p.text})
		if p.kind == badClient && p.statusOr() == http.StatusUnauthorized {
			o.set("WWW-Authenticate", `Basic realm="mollie sandbox"`)
		}
		return o
	}
	status := p.statusOr()
	title := http.StatusText(status)
	if status == http.StatusUnauthorized {
		title = "Unauthorized Request"
	}
	return halReply(status, map[string]any{
		"status": status, "title": title, "detail": p.text,
		"_links": map[string]any{"documentation": halLink("https://docs.mollie.com/", "text/html")},
	})
}

func halReply(status int, v any) *reply {
	return jsonReply(status, v).set("Content-Type", "application/hal+json")
}

func halLink(href, media string) map[string]string {
	return map[string]string{"href": href, "type": media}
}

// mollieGet: the front end refuses a GET with a body; without one it is a wrong method.
func mollieGet(c *request) *reply {
	if len(c.body) > 0 {
		return c.refuse(bad(badRequest, "a GET request must not carry a body"))
	}
	return c.refuse(bad(badMethod, "the method GET is not taken here")).set("Allow", "POST, DELETE")
}

// mollieBody reads the parameters of a form or of JSON, and checks the client.
func (c *request) mollieBody() (params, *problem) {
	if p := c.noQuery(); p != nil {
		return nil, p
	}
	v, p := c.values("form", "json")
	if p == nil {
		p = c.mollieClient(v)
	}
	return v, p
}

// mollieClient reads the client from the Basic header, or else from the body; both at
// once are against RFC 6749 2.3.
func (c *request) mollieClient(v params) *problem {
	id, secret := v["client_id"], v["client_secret"]
	if c.header.Get("Authorization") != "" {
		if _, twice := v["client_secret"]; twice {
			return bad(badRequest, "the client is named in the header and in the body")
		}
		var p *problem
		if id, secret, p = c.basic(); p != nil {
			return p
		}
		if also, ok := v["client_id"]; ok && also != id {
			return bad(badRequest, "client_id in the body is not the one of the header")
		}
	} else if p := v.need("client_id", "client_secret"); p != nil {
		return bad(badClient, "there is neither a Basic header nor a client in the body: %s", p.text)
	}
	return c.st.client(id, secret)
}

func mollieTokens(c *request) *reply {
	v, p := c.mollieBody()
	if p != nil {
		return c.refuse(p)
	}
	var redirect *string
	if raw, ok := v["redirect_uri"]; ok {
		redirect = &raw
	}
	common := []string{"grant_type", "redirect_uri", "client_id", "client_secret"}
	switch v["grant_type"] {
	case "authorization_code":
		if p = v.need("code"); p == nil {
			p = v.only(append(common, "code")...)
		}
	case "refresh_token":
		if p = v.need("refresh_token"); p == nil {
			p = v.only(append(common, "refresh_token")...)
		}
		if p == nil {
			p = c.mollieRedirect(v["refresh_token"], redirect)
		}
	case "":
		// A revocation sent with POST ends here (zwaldeck/mollie issue 105).
		p = bad(badRequest, "the grant type was not specified in the request")
	default:
		p = bad(badGrantType, "grant_type has to be authorization_code or refresh_token")
	}
	if p != nil {
		return c.refuse(p)
	}
	got, p := c.grant(v["grant_type"], v["code"], redirect, v["refresh_token"], badGrant)
	if p != nil {
		return c.refuse(p)
	}
	return got.reply(struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresIn    int64  `json:"expires_in"`
		TokenType    string `json:"token_type"`
		Scope        string `json:"scope"`
	}{got.access.value, got.refresh.value, c.left(got.access), "bearer", got.access.scope()})
}

// mollieRedirect: "When refreshing a token, this parameter is required if the initial authorization_code
// grant request contained a redirect_uri." What happens to one that comes without need is unknown; the
// stand-in refuses it.
func (c *request) mollieRedirect(refresh string, redirect *string) *problem {
	t := c.st.tokens[refresh]
	if t == nil || !t.refresh {
		return nil // its own refusal follows
	}
	switch had := t.family.redirect; {
	case had == nil && redirect != nil:
		return bad(badRequest, "redirect_uri is given, but the exchange of the code had none")
	case had != nil && redirect == nil:
		return bad(badRequest, "redirect_uri is missing: the exchange of the code had one")
	case had != nil && *had != *redirect:
		return bad(badRequest, "redirect_uri is not the one of the exchange of the code")
	}
	return nil
}

// mollieRevoke: samples and vendor code send a form, the schema shows JSON: both are
// taken.
func mollieRevoke(c *request) *reply {
	v, p := c.mollieBody()
	if p != nil {
		return c.refuse(p)
	}
	if p = v.need("token_type_hint", "token"); p == nil {
		p = v.only("token_type_hint", "token", "client_id", "client_secret")
	}
	if p == nil && v["token_type_hint"] != "access_token" && v["token_type_hint"] != "refresh_token" {
		p = bad(badRequest, "token_type_hint has to be access_token or refresh_token")
	}
	if p != nil {
		return c.refuse(p)
	}
	return c.revoke(&reply{status: http.StatusNoContent}, v["token"], false)
}

// mollieAccess checks the token and the scope of an API call.
func (c *request) mollieAccess(scope string) (*token, *problem) {
	t, p := c.access()
	if p == nil && scope != "" && !t.has(scope) {
		return nil, bad(noScope, "the token lacks the scope %s", scope)
	}
	return t, p
}

func mollieOrganization(c *request) *reply {
	t, p := c.mollieAccess("organizations.read")
	if p == nil && t.family.kind == mollieKey {
		p = bad(noScope, "an API key stands for a profile: ask for /v2/profiles/me")
	}
	if p != nil {
		return c.refuse(p)
	}
	return halReply(http.StatusOK, map[string]any{
		"resource": "organization", "id": "org_5a4db0c0", "name": "Sandbox Shop", "email": "shop@sandbox.example.test",
		"locale": "en_US", "_links": map[string]any{"self": halLink(c.base()+"/v2/organizations/me", "application/hal+json")},
	}).why("told whose token it is")
}

// mollieProfile is for API keys only.
func mollieProfile(c *request) *reply {
	t, p := c.mollieAccess("")
	if p == nil && t.family.kind != mollieKey {
		p = bad(noScope, "only an API key stands for a profile")
	}
	if p != nil {
		return c.refuse(p)
	}
	return halReply(http.StatusOK, map[string]any{
		"resource": "profile", "id": "pfl_5a4db0c0", "name": "Sandbox Shop",
		"_links": map[string]any{"self": halLink(c.base()+"/v2/profiles/me", "application/hal+json")},
	}).why("told whose key it is")
}

func molliePermissions(c *request) *reply {
	t, p := c.mollieAccess("")
	if p != nil {
		return c.refuse(p)
	}
	var list []any
	for _, id := range []string{"customers.read", "organizations.read", "payments.read", "payments.write", "profiles.read"} {
		list = append(list, map[string]any{
			"resource": "permission", "id": id, "description": "Sandbox permission " + id, "granted": t.has(id),
			"_links": map[string]any{"self": halLink(c.base()+"/v2/permissions/"+id, "application/hal+json")},
		})
	}
	return halReply(http.StatusOK, map[string]any{
		"count": len(list), "_embedded": map[string]any{"permissions": list},
		"_links": map[string]any{"self": halLink(c.base()+"/v2/permissions", "application/hal+json")},
	}).why("listed the permissions")
}

const molliePaymentCount = 120

// molliePayments pages by from and limit; the next page is named in _links.
func molliePayments(c *request) *reply {
	t, p := c.mollieAccess("payments.read")
	if p != nil {
		return c.refuse(p)
	}
	q, p := c.query()
	if p == nil && q["testmode"] != "" && t.family.kind == mollieKey { // docs/providers.md
		p = bad(badRequest, "testmode is not for API keys: the prefix tells the mode")
	}
	if p != nil {
		return c.refuse(p)
	}
	limit, p := q.number("limit", 50, 1, 250)
	if p != nil {
		return c.refuse(p)
	}
	first := 0
	if from, ok := q["from"]; ok {
		n, err := strconv.Atoi(strings.TrimPrefix(from, "tr_sandbox"))
		if err != nil || n < 1 || n > molliePaymentCount || from != molliePayment(n-1) {
			return c.refuse(bad(badRequest, "from names no payment"))
		}
		first = n - 1
	}
	last := min(first+limit, molliePaymentCount)
	page := func(from int) any {
		if from < 0 || from >= molliePaymentCount {
			return nil
		}
		v := url.Values{"from": {molliePayment(from)}, "limit": {strconv.Itoa(limit)}}
		if q["testmode"] != "" {
			v.Set("testmode", q["testmode"])
		}
		return halLink(c.base()+"/v2/payments?"+v.Encode(), "application/hal+json")
	}
	previous := first - limit
	if first > 0 {
		previous = max(previous, 0)
	}
	list := []any{}
	for n := first; n < last; n++ {
		list = append(list, map[string]any{
			"resource": "payment", "id": molliePayment(n), "mode": "test", "status": "paid",
			"amount": map[string]string{"currency": "EUR", "value": fmt.Sprintf("%d.00", n+1)},
		})
	}
	return halReply(http.StatusOK, map[string]any{
		"count": len(list), "_embedded": map[string]any{"payments": list},
		"_links": map[string]any{"self": page(first), "previous": page(previous), "next": page(last)},
	}).why("listed payments")
}

func molliePayment(n int) string { return fmt.Sprintf("tr_sandbox%03d", n+1) }
