package refresh

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/oauth"
)

// Apply returns c with what a reply granted. What the reply does not say stays as the provider stated it
// last (RFC 6749 5.1 makes most of it optional).
func Apply(c credential.Credential, reply *oauth.Reply) credential.Credential {
	c.AccessToken, c.TokenType, c.ObtainedAt = reply.AccessToken, reply.TokenType, reply.RequestedAt
	c.AccessExpiresAt, c.AccessLifetime = expiry(reply.RequestedAt, reply.AccessLifetime, c.AccessLifetime, reply.AccessExpiresAt)
	c.RefreshToken, c.RefreshExpiresAt, c.RefreshLifetime = refreshToken(&c, reply)
	if reply.Scopes != nil {
		c.Scopes = slices.Clone(reply.Scopes)
	}
	c.Presented, c.Ended, c.EndedReason = time.Time{}, time.Time{}, ""
	c.Generation++
	return c
}

// keep returns the kept fields with those of a reply or a redirect, which replace earlier ones.
func keep(kept, brought map[string]string) map[string]string {
	if len(brought) == 0 {
		return kept
	}
	all := make(map[string]string, len(kept)+len(brought))
	maps.Copy(all, kept)
	maps.Copy(all, brought)
	return all
}

// Keep keeps fields with a login, whose client then has the addresses that they are part of. The origins of those
// count as the login's from then on: the fields come from its token endpoint, or from its redirect.
func Keep(c *credential.Credential, client *oauth.Client, fields map[string]string) error {
	config, err := client.Keeping(fields)
	if err != nil {
		return err
	}
	client.Config = config
	c.Kept = keep(c.Kept, fields)
	c.Origin, c.Origins = config.Definition.Origin(), Origins(config.Definition)
	return nil
}

// refreshToken returns the refresh token after a reply, with its expiry and the lifetime last stated. If the
// reply brings no new one, the old one is kept (RFC 6749 6).
func refreshToken(c *credential.Credential, reply *oauth.Reply) (credential.Secret, time.Time, time.Duration) {
	token := reply.RefreshToken
	if token == "" {
		token = c.RefreshToken
		if reply.RefreshLifetime == 0 {
			return token, c.RefreshExpiresAt, c.RefreshLifetime
		}
	}
	at, stated := expiry(reply.RequestedAt, reply.RefreshLifetime, c.RefreshLifetime, reply.RefreshExpiresAt)
	return token, at, stated
}

// expiry returns when a token expires and the lifetime last stated: the one in the reply, else the one of an
// earlier reply. standard is the expiry by the definition, for a provider that never stated a lifetime.
func expiry(from time.Time, stated, before time.Duration, standard time.Time) (time.Time, time.Duration) {
	stated = cmp.Or(stated, before)
	switch stated {
	case 0:
		return standard, 0
	case credential.Unlimited:
		return time.Time{}, stated
	}
	return from.Add(stated), stated
}
