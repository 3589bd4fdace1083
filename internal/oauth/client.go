// Package oauth carries out what a provider's definition says. It is the one door to the wire: nothing
// else in tokencli sends a secret.
package oauth

import (
	"context"
	"net/http"
	"time"

	"github.com/tokencli/tokencli/internal/provider"
)

// Client carries out the requests of one login. It is safe for concurrent use.
type Client struct {
	*Config
	HTTP      *http.Client     // NewHTTP; nil only in a client that sends nothing
	UserAgent string           // `tokencli` when empty
	Now       func() time.Time // time.Now when nil
	// Timeout bounds all tries of one operation together; 30 s when 0.
	Timeout time.Duration
}

// token is the one function through which every token request goes.
func (c *Client) token(ctx context.Context, grant string, r Registration, values map[string]string) (*Reply, error) {
	path := "token." + grant
	request, err := c.request(path)
	if err != nil {
		return nil, err
	}
	a, err := c.send(ctx, path, request, r.values(values))
	if err != nil {
		return nil, err
	}
	return c.read(a)
}

// request returns the request that the definition describes at the path of a kind.
func (c *Client) request(path string) (*provider.Request, error) {
	request := c.Definition.Request(path)
	if request == nil {
		return nil, c.unknown(path)
	}
	if request.URL == "" {
		return nil, c.unknown(path + ".url")
	}
	return request, nil
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}
