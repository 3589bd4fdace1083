package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

// version is the number of the stored form. A higher one is refused: a credential that is only partly
// understood must not be changed and written back. Form 1 has fewer fields and is read as well.
const version = 2

// stored is the form on disk and in the keychain: one line of JSON, because some keychains damage text
// with line breaks. It is a type of its own so that a change to Credential cannot silently change what
// is stored already, and because a Credential masks its secrets when it is marshalled.
type stored struct {
	Version           int               `json:"tokencli"`
	Account           string            `json:"account"`
	Grant             Grant             `json:"grant"`
	Origin            string            `json:"origin,omitempty"`
	Origins           Origins           `json:"origins,omitempty"`
	Issuer            string            `json:"issuer,omitempty"`
	Resource          string            `json:"resource,omitempty"`
	ClientID          string            `json:"client_id,omitempty"`
	ClientSecret      string            `json:"client_secret,omitempty"`
	ClientKey         string            `json:"client_key,omitempty"`
	RegistrationURI   string            `json:"registration_client_uri,omitempty"`
	RegistrationToken string            `json:"registration_access_token,omitempty"`
	SecretExpiresAt   time.Time         `json:"client_secret_expires_at,omitzero"`
	RegisteredURI     string            `json:"registered_redirect_uri,omitempty"`
	RedirectURI       string            `json:"redirect_uri,omitempty"`
	Scopes            []string          `json:"scopes,omitempty"`
	Inputs            map[string]string `json:"inputs,omitempty"`
	Kept              map[string]string `json:"kept,omitempty"`
	AccessToken       string            `json:"access_token,omitempty"`
	TokenType         string            `json:"token_type,omitempty"`
	RefreshToken      string            `json:"refresh_token,omitempty"`
	ObtainedAt        time.Time         `json:"obtained_at,omitzero"`
	AccessExpiresAt   time.Time         `json:"access_expires_at,omitzero"`
	RefreshExpiresAt  time.Time         `json:"refresh_expires_at,omitzero"`
	AccessLifetime    time.Duration     `json:"access_lifetime_ns,omitempty"`
	RefreshLifetime   time.Duration     `json:"refresh_lifetime_ns,omitempty"`
	Generation        int64             `json:"generation,omitempty"`
	Presented         time.Time         `json:"presented,omitzero"`
	RefusedAt         time.Time         `json:"refused_at,omitzero"`
	Ended             time.Time         `json:"ended,omitzero"`
	EndedReason       string            `json:"ended_reason,omitempty"`
	MovedTo           string            `json:"moved_to,omitempty"`
}

// Encode returns the stored form of c, secrets included. Only stores and rescue files may use it. What Decode
// would refuse is a fail.Store; it wraps ErrUnsafe for text that must not be printed or sent.
func Encode(c *Credential) ([]byte, error) {
	text, err := encode(c)
	if err != nil {
		return nil, fail.New(fail.Store, "the credential of %s cannot be stored: %w", c.Account, err)
	}
	return text, nil
}

func encode(c *Credential) ([]byte, error) {
	if !c.safe() {
		return nil, ErrUnsafe
	}
	return json.Marshal(stored{
		Version:           version,
		Account:           c.Account.String(),
		Grant:             c.Grant,
		Origin:            c.Origin,
		Origins:           c.Origins,
		Issuer:            c.Issuer,
		Resource:          c.Resource,
		ClientID:          c.ClientID,
		ClientSecret:      c.ClientSecret.Reveal(),
		ClientKey:         c.ClientKey.Reveal(),
		RegistrationURI:   c.Registration.URI,
		RegistrationToken: c.Registration.AccessToken.Reveal(),
		SecretExpiresAt:   c.Registration.SecretExpiresAt.UTC().Round(0),
		RegisteredURI:     c.Registration.RedirectURI,
		RedirectURI:       c.RedirectURI,
		Scopes:            c.Scopes,
		Inputs:            c.Inputs,
		Kept:              c.Kept,
		AccessToken:       c.AccessToken.Reveal(),
		TokenType:         c.TokenType,
		RefreshToken:      c.RefreshToken.Reveal(),
		ObtainedAt:        c.ObtainedAt.UTC().Round(0),
		AccessExpiresAt:   c.AccessExpiresAt.UTC().Round(0),
		RefreshExpiresAt:  c.RefreshExpiresAt.UTC().Round(0),
		AccessLifetime:    c.AccessLifetime,
		RefreshLifetime:   c.RefreshLifetime,
		Generation:        c.Generation,
		Presented:         c.Presented.UTC().Round(0),
		RefusedAt:         c.RefusedAt.UTC().Round(0),
		Ended:             c.Ended.UTC().Round(0),
		EndedReason:       c.EndedReason,
		MovedTo:           c.MovedTo,
	})
}

