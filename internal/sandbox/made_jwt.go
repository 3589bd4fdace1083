package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// signingKeys are the keys of one stand-in, for ES256 (RFC 7518 3.4).
type signingKeys struct {
	client *ecdsa.PrivateKey // handed out to the client
	issuer *ecdsa.PrivateKey // signs ID tokens and assertions
	used   map[string]bool   // the jti of client assertions
}

func newSigningKeys() signingKeys {
	k := signingKeys{used: map[string]bool{}}
	for _, key := range []**ecdsa.PrivateKey{&k.client, &k.issuer} {
		var err error
		if *key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			panic(err) // the system has no random numbers
		}
	}
	return k
}

// clientPEM is the client's key as the client gets it.
func (k signingKeys) clientPEM() string {
	der, err := x509.MarshalPKCS8PrivateKey(k.client)
	if err != nil {
		panic(err) // a key of our own
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func sign(key *ecdsa.PrivateKey, claims map[string]any) string {
	part := func(v any) string {
		raw, _ := json.Marshal(v) // texts and numbers
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	text := part(map[string]string{"alg": "ES256", "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		panic(err) // a key of our own
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// verified returns the claims of a JWT that the key signed.
func verified(key *ecdsa.PrivateKey, token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWT")
	}
	var header, claims map[string]any
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return nil, errors.New("not a JWT")
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch {
	case header["alg"] != "ES256":
		return nil, errors.New("the algorithm is not ES256, which the key is for")
	case err != nil || len(signature) != 64:
		return nil, errors.New("the signature is not one of ES256")
	case !ecdsa.Verify(&key.PublicKey, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])):
		return nil, errors.New("the signature is wrong")
	}
	return claims, nil
}

// timely checks the times of a JWT and that it has the claims that RFC 7523 3 requires.
func (c *request) timely(claims map[string]any) error {
	for _, name := range []string{"iss", "sub", "aud", "exp"} {
		if claims[name] == nil {
			return errors.New(name + " is missing (RFC 7523 3)")
		}
	}
	at := func(name string) time.Time {
		seconds, _ := claims[name].(float64)
		return time.Unix(int64(seconds), 0)
	}
	switch {
	case !c.now.Before(at("exp")):
		return errors.New("it has expired")
	case claims["nbf"] != nil && c.now.Add(time.Minute).Before(at("nbf")), claims["iat"] != nil && c.now.Add(time.Minute).Before(at("iat")):
		return errors.New("it is from the future")
	}
	return nil
}

// audiences returns who a JWT is for: one text, or a list (RFC 7519 4.1.3).
func audiences(claims map[string]any) []string {
	if one, ok := claims["aud"].(string); ok {
		return []string{one}
	}
	var all []string
	list, _ := claims["aud"].([]any)
	for _, item := range list {
		text, _ := item.(string)
		all = append(all, text)
	}
	return all
}

func (w *wanted) asserts() bool { return w.kind == "jwt_bearer" || w.kind == "token_exchange" }

const (
	jobIssuer   = "https://token.actions.githubusercontent.com"
	jobSubject  = "repo:acme/shop:ref:refs/heads/main"
	jobAudience = "https://github.com/acme" // where none is asked for
	jobToken    = "sandbox-id-token-request-token"
	idTokenPath = "/_job/id-token"
	yearlong    = 365 * 24 * time.Hour
)

// assertion returns the ID token of a CI job.
func (m *made) assertion(audience string, now time.Time, life time.Duration) string {
	set(&audience, jobAudience)
	return sign(m.keys.issuer, map[string]any{
		"iss": jobIssuer, "sub": jobSubject, "aud": audience, "jti": random(20, alnum),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(life).Unix(),
	})
}

// idToken plays the address at which a GitHub Actions job gets its ID token.
func (m *made) idToken(c *request) *reply {
	query, err := url.ParseQuery(c.rawQuery)
	if given, _ := c.bearer(); err != nil || given != jobToken {
		return c.refuse(bad(badToken, "the token is not the one of the job"))
	}
	return jsonReply(http.StatusOK, map[string]string{"value": m.assertion(query.Get("audience"), c.now, 5*time.Minute)}).why("issued an ID token of the job")
}

// checkAssertion checks a JWT that the client got from somebody else. Only those that the sandbox handed out are
// accepted, and only for the audience of the definition.
func (m *made) checkAssertion(c *request, text string) *problem {
	claims, err := verified(m.keys.issuer, text)
	if err == nil {
		err = c.timely(claims)
	}
	if audience := m.d.Assertion.Audience; err == nil && audience != "" && !slices.Contains(audiences(claims), audience) {
		err = errors.New("it is for another audience")
	}
	if err != nil {
		return bad(badGrant, "assertion: %s", err)
	}
	return nil
}

// usesClientKey reports whether a request of the definition authenticates the client with its key.
func (m *made) usesClientKey() bool {
	return slices.ContainsFunc(m.requests(), func(w *wanted) bool { return w.ClientAuth == "private_key_jwt" })
}

// longestAssertion is how far the exp of a client assertion may be ahead.
const longestAssertion = 10 * time.Minute

// clientAssertion reads the client from a JWT that its key signed (RFC 7523 2.2 and 3, OpenID Connect Core 9).
func (m *made) clientAssertion(c *request, values url.Values, h held) *problem {
	claims, err := verified(m.keys.client, values.Get("client_assertion"))
	if err == nil {
		err = c.timely(claims)
	}
	id, _ := claims["sub"].(string)
	jti, _ := claims["jti"].(string)
	exp, _ := claims["exp"].(float64)
	switch {
	case values.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		err = errors.New("client_assertion_type is not the one of RFC 7523 2.2")
	case err != nil:
	case claims["iss"] != claims["sub"]:
		err = errors.New("iss and sub differ")
	case !slices.ContainsFunc(audiences(claims), m.audience(c)):
		err = errors.New("it is for another audience than the token endpoint")
	case int64(exp) > c.now.Add(longestAssertion).Unix():
		err = errors.New("exp is more than ten minutes ahead")
	case claims["iat"] == nil:
		err = errors.New("iat is missing")
	case jti == "" || m.keys.used[jti]:
		err = errors.New("jti is missing or was used before")
	case values.Get("client_id") != "" && values.Get("client_id") != id:
		err = errors.New("client_id is not the one of client_assertion")
	}
	if err != nil {
		return bad(badClient, "client_assertion: %s", err)
	}
	m.keys.used[jti] = true
	h["client_id"], h["client_secret"] = id, m.secret
	for _, name := range []string{"client_assertion_type", "client_assertion", "client_id"} {
		values.Del(name)
	}
	return nil
}

// audience returns what tells whether a client assertion is for this server: for its issuer, or its token endpoint.
func (m *made) audience(c *request) func(string) bool {
	return func(audience string) bool {
		if audience == m.issuer() && audience != "" {
			return true
		}
		path, ok := strings.CutPrefix(audience, c.base())
		return ok && slices.ContainsFunc(keys(m.d.Token), func(kind string) bool {
			pattern, _ := m.d.Token[kind].address()
			_, fits := match(pattern, path)
			return fits
		})
	}
}
