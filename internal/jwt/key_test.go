package jwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/jwt"
)

// must returns a value that can always be made.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// rsaKey is made once: that takes a second on a slow machine.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// pssKey is an RSA key in PKCS #8 that is only for RSASSA-PSS, as `openssl genpkey -algorithm RSA-PSS` writes it.
func pssKey() []byte {
	type algorithm struct{ ID asn1.ObjectIdentifier }
	return must(asn1.Marshal(struct {
		Version   int
		Algorithm algorithm
		Key       []byte
	}{0, algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}}, x509.MarshalPKCS1PrivateKey(rsaKey())}))
}

// jwk writes a key in JSON.
func jwk(more map[string]string) string {
	key := rsaKey()
	text := base64.RawURLEncoding.EncodeToString
	all := map[string]string{
		"kty": "RSA", "n": text(key.N.Bytes()), "e": "AQAB", "d": text(key.D.Bytes()),
		"p": text(key.Primes[0].Bytes()), "q": text(key.Primes[1].Bytes()),
	}
	for name, value := range more {
		all[name] = value
	}
	return string(must(json.Marshal(all)))
}

func certificate(key crypto.Signer) string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))
}

// Each kind of key signs with its algorithm, and its public key verifies that.
func TestSign(t *testing.T) {
	p256, p384, p521 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	text := base64.RawURLEncoding.EncodeToString
	pkcs8 := func(key any) string { return block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }
	sec1 := func(key *ecdsa.PrivateKey) string {
		return block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key)))
	}
	for name, test := range map[string]struct {
		text, algorithm string
		public          crypto.PublicKey
		header          string // a name that the header has
	}{
		"PKCS #1":                    {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), "RS256", rsaKey().Public(), ""},
		"PKCS #8 RSA":                {pkcs8(rsaKey()), "RS256", rsaKey().Public(), ""},
		"PKCS #8 RSASSA-PSS":         {block("PRIVATE KEY", pssKey()), "PS256", rsaKey().Public(), ""},
		"PKCS #8 P-256":              {pkcs8(p256), "ES256", p256.Public(), ""},
		"PKCS #8 Ed25519":            {pkcs8(ed), "EdDSA", ed.Public(), ""},
		"SEC 1 P-256":                {sec1(p256), "ES256", p256.Public(), ""},
		"SEC 1 P-384":                {sec1(p384), "ES384", p384.Public(), ""},
		"SEC 1 P-521":                {sec1(p521), "ES512", p521.Public(), ""},
		"parameters before the key":  {block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}) + sec1(p256), "ES256", p256.Public(), ""},
		"line breaks written as \\n": {strings.ReplaceAll(sec1(p256), "\n", `\n`), "ES256", p256.Public(), ""},
		"a certificate before":       {certificate(rsaKey()) + pkcs8(rsaKey()), "RS256", rsaKey().Public(), "x5t#S256"},
		"a certificate after":        {pkcs8(rsaKey()) + certificate(rsaKey()), "RS256", rsaKey().Public(), "x5t"},
		"JWK RSA":                    {jwk(map[string]string{"kid": "key-1"}), "RS256", rsaKey().Public(), "kid"},
		"JWK RSA for PS256":          {jwk(map[string]string{"alg": "PS256"}), "PS256", rsaKey().Public(), ""},
		"JWK EC":                     {"\n" + `{"kty":"EC","crv":"P-256","d":"` + text(must(p256.Bytes())) + `"}`, "ES256", p256.Public(), ""},
		"JWK Ed25519":                {`{"kty":"OKP","crv":"Ed25519","d":"` + text(ed.Seed()) + `"}`, "EdDSA", ed.Public(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if !account.HoldsKey(test.text) {
				t.Error("taken for a path")
			}
			key, err := jwt.ParseKey(test.text)
			if err != nil {
				t.Fatal(err)
			}
			token, err := key.Sign(map[string]any{"sub": "client"})
			var claims struct{ Sub string }
			if err != nil || jwt.Check(token) != nil || jwt.Claims(token, &claims) != nil || claims.Sub != "client" {
				t.Fatalf("%q, %v", token, err)
			}
			parts := strings.Split(token, ".")
			var header map[string]string
			if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[0])), &header); err != nil {
				t.Fatal(err)
			}
			if header["alg"] != test.algorithm || header["typ"] != "JWT" || test.header != "" && header[test.header] == "" {
				t.Errorf("header %v", header)
			}
			if !verify(test.public, test.algorithm, parts[0]+"."+parts[1], must(base64.RawURLEncoding.DecodeString(parts[2]))) {
				t.Error("the signature is wrong")
			}
		})
	}
}

func verify(public crypto.PublicKey, algorithm, text string, signature []byte) bool {
	hash := map[string]crypto.Hash{"ES384": crypto.SHA384, "ES512": crypto.SHA512}[algorithm]
	if hash == 0 {
		hash = crypto.SHA256
	}
	h := hash.New()
	h.Write([]byte(text))
	switch key := public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(text), signature)
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		return len(signature) == 2*size &&
			ecdsa.Verify(key, h.Sum(nil), new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]))
	case *rsa.PublicKey:
		sum := sha256.Sum256([]byte(text))
		if algorithm == "PS256" {
			return rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: 32}) == nil
		}
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// What is no usable key is refused, and not quoted.
func TestParseKeyRefuses(t *testing.T) {
	small := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	public := block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(small.Public())))
	damaged := x509.MarshalPKCS1PrivateKey(rsaKey())[:200]
	for name, test := range map[string]struct{ text, why string }{
		"nothing":            {"", "expected a private key"},
		"a text":             {"planted-text", "expected a private key"},
		"a public key":       {public, "expected a private key"},
		"a certificate":      {certificate(rsaKey()), "expected a private key"},
		"a damaged key":      {block("RSA PRIVATE KEY", damaged), "expected a private key"},
		"a cut off key":      {"-----BEGIN PRIVATE KEY-----\nplanted", "expected a private key"},
		"an encrypted key":   {block("ENCRYPTED PRIVATE KEY", []byte("planted")), "is encrypted"},
		"an old encryption":  {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "is encrypted"},
		"P-224":              {block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(small))), "expected an RSA key"},
		"a key without JSON": {`{"kty":`, "expected a private key"},
		"a symmetric key":    {`{"kty":"oct","k":"cGxhbnRlZA"}`, "expected a private key"},
		"a public JWK":       {jwk(map[string]string{"d": ""}), "expected a private key"},
		"another algorithm":  {jwk(map[string]string{"alg": "RS512"}), "expected an RSA key"},
		"a wrong prime":      {jwk(map[string]string{"p": "AQAB"}), "expected a private key"},
		"an empty RSA key":   {`{"kty":"RSA"}`, "expected a private key"},
		"an empty EC key":    {`{"kty":"EC","crv":"P-256"}`, "expected a private key"},
		"an empty OKP key":   {`{"kty":"OKP","crv":"Ed25519"}`, "expected a private key"},
		"a long exponent":    {jwk(map[string]string{"e": strings.Repeat("A", 40) + "B"}), "expected a private key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jwt.ParseKey(test.text)
			if err == nil || !strings.Contains(err.Error(), test.why) || strings.Contains(err.Error(), "planted") {
				t.Errorf("%v, want %q", err, test.why)
			}
		})
	}
}
