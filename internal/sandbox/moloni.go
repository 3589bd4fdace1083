package sandbox

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Moloni (classic): https://moloni.pt/dev/autenticacao, the list of errors at
// https://moloni.pt/dev/controlo-de-erros.

func moloni() dialect {
	hex40 := func() string { return random(40, hexDigits) } // the sample of "3º Passo"
	return dialect{
		name:           "moloni",
		title:          "Moloni",
		clientID:       "sandbox-developer", // the Developer ID is a name that the developer chooses
		clientSecret:   "sandbox-moloni-secret",
		documented:     lives{code: 10 * time.Minute, access: time.Hour, refresh: 14 * day}, // code: not found
		rotates:        true,                                                                // "Ser-lhe-ão devolvidos novos tokens"
		passwordGrant:  true,
		sampleRedirect: "https://app.example.test/callback",
		names: wireNames{
			grantType: "grant_type", access: "access_token", refresh: "refresh_token", expiries: []string{"expires_in"},
		},
		retryAfter: "delta", // unknown; the stand-in chooses the common form
		routes: []route{
			{http.MethodGet, "/v1/authorize/", opAuthorize, func(c *request) *reply {
				// The three parameters of "1º Passo". Whether state comes back is contradictory: it is taken and
				// echoed, unless Config.OmitState says otherwise. PKCE: not found.
				return c.authorize(&authorizing{
					client: "client_id", redirect: "redirect_uri", responseType: true, jsonErrors: true, rule: notLoopback,
				})
			}},
			{http.MethodGet, "/v1/grant/", opToken, moloniGrant},
			// POST works as long as the parameters stay in the query.
			{http.MethodPost, "/v1/grant/", opToken, moloniGrant},
			{http.MethodGet, "/v1/users/getMe/", opAPI, moloniMe},
			{http.MethodPost, "/v1/users/getMe/", opAPI, moloniMe},
			{http.MethodGet, "/v1/companies/getAll/", opAPI, moloniCompanies},
			{http.MethodPost, "/v1/companies/getAll/", opAPI, moloniCompanies},
		},
		render: moloniProblem,
		missing: func(c *request) string {
			if !strings.HasSuffix(c.path, "/") {
				return "Moloni does not have this path; its paths end in a slash"
			}
			return "Moloni does not have this path"
		},
		newAccess: hex40, newRefresh: hex40, newCode: hex40, // of the code it is unknown
	}
}

// notLoopback: localhost, 127.0.0.1 and .local are reported refused. Whether when
// registering or at authorize is unknown; here it can only be at authorize.
func notLoopback(u *url.URL) *problem {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	ip := net.ParseIP(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") ||
		ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		return bad(badURI, "Moloni takes no loopback or .local address as redirect_uri")
	}
	return nil
}

// moloniProblem: "é sempre devolvido um HTTP status com o código 400", with error and error_description.
// Which of the listed errors an API call with a bad token gets is unknown; the stand-in chooses
// invalid_grant.
func moloniProblem(_ *request, p problem) *reply {
	code, status := p.codeOr(), http.StatusBadRequest
	switch p.kind {
	case badToken:
		code = "invalid_grant"
	case badResponse:
		code = "invalid_request"
	case notFound, badMethod, tooMany, unavailable: // not about authentication
		status = p.kind.status
	}
	if p.status != 0 {
		status = p.status
	}
	return jsonReply(status, oauthError{code, p.text})
}

