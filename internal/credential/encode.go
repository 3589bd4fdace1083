package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tokencli/tokencli/internal/account"
)

// version is the number of the stored form. A reader refuses a higher one: a credential must not be
// half understood, changed and written back.
const version = 1

// stored is the form on disk and in the keychain: one line of JSON, because some keychains damage texts
// with line breaks. It is a type of its own so that a change to Credential cannot silently change what
// was stored earlier, and because a Credential masks its secrets when it is marshalled.
type stored struct {
	Version          int       `json:"tokencli"`
	Account          string    `json:"account"`
	Grant            Grant     `json:"grant"`
	Origin           string    `json:"origin,omitempty"`
	ClientID         string    `json:"client_id,omitempty"`
	ClientSecret     string    `json:"client_secret,omitempty"`
	RedirectURI      string    `json:"redirect_uri,omitempty"`
	Scopes           []string  `json:"scopes,omitempty"`
	AccessToken      string    `json:"access_token,omitempty"`
	TokenType        string    `json:"token_type,omitempty"`
	RefreshToken     string    `json:"refresh_token,omitempty"`
	ObtainedAt       time.Time `json:"obtained_at,omitzero"`
	AccessExpiresAt  time.Time `json:"access_expires_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	Generation       int64     `json:"generation,omitempty"`
	Presented        time.Time `json:"presented,omitzero"`
	Ended            time.Time `json:"ended,omitzero"`
	EndedReason      string    `json:"ended_reason,omitempty"`
}

// Encode returns the stored form of c, secrets included. It is for stores only.
func Encode(c *Credential) ([]byte, error) {
	return json.Marshal(stored{
		Version:          version,
		Account:          c.Account.String(),
		Grant:            c.Grant,
		Origin:           c.Origin,
		ClientID:         c.ClientID,
		ClientSecret:     c.ClientSecret.Reveal(),
		RedirectURI:      c.RedirectURI,
		Scopes:           c.Scopes,
		AccessToken:      c.AccessToken.Reveal(),
		TokenType:        c.TokenType,
		RefreshToken:     c.RefreshToken.Reveal(),
		ObtainedAt:       c.ObtainedAt.UTC().Round(0),
		AccessExpiresAt:  c.AccessExpiresAt.UTC().Round(0),
		RefreshExpiresAt: c.RefreshExpiresAt.UTC().Round(0),
		Generation:       c.Generation,
		Presented:        c.Presented.UTC().Round(0),
		Ended:            c.Ended.UTC().Round(0),
		EndedReason:      c.EndedReason,
	})
}

// ErrForeign is returned by Decode for a text that is not a stored credential of this account.
var ErrForeign = errors.New("not a credential that tokencli wrote")

// Decode reads the stored form of name's credential. It returns ErrForeign, never quoting the text, for
// anything that Encode does not write, and says so when the text was written by a newer version.
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
	c := &Credential{
		Account:          name,
		Grant:            s.Grant,
		Origin:           s.Origin,
		ClientID:         s.ClientID,
		ClientSecret:     Secret(s.ClientSecret),
		RedirectURI:      s.RedirectURI,
		Scopes:           s.Scopes,
		AccessToken:      Secret(s.AccessToken),
		TokenType:        s.TokenType,
		RefreshToken:     Secret(s.RefreshToken),
		ObtainedAt:       s.ObtainedAt.UTC(),
		AccessExpiresAt:  s.AccessExpiresAt.UTC(),
		RefreshExpiresAt: s.RefreshExpiresAt.UTC(),
		Generation:       s.Generation,
		Presented:        s.Presented.UTC(),
		Ended:            s.Ended.UTC(),
		EndedReason:      s.EndedReason,
	}
	if _, err := Encode(c); err != nil {
		// An instant that cannot be written back, so that no renewal could ever be saved.
		return nil, ErrForeign
	}
	return c, nil
}
