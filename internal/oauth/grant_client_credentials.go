package oauth

import (
	"context"
	"strings"

	"github.com/tokencli/tokencli/internal/provider"
)

// ClientCredentials gets a token for the client itself (RFC 6749 4.4).
func (c *Client) ClientCredentials(ctx context.Context, r Registration, scopes []string) (*Reply, error) {
	return c.token(ctx, provider.ClientCredentials, r, map[string]string{
		"scope": strings.Join(scopes, c.Definition.Scopes.Separator),
	})
}
