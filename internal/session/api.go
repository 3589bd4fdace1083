package session

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
)

// Answer is what the provider's API answers.
type Answer = oauth.Response

// Body is what a request to the API sends along.
type Body = oauth.Body

// TextBody returns a body that is in memory.
func TextBody(text []byte) *Body { return oauth.TextBody(text) }

// Request is a request to the provider's API.
type Request struct {
	Path   string // a reference (RFC 3986), resolved against the definition's API address
	Method string
	Header http.Header
	Body   *Body // nil: none
	// Query is a GraphQL query, with its Variables; then there is no other body.
	Query     string
	Variables map[string]json.RawMessage
	// Follow follows redirects, to another host without the token.
	Follow bool
	// Paginate goes on with the next page as long as there is one.
	Paginate bool
	// MinTTL is the life that the token has to have left.
	MinTTL time.Duration
}

// API sends a request with the account's token and hands each answer to take, which reads its body to the
// end. A 401 that means an expired token leads to one renewal and one more try. What is wrong with the
// request itself is found before the store is touched.
func (s *Session) API(ctx context.Context, name account.Name, r Request, take func(*Answer) error) error {
	client, err := s.client(name)
	if err != nil {
		return err
	}
	call, err := r.call(client)
	if err != nil {
		return err
	}
	if r.Paginate {
		client.KeepAlive()
		defer client.HTTP.CloseIdleConnections()
	}
	began := s.now()
	c, err := s.Token(ctx, name, r.MinTTL)
	if c == nil {
		return err
	}
	if err != nil {
		s.tell("warning: %v", err)
	}
	if err := s.mayUse(c, client.Definition); err != nil {
		return err
	}
	for seen := make(map[string]bool); call != nil; {
		answer, renewed, renewErr := s.ask(ctx, client, call, c, began)
		if answer == nil {
			return renewErr
		}
		c, began = renewed, s.now()
		err := take(answer)
		answer.Close()
		if err != nil && !fail.Is(err, fail.Interrupted) {
			// What the provider says counts for more than that it could not be shown.
			err = cmp.Or(s.advise(answer.Failure(), c), err)
		}
		if err != nil {
			return err
		}
		if renewErr != nil {
			return renewErr
		}
		if err := answer.Failure(); err != nil {
			return s.advise(err, c)
		}
		if !r.Paginate {
			return nil
		}
		seen[call.Key()] = true
		if call, err = client.Next(answer); err != nil {
			return err
		}
		if call != nil && seen[call.Key()] {
			return fail.New(fail.Unavailable, "%s names a page as the next one that was there before", client.Definition.Title)
		}
	}
	return nil
}

// call makes the call of a request.
func (r *Request) call(client *oauth.Client) (*oauth.Call, error) {
	if r.Paginate && r.Query != "" {
		return nil, fail.New(fail.Usage, "a query says itself which page it wants").
			WithHint("put the page into a variable and ask again with another")
	}
	u, err := client.Definition.Resolve(r.Path)
	if err != nil {
		return nil, err
	}
	if client.NamesToken(u.RawQuery) {
		return nil, fail.New(fail.Usage, "the address already holds a token; tokencli puts its own there")
	}
	call := &oauth.Call{Method: r.Method, URL: u, Header: r.Header, Body: r.Body, Follow: r.Follow}
	if call.Header == nil {
		call.Header = make(http.Header)
	}
	if r.Query != "" {
		if !client.Definition.API.GraphQL {
			return nil, fail.New(fail.Usage, "the API of %s takes no GraphQL query", client.Definition.Title).
				WithHint("ask by path: tokencli api %s PATH", client.Definition.Name)
		}
		envelope := map[string]any{"query": r.Query}
		if len(r.Variables) > 0 {
			envelope["variables"] = r.Variables
		}
		text, err := json.Marshal(envelope)
		if err != nil {
			return nil, fail.New(fail.Usage, "a variable of the query is no JSON: %w", err)
		}
		call.Method, call.Body = http.MethodPost, TextBody(text)
		call.Header = maps.Clone(call.Header)
		call.Header.Set("Content-Type", "application/json")
	}
	if r.Paginate {
		return client.Paged(call)
	}
	return call, nil
}

// ask sends one request, and once more with a renewed token where the API does not accept the one at
// hand. It returns the credential that was used in the end. An answer may come together with an error:
// the token is refused, and it could not be renewed.
func (s *Session) ask(ctx context.Context, client *oauth.Client, call *oauth.Call, c *credential.Credential, began time.Time) (*Answer, *credential.Credential, error) {
	answer, err := client.Call(ctx, call, c.AccessToken.Reveal())
	switch {
	case err != nil:
		return nil, c, err
	case !answer.Expired(), !c.Renewable(s.now()), call.Body != nil && call.Body.Once,
		!c.ObtainedAt.Before(began): // a new token is not expired: the 401 has another reason
		return answer, c, nil
	}
	renewed, err := s.renew(ctx, c, wish{force: true})
	if renewed == nil {
		return answer, c, err
	}
	if err != nil {
		s.tell("warning: %v", err)
	}
	if err := s.mayUse(renewed, client.Definition); err != nil {
		return answer, c, err
	}
	answer.Close()
	answer, err = client.Call(ctx, call, renewed.AccessToken.Reveal())
	return answer, renewed, err
}

// advise adds what can be done about a refusal.
func (s *Session) advise(err error, c *credential.Credential) error {
	var e *fail.Error
	if !errors.As(err, &e) || e.Kind != fail.LoginNeeded || e.Hint != "" {
		return err
	}
	if c.Renewable(s.now()) {
		return e.WithHint("tokencli refresh %s, or tokencli login %s", c.Account, c.Account)
	}
	return e.WithHint("tokencli login %s", c.Account)
}
