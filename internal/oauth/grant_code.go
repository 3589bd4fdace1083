package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// Authorization is one authorization request under way (RFC 6749 4.1.1).
type Authorization struct {
	RedirectURI string
	Scopes      []string
	State       string
	verifier    string
	nonce       string // empty: no ID token is expected
}

// NewAuthorization makes the state and, where the definition has it, the PKCE verifier (RFC 7636 4.1) of
// a login. Both hold 256 random bits.
func (c *Client) NewAuthorization(redirectURI string, scopes []string) *Authorization {
	a := &Authorization{RedirectURI: redirectURI, Scopes: scopes, State: random()}
	if c.Definition.Authorize.PKCE == "S256" {
		a.verifier = random()
	}
	if c.Definition.Issuer != "" && slices.Contains(scopes, "openid") {
		a.nonce = random()
	}
	return a
}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// URL returns the address to which the user's browser goes. Where the request is pushed to the server first (RFC
// 9126), the address works only once and for validFor; 0: the server sets no limit.
func (c *Client) URL(ctx context.Context, r Registration, a *Authorization) (address string, validFor time.Duration, err error) {
	const exchange = "token.authorization_code"
	if r := c.Definition.Request(exchange); (r == nil || r.URL == "") && len(c.Definition.Callback.Keep) == 0 {
		return "", 0, c.unknown(exchange + ".url") // nobody could use the code
	}
	request, err := c.request("authorize")
	if err != nil {
		return "", 0, err
	}
	u, err := url.Parse(request.URL)
	if err != nil {
		return "", 0, fail.New(fail.Usage, "authorize.url of %s is not an address", c.Definition.Name)
	}
	sum := sha256.Sum256([]byte(a.verifier))
	values := map[string]string{
		"client_id":      r.ID,
		"redirect_uri":   a.RedirectURI,
		"scope":          strings.Join(a.Scopes, c.Definition.Scopes.Separator),
		"state":          a.State,
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
	params, err := c.params("authorize", request, values)
	if err != nil {
		return "", 0, err
	}
	c.addOpenID(a, params)
	if c.Definition.Authorize.PAR {
		if params, validFor, err = c.push(ctx, r, a.RedirectURI, params); err != nil {
			return "", 0, err
		}
	}
	query := u.Query()
	maps.Copy(query, params)
	u.RawQuery = encodeQuery(query)
	return u.String(), validFor, nil
}

// Exchange exchanges an authorization code for tokens (RFC 6749 4.1.3).
func (c *Client) Exchange(ctx context.Context, r Registration, a *Authorization, code string) (*Reply, error) {
	reply, err := c.token(ctx, provider.AuthorizationCode, r, map[string]string{
		"code": code, "redirect_uri": a.RedirectURI, "code_verifier": a.verifier,
	})
	if err != nil {
		return nil, err
	}
	if err := c.checkIDToken(a, r.ID, reply); err != nil {
		return nil, err
	}
	return reply, nil
}

// addOpenID adds what OpenID Connect Core 1.0 wants in an authorization request: a nonce (3.1.2.1), and the
// prompt without which offline_access is ignored (11), unless the definition has a prompt of its own.
func (c *Client) addOpenID(a *Authorization, params map[string][]string) {
	if c.Definition.Issuer == "" {
		return
	}
	if a.nonce != "" {
		params["nonce"] = []string{a.nonce}
	}
	if _, written := c.Definition.Authorize.Params["prompt"]; !written && slices.Contains(a.Scopes, "offline_access") {
		params["prompt"] = []string{"consent"}
	}
}
