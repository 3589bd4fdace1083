package session

import (
	"context"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/apiclient"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/oauth"
)

// ownerTime bounds the question whose login this is.
const ownerTime = 3 * time.Second

// Owner returns whose login a new credential is, in the provider's words, or "" if its definition has no
// request for that or the answer takes longer than 3 s.
func (s *Session) Owner(ctx context.Context, c *credential.Credential) string {
	if c.Grant == credential.Static || c.AccessToken == "" {
		return ""
	}
	client, err := s.clientOf(ctx, c)
	if err != nil || len(client.Definition.WhoAmI) == 0 || s.mayUse(c, client.Definition) != nil {
		return ""
	}
	one := *client.Definition
	one.WhoAmI = one.WhoAmI[:1] // one request
	client.Definition = &one
	client.Timeout = ownerTime
	ctx, cancel := context.WithTimeout(ctx, ownerTime)
	defer cancel()
	details, err := apiclient.New(client, oauth.OneToken(c.AccessToken.Reveal())).WhoAmI(ctx)
	if err != nil {
		return ""
	}
	return strings.Join(known(details), "; ")
}
