//go:build linux

package acceptance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	jwtIssuer    = "https://issuer.example"
	jwtAudience  = "https://vault.example.com"
	requestToken = "request-token-of-the-job"
	clusterRole  = "reviewer-token-of-the-cluster"
)

// logins enables the ways to log in to Vault that docs/team.md describes.
func (s *vaultShop) logins() {
	s.t.Helper()
	for _, key := range []**ecdsa.PrivateKey{&s.ours, &s.theirs} {
		var err error
		if *key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			s.t.Fatal(err)
		}
	}
	der, err := x509.MarshalPKIXPublicKey(&s.ours.PublicKey)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, mount := range []string{"jwt", "gitlab"} {
		s.call("POST", "sys/auth/"+mount, map[string]any{"type": "jwt"})
		s.call("POST", "auth/"+mount+"/config", map[string]any{
			"jwt_validation_pubkeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}, "bound_issuer": jwtIssuer,
		})
	}
	s.call("POST", "sys/auth/approle", map[string]any{"type": "approle"})
	s.call("POST", "auth/approle/role/ci", map[string]any{"token_policies": []string{"borrower"}})
	s.call("POST", "sys/auth/kubernetes", map[string]any{"type": "kubernetes"})
	s.call("POST", "auth/kubernetes/config", map[string]any{
		"kubernetes_host": s.serve(s.reviewToken), "token_reviewer_jwt": clusterRole, "disable_local_ca_jwt": true,
	})
	for _, role := range []string{"auth/jwt/role/tokencli", "auth/gitlab/role/tokencli", "auth/kubernetes/role/tokencli"} {
		s.call("POST", role, teamRole(s.t, role))
	}
	s.id = s.serve(s.issueToken) + "/token?api-version=2.0"
}

// teamRole returns a role of docs/team.md.
func teamRole(t *testing.T, path string) (role map[string]any) {
	t.Helper()
	_, rest, ok := strings.Cut(teamPage(t), "vault write "+path+" - <<'EOF'\n")
	text, _, closed := strings.Cut(rest, "EOF\n")
	if err := json.Unmarshal([]byte(text), &role); err != nil || !ok || !closed {
		t.Fatalf("docs/team.md has no role %s: %v", path, err)
	}
	return role
}

func (s *vaultShop) serve(handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	s.t.Cleanup(server.Close)
	return server.URL
}

// issueToken answers as GitHub's service for the ID tokens of jobs
// (docs.github.com, "OpenID Connect reference").
func (s *vaultShop) issueToken(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+requestToken || r.URL.Query().Get("api-version") != "2.0" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"value": s.jwt(s.ours, r.URL.Query().Get("audience"), "acme/shop", 300)})
}

// reviewToken answers Vault as the API of Kubernetes does
// (kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1).
func (s *vaultShop) reviewToken(w http.ResponseWriter, r *http.Request) {
	var review struct{ Spec struct{ Token string } }
	if r.Header.Get("Authorization") != "Bearer "+clusterRole || json.NewDecoder(r.Body).Decode(&review) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	status := map[string]any{"authenticated": false}
	if s.signedByUs(review.Spec.Token) {
		status = map[string]any{
			"authenticated": true, "audiences": []string{jwtAudience},
			"user": map[string]any{"username": "system:serviceaccount:default:shop", "uid": "1234"},
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status})
}

// jwt returns an ID token, as GitHub and GitLab issue them.
func (s *vaultShop) jwt(key *ecdsa.PrivateKey, audience, repository string, life int64) string {
	now := time.Now().Unix()
	return s.sign(key, map[string]any{
		"repository": repository, "ref": "refs/heads/main", "project_path": repository, "ref_protected": "true", // of GitHub and of GitLab
		"iss": jwtIssuer, "aud": audience, "sub": repository, "iat": now - 1000, "exp": now + life,
	})
}

// podToken returns the token of a service account, as Kubernetes projects it into a pod.
func (s *vaultShop) podToken(key *ecdsa.PrivateKey, account string) string {
	now := time.Now().Unix()
	return s.sign(key, map[string]any{
		"iss": "https://kubernetes.default.svc", "aud": []string{jwtAudience}, "sub": "system:serviceaccount:default:" + account, "iat": now, "exp": now + 300,
		"kubernetes.io": map[string]any{"namespace": "default", "serviceaccount": map[string]any{"name": account, "uid": "1234"}},
	})
}

