package sandbox

import (
	"net/http"
	"time"
)

// Moloni ON: https://docs.molonion.pt/guides/gettingStarted/apiClients and
// docs/providers.md.

const day = 24 * time.Hour

func moloniOn() dialect {
	return dialect{
		name:  "moloni-on",
		title: "Moloni ON",
		// Client ids look like "api:" and hex ("Authorize a User", example).
		clientID:     "api:5a4db0c0ffee5a4db0c0ffee5a4db0c0",
		clientSecret: "sandbox-moloni-on-secret",
		documented:   lives{code: time.Minute, access: time.Hour, refresh: 14 * day}, // "Token lifecycle"
		rotates:      true,                                                           // "Refresh Tokens": a new pair
		names: wireNames{
			grantType: "grantType", access: "accessToken", refresh: "refreshToken",
			expiries: []string{"accessTokenExpiracy"}, refreshExpiries: []string{"refreshTokenExpiracy"},
		},
		retryAfter: "delta", // unknown; the stand-in chooses the common form
		// apik:<uuid>:<hex>, used as the Bearer value.
		statics: []staticToken{{"API key", "apik:5a4db0c0-0000-4000-8000-5a4db0c0ffee:5a4db0c0ffee5a4db0c0ffee5a4db0c0ffee5a4d"}},
		routes: []route{
			{http.MethodGet, "/v1/auth/authorize", opAuthorize, func(c *request) *reply {
				// Exactly two parameters; state is not in the docs, but the vendor's WHMCS plugin sends it
				// and refuses a callback without it. How other extras are treated is
				// unknown; the stand-in refuses them. No redirect rule was found (row 5).
				return c.authorize(&authorizing{client: "apiClientId", redirect: "redirectUri"})
			}},
			{http.MethodPost, "/v1/auth/grant", opToken, moloniOnGrant},
			{http.MethodPost, "/v1", opAPI, moloniOnGraphQL},
		},
		render:     moloniOnProblem,
		missing:    func(*request) string { return "Moloni ON does not have this path" },
		newAccess:  func() string { return random(64, hexDigits) }, // unknown; the stand-in chooses hex
		newRefresh: func() string { return random(64, hexDigits) },
		newCode:    func() string { return random(40, hexDigits) },
	}
}

// moloniOnProblem: the grant endpoint answers with a top-level "error"; strings and statuses are not
// found. The stand-in chooses plain words, so that nobody comes to rely on codes, and
// the statuses of RFC 6749. API errors are GraphQL's; 401 there is a rejected token (same row).
func moloniOnProblem(c *request, p problem) *reply {
	if c.op == opAPI {
		code := "BAD_REQUEST"
		if p.kind == badToken {
			code = "UNAUTHENTICATED"
		}
		return jsonReply(p.statusOr(), graphQLErrors(p.text, code))
	}
	text := p.text
	if p.code != "" {
		text = p.code + ": " + text
	}
	return jsonReply(p.statusOr(), map[string]string{"error": text})
}

func moloniOnGrant(c *request) *reply {
	if p := c.bodyOnly(); p != nil {
		return c.refuse(p)
	}
	// The docs say form; the vendor's PrestaShop plugins send JSON.
	v, p := c.values("form", "json")
	if p != nil {
		return c.refuse(p)
	}
	switch v["grantType"] {
	case "authorization_code":
		p = v.exactly("grantType", "code", "apiClientId", "clientSecret")
	case "refresh_token":
		p = v.exactly("grantType", "refreshToken", "apiClientId", "clientSecret")
	default:
		p = bad(badGrantType, "grantType has to be authorization_code or refresh_token")
	}
	if p == nil {
		p = c.st.client(v["apiClientId"], v["clientSecret"])
	}
	if p != nil {
		return c.refuse(p)
	}
	got, p := c.grant(v["grantType"], v["code"], nil, v["refreshToken"], badRedirect)
	if p != nil {
		return c.refuse(p)
	}
	format := expiracyFormats[c.srv.cfg.ExpiracyFormat]
	return got.reply(struct {
		AccessToken          string `json:"accessToken"`
		AccessTokenExpiracy  any    `json:"accessTokenExpiracy"` // their spelling
		RefreshToken         string `json:"refreshToken"`
		RefreshTokenExpiracy any    `json:"refreshTokenExpiracy"`
	}{
		got.access.value, format(c.now, got.access.expires),
		got.refresh.value, format(c.now, got.refresh.expires),
	})
}

// expiracyFormats are the guesses at how "[now plus one hour]" is written: no source tells the format.
var expiracyFormats = map[string]func(now, end time.Time) any{
	"":         func(_, end time.Time) any { return end.UTC().Format(time.RFC3339) },
	"rfc3339":  func(_, end time.Time) any { return end.UTC().Format(time.RFC3339) },
	"sql":      func(_, end time.Time) any { return end.UTC().Format(time.DateTime) },
	"epoch":    func(_, end time.Time) any { return end.Unix() },
	"epoch_ms": func(_, end time.Time) any { return end.UnixMilli() },
	"seconds":  func(now, end time.Time) any { return int64(end.Sub(now).Seconds()) },
	"text":     func(_, _ time.Time) any { return "[now plus one hour]" },
}

// moloniOnGraphQL plays the one query `me`. What is wrong with a query is told
// inside a 200 (row 4).
func moloniOnGraphQL(c *request) *reply {
	if p := c.bearerOnly(); p != nil {
		return c.refuse(p)
	}
	if c.media != "application/json" {
		return c.refuse(bad(badRequest, "Content-Type has to be application/json"))
	}
	query, err := readGraphQL(c.body)
	if err != nil {
		return c.refuse(bad(badRequest, "%s", err))
	}
	me := map[string]any{
		"data": map[string]any{
			"userId": 4711, "name": "Sandbox User", "email": "user@sandbox.example.test",
			"userCompanies": []any{map[string]any{
				"company": map[string]any{"companyId": 5, "name": "Sandbox Company"},
			}},
		},
		"errors": []any{},
	}
	data, err := runGraphQL(query, map[string]any{"me": me})
	if err != nil {
		return jsonReply(http.StatusOK, graphQLErrors(err.Error(), "GRAPHQL_VALIDATION_FAILED")).refusal(err.Error())
	}
	return jsonReply(http.StatusOK, map[string]any{"data": data}).why("told whose token it is")
}
