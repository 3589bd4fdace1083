package oauth

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
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

// readClaims returns the claims of an ID token; nil: there are none, and what says why.
func readClaims(token credential.Secret) (found *claims, what string) {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return nil, "it is missing or not a JWT"
	}
	found = new(claims)
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, found) != nil {
		return nil, "its claims cannot be read"
	}
	return found, ""
}

// ownExpiry lets the claim exp count if the definition takes the ID token for the access token: what else the
// reply states is about the token that is not used.
func (r *Reply) ownExpiry(a *answer) {
	if r.IDToken == "" || r.IDToken != r.AccessToken {
		return
	}
	if claims, _ := readClaims(r.IDToken); claims != nil {
		if life := time.Unix(int64(claims.Expires), 0).Sub(serverNow(a)); life > 0 {
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
	refused := func(why string) error {
		return fail.New(fail.Refused, "the ID token of %s is refused: %s", c.Definition.Title, why)
	}
	claims, what := readClaims(r.IDToken)
	if claims == nil {
		return refused(what)
	}
	var audience []string // one string or a list (RFC 7519 4.1.3)
	if json.Unmarshal(claims.Audience, &audience) != nil {
		audience = make([]string, 1)
		_ = json.Unmarshal(claims.Audience, &audience[0])
	}
	switch {
	case claims.Issuer != c.Definition.Issuer:
		return refused("it is from another issuer")
	case !slices.Contains(audience, clientID):
		return refused("it is for another client")
	case !c.now().Before(time.Unix(int64(claims.Expires), 0).Add(maxClockSkew)):
		return refused("it has expired")
	case claims.Nonce != a.nonce:
		return refused("its nonce is not the one of this login")
	}
	return nil
}
