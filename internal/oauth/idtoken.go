package oauth

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
)

// maxClockSkew is how far the clock of a provider may differ from ours.
const maxClockSkew = time.Minute

// claims are those of an ID token that count here.
type claims struct {
	Issuer   string          `json:"iss"`
	Audience json.RawMessage `json:"aud"`
	Expires  float64         `json:"exp"`
	Nonce    string          `json:"nonce"`
}

// ownExpiry lets the claim exp count if the definition takes the ID token for the access token: what else the
// reply states is about the token that is not used.
func (r *Reply) ownExpiry(a *answer) {
	if r.IDToken == "" || r.IDToken != r.AccessToken {
		return
	}
	var found claims
	if jwt.Claims(r.IDToken.Reveal(), &found) == nil {
		if life := time.Unix(int64(found.Expires), 0).Sub(serverNow(a)); life > 0 {
			r.AccessLifetime, r.AccessExpiresAt = life, a.asked.Add(life)
		}
	}
}

// checkIDToken checks the claims of the ID token of a login that asked for the scope openid (OpenID Connect
// Core 1.0, 3.1.3.7). It comes straight from the token endpoint, so that TLS vouches for it in place of its
// signature (item 6 there). A failure is a fail.Refused.
func (c *Client) checkIDToken(a *Authorization, clientID string, r *Reply) error {
	if a.nonce == "" || r.Scopes != nil && !slices.Contains(r.Scopes, "openid") {
		return nil
	}
	return c.checkClaims(r.IDToken, clientID, a.nonce)
}

// checkClaims checks the claims of an ID token; an empty nonce is not compared.
func (c *Client) checkClaims(token credential.Secret, clientID, nonce string) error {
	refused := func(why string) error {
		return fail.New(fail.Refused, "the ID token of %s is refused: %s", c.Definition.Title, why)
	}
	var found claims
	if jwt.Claims(token.Reveal(), &found) != nil {
		return refused("it is missing or not a JWT")
	}
	var audience []string // one string or a list (RFC 7519 4.1.3)
	if json.Unmarshal(found.Audience, &audience) != nil {
		audience = make([]string, 1)
		_ = json.Unmarshal(found.Audience, &audience[0])
	}
	switch {
	case found.Issuer != c.Definition.Issuer:
		return refused("it is from another issuer")
	case !slices.Contains(audience, clientID):
		return refused("it is for another client")
	case !c.now().Before(time.Unix(int64(found.Expires), 0).Add(maxClockSkew)):
		return refused("it has expired")
	case nonce != "" && found.Nonce != nonce:
		return refused("its nonce is not the one of this login")
	}
	return nil
}
