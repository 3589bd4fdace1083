package oauth

import (
	"context"

	"github.com/tokencli/tokencli/internal/provider"
)

// Refresh exchanges a refresh token for a new access token (RFC 6749 6). redirectURI is the one of the
// exchange, if that sent one.
func (c *Client) Refresh(ctx context.Context, r Registration, refreshToken, redirectURI string) (*Reply, error) {
	if !c.SendsRedirectURI() {
		redirectURI = ""
	}
	return c.token(ctx, provider.Refresh, r, map[string]string{"refresh_token": refreshToken, "redirect_uri": redirectURI})
}
