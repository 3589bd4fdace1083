// Package jwt reads, fetches and signs JSON Web Tokens (RFC 7519) in the compact form of a signature (RFC 7515). It
// verifies no signature: what it reads is meant for somebody else, or came straight from its issuer over TLS.
package jwt

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// ErrNotJWT says that a text is not a JWT. It does not quote the text, which may be a secret.
var ErrNotJWT = errors.New("not a JWT")

// Claims decodes the claims of a JWT, which need not be signed. A text without them is ErrNotJWT.
func Claims(token string, claims any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || decode(parts[1], claims) != nil {
		return ErrNotJWT
	}
	return nil
}

// Check returns ErrNotJWT for a text that is not a signed JWT with a JSON object of claims.
func Check(token string) error {
	var claims map[string]json.RawMessage
	if Claims(token, &claims) != nil || claims == nil { // the JSON null
		return ErrNotJWT
	}
	parts := strings.Split(token, ".")
	var header struct {
		Algorithm string `json:"alg"`
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if decode(parts[0], &header) != nil || header.Algorithm == "" || err != nil || len(signature) == 0 {
		return ErrNotJWT
	}
	return nil
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
