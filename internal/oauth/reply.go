package oauth

import (
	"net/http"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/provider"
)

// Reply is what a token endpoint granted. The zero time stands for "not said, and no default".
type Reply struct {
	AccessToken      credential.Secret
	TokenType        string
	RefreshToken     credential.Secret // empty: none was sent
	Scopes           []string          // nil: not said
	RequestedAt      time.Time         // by the local clock
	AccessExpiresAt  time.Time
	RefreshExpiresAt time.Time
	// Notes say what of the reply could not be read and what is assumed instead.
	Notes []string
}

// read reads the answer to a token request. It judges by the body first: there are providers that report
// an error with status 200.
func (c *Client) read(a *answer) (*Reply, error) {
	object, what := a.object()
	if object == nil {
		if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
			return nil, c.refusal(a, nil) // such a reply may be plain text
		}
		return nil, c.nonsense(a, what)
	}
	if a.status < 200 || a.status > 299 {
		return nil, c.refusal(a, object)
	}
	names := c.Definition.Reply
	r := &Reply{RequestedAt: a.asked}
	access, refresh := stringAt(object, names.AccessToken), stringAt(object, names.RefreshToken)
	if credential.Printable(refresh) {
		r.RefreshToken = credential.Secret(refresh)
		r.RefreshExpiresAt = c.expiry(r, a, object, "refresh token", names.RefreshExpiresIn, names.RefreshExpiresAt, c.Definition.Lifetimes.Refresh)
	}
	if access == "" && refresh == "" {
		if code, ok := textAt(object, c.Definition.Errors.Code); ok && code != "" {
			return nil, c.refusal(a, object)
		}
	}
	if !credential.Printable(access) {
		e := c.nonsense(a, "no usable access token")
		if r.RefreshToken != "" {
			e.Salvage = r
		}
		return nil, e
	}
	r.AccessToken = credential.Secret(access)
	r.TokenType = stringAt(object, names.TokenType)
	if !credential.Printable(r.TokenType) {
		r.TokenType = "Bearer"
	}
	r.Scopes = scopesAt(object, names.Scope)
	r.AccessExpiresAt = c.expiry(r, a, object, "access token", names.ExpiresIn, names.ExpiresAt, c.Definition.Lifetimes.Access)
	return r, nil
}

// scopesAt returns the scopes of a reply; nil: it does not say. What cannot be a scope (RFC 6749 3.3) is
// left out.
func scopesAt(object map[string]any, names provider.Names) []string {
	v, _ := valueAt(object, names)
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var scopes []string
	for _, item := range list {
		s, _ := item.(string)
		for _, scope := range credential.SplitScopes(s) {
			if credential.Printable(scope) {
				scopes = append(scopes, scope)
			}
		}
	}
	return scopes
}
