package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Moneybird: https://developer.moneybird.com/authentication.

const (
	moneybirdAdministration = "107693607045039116"
	moneybirdContactCount   = 120
)

func moneybird() dialect {
	hex64 := func() string { return random(64, hexDigits) } // docs/providers.md; of the code it is unknown
	return dialect{
		name:         "moneybird",
		title:        "Moneybird",
		clientID:     "5a4db0c0ffee5a4db0c0ffee5a4db0c0ffee5a4db0c0ffee5a4db0c0ffee5a4d",
		clientSecret: "sandbox-moneybird-secret",
		// "As of now, this token does not expire". The code's life is not found; 10 minutes is the default
		// of the library behind it (row 3).
		documented:   lives{code: 10 * time.Minute},
		endless:      []string{"access", "refresh"},
		rotates:      true, // one client says single use, others are silent (row 3): the strict reading
		defaultScope: "sales_invoices",
		names: wireNames{
			grantType: "grant_type", access: "access_token", refresh: "refresh_token", expiries: []string{"expires_in"},
		},
		retryAfter: "epoch", // row 4
		statics:    []staticToken{{"personal API token", "5a4db0c05a4db0c05a4db0c05a4db0c05a4db0c05a4db0c05a4db0c05a4db0c0"}},
		routes: []route{
			{http.MethodGet, "/oauth/authorize", opAuthorize, func(c *request) *reply {
				// The list of parameters is the vendor CLI's: the page's own was lost (row 1). PKCE is not
				// supported; whether it is ignored or refused is unknown (4.3.3), and the stand-in refuses it,
				// so that nobody believes to be protected by it.
				return c.authorize(&authorizing{
					client: "client_id", redirect: "redirect_uri", responseType: true, outOfBand: true, bounce: true,
					optional: []string{"scope"}, scopes: moneybirdScopes,
				})
			}},
			{http.MethodPost, "/oauth/token", opToken, moneybirdToken},
			{http.MethodPost, "/oauth/revoke", opRevoke, moneybirdRevoke},
			{http.MethodGet, "/api/v2/administrations.json", opAPI, moneybirdAdministrations},
			{http.MethodGet, "/api/v2/{administration}/contacts.json", opAPI, moneybirdContacts},
			{http.MethodGet, "/api/v2/{administration}/sales_invoices/{invoice}/download.pdf", opAPI, moneybirdPDF},
		},
		render:    moneybirdProblem,
		missing:   func(*request) string { return "Moneybird does not have this path" },
		newAccess: hex64, newRefresh: hex64, newCode: hex64,
	}
}

var moneybirdScopeNames = []string{"sales_invoices", "documents", "estimates", "bank", "time_entries", "settings"}

// moneybirdScopes: "If no scope is provided, the sales_invoices scope is used by default". That unknown ones
// are refused is the stand-in's choice.
func moneybirdScopes(asked string) ([]string, *problem) {
	scopes := strings.Fields(asked)
	for _, scope := range scopes {
		if !slices.Contains(moneybirdScopeNames, scope) {
			return nil, bad(badScope, "%s is no scope of Moneybird", clean(scope))
		}
	}
	if len(scopes) == 0 {
		return []string{"sales_invoices"}, nil
	}
	return scopes, nil
}

// moneybirdProblem: error and error_description from the OAuth endpoints, a single error text from the API;
// a missing scope is 401 there; 429 is plain text.
func moneybirdProblem(c *request, p problem) *reply {
	switch {
	case p.kind == tooMany:
		return textReply(p.statusOr(), "Retry later").set("RateLimit-Limit", "150").set("RateLimit-Remaining", "0").
			set("RateLimit-Reset", strconv.FormatInt(c.now.Add(5*time.Minute).Unix(), 10))
	case c.op == opAPI || c.op == opOther:
		status := p.statusOr()
		if p.kind == noScope && p.status == 0 {
			status = http.StatusUnauthorized
		}
		return jsonReply(status, map[string]string{"error": p.text})
	}
	code := p.codeOr()
	if p.code == "" && (p.kind == badURI || p.kind == badRedirect) {
		code = "invalid_redirect_uri"
	}
	return jsonReply(p.statusOr(), oauthError{code, p.text})
}

