package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // of the algorithms
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"maps"
)

// Sign returns a JWT with the claims.
func (k *Key) Sign(claims map[string]any) (string, error) {
	header := maps.Clone(k.header)
	header["alg"], header["typ"] = k.algorithm, "JWT"
	first, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	second, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(first) + "." + base64.RawURLEncoding.EncodeToString(second)
	signature, err := k.signature([]byte(text))
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// signature signs as RFC 7518 3 and RFC 8037 3.1 say.
func (k *Key) signature(text []byte) ([]byte, error) {
	hash := map[string]crypto.Hash{"ES384": crypto.SHA384, "ES512": crypto.SHA512}[k.algorithm]
	if hash == 0 {
		hash = crypto.SHA256
	}
	h := hash.New()
	h.Write(text)
	switch key := k.signer.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(key, text), nil
	case *ecdsa.PrivateKey: // two numbers of a fixed length, RFC 7518 3.4
		r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
		if err != nil {
			return nil, err
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
	}
	var options crypto.SignerOpts = hash
	if k.algorithm == "PS256" {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	return k.signer.Sign(rand.Reader, h.Sum(nil), options)
}
