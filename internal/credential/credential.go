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
	Password          Grant = "password"
	ClientCredentials Grant = "client_credentials"
	Static            Grant = "static"
)

// Credential is everything that is kept for an account. It is self-contained: with it and the
// provider's definition a token can be renewed. The zero time stands for "not known" or "never".
// A Credential is a plain value; copies share the slices, which nobody writes to.
type Credential struct {
	Account account.Name
	Grant   Grant
	// Origin is the scheme, host and port of the token endpoint the tokens came from (RFC 6454). They
	// are sent to no other.
	Origin       string
	ClientID     string
	ClientSecret Secret
	// RedirectURI is the one the authorization code was granted to; it is repeated where a provider
	// wants it on renewal.
	RedirectURI string
	// Scopes are those the provider said it granted; where it says nothing, those that were asked for.
	Scopes []string

	AccessToken      Secret
	TokenType        string
	RefreshToken     Secret
	ObtainedAt       time.Time
	AccessExpiresAt  time.Time
	RefreshExpiresAt time.Time

	// Generation counts the saves. It tells a renewed credential from an old one even where a provider
	// hands out the same token again.
	Generation int64
	// Presented is when the refresh token was last about to be sent; a save after the answer clears it.
	// Found later, it says that a renewal was cut off and its outcome is unknown.
	Presented time.Time
	// Ended is when the provider refused the refresh token for good.
	Ended time.Time
	// EndedReason is the provider's own word for that, such as invalid_grant.
	EndedReason string
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

// Renewable reports whether a new access token can be had without a person: by a refresh token that is
// not known to be dead or, with the client credentials grant, by minting.
func (c *Credential) Renewable(now time.Time) bool {
	if c.Grant == Static {
		return false
	}
	if c.Mintable() {
		return true
	}
	return c.RefreshToken != "" && c.Ended.IsZero() && !c.RefreshExpired(now)
}

// Mintable reports whether the client's own id and secret are enough for a new token (RFC 6749 4.4).
func (c *Credential) Mintable() bool {
	return c.Grant == ClientCredentials && c.ClientID != "" && c.ClientSecret != ""
}

// RefreshExpired reports whether the refresh token's life is known to be over.
func (c *Credential) RefreshExpired(now time.Time) bool {
	return !c.RefreshExpiresAt.IsZero() && !now.Before(c.RefreshExpiresAt) && !c.ObtainedAt.After(now.Add(maxSkew))
}

// State is what an account needs, in one word.
type State string

// The states, as `status` prints them.
const (
	Valid       State = "valid"        // the access token can be used
	Refreshable State = "refreshable"  // the next use renews it
	LoginNeeded State = "login_needed" // a person has to log in
)

// State returns the state at a time.
func (c *Credential) State(now time.Time) State {
	switch {
	case c.Fresh(now, 0):
		return Valid
	case c.Renewable(now):
		return Refreshable
	}
	return LoginNeeded
}

// Secrets returns every secret in the credential, for masking them in texts from outside.
func (c *Credential) Secrets() []string {
	var secrets []string
	for _, s := range []Secret{c.ClientSecret, c.AccessToken, c.RefreshToken} {
		if s != "" {
			secrets = append(secrets, s.Reveal())
		}
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
	a, errA := Encode(c)
	b, errB := Encode(other)
	return errA == nil && errB == nil && string(a) == string(b)
}

// SplitScopes splits a list of scopes at spaces (RFC 6749 3.3), other blanks and commas.
func SplitScopes(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
}
