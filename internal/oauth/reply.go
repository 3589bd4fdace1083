package oauth

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// Reply is what a token endpoint granted.
type Reply struct {
	AccessToken  credential.Secret
	TokenType    string
	RefreshToken credential.Secret // empty: none was sent
	IDToken      credential.Secret // checked by Exchange, never kept
	Scopes       []string          // nil: not stated
	RequestedAt  time.Time         // by the local clock
	// AccessLifetime and RefreshLifetime are the lifetimes that the reply states, counted from RequestedAt:
	// 0 if it states none that can be used, credential.Unlimited if the token does not expire.
	AccessLifetime, RefreshLifetime time.Duration
	// AccessExpiresAt and RefreshExpiresAt are when the tokens expire by the lifetime that the reply states,
	// else by the definition's default. Zero: there is neither, or the token does not expire.
	AccessExpiresAt, RefreshExpiresAt time.Time
	// Kept are the fields that the definition keeps with the login, by name; nil: it keeps none.
	Kept map[string]string
	// Notes say what could not be read, one line each.
	Notes []string
}

// read reads the answer to a token request. The body counts before the status, because some providers
// report an error with status 200.
func (c *Client) read(a *answer) (*Reply, error) {
	object, what := c.object(a)
	if object == nil {
		if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
			return nil, c.refusal(a, nil) // such an answer may be plain text
		}
		return nil, c.unusable(a, what)
	}
	if a.status < 200 || a.status > 299 {
		e := c.refusal(a, object)
		e.Salvage = c.salvage(a)
		return nil, e
	}
	names := c.Definition.Reply
	r := &Reply{RequestedAt: a.asked}
	access, refresh := stringAt(object, names.AccessToken), stringAt(object, names.RefreshToken)
	if access == "" && refresh == "" {
		if code, ok := textAt(object, c.Definition.Errors.Code); ok && code != "" {
			return nil, c.refusal(a, object)
		}
	}
	if !credential.Printable(access) {
		return nil, c.unusable(a, "no usable access token")
	}
	tokenType, _ := textAt(object, names.TokenType)
	r.TokenType = cmp.Or(strings.TrimSpace(tokenType), "Bearer")
	if !c.Presentation.Takes(r.TokenType) {
		e := c.unusable(a, "")
		e.Fail = fail.New(fail.Unavailable, "%s issued a token of type %q, which tokencli cannot present", c.Definition.Title, redact.Scrub(r.TokenType, 40, a.secrets...))
		return nil, e
	}
	r.AccessToken = credential.Secret(access)
	r.Scopes = scopesAt(object, names.Scope)
	if what := c.readKept(r, object); what != "" {
		return nil, c.unusable(a, what)
	}
	r.IDToken = credential.Secret(stringAt(object, names.IDToken))
	c.readRefreshToken(r, a, object)
	r.AccessLifetime, r.AccessExpiresAt = c.expiry(r, a, object, "access token", names.ExpiresIn, names.ExpiresAt, c.Definition.Lifetimes.Access)
	r.ownExpiry(a)
	return r, nil
}

// readKept reads the fields that the definition keeps. It returns what is wrong with them, or "".
func (c *Client) readKept(r *Reply, object map[string]any) (what string) {
	for _, name := range c.Definition.Reply.Keep {
		var value string
		switch v := At(object, name).(type) {
		case string:
			value = v
		case json.Number:
			value = v.String()
		}
		switch {
		case value == "":
			continue
		case !credential.ValidKept(value):
			return "a field " + name + " that cannot be kept"
		case r.Kept == nil:
			r.Kept = map[string]string{}
		}
		r.Kept[name] = value
	}
	if r.Kept == nil {
		return ""
	}
	if _, err := c.Keeping(r.Kept); err != nil {
		return fmt.Sprintf("a field that cannot be used in an address (%v)", err)
	}
	return ""
}

// readRefreshToken reads the refresh token and its expiry, which may be stated without a new token.
func (c *Client) readRefreshToken(r *Reply, a *answer, object map[string]any) {
	names := c.Definition.Reply
	v, _ := valueAt(object, names.RefreshToken)
	text, isText := v.(string)
	if n, ok := v.(json.Number); ok {
		text = n.String()
	}
	switch {
	case credential.ValidRefreshToken(text):
		r.RefreshToken = credential.Secret(text)
	case v != nil && v != false && (!isText || text != ""):
		r.Notes = append(r.Notes, "could not keep the new refresh token: it is not a text of printable ASCII characters")
	}
	r.RefreshLifetime, r.RefreshExpiresAt = c.expiry(r, a, object, "refresh token", names.RefreshExpiresIn, names.RefreshExpiresAt, c.Definition.Lifetimes.Refresh)
	for _, paths := range []provider.Names{names.RefreshExpiresIn, names.RefreshExpiresAt} {
		if v, ok := valueAt(object, paths); ok && r.RefreshLifetime == 0 && isZero(v) {
			r.RefreshLifetime = credential.Unlimited // as Keycloak writes it
		}
	}
	if r.RefreshLifetime == credential.Unlimited || r.RefreshToken == "" && r.RefreshLifetime == 0 {
		r.RefreshExpiresAt = time.Time{}
	}
}

// unusable is an answer that brings no token, together with what can be salvaged from it.
func (c *Client) unusable(a *answer, what string) *Error {
	e := c.nonsense(a, what)
	e.Salvage = c.salvage(a)
	return e
}

// scopesAt returns the scopes of a reply; nil: not stated. What cannot be a scope (RFC 6749 3.3) is left
// out.
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
