// Package credential is what is kept for an account: the record, its stored form, its expiry rules, and
// the redaction of its secrets.
package credential

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
)

// Grant is how a login was made (RFC 6749 1.3).
type Grant string

// The grants. Static is a token that was handed out by other means and is only kept.
const (
	AuthorizationCode Grant = "authorization_code"
	DeviceCode        Grant = "device_code"
	Password          Grant = "password"
	ClientCredentials Grant = "client_credentials"
	JWTBearer         Grant = "jwt_bearer"     // RFC 7523 2.1
	TokenExchange     Grant = "token_exchange" // RFC 8693
	Static            Grant = "static"
)

// Mints reports whether the grant needs no user, so that it can be repeated in place of a refresh.
func (g Grant) Mints() bool { return g == ClientCredentials || g.Asserts() }

// Asserts reports whether the grant exchanges a JWT that somebody else issued.
func (g Grant) Asserts() bool { return g == JWTBearer || g == TokenExchange }

// Credential is everything that is kept for an account. With it and the provider's definition a token can
// be refreshed. The zero time means "unknown" or "never". A Credential is a plain value; copies share the
// slices and maps, which nobody modifies.
type Credential struct {
	Account account.Name
	Grant   Grant
	// Origin is the origin (RFC 6454) of the token endpoint that issued the tokens.
	Origin string
	// Origins are the origins of every endpoint of the login. Nothing of the credential is sent to any
	// other. Nil in a record that was written before they were kept.
	Origins Origins
	// Issuer identifies the authorization server that was found by discovery (RFC 8414); Resource is the
	// protected resource the tokens are for (RFC 8707, RFC 9728). Empty without discovery.
	Issuer, Resource string

	ClientID     string
	ClientSecret Secret
	// ClientKey is the private key of the client (PEM or JWK), or the absolute path of a file with it.
	ClientKey Secret
	// Registration is what it takes to delete a client that was registered for this login (RFC 7592).
	Registration Registration
	// RedirectURI is the one that the authorization code was issued to; some providers want it repeated
	// at every refresh.
	RedirectURI string
	// Scopes are those the provider granted or, if it does not say, those that were requested.
	Scopes []string
	// Inputs are the values of the definition's inputs; Kept are the fields of replies and redirects that
	// the definition keeps. Both are placeholders in the definition's addresses and parameters.
	Inputs, Kept map[string]string

	AccessToken      Secret
	TokenType        string
	RefreshToken     Secret
	ObtainedAt       time.Time
	AccessExpiresAt  time.Time
	RefreshExpiresAt time.Time
	// AccessLifetime and RefreshLifetime are the lifetimes that the provider stated last: 0 if it never
	// stated one, Unlimited if it said that the token does not expire. They apply to a reply that says
	// nothing about it.
	AccessLifetime, RefreshLifetime time.Duration

	// Generation counts the saves. It tells a refreshed credential from an older one even if a provider
	// issues the same token again.
	Generation int64
	// Presented is when the refresh token was about to be sent; the save after the answer clears it. If it
	// is found later, a refresh was cut off and its outcome is unknown.
	Presented time.Time
	// RefusedAt is when an API last refused an access token of this login that had not expired.
	RefusedAt time.Time
	// Ended is when the provider refused the refresh token for good.
	Ended time.Time
	// EndedReason is the provider's own word for that, such as invalid_grant.
	EndedReason string
	// MovedTo is the store that this login was moved to. A record that still has tokens as well is being
	// moved; one without is a pointer.
	MovedTo string
}

// Unlimited is the lifetime of a token that does not expire.
const Unlimited time.Duration = -1

// Origins are the origins (RFC 6454) of a login's endpoints, by what the endpoint is for.
type Origins map[Endpoint]string

// Endpoint is what an address of a provider is for.
type Endpoint string

// The endpoints to which a credential, or part of one, is sent. A definition with several whoami requests
// has an entry for each further one: "whoami 2".
const (
	TokenEndpoint   Endpoint = "token"
	RefreshEndpoint Endpoint = "refresh"
	RevokeEndpoint  Endpoint = "revoke"
	APIEndpoint     Endpoint = "api"
	WhoAmIEndpoint  Endpoint = "whoami"
)

// Registration is what is kept of a dynamically registered client besides its id and secret: the management access
// (RFC 7592), if the server gives one. The zero value also stands for a client that the user registered.
type Registration struct {
	URI             string // registration_client_uri
	AccessToken     Secret // registration_access_token
	SecretExpiresAt time.Time
	RedirectURI     string // that was registered; empty for a grant without one
}

// maxSkew is how far in the future a credential may have been obtained before the clock it was stamped
// with is disbelieved.
const maxSkew = 60 * time.Second

// Fresh reports whether the access token can be handed out at now with at least minTTL of its life left.
// A token without an expiry is always fresh. One that was obtained in the future is not: the clock was
// wrong then or is now, so its expiry cannot be trusted.
func (c *Credential) Fresh(now time.Time, minTTL time.Duration) bool {
	switch {
	case c.AccessToken == "":
		return false
	case c.Grant == Static:
		return true
	case c.ObtainedAt.After(now.Add(maxSkew)):
		return false
	case c.AccessExpiresAt.IsZero():
		return true
	}
	left := c.AccessExpiresAt.Sub(now)
	return left > 0 && left >= minTTL
}

// RefreshExpired reports whether the refresh token is known to have expired. Like the expiry of an access token, it
// is not trusted if the credential was obtained in the future.
func (c *Credential) RefreshExpired(now time.Time) bool {
	return !c.RefreshExpiresAt.IsZero() && !now.Before(c.RefreshExpiresAt) && !c.ObtainedAt.After(now.Add(maxSkew))
}

// Secrets returns every secret in the credential, for masking them in texts from outside.
func (c *Credential) Secrets() []string {
	var secrets []string
	for _, s := range []Secret{c.ClientSecret, c.AccessToken, c.RefreshToken, c.Registration.AccessToken} {
		if s != "" {
			secrets = append(secrets, s.Reveal())
		}
	}
	if account.HoldsKey(c.ClientKey.Reveal()) {
		secrets = append(secrets, c.ClientKey.Reveal())
	}
	return secrets
}

// String names the account and nothing else: a credential may end up in a message by accident.
func (c *Credential) String() string { return "credential of " + c.Account.String() }

// Format writes the same for every verb and flag: for a verb that a type does not know, fmt shows what a
// pointer points to without asking any method.
func (c *Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// Equal reports whether two credentials would be stored as the same text.
func (c *Credential) Equal(other *Credential) bool {
	a, errA := encode(c)
	b, errB := encode(other)
	return errA == nil && errB == nil && string(a) == string(b)
}

// SplitScopes splits a list of scopes at spaces (RFC 6749 3.3), other blanks and commas.
func SplitScopes(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
}