// ErrForeign is returned by Decode for a text that is not a stored credential of this account.
var ErrForeign = errors.New("not a credential that tokencli wrote")

// ErrUnsafe is returned by Encode and Decode for a credential with a token or an address that no provider could have
// sent. Some stores cannot tell who wrote a record: anyone can encrypt to the public key of the file store.
var ErrUnsafe = errors.New("the credential contains control characters or line breaks")

// Decode reads the stored form of name's credential. It returns ErrForeign for anything that Encode does
// not write, ErrUnsafe for text that must not be printed or sent, and another error for a record of a newer
// version. No error quotes the text.
func Decode(name account.Name, text []byte) (*Credential, error) {
	// The decoder's own error could quote the text. The version is read first: a newer form may have
	// other fields.
	var form struct {
		Version int `json:"tokencli"`
	}
	if json.Unmarshal(text, &form) != nil || form.Version < 1 {
		return nil, ErrForeign
	}
	if form.Version > version {
		return nil, fmt.Errorf("written by a newer tokencli (form %d, this one knows %d)", form.Version, version)
	}
	var s stored
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&s) != nil || s.Account != name.String() || s.Grant == "" {
		return nil, ErrForeign
	}
	c := s.credential(name)
	switch _, err := encode(c); {
	case errors.Is(err, ErrUnsafe):
		return nil, err
	case err != nil:
		// A time that cannot be written back, so that no refresh could ever be saved.
		return nil, ErrForeign
	}
	return c, nil
}

func (s *stored) credential(name account.Name) *Credential {
	return &Credential{
		Account:          name,
		Grant:            s.Grant,
		Origin:           s.Origin,
		Origins:          s.Origins,
		Issuer:           s.Issuer,
		Resource:         s.Resource,
		ClientID:         s.ClientID,
		ClientSecret:     Secret(s.ClientSecret),
		ClientKey:        Secret(s.ClientKey),
		Registration:     s.registration(),
		RedirectURI:      s.RedirectURI,
		Scopes:           s.Scopes,
		Inputs:           s.Inputs,
		Kept:             s.Kept,
		AccessToken:      Secret(s.AccessToken),
		TokenType:        s.TokenType,
		RefreshToken:     Secret(s.RefreshToken),
		ObtainedAt:       s.ObtainedAt.UTC(),
		AccessExpiresAt:  s.AccessExpiresAt.UTC(),
		RefreshExpiresAt: s.RefreshExpiresAt.UTC(),
		AccessLifetime:   s.AccessLifetime,
		RefreshLifetime:  s.RefreshLifetime,
		Generation:       s.Generation,
		Presented:        s.Presented.UTC(),
		RefusedAt:        s.RefusedAt.UTC(),
		Ended:            s.Ended.UTC(),
		EndedReason:      s.EndedReason,
		MovedTo:          s.MovedTo,
	}
}

func (s *stored) registration() Registration {
	return Registration{
		URI: s.RegistrationURI, AccessToken: Secret(s.RegistrationToken), SecretExpiresAt: s.SecretExpiresAt.UTC(), RedirectURI: s.RegisteredURI,
	}
}

// safe reports whether everything that may end up in a header, an address or a shell is text that could have
// come from a provider or a user. The client secret is only ever sent encoded.
func (c *Credential) safe() bool {
	access := c.AccessToken == "" || c.AccessToken.Printable()
	if c.Grant == Static {
		access = plain(c.AccessToken.Reveal()) // may be a user name and password
	}
	texts := []string{c.Origin, c.Issuer, c.Resource, c.ClientID, c.RedirectURI, c.TokenType, c.Registration.URI, c.Registration.AccessToken.Reveal(), c.Registration.RedirectURI}
	texts = slices.AppendSeq(texts, maps.Values(c.Origins))
	texts = slices.AppendSeq(texts, maps.Values(c.Inputs))
	texts = slices.AppendSeq(texts, maps.Values(c.Kept))
	unsafe := slices.ContainsFunc(texts, func(text string) bool { return !plain(text) })
	return access && !unsafe && (c.RefreshToken == "" || ValidRefreshToken(c.RefreshToken.Reveal()))
}
