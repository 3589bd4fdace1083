package oauth

import (
	"context"
	"strings"

	"github.com/tokencli/tokencli/internal/provider"
)

// Password exchanges the resource owner's name and password for tokens (RFC 6749 4.3).
func (c *Client) Password(ctx context.Context, r Registration, username, password string, scopes []string) (*Reply, error) {
	return c.token(ctx, provider.Password, r, map[string]string{
		"username": username, "password": password, "scope": strings.Join(scopes, c.Definition.Scopes.Separator),
	})
}
