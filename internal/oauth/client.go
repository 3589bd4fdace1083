// Package oauth is the engine: it carries out what a provider's definition says. It is the one door to
// the wire; nothing else in tokencli sends a secret.
package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// Client carries out the requests of one definition. It is safe for concurrent use.
type Client struct {
	Definition *provider.Definition
	HTTP       *http.Client     // NewHTTP; nil only in a client that sends nothing
	UserAgent  string           // `tokencli` when empty
	Now        func() time.Time // time.Now when nil
	// Timeout bounds all tries of one operation together; 30 s when 0.
	Timeout time.Duration
}

// Registration is the client as the provider knows it (RFC 6749 2.2).
type Registration struct {
	ID, Secret string
}

func (r Registration) values(more map[string]string) map[string]string {
	more["client_id"], more["client_secret"] = r.ID, r.Secret
	return more
}

// Authorization is one authorization request under way (RFC 6749 4.1.1).
type Authorization struct {
	RedirectURI string
	Scopes      []string
	State       string
	verifier    string
}

// NewAuthorization makes the state and, where the definition has it, the PKCE verifier (RFC 7636 4.1) of
// a login. Both hold 256 random bits.
func (c *Client) NewAuthorization(redirectURI string, scopes []string) *Authorization {
	a := &Authorization{RedirectURI: redirectURI, Scopes: scopes, State: random()}
	if c.Definition.Authorize.PKCE == "S256" {
		a.verifier = random()
	}
	return a
}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// URL returns the address to which the user's browser goes.
func (c *Client) URL(r Registration, a *Authorization) (string, error) {
	u, err := url.Parse(c.Definition.Authorize.URL)
	if err != nil {
		return "", fail.New(fail.Usage, "authorize.url of %s is not an address", c.Definition.Name)
	}
	sum := sha256.Sum256([]byte(a.verifier))
	params, err := c.Definition.Params(provider.KindAt("authorize"), c.Definition.Request("authorize")).Expand(map[string]string{
		"client_id":      r.ID,
		"redirect_uri":   a.RedirectURI,
		"scope":          strings.Join(a.Scopes, c.Definition.Scopes.Separator),
		"state":          a.State,
		"resource":       c.Definition.Resource,
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	if err != nil {
		return "", fail.New(fail.Usage, "%s: authorize.params.%w", c.Definition.Name, err)
	}
	query := u.Query()
	maps.Copy(query, params)
	u.RawQuery = encodeQuery(query)
	return u.String(), nil
}

// Exchange trades an authorization code for tokens (RFC 6749 4.1.3).
func (c *Client) Exchange(ctx context.Context, r Registration, a *Authorization, code string) (*Reply, error) {
	values := r.values(map[string]string{"code": code, "redirect_uri": a.RedirectURI, "code_verifier": a.verifier})
	return c.token(ctx, provider.AuthorizationCode, values)
}

// SendsRedirectURI reports whether the exchange of a code repeats the redirect URI.
func (c *Client) SendsRedirectURI() bool {
	r := c.Definition.Token[provider.AuthorizationCode]
	return r != nil && c.Definition.Params(provider.KindAt("token.authorization_code"), r).Hold("{redirect_uri}")
}

// Refresh trades a refresh token for a new access token (RFC 6749 6). redirectURI is the one of the
// exchange, if that sent one.
func (c *Client) Refresh(ctx context.Context, r Registration, refreshToken, redirectURI string) (*Reply, error) {
	return c.token(ctx, provider.Refresh,
		r.values(map[string]string{"refresh_token": refreshToken, "redirect_uri": redirectURI}))
}

// Password trades the resource owner's name and password for tokens (RFC 6749 4.3).
func (c *Client) Password(ctx context.Context, r Registration, username, password string, scopes []string) (*Reply, error) {
	return c.token(ctx, provider.Password, r.values(map[string]string{
		"username": username, "password": password, "scope": strings.Join(scopes, c.Definition.Scopes.Separator),
	}))
}

// ClientCredentials mints a token for the client itself (RFC 6749 4.4).
func (c *Client) ClientCredentials(ctx context.Context, r Registration, scopes []string) (*Reply, error) {
	return c.token(ctx, provider.ClientCredentials, r.values(map[string]string{
		"scope": strings.Join(scopes, c.Definition.Scopes.Separator),
	}))
}

// token is the one function through which every token request goes.
func (c *Client) token(ctx context.Context, grant string, values map[string]string) (*Reply, error) {
	r := c.Definition.Token[grant]
	if r == nil {
		return nil, fail.New(fail.Usage, "the definition of %s has no token.%s", c.Definition.Name, grant)
	}
	a, err := c.send(ctx, "token."+grant, r, values)
	if err != nil {
		return nil, err
	}
	return c.read(a)
}

func (c *Client) timeout() time.Duration {
	if c.Timeout == 0 {
		return totalTime
	}
	return c.Timeout
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}
