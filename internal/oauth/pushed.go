package oauth

import (
	"context"
	"net/http"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// push sends the parameters of an authorization request to the server, with the authentication of a token request
// (RFC 9126 2.1). It returns the parameters that the browser carries instead, and how long they can be used.
func (c *Client) push(ctx context.Context, r Registration, redirectURI string, params map[string][]string) (map[string][]string, time.Duration, error) {
	if c.pushURL == "" {
		return nil, 0, fail.New(fail.Refused, "%s names no endpoint for pushed authorization requests, which its definition asks for", c.Definition.Title).
			Advise(fail.DoShowProvider, c.Definition.Name)
	}
	request := &provider.Request{Method: http.MethodPost, URL: c.pushURL}
	if exchange := c.Definition.Token[provider.AuthorizationCode]; exchange != nil {
		request.ClientAuth = exchange.ClientAuth
	}
	if request.ClientAuth == provider.InParams && r.Secret != "" {
		params["client_id"], params["client_secret"] = []string{r.ID}, []string{r.Secret}
	}
	values := r.values(map[string]string{})
	bound, cancel := c.bound(ctx)
	defer cancel()
	a, err := c.try(ctx, bound, func() (*answer, error) {
		signed, err := c.signed("authorize", request, values)
		if err != nil {
			return nil, err
		}
		req, err := c.encode(bound, "authorize", request, signed, params)
		if err != nil {
			return nil, err
		}
		return c.roundTrip(req, secretsIn(signed))
	})
	if err != nil {
		return nil, 0, err
	}
	object, err := c.accepted(a, func(a *answer, object map[string]any) *Error { return c.pushRefused(a, object, redirectURI) })
	if err != nil {
		return nil, 0, err
	}
	reference := stringAt(object, provider.Names{"request_uri"})
	if !credential.Printable(reference) {
		return nil, 0, c.nonsense(a, "no usable request_uri")
	}
	return map[string][]string{"client_id": {r.ID}, "request_uri": {reference}}, secondsAt(object, "expires_in"), nil
}

// pushRefused is the failure of a pushed request that the server refused (RFC 9126 2.3).
func (c *Client) pushRefused(a *answer, object map[string]any, redirectURI string) *Error {
	e := c.refusal(a, object)
	if e.Fail.Kind != fail.Refused {
		return e
	}
	f := fail.New(fail.Refused, "%s refused the authorization request: %s", c.Definition.Title, a.withStatus(c.said(a, object)))
	switch e.Code {
	case "invalid_client", "unauthorized_client":
		f.Advise(fail.DoCheckClient, c.Definition.ClientPlace())
	case "invalid_scope":
		f.Advise(fail.DoNarrowScopes)
	default:
		f.Advise(fail.DoCheckRegistration, redact.Printable(redirectURI), c.Definition.Title)
	}
	e.Fail = f
	return e
}
