package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// parseJWK reads a private key in JSON (RFC 7517, RFC 7518 6, RFC 8037 2).
func parseJWK(text []byte) (*Key, error) {
	var j map[string]any
	if json.Unmarshal(text, &j) != nil {
		return nil, errNoKey
	}
	part := func(name string) []byte {
		value, _ := j[name].(string)
		b, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil {
			return nil
		}
		return b
	}
	k := &Key{header: map[string]string{}}
	k.algorithm, _ = j["alg"].(string)
	for _, name := range []string{"kid", "x5t", "x5t#S256"} {
		if value, ok := j[name].(string); ok && value != "" {
			k.header[name] = value
		}
	}
	switch kind, _ := j["kty"].(string); kind {
	case "RSA":
		k.signer = rsaKey(part)
	case "EC":
		curve, _ := j["crv"].(string)
		k.signer = ecKey(curve, part)
	case "OKP":
		if seed := part("d"); j["crv"] == "Ed25519" && len(seed) == ed25519.SeedSize {
			k.signer = ed25519.NewKeyFromSeed(seed)
		}
	}
	if k.signer == nil {
		return nil, errNoKey
	}
	return k, k.check()
}

// rsaKey returns nil for a key that is not valid.
func rsaKey(part func(string) []byte) crypto.Signer {
	number := func(name string) *big.Int { return new(big.Int).SetBytes(part(name)) }
	e := number("e")
	if !e.IsInt64() || e.Int64() > 1<<31-1 {
		return nil
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number("n"), E: int(e.Int64())},
		D:         number("d"), Primes: []*big.Int{number("p"), number("q")},
	}
	if key.Validate() != nil {
		return nil
	}
	key.Precompute()
	return key
}

// ecKey returns nil for a key that is not valid.
func ecKey(curve string, part func(string) []byte) crypto.Signer {
	known := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[curve]
	if known == nil {
		return nil
	}
	key, err := ecdsa.ParseRawPrivateKey(known, part("d"))
	if err != nil {
		return nil
	}
	return key
}
