package oauth

import (
	"crypto/rand"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
	"github.com/tokencli/tokencli/internal/provider"
)

// assertionLife is how long a client assertion can be used. It allows for a clock that is a few minutes off.
const assertionLife = 5 * time.Minute

// signed adds a client assertion to the values of a request whose client authenticates with its key (RFC 7523 2.2,
// OpenID Connect Core 1.0, 9). Each try of a request needs its own: a server may accept each only once.
func (c *Client) signed(path string, r *provider.Request, values map[string]string) (map[string]string, error) {
	if r.ClientAuth != provider.PrivateKeyJWT {
		return values, nil
	}
	key, err := jwt.ParseKey(values["client_key"])
	if err != nil {
		return nil, fail.New(fail.Usage, "%s: the key of the client: %w", c.Definition.Name, err)
	}
	now := c.now()
	assertion, err := key.Sign(map[string]any{
		"iss": values["client_id"], "sub": values["client_id"], "aud": c.audience(path, r), "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return nil, fail.New(fail.Usage, "%s: the key of the client cannot sign: %w", c.Definition.Name, err)
	}
	values = maps.Clone(values)
	values["client_assertion"] = assertion
	return values, nil
}

// audience returns the token endpoint, which every server accepts as the audience of a client assertion, also in
// requests to its other endpoints (OpenID Connect Core 1.0, 9; RFC 9126 2).
func (c *Client) audience(path string, r *provider.Request) string {
	if strings.HasPrefix(path, "token.") {
		return r.URL
	}
	return c.Definition.TokenURL()
}

type keyAuth struct{}

func (keyAuth) authenticate(values map[string]string, params map[string][]string, _ http.Header) {
	params["client_id"] = []string{values["client_id"]}
	params["client_assertion_type"] = []string{"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
	params["client_assertion"] = []string{values["client_assertion"]}
}
