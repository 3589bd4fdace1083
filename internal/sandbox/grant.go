package sandbox

import (
	"net/http"
	"time"
)

// granted is what a token request that was allowed has brought.
type granted struct {
	pair
	reason string
	count  func(*Stats)
}

func (g granted) reply(v any) *reply {
	return jsonReply(http.StatusOK, v).set("Pragma", "no-cache").why(g.reason).counts(g.count)
}

// grant turns a code or a refresh token into tokens, as the grant type says. redirect is the one sent with an exchange. A code is
// checked, spent and replaced by tokens under one lock, a refresh token likewise: of many parallel uses
// one wins.
func (c *request) grant(grantType, code string, redirect *string, refresh string, mismatch kind) (granted, *problem) {
	if grantType == "refresh_token" {
		old, p := c.st.living(c.now, refresh)
		if p != nil {
			return granted{}, p
		}
		got := granted{pair: c.st.rotate(c.now, old), count: func(s *Stats) { s.Refreshes++ }}
		got.reason = "a new pair; the old refresh token is spent"
		if !old.spent {
			got.reason = "a new access token; the refresh token stays"
		}
		return got, nil
	}
	k, p := c.st.redeem(c.now, code, redirect, mismatch)
	if p != nil {
		return granted{}, p
	}
	return granted{
		pair:   c.st.issue(c.now, &family{scopes: k.scopes, redirect: redirect}),
		reason: "tokens for a code", count: func(s *Stats) { s.Exchanges++ },
	}, nil
}

// mint makes tokens without a browser: for a password or for client credentials.
func (c *request) mint(scopes []string) granted {
	return granted{
		pair:   c.st.issue(c.now, &family{scopes: scopes}),
		reason: "tokens for credentials", count: func(s *Stats) { s.Mints++ },
	}
}

// left returns the whole seconds that a token still has.
func (c *request) left(t *token) int64 { return int64(t.expires.Sub(c.now) / time.Second) }

// noQuery refuses parameters in the URL of a POST: they end up in logs.
func (c *request) noQuery() *problem {
	if c.rawQuery != "" {
		return bad(badRequest, "the parameters belong in the body, not in the URL")
	}
	return nil
}

// bodyOnly is noQuery, for a call that reads no Authorization header either.
func (c *request) bodyOnly() *problem {
	if c.header.Get("Authorization") != "" {
		return bad(badRequest, "this call takes no Authorization header")
	}
	return c.noQuery()
}

// revoke ends a token: a refresh token with its whole authorization, an access token alone unless whole. An unknown token is
// no error (RFC 7009 2.2).
func (c *request) revoke(out *reply, value string, whole bool) *reply {
	t := c.st.tokens[value]
	if t == nil || t.family.kind != "" {
		return out.why("revoked nothing: the token is unknown")
	}
	out.counts(func(s *Stats) { s.Revokes++ })
	if t.refresh || whole {
		t.family.ended = true
		return out.why("revoked the whole authorization")
	}
	t.revoked = true
	return out.why("revoked the access token")
}
