package sandbox_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

const keyDefinition = `
name: keys
client: {secret: none}
token:
  client_credentials: {url: "https://keys.example/token", client_auth: private_key_jwt}
  jwt_bearer: {url: "https://keys.example/token"}
assertion: {from: env}
`

// es256 signs claims.
func es256(t *testing.T, key *ecdsa.PrivateKey, algorithm string, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]string{"alg": algorithm}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// setting returns a setting that the sandbox hands out.
func setting(t *testing.T, b *bench, name string) string {
	t.Helper()
	for _, v := range b.s.Variables(b.url) {
		if v.Name == name {
			return v.Value
		}
	}
	t.Fatalf("no setting %s", name)
	return ""
}

// A client assertion is accepted once, and only if everything about it is right.
func TestMadeClientAssertion(t *testing.T) {
	b := start(t, sandbox.Config{Definitions: [][]byte{[]byte(keyDefinition)}})
	block, _ := pem.Decode([]byte(setting(t, b, "TOKENCLI_KEYS_CLIENT_KEY")))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := parsed.(*ecdsa.PrivateKey)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const id = "client-of-keys"
	now := b.clock.now()
	good := map[string]any{
		"iss": id, "sub": id, "aud": b.url + "/keys/token", "jti": "one", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	but := func(name string, value any) map[string]any {
		claims := maps.Clone(good)
		claims["jti"] = rand.Text()
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
		return claims
	}
	send := func(assertion string) answer {
		return b.send(call{method: "POST", path: "/keys/token", form: vals("grant_type", "client_credentials", "client_id", id,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", assertion)})
	}
	first := es256(t, key, "ES256", good)
	b.want(send(first), 200)
	b.want(send(first), 401, "jti")
	b.want(send(es256(t, key, "ES256", but("aud", []string{"https://a.example", b.url + "/keys/token"}))), 200)
	for why, assertion := range map[string]string{
		"signature is wrong": es256(t, other, "ES256", but("", "")),
		"not ES256":          es256(t, key, "none", but("", "")),
		"not a JWT":          "planted",
		"iss and sub differ": es256(t, key, "ES256", but("iss", "another")),
		"another audience":   es256(t, key, "ES256", but("aud", b.url+"/keys/revoke")),
		"aud is missing":     es256(t, key, "ES256", but("aud", nil)),
		"exp is missing":     es256(t, key, "ES256", but("exp", nil)),
		"has expired":        es256(t, key, "ES256", but("exp", now.Add(-time.Second).Unix())),
		"ten minutes":        es256(t, key, "ES256", but("exp", now.Add(time.Hour).Unix())),
		"from the future":    es256(t, key, "ES256", but("iat", now.Add(time.Hour).Unix())),
		"iat is missing":     es256(t, key, "ES256", but("iat", nil)),
		"jti is missing":     es256(t, key, "ES256", but("jti", nil)),
	} {
		b.want(send(assertion), 401, why)
	}
	b.want(b.send(call{method: "POST", path: "/keys/token", form: vals("grant_type", "client_credentials", "client_id", id)}), 401)
}

// Only an assertion that the sandbox handed out is accepted, until it expires.
func TestMadeAssertion(t *testing.T) {
	b := start(t, sandbox.Config{Definitions: [][]byte{[]byte(keyDefinition)}})
	assertion := setting(t, b, "TOKENCLI_KEYS_ASSERTION")
	send := func(assertion string) answer {
		return b.send(call{method: "POST", path: "/keys/token", form: vals(
			"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", assertion, "client_id", "client-of-keys")})
	}
	b.want(send(assertion), 200)
	parts := strings.Split(assertion, ".")
	b.want(send(parts[0]+"."+parts[1]+"."+strings.Repeat("A", 86)), 400, "signature is wrong")
	b.want(send("planted"), 400, "not a JWT")
	b.clock.move(366 * 24 * time.Hour)
	b.want(send(assertion), 400, "has expired")
}