// sign returns a JWT (RFC 7519, ES256 of RFC 7518 3.4).
func (s *vaultShop) sign(key *ecdsa.PrivateKey, claims map[string]any) string {
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := part(map[string]string{"alg": "ES256", "typ": "JWT"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		s.t.Error(err)
		return ""
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...))
}

func (s *vaultShop) signedByUs(jwt string) bool {
	end := strings.LastIndexByte(jwt, '.')
	signature, err := base64.RawURLEncoding.DecodeString(jwt[end+1:])
	if err != nil || len(signature) != 64 {
		return false
	}
	sum := sha256.Sum256([]byte(jwt[:max(end, 0)]))
	return ecdsa.Verify(&s.ours.PublicKey, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

// A job can use the login of the team with no secret in its environment but the one with which it requests its ID token:
// on GitHub, on GitLab, and in a pod of Kubernetes. Its policy lets it borrow and not refresh.
func TestVaultJobs(t *testing.T) {
	s := newVaultShop(t)
	_, want, _ := s.run(nil, "token", "moloni-on")
	pod := s.podToken(s.ours, "shop")
	for name, test := range map[string]struct {
		env   map[string]string
		mount string // what the pod finds as the token of its service account
	}{
		"GitHub": {env: map[string]string{
			"TOKENCLI_VAULT_AUTH": "jwt", "TOKENCLI_VAULT_JWT_AUDIENCE": jwtAudience,
			"ACTIONS_ID_TOKEN_REQUEST_URL": s.id, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": requestToken,
		}},
		"GitLab": {env: map[string]string{
			"TOKENCLI_VAULT_AUTH": "jwt", "TOKENCLI_VAULT_AUTH_MOUNT": "gitlab", "TOKENCLI_VAULT_JWT": s.jwt(s.ours, jwtAudience, "acme/shop", 300),
		}},
		"Kubernetes": {env: map[string]string{"TOKENCLI_VAULT_AUTH": "kubernetes"}, mount: pod},
	} {
		t.Run(name, func(t *testing.T) {
			job := s.job(t)
			maps.Copy(job.env, test.env)
			if test.mount != "" && exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/run").Run() == nil {
				job.pod = test.mount
			} else if test.mount != "" {
				job.env["TOKENCLI_VAULT_JWT"] = test.mount // this system lets nobody mount a folder
			}
			exit, got, stderr := job.run(nil, "token", "moloni-on")
			if exit != 0 || got != want {
				t.Errorf("exit %d, %q, the team's token: %v", exit, stderr, got == want)
			}
			exit, _, stderr = job.run(nil, "refresh", "moloni-on")
			if exit != 7 || !strings.Contains(stderr, "do not allow update on secret/data/tokencli/moloni-on") {
				t.Errorf("a refresh with the policy of a borrower: exit %d, %q", exit, stderr)
			}
			if left := filesWith(t, job.dir, strings.TrimSpace(got), requestToken, pod); left != nil {
				t.Errorf("secrets are in %q", left)
			}
		})
	}
}

// job returns the environment of a job: nothing secret, and a home and a state folder of its own.
func (s *vaultShop) job(t *testing.T) *vaultShop {
	job := *s
	job.t, job.dir, job.env = t, t.TempDir(), maps.Clone(s.env)
	for variable := range job.env {
		if strings.HasPrefix(variable, "TOKENCLI_") && !slices.Contains([]string{"TOKENCLI_STORE", "TOKENCLI_MOLONI_ON_BASE_URL"}, variable) || variable == "VAULT_TOKEN" {
			delete(job.env, variable)
		}
	}
	job.env["HOME"], job.env["TOKENCLI_STATE_DIR"] = filepath.Join(job.dir, "home"), filepath.Join(job.dir, "state")
	job.env["TOKENCLI_VAULT_ROLE"] = "tokencli"
	return &job
}

// filesWith returns the files below a folder that hold one of the texts.
func filesWith(t *testing.T, dir string, texts ...string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(string(content), text) }) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// inPod makes a command run where the token of a service account is mounted, as in a pod of Kubernetes: in a mount
// namespace of its own.
func inPod(cmd *exec.Cmd, token string) {
	const folder = "/run/secrets/kubernetes.io/serviceaccount"
	script := `mount -t tmpfs none /run && mkdir -p ` + folder + ` && cat >` + folder + `/token && exec "$@"`
	cmd.Args = append([]string{"unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = "/usr/bin/unshare", nil
	cmd.Stdin = strings.NewReader(token)
}
