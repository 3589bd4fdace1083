package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
)

// Key signs JWTs. It is safe for concurrent use.
type Key struct {
	signer    crypto.Signer
	algorithm string            // JWS "alg" (RFC 7518 3.1)
	header    map[string]string // what names the key in the header (RFC 7515 4.1)
}

// The failures of ParseKey, which quote nothing of the text.
var (
	errNoKey     = errors.New("expected a private key in PEM or a JWK")
	errEncrypted = errors.New("the private key is encrypted; expected one without a passphrase")
	errKeyKind   = errors.New("expected an RSA key of at least 2048 bits, an EC key on P-256, P-384 or P-521, or an Ed25519 key")
)

// ParseKey reads a private key: PEM in the form of PKCS #1, PKCS #8 or SEC 1, or a JWK (RFC 7517). The algorithm
// follows from the key: RS256, or PS256 for an RSA key that says so; ES256, ES384 or ES512; EdDSA. A certificate
// beside the key, and the key id of a JWK, are named in the header.
func ParseKey(text string) (*Key, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return parseJWK([]byte(text))
	}
	k := &Key{header: map[string]string{}}
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n") // as some CI systems write line breaks
	}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type == "CERTIFICATE" && len(k.header) == 0:
			k.certificate(block.Bytes)
		case strings.HasSuffix(block.Type, "PRIVATE KEY") && k.signer == nil:
			if err := k.parse(block); err != nil {
				return nil, err
			}
		}
	}
	if k.signer == nil {
		return nil, errNoKey
	}
	return k, k.check()
}

// certificate names a certificate in the header (RFC 7515 4.1.7 and 4.1.8): Microsoft Entra finds the key by it.
func (k *Key) certificate(der []byte) {
	old, current := sha1.Sum(der), sha256.Sum256(der)
	k.header["x5t"] = base64.RawURLEncoding.EncodeToString(old[:])
	k.header["x5t#S256"] = base64.RawURLEncoding.EncodeToString(current[:])
}

// parse reads a block of PEM. The errors of x509 are not used: they might quote the key.
func (k *Key) parse(block *pem.Block) (err error) {
	var key any
	switch {
	case strings.Contains(block.Type, "ENCRYPTED"), block.Headers["DEK-Info"] != "":
		return errEncrypted
	case block.Type == "RSA PRIVATE KEY": // PKCS #1, RFC 8017 A.1.2
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY": // SEC 1, RFC 5915
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default: // PKCS #8, RFC 5958
		if inner := onlyPSS(block.Bytes); inner != nil {
			k.algorithm = "PS256"
			key, err = x509.ParsePKCS1PrivateKey(inner)
		} else {
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		}
	}
	if err != nil {
		return errNoKey
	}
	var ok bool
	if k.signer, ok = key.(crypto.Signer); !ok {
		return errKeyKind
	}
	return nil
}

// onlyPSS returns the RSA key in a PKCS #8 structure that is only for RSASSA-PSS (RFC 4055 1.2), which x509 does not
// read; nil: it is something else.
func onlyPSS(der []byte) []byte {
	var structure struct {
		Version   int
		Algorithm struct {
			ID         asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Key []byte
	}
	pss := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	if _, err := asn1.Unmarshal(der, &structure); err != nil || !structure.Algorithm.ID.Equal(pss) {
		return nil
	}
	return structure.Key
}

// check sets the algorithm where the text names none, and refuses a key that fits none.
func (k *Key) check() error {
	algorithm := ""
	switch key := k.signer.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < 2048 { // RFC 7518 3.3
			return errKeyKind
		}
		if algorithm = "RS256"; k.algorithm == "PS256" {
			algorithm = "PS256"
		}
	case *ecdsa.PrivateKey:
		algorithm = map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[key.Curve.Params().BitSize]
	case ed25519.PrivateKey:
		algorithm = "EdDSA"
	}
	if algorithm == "" || k.algorithm != "" && k.algorithm != algorithm {
		return errKeyKind
	}
	k.algorithm = algorithm
	return nil
}