type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func moloniGrant(c *request) *reply {
	// Production answers that parameters in a body are missing.
	if len(c.body) > 0 {
		return c.refuse(bad(badRequest, "the parameters belong in the query string, not in a body"))
	}
	if c.header.Get("Authorization") != "" {
		return c.refuse(bad(badRequest, "the client is named in the query string, not in a header"))
	}
	v, p := c.query()
	if p != nil {
		return c.refuse(p)
	}
	switch v["grant_type"] {
	case "authorization_code":
		p = v.exactly("grant_type", "client_id", "redirect_uri", "client_secret", "code")
	case "refresh_token":
		// The page says five parameters and lists these four.
		p = v.exactly("grant_type", "client_id", "client_secret", "refresh_token")
	case "password":
		p = v.exactly("grant_type", "client_id", "client_secret", "username", "password")
	case "":
		p = bad(badRequest, "parameter grant_type is missing")
	default:
		p = bad(badGrantType, "grant_type has to be authorization_code, refresh_token or password")
	}
	if p == nil {
		p = c.st.client(v["client_id"], v["client_secret"])
	}
	var got granted
	switch redirect := v["redirect_uri"]; {
	case p != nil:
	case v["grant_type"] != "password":
		got, p = c.grant(v["grant_type"], v["code"], &redirect, v["refresh_token"], badRedirect)
	case v["username"] != c.srv.cfg.Username || v["password"] != c.srv.cfg.Password:
		p = bad(badGrant, "the user name or the password is wrong")
	default:
		got = c.mint(nil)
	}
	if p != nil {
		return c.refuse(p)
	}
	return got.reply(struct {
		AccessToken  string  `json:"access_token"`
		ExpiresIn    int64   `json:"expires_in"`
		TokenType    string  `json:"token_type"`
		Scope        *string `json:"scope"` // null
		RefreshToken string  `json:"refresh_token"`
	}{got.access.value, c.left(got.access), "bearer", nil, got.refresh.value})
}

// moloniAccess: the token goes into the query of every call ("Depois de ter os tokens"). A Bearer header is
// not found in any source; the stand-in refuses it even beside the parameter.
func (c *request) moloniAccess() *problem {
	if c.header.Get("Authorization") != "" {
		return bad(badRequest, "the token goes into the query as access_token; no Authorization header is read")
	}
	q, p := c.query()
	if p == nil {
		p = q.need("access_token")
	}
	if p == nil && q.only("access_token", "json", "human_errors") != nil {
		p = bad(badRequest, "the data belongs in the body of a POST: the query takes only access_token, json and human_errors")
	}
	if p == nil {
		p = c.moloniData(q["json"] == "true")
	}
	if p == nil {
		_, p = c.st.usable(c.now, q["access_token"])
	}
	return p
}

// moloniData checks the data of an API call: a form, or JSON with json=true in the query. The page asks for
// the Content-Type of a form in both cases; the stand-in takes that of JSON too.
func (c *request) moloniData(asJSON bool) *problem {
	switch {
	case len(c.body) == 0:
		return nil
	case c.method != http.MethodPost:
		return bad(badRequest, "the data belongs in the body of a POST")
	case !asJSON && c.media == "application/json":
		return bad(badRequest, "JSON is taken only with json=true in the query")
	case !asJSON:
		_, p := c.values("form")
		return p
	case c.media != "application/json" && c.media != "application/x-www-form-urlencoded":
		return bad(badRequest, "Content-Type %s is not taken here", clean(c.media))
	case !json.Valid(c.body):
		return bad(badRequest, "the query says json=true, but the body is not JSON")
	}
	return nil
}

func moloniMe(c *request) *reply {
	if p := c.moloniAccess(); p != nil {
		return c.refuse(p)
	}
	return jsonReply(http.StatusOK, map[string]any{
		"user_id": 4711, "name": "Sandbox User", "email": c.srv.cfg.Username, "language_id": 1,
		"last_login": c.now.UTC().Format(time.DateTime),
	}).why("told whose token it is")
}

// moloniCompanies lists the demonstration company that shows up for everyone.
func moloniCompanies(c *request) *reply {
	if p := c.moloniAccess(); p != nil {
		return c.refuse(p)
	}
	return jsonReply(http.StatusOK, []any{map[string]any{"company_id": 5, "name": "Sandbox Company"}}).why("listed")
}
