package jwt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/loopback"
	"github.com/tokencli/tokencli/internal/redact"
)

// The variables of a GitHub Actions job that may have an ID token
// (docs.github.com, "OpenID Connect reference").
const (
	IDTokenURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	IDTokenToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// githubTime bounds the request for an ID token.
const githubTime = 10 * time.Second

// idTokenRequest returns the address that issues ID tokens for this job; nil: none does. The request carries a
// secret, so that plain http is only for this machine.
func (s *Source) idTokenRequest() *url.URL {
	u, err := url.Parse(s.Getenv(IDTokenURL))
	if err != nil || u.Host == "" || s.Getenv(IDTokenToken) == "" {
		return nil
	}
	if u.Scheme != "https" && !loopback.Is(u.Hostname()) {
		return nil
	}
	return u
}

// github requests an ID token of this job for the audience.
func (s *Source) github(ctx context.Context) (string, error) {
	u := s.idTokenRequest()
	if s.Audience != "" {
		query := u.Query()
		query.Set("audience", s.Audience)
		u.RawQuery = query.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, githubTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", fail.New(fail.Usage, "%s is not an address", IDTokenURL).Advise(fail.DoAllowIDToken)
	}
	req.Header.Set("Authorization", "Bearer "+s.Getenv(IDTokenToken))
	req.Header.Set("Accept", "application/json")
	resp, err := s.HTTP.Transport.RoundTrip(req) // which follows no redirect
	if err != nil {
		return "", s.cannotRequest(u.Host, err)
	}
	defer resp.Body.Close()
	var reply struct {
		Value string `json:"value"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxToken)).Decode(&reply)
	if resp.StatusCode != http.StatusOK || err != nil || Check(reply.Value) != nil {
		return "", fail.New(fail.Unavailable, "GitHub issued no ID token (status %d)", resp.StatusCode).Advise(fail.DoTryAgain)
	}
	return reply.Value, nil
}

// cannotRequest is the failure of a request that got no answer.
func (s *Source) cannotRequest(host string, err error) error {
	var known *fail.Error
	if errors.As(err, &known) { // a proxy setting that cannot be used
		return known
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if why := fail.Unreached(host, err); why != nil {
		return fail.New(fail.Unavailable, "GitHub's ID token cannot be requested: %w", why)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s did not answer in time", host)
	}
	return fail.New(fail.Unavailable, "GitHub's ID token cannot be requested: %s",
		redact.Scrub(err.Error(), 200, s.Getenv(IDTokenToken))).Advise(fail.DoTryAgain)
}
