package oauth

import (
	"context"
	"net/http"
)

// Revoke asks the provider to end a token (RFC 7009). hint is access_token or refresh_token. gone reports
// that the provider does not have this endpoint, so that only the user can end the login.
func (c *Client) Revoke(ctx context.Context, r Registration, token, hint string) (gone bool, err error) {
	request := c.Definition.Revoke.Request
	if request == nil {
		return true, nil
	}
	bound, cancel := c.bound(ctx)
	defer cancel()
	values := r.values(map[string]string{"token": token, "token_type_hint": hint})
	a, err := c.sendWithin(ctx, bound, "revoke.request", request, values)
	if err != nil {
		return false, err
	}
	if retry := c.Definition.Revoke.FallbackEncoding; retry != "" && (a.status == http.StatusBadRequest || a.status == http.StatusInternalServerError) {
		again := *request
		again.Encoding = retry
		second, err := c.sendWithin(ctx, bound, "revoke.request", &again, values)
		if err != nil {
			return false, err
		}
		if second.status < 300 {
			a = second
		}
	}
	object, what := c.object(a)
	switch {
	case a.status == http.StatusNotFound && c.Definition.Revoke.GoneOn404:
		return true, nil
	case a.status >= 300 && a.status < 400, a.status < 300 && a.isHTML():
		return false, c.nonsense(a, what)
	case a.status < 300:
		// The body of a success is ignored (RFC 7009 2.2), but an error may come in one.
		if code, ok := textAt(object, c.Definition.Errors.Code); ok && code != "" {
			return false, c.refusal(a, object)
		}
		return false, nil
	case object == nil && a.status < 500 && a.status != http.StatusTooManyRequests:
		return false, c.nonsense(a, what)
	}
	e := c.refusal(a, object)
	if e.Ended {
		// The token is dead already, which is what was wanted (RFC 7009 2.2).
		return false, nil
	}
	if code, _ := textAt(object, c.Definition.Errors.Code); code == "unsupported_token_type" && hint == "access_token" {
		return false, nil
	}
	return false, e
}
