package store

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
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
	"github.com/tokencli/tokencli/internal/store/vaultfake"
)

// issuer signs ID tokens, as the ones of GitHub and GitLab do.
type issuer struct{ key *ecdsa.PrivateKey }

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{key}
}

func (i issuer) public(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// token returns an ID token for an audience (RFC 7519, ES256 of RFC 7518 3.4).
func (i issuer) token(t *testing.T, audience, repository string) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now().Unix()
	signed := part(map[string]string{"alg": "ES256", "typ": "JWT"}) + "." + part(map[string]any{
		"iss": "https://issuer.example", "aud": audience, "sub": repository, "repository": repository, "iat": now, "exp": now + 300,
	})
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// githubJob is the environment of a GitHub Actions job that may have an ID token.
func githubJob(t *testing.T, i issuer, repository string) map[string]string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer request-token" || r.URL.Query().Get("api-version") != "2.0" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"value": i.token(t, r.URL.Query().Get("audience"), repository)})
	}))
	t.Cleanup(server.Close)
	return map[string]string{jwt.IDTokenURL: server.URL + "/token?api-version=2.0", jwt.IDTokenToken: "request-token"}
}

// A job logs in to Vault with the ID token that it has, or with an AppRole, and whoever is not bound to the
// role is refused.
func TestVaultLogins(t *testing.T) {
	address := realVault(t)
	ours, theirs := newIssuer(t), newIssuer(t)
	set := func(path string, body map[string]any) {
		t.Helper()
		if status, answer := vaultCall(t, address, "POST", path, body); status >= 300 {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
	}
	set("sys/policies/acl/refresher", map[string]any{"policy": teamPolicy(t, "refresher")})
	set("sys/auth/jwt", map[string]any{"type": "jwt"})
	set("auth/jwt/config", map[string]any{"jwt_validation_pubkeys": []string{ours.public(t)}, "bound_issuer": "https://issuer.example"})
	set("auth/jwt/role/tokencli", map[string]any{
		"role_type": "jwt", "user_claim": "repository", "bound_audiences": []string{"https://vault.example"},
		"bound_claims": map[string]string{"repository": "acme/shop"}, "token_policies": []string{"refresher"},
	})
	set("sys/auth/approle", map[string]any{"type": "approle"})
	set("auth/approle/role/ci", map[string]any{"token_policies": []string{"refresher"}})
	var role, secret struct{ Data map[string]any }
	_, body := vaultCall(t, address, "GET", "auth/approle/role/ci/role-id", nil)
	_ = json.Unmarshal([]byte(body), &role)
	_, body = vaultCall(t, address, "POST", "auth/approle/role/ci/secret-id", map[string]any{})
	_ = json.Unmarshal([]byte(body), &secret)
	roleID, _ := role.Data["role_id"].(string)
	secretID, _ := secret.Data["secret_id"].(string)

	jwt := map[string]string{account.VaultAuth: "jwt", account.VaultRole: "tokencli", account.VaultToken: "", account.VaultPath: "tokencli"}
	with := func(more ...map[string]string) map[string]string {
		env := maps.Clone(jwt)
		for _, m := range more {
			maps.Copy(env, m)
		}
		return env
	}
	audience := map[string]string{account.VaultJWTAudience: "https://vault.example"}
	for name, test := range map[string]struct {
		env  map[string]string
		text string // of the refusal; empty: it works
	}{
		"a GitHub job":                        {with(githubJob(t, ours, "acme/shop"), audience), ""},
		"a GitHub job of another repository":  {with(githubJob(t, ours, "acme/other"), audience), "refused the login at auth/jwt"},
		"a GitHub job with another audience":  {with(githubJob(t, ours, "acme/shop"), map[string]string{account.VaultJWTAudience: "https://other.example"}), "refused the login"},
		"a GitHub job without an audience":    {with(githubJob(t, ours, "acme/shop")), "refused the login"},
		"a GitLab job":                        {with(map[string]string{account.VaultJWT: ours.token(t, "https://vault.example", "acme/shop")}), ""},
		"a token that somebody else signed":   {with(map[string]string{account.VaultJWT: theirs.token(t, "https://vault.example", "acme/shop")}), "refused the login"},
		"an unknown role":                     {with(map[string]string{account.VaultRole: "none", account.VaultJWT: ours.token(t, "https://vault.example", "acme/shop")}), "refused the login"},
		"an unknown mount":                    {with(map[string]string{account.VaultAuthMount: "none", account.VaultJWT: ours.token(t, "https://vault.example", "acme/shop")}), "refused the login at auth/none"},
		"an AppRole":                          {with(map[string]string{account.VaultAuth: "approle", account.VaultRoleID: roleID, account.VaultSecretID: secretID + "\n"}), ""},
		"an AppRole with a wrong secret id":   {with(map[string]string{account.VaultAuth: "approle", account.VaultRoleID: roleID, account.VaultSecretID: "planted-secret-id"}), "refused the login at auth/approle"},
		"a GitHub job without the permission": {with(audience), "not a GitHub Actions job with the permission id-token: write"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t, address, test.env)
			err := put(t.Context(), v, sample(mollie, 1))
			if test.text == "" {
				if err != nil {
					t.Fatal(err)
				}
				mustGet(t, v, sample(mollie, 1))
				return
			}
			if !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), test.text) || fail.Advice(err) == nil {
				t.Fatalf("%v, want a usage failure with %q and advice", err, test.text)
			}
			checkError(t, err, "request-token")
			if token := test.env[account.VaultJWT]; token != "" && strings.Contains(err.Error(), token) {
				t.Error("the JWT is in the error")
			}
		})
	}
}

// A login to Vault is made once per process, by however many goroutines, and again when its token has
// expired meanwhile.
func TestVaultLogsInOnce(t *testing.T) {
	server := &vaultfake.Server{Token: "first"}
	logins := 0
	server.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/auth/approle/login" {
			return false
		}
		logins++
		_ = json.NewEncoder(w).Encode(map[string]any{"auth": map[string]string{"client_token": server.Token}})
		return true
	}
	v := newVault(t, server.Start(t).URL, map[string]string{account.VaultAuth: "approle", account.VaultRoleID: "role", account.VaultToken: ""})
	done := make(chan error)
	for range 8 {
		go func() { _, err := v.List(t.Context()); done <- err }()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if logins != 1 {
		t.Errorf("%d logins", logins)
	}
	server.Token = "second" // the first one has expired
	mustPut(t, v, sample(mollie, 1))
	if logins != 2 {
		t.Errorf("%d logins after the token expired", logins)
	}
}
