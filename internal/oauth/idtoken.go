package oauth

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

// maxClockSkew is how far the clock of a provider may differ from ours.
const maxClockSkew = time.Minute

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
	var claims struct {
		Issuer   string          `json:"iss"`
		Audience json.RawMessage `json:"aud"`
		Expires  float64         `json:"exp"`
		Nonce    string          `json:"nonce"`
	}
	parts := strings.Split(r.IDToken.Reveal(), ".")
	if len(parts) != 3 {
		return refused("it is missing or not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return refused("its claims cannot be read")
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