func moneybirdToken(c *request) *reply {
	if p := c.bodyOnly(); p != nil {
		return c.refuse(p)
	}
	// One application posts JSON (row 2); the documented form is the form.
	v, p := c.values("form")
	if p != nil {
		return c.refuse(p)
	}
	switch v["grant_type"] {
	case "authorization_code":
		p = v.exactly("grant_type", "client_id", "client_secret", "code", "redirect_uri")
	case "refresh_token":
		p = v.exactly("grant_type", "client_id", "client_secret", "refresh_token")
	case "":
		p = bad(badRequest, "parameter grant_type is missing")
	default:
		p = bad(badGrantType, "grant_type has to be authorization_code or refresh_token")
	}
	if p == nil {
		p = c.st.client(v["client_id"], v["client_secret"])
	}
	if p != nil {
		return c.refuse(p)
	}
	redirect := v["redirect_uri"]
	got, p := c.grant(v["grant_type"], v["code"], &redirect, v["refresh_token"], badGrant)
	if p != nil {
		return c.refuse(p)
	}
	var expiresIn *int64 // "In that case, an expires_in is given."
	if !got.access.expires.IsZero() {
		expiresIn = new(c.left(got.access))
	}
	return got.reply(struct {
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    *int64 `json:"expires_in,omitempty"`
		RefreshToken string `json:"refresh_token"`
		Scope        string `json:"scope"`
		CreatedAt    int64  `json:"created_at"`
	}{got.access.value, "bearer", expiresIn, got.refresh.value, got.access.scope(), c.now.Unix()})
}

// moneybirdRevoke is not in the official pages: 200 also for an unknown token, and
// access and refresh token end together. token_type_hint is RFC 7009's. For a wrong client the library
// behind it says 403 unauthorized_client.
func moneybirdRevoke(c *request) *reply {
	if p := c.bodyOnly(); p != nil {
		return c.refuse(p)
	}
	v, p := c.values("form")
	if p == nil {
		p = v.need("client_id", "client_secret", "token")
	}
	if p == nil {
		p = v.only("client_id", "client_secret", "token", "token_type_hint")
	}
	if p == nil {
		if p = c.st.client(v["client_id"], v["client_secret"]); p != nil {
			p.code, p.status = "unauthorized_client", http.StatusForbidden
		}
	}
	if p != nil {
		return c.refuse(p)
	}
	return c.revoke(jsonReply(http.StatusOK, struct{}{}), v["token"], true)
}

func moneybirdAdministrations(c *request) *reply {
	if _, p := c.access(); p != nil {
		return c.refuse(p)
	}
	return jsonReply(http.StatusOK, []any{map[string]any{
		"id": moneybirdAdministration, "name": "Sandbox Administration", "language": "en", "currency": "EUR",
		"country": "NL", "time_zone": "Europe/Amsterdam", "access": "user", "suspended": false,
	}}).why("told whose token it is")
}

// moneybirdAccess checks the token, that it has one of the scopes, and the administration in the path.
func (c *request) moneybirdAccess(resource string, scopes ...string) *problem {
	t, p := c.access()
	if p != nil {
		return p
	}
	if !slices.ContainsFunc(scopes, t.has) {
		return bad(noScope, "No access to %s", resource)
	}
	if c.vars["administration"] != moneybirdAdministration {
		return bad(notFound, "record not found")
	}
	return nil
}

// moneybirdContacts: reachable with any scope except time_entries alone. The size of a
// page when none is given is unknown; the stand-in chooses 50.
func moneybirdContacts(c *request) *reply {
	enough := slices.DeleteFunc(slices.Clone(moneybirdScopeNames), func(s string) bool { return s == "time_entries" })
	if p := c.moneybirdAccess("contacts", enough...); p != nil {
		return c.refuse(p)
	}
	page, per, p := c.paging("per_page", 1, 50)
	if p != nil {
		return c.refuse(p)
	}
	first := min((page-1)*per, moneybirdContactCount)
	last := min(first+per, moneybirdContactCount)
	list := []any{}
	for n := first; n < last; n++ {
		list = append(list, map[string]any{
			"id": strconv.FormatInt(200000000000000000+int64(n), 10), "administration_id": moneybirdAdministration,
			"company_name": fmt.Sprintf("Sandbox Contact %d", n+1),
		})
	}
	out := jsonReply(http.StatusOK, list).why("listed contacts")
	var links []string
	link := func(rel string, page int) {
		v := url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(per)}}
		links = append(links, fmt.Sprintf("<%s%s?%s>; rel=%q", c.base(), c.path, v.Encode(), rel))
	}
	if page > 1 {
		link("prev", page-1)
	}
	if last < moneybirdContactCount {
		link("next", page+1)
	}
	if len(links) > 0 {
		out.set("Link", strings.Join(links, ", "))
	}
	return out
}

// moneybirdPDF sends the client to another host, where the token has no business.
func moneybirdPDF(c *request) *reply {
	if p := c.moneybirdAccess("sales invoices", "sales_invoices"); p != nil {
		return c.refuse(p)
	}
	if n, err := strconv.Atoi(c.vars["invoice"]); err != nil || n < 1 {
		return c.refuse(bad(notFound, "record not found"))
	}
	return redirectReply(http.StatusFound, c.srv.fileURL(c)).why("sent to the file on another host")
}
