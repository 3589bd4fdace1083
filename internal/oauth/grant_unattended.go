package oauth

import (
	"context"
	"errors"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// Mint gets a token by a grant that needs no user and can be repeated: that of the client itself (RFC 6749 4.4),
// or the exchange of an assertion (RFC 7523 2.1) or of a token (RFC 8693 2.1) that somebody else issued. A refusal
// does not end a login, and is a fail.Refused.
func (c *Client) Mint(ctx context.Context, grant string, r Registration, assertion string, scopes []string) (*Reply, error) {
	reply, err := c.token(ctx, grant, r, map[string]string{
		"assertion": assertion, "scope": strings.Join(scopes, c.Definition.Scopes.Separator),
	})
	var e *Error
	if errors.As(err, &e) && e.Ended {
		e.Ended, e.Fail.Kind = false, fail.Refused
		if e.Fail.Advise(fail.DoCheckClient, c.Definition.ClientPlace()); grant != provider.ClientCredentials {
			e.Fail.Advise(fail.DoCheckAssertion)
		}
	}
	return reply, err
}
