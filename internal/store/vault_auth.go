package store

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// serviceAccountToken is where Kubernetes puts the token of a pod's service account.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// login returns the token for requests, and gets it before the first one.
func (c *vaultClient) login(ctx context.Context, r request) (string, error) {
	if r.open {
		return "", nil
	}
	c.loginMu.Lock()
	defer c.loginMu.Unlock()
	if c.token == "" {
		var err error
		if c.settings.auth == "token" {
			c.token, err = c.settings.ownToken()
		} else {
			c.token, err = c.logIn(ctx)
		}
		if err != nil {
			return "", err
		}
	}
	return c.token, nil
}

// discard reports whether a token that was refused has expired and a new login can replace it.
func (c *vaultClient) discard(ctx context.Context, token string) bool {
	if c.settings.auth == "token" {
		return false
	}
	if _, err := c.sendOnce(ctx, request{method: http.MethodGet, path: lookupSelf}, token); !isStatus(err, http.StatusForbidden) {
		return false
	}
	c.loginMu.Lock()
	defer c.loginMu.Unlock()
	if c.token == token {
		c.token = ""
	}
	return true
}

// ownToken returns the user's token: that of the environment or the one that `vault login` wrote.
func (s *vaultSettings) ownToken() (string, error) {
	if token, err := account.Clean(account.VaultToken, s.getenv(account.VaultToken)); token != "" || err != nil {
		return token, err
	}
	if home, err := os.UserHomeDir(); err == nil {
		text, err := safefile.Read(filepath.Join(home, ".vault-token"), maxKeyFile, safefile.Key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if token, err := account.Clean("~/.vault-token", string(text)); token != "" || err != nil {
			return token, err
		}
	}
	return "", fail.New(fail.Usage, "no token for Vault: %s is not set, and there is no ~/.vault-token", account.VaultToken).
		Advise(fail.DoLogInToVault)
}

// logIn logs in to Vault with the method of the settings and returns the token, which is never stored.
func (c *vaultClient) logIn(ctx context.Context) (string, error) {
	s := c.settings
	body, err := c.proof(ctx)
	if err != nil {
		return "", err
	}
	answer, err := c.send(ctx, request{method: http.MethodPost, path: "auth/" + s.authMount + "/login", body: body, open: true})
	var refusal *vaultAnswer
	if errors.As(err, &refusal) && refusal.status >= 400 && refusal.status < 500 && refusal.status != http.StatusTooManyRequests {
		return "", fail.New(fail.Usage, "Vault refused the login at auth/%s: %s", s.authMount, s.scrub(refusal.Error())).
			Advise(fail.DoCheckVaultRole, account.VaultAuthMount)
	}
	if err != nil {
		return "", c.explain(ctx, "update", "auth/"+s.authMount+"/login", err)
	}
	var reply struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	if json.Unmarshal(answer.body, &reply) != nil || reply.Auth.Token == "" {
		return "", fail.New(fail.Store, "Vault's answer to the login at auth/%s holds no token", s.authMount).Advise(fail.DoCheckVault, s.address)
	}
	return reply.Auth.Token, nil
}

func (c *vaultClient) proof(ctx context.Context) (map[string]string, error) {
	s := c.settings
	if s.auth == "approle" {
		if s.roleID == "" {
			return nil, fail.New(fail.Usage, "the login to Vault has no role id: %s is not set", account.VaultRoleID).
				Advise(fail.DoSetVariable, account.VaultRoleID+" and "+account.VaultSecretID)
		}
		return map[string]string{"role_id": s.roleID, "secret_id": s.secretID}, nil
	}
	token := s.jwt
	var err error
	switch {
	case token != "":
	case s.auth == "kubernetes":
		token, err = readServiceAccount()
	default:
		token, err = s.githubToken(ctx)
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{"role": s.role, "jwt": token}, nil
}

func readServiceAccount() (string, error) {
	text, err := os.ReadFile(serviceAccountToken)
	if err != nil {
		return "", fail.New(fail.Usage, "no JWT for Vault: %s is not set, and this is not a Kubernetes pod with a service account", account.VaultJWT).
			Advise(fail.DoSetVariable, account.VaultJWT)
	}
	return account.Clean(serviceAccountToken, string(text))
}

func (s *vaultSettings) githubToken(ctx context.Context) (string, error) {
	source := jwt.Source{From: jwt.FromGitHub, Audience: s.audience, Getenv: s.getenv, HTTP: &http.Client{Transport: transport(nil)}}
	defer source.HTTP.CloseIdleConnections()
	token, err := source.Get(ctx)
	switch {
	case fail.Is(err, fail.Usage):
		return "", fail.New(fail.Usage, "no JWT for Vault: %s is not set, and %w", account.VaultJWT, err).Advise(fail.DoSetVariable, account.VaultJWT)
	case fail.Is(err, fail.Unavailable):
		return "", fail.New(fail.Store, "no JWT for Vault: %w", err).Advise(fail.DoTryAgain)
	}
	return token, err
}

// scrub makes the words of the server fit to print, without the secrets that it may repeat.
func (s *vaultSettings) scrub(text string) string {
	return strings.TrimRight(redact.Scrub(text, 200, s.secretID, s.jwt, s.getenv(account.VaultToken), s.getenv(jwt.IDTokenToken)), ". ")
}
