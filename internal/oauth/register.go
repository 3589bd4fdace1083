package oauth

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/loopback"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// clientMetadata is what a client says of itself when it registers (RFC 7591 2).
type clientMetadata struct {
	Name         string   `json:"client_name"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	GrantTypes   []string `json:"grant_types"`
	// ResponseTypes is an empty list, not null, for a grant without an authorization request: else it is ["code"].
	ResponseTypes []string `json:"response_types"`
	Scope         string   `json:"scope,omitempty"`
	ClientAuth    string   `json:"token_endpoint_auth_method"`
	// ApplicationType is native for a client that listens on this machine (OpenID Connect Dynamic Client
	// Registration 1.0, 2): a web client may not.
	ApplicationType string `json:"application_type,omitempty"`
}

// The ways to authenticate a client in the words of RFC 7591 2.
const (
	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
)

// Register registers a client for a login (RFC 7591 3). redirectURI is empty for a grant without one. A refusal is a
// fail.Refused.
func (c *Client) Register(ctx context.Context, grant, redirectURI string, scopes []string) (Registration, credential.Registration, error) {
	asked := c.clientMetadata(grant, redirectURI, scopes)
	text, err := json.Marshal(asked)
	if err != nil {
		return Registration{}, credential.Registration{}, err
	}
	bound, cancel := c.bound(ctx)
	defer cancel()
	a, err := c.try(ctx, bound, func() (*answer, error) {
		req, err := http.NewRequestWithContext(bound, http.MethodPost, c.moved(c.RegistrationEndpoint), bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		c.dress(req)
		req.Header.Set("Content-Type", "application/json")
		return c.roundTrip(req, nil)
	})
	if err != nil {
		return Registration{}, credential.Registration{}, err
	}
	object, what := c.object(a)
	switch {
	case object == nil:
		return Registration{}, credential.Registration{}, c.nonsense(a, what)
	case a.status != http.StatusCreated && a.status != http.StatusOK:
		return Registration{}, credential.Registration{}, c.refusal(a, object)
	}
	client, management, err := c.registered(a, asked.ClientAuth)
	management.RedirectURI = redirectURI
	return client, management, err
}

func (c *Client) clientMetadata(grant, redirectURI string, scopes []string) clientMetadata {
	m := clientMetadata{
		Name: "tokencli", GrantTypes: []string{provider.KindAt("token." + grant).GrantType()}, ResponseTypes: []string{},
		Scope: strings.Join(scopes, " "), ClientAuth: c.authOf(grant),
	}
	if c.CanRefresh() && (c.server.GrantTypes == nil || slices.Contains(c.server.GrantTypes, "refresh_token")) {
		m.GrantTypes = append(m.GrantTypes, "refresh_token")
	}
	if redirectURI != "" {
		m.RedirectURIs, m.ResponseTypes = []string{redirectURI}, []string{"code"}
		if u, err := url.Parse(redirectURI); err == nil && loopback.Is(u.Hostname()) {
			m.ApplicationType = "native"
		}
	}
	return m
}

// authOf returns how the client will authenticate: not at all if the server allows that, unless the grant is nothing
// but the client's own authentication.
func (c *Client) authOf(grant string) string {
	switch {
	case grant != provider.ClientCredentials && slices.Contains(c.server.ClientAuth, authNone):
		return authNone
	case c.server.authentication() == provider.Basic:
		return authBasic
	}
	return authPost
}

// registered reads the answer to a registration (RFC 7591 3.2.1).
func (c *Client) registered(a *answer, asked string) (Registration, credential.Registration, error) {
	var reply struct {
		ID         string  `json:"client_id"`
		Secret     string  `json:"client_secret"`
		Expires    float64 `json:"client_secret_expires_at"`
		ClientAuth string  `json:"token_endpoint_auth_method"`
		URI        string  `json:"registration_client_uri"`
		Token      string  `json:"registration_access_token"`
	}
	if json.Unmarshal(a.text(), &reply) != nil || reply.ID == "" {
		return Registration{}, credential.Registration{}, c.nonsense(a, "a registration without a client id")
	}
	reply.ClientAuth = cmp.Or(reply.ClientAuth, asked)
	if reply.ClientAuth != asked && reply.ClientAuth != authNone {
		return Registration{}, credential.Registration{}, fail.New(fail.Refused,
			"%s registered a client that authenticates with %q, not with %q", c.Definition.Title, redact.Scrub(reply.ClientAuth, 80), asked)
	}
	if reply.ClientAuth == authNone {
		reply.Secret = ""
	}
	r := credential.Registration{}
	if reply.Expires > 0 && reply.Secret != "" {
		r.SecretExpiresAt = time.Unix(int64(reply.Expires), 0)
	}
	if reply.Token != "" && c.manages(reply.URI) {
		r.URI, r.AccessToken = reply.URI, credential.Secret(reply.Token)
	}
	return Registration{ID: reply.ID, Secret: reply.Secret}, r, nil
}

// manages reports whether the address of a registration has the origin of the registration endpoint. Its token is
// sent nowhere else.
func (c *Client) manages(address string) bool {
	own, errOwn := url.Parse(c.RegistrationEndpoint)
	u, err := url.Parse(address)
	return err == nil && errOwn == nil && provider.CheckURL(address) == nil && provider.Origin(u) == provider.Origin(own)
}

// Unregister deletes a client that was registered for a login (RFC 7592 2.3). gone is false if the server does not
// allow it.
func (c *Client) Unregister(ctx context.Context, r credential.Registration) (gone bool, err error) {
	if !c.manages(r.URI) {
		return false, nil
	}
	bound, cancel := c.bound(ctx)
	defer cancel()
	secret := r.AccessToken.Reveal()
	a, err := c.try(ctx, bound, func() (*answer, error) {
		req, err := http.NewRequestWithContext(bound, http.MethodDelete, c.moved(r.URI), nil)
		if err != nil {
			return nil, err
		}
		c.dress(req)
		req.Header.Set("Authorization", "Bearer "+secret)
		return c.roundTrip(req, []string{secret})
	})
	if err != nil {
		return false, err
	}
	switch {
	case a.status >= 200 && a.status < 300,
		// A client that does not exist is answered with 401 (RFC 7592 2.3).
		a.status == http.StatusUnauthorized, a.status == http.StatusNotFound, a.status == http.StatusGone:
		return true, nil
	case a.status == http.StatusTooManyRequests, a.status >= 500 && a.status != http.StatusNotImplemented:
		object, _ := c.object(a)
		return false, c.refusal(a, object)
	}
	return false, nil
}

// moved returns an address that metadata or a registration names, moved to the base URL.
func (c *Config) moved(address string) string {
	u, err := url.Parse(address)
	if err != nil || c.base == nil {
		return address
	}
	move(u, c.base)
	return u.String()
}
