package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Monta: https://docs.public-api.monta.com/reference/authentication.

const montaChargePointCount = 35

func monta() dialect {
	return dialect{
		name:         "monta",
		title:        "Monta",
		clientID:     "5a4db0c0-5a4d-4b0c-8ffe-5a4db0c0ffee",
		clientSecret: "sandbox-monta-secret",
		documented:   lives{access: time.Hour, refresh: 30 * day}, // the dates of the samples
		rotates:      true,                                        // "a new set of access and refresh tokens"
		names: wireNames{
			access: "accessToken", refresh: "refreshToken",
			expiries: []string{"accessTokenExpirationDate"}, refreshExpiries: []string{"refreshTokenExpirationDate"},
		},
		retryAfter: "delta", // docs/providers.md
		routes: []route{
			{http.MethodPost, "/api/v1/auth/token", opToken, montaToken},
			{http.MethodPost, "/api/v1/auth/refresh", opRefresh, montaRefresh},
			{http.MethodGet, "/api/v1/auth/me", opAPI, montaMe},
			{http.MethodGet, "/api/v1/charge-points", opAPI, montaChargePoints},
		},
		render:     montaProblem,
		missing:    func(*request) string { return "Monta does not have this path" },
		newAccess:  uuid,
		newRefresh: uuid,
		newCode:    uuid,
	}
}

// montaProblem: message, errorCode and context (the partner host's page; the JSON of the
// public host's 401 is not captured, 5.3.1). The codes are unknown; the stand-in chooses the status's name.
func montaProblem(_ *request, p problem) *reply {
	status := p.statusOr()
	if p.kind == badGrant && p.status == 0 { // a spent refresh token is a 401 (row 3)
		status = http.StatusUnauthorized
	}
	code := cmp.Or(p.code, strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_")))
	context := map[string]any{}
	if p.kind == tooMany {
		context["rateLimitResponse"] = map[string]any{
			"timeWindow": 60, "quota": 10, "remaining": 0, "resetsIn": 30, "exceeded": true,
		}
	}
	return jsonReply(status, struct {
		Message   string         `json:"message"`
		ErrorCode string         `json:"errorCode"`
		Context   map[string]any `json:"context"`
	}{p.text, code, context})
}

// montaBody reads a call that takes exactly these names as JSON, and no header beside them.
func (c *request) montaBody(names ...string) (params, *problem) {
	if p := c.bodyOnly(); p != nil {
		return nil, p
	}
	v, p := c.values("json")
	if p == nil {
		p = v.exactly(names...)
	}
	return v, p
}

// montaToken mints. Whether that ends older pairs is unknown (5.3.2); the stand-in lets them live.
func montaToken(c *request) *reply {
	v, p := c.montaBody("clientId", "clientSecret")
	if p == nil {
		p = c.st.client(v["clientId"], v["clientSecret"])
	}
	if p != nil {
		return c.refuse(p)
	}
	return c.montaTokens(c.mint([]string{"all"}))
}

// montaRefresh takes the refresh token alone, without client credentials.
func montaRefresh(c *request) *reply {
	v, p := c.montaBody("refreshToken")
	if p != nil {
		return c.refuse(p)
	}
	got, p := c.grant("refresh_token", "", nil, v["refreshToken"], badGrant)
	if p != nil {
		return c.refuse(p)
	}
	return c.montaTokens(got)
}

func (c *request) montaTokens(got granted) *reply {
	return got.reply(struct {
		ApplicationID int    `json:"applicationId"`
		UserID        int    `json:"userId"`
		AccessToken   string `json:"accessToken"`
		AccessEnd     string `json:"accessTokenExpirationDate"`
		RefreshToken  string `json:"refreshToken"`
		RefreshEnd    string `json:"refreshTokenExpirationDate"`
	}{
		1, 1, got.access.value, instant(got.access.expires, c.srv.fraction),
		got.refresh.value, instant(got.refresh.expires, c.srv.fraction),
	})
}

// instant writes ISO 8601 in UTC with exactly so many digits of the second's fraction: 6 in the samples, 9
// in a live log.
func instant(t time.Time, digits int) string {
	layout := "2006-01-02T15:04:05"
	if digits > 0 {
		layout += "." + strings.Repeat("0", digits)
	}
	return t.UTC().Format(layout) + "Z"
}

func montaMe(c *request) *reply {
	if _, p := c.access(); p != nil {
		return c.refuse(p)
	}
	return jsonReply(http.StatusOK, struct {
		ID           int      `json:"id"`
		UserID       int      `json:"userId"`
		Name         string   `json:"name"`
		ClientID     string   `json:"clientId"`
		ClientSecret *string  `json:"clientSecret"` // null
		Scopes       []string `json:"scopes"`
		CreatedAt    string   `json:"createdAt"`
		UpdatedAt    string   `json:"updatedAt"`
	}{1, 1, "Sandbox Application", c.st.clientID, nil, []string{"all"}, "2023-05-04T14:29:06Z", "2023-05-04T14:29:06Z"}).
		why("told whose token it is")
}

// montaChargePoints pages by page, from 0, and perPage. The shape of the list is not known; the
// stand-in chooses data and meta.
func montaChargePoints(c *request) *reply {
	if _, p := c.access(); p != nil {
		return c.refuse(p)
	}
	page, per, p := c.paging("perPage", 0, 10)
	if p != nil {
		return c.refuse(p)
	}
	first := min(page*per, montaChargePointCount)
	last := min(first+per, montaChargePointCount)
	list := []any{}
	for n := first; n < last; n++ {
		list = append(list, map[string]any{"id": n + 1, "name": fmt.Sprintf("Sandbox Charge Point %d", n+1), "state": "available"})
	}
	return jsonReply(http.StatusOK, map[string]any{
		"data": list,
		"meta": map[string]int{
			"itemCount": len(list), "currentPage": page, "perPage": per, "totalItemCount": montaChargePointCount,
			"totalPageCount": (montaChargePointCount + per - 1) / per,
		},
	}).why("listed charge points")
}
