package store

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

// errKV1 is an answer without a version: version 1 of the engine ignores check-and-set.
var errKV1 = errors.New("version 1 of the KV engine")

// explain says what an error of a request means, nil for nil. The capability is the one that the request
// needs on the path.
func (c *vaultClient) explain(ctx context.Context, capability, path string, err error) error {
	var known *fail.Error
	var answer *vaultAnswer
	var lost *lostError
	var foreign *foreignError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ended(ctx)
	case errors.As(err, &known):
		return err
	case errors.Is(err, errKV1):
		return c.notKV2("is a KV engine of version 1")
	case errors.As(err, &lost):
		return c.unreachable(err)
	case errors.As(err, &foreign):
		return fail.New(fail.Store, "the server at %s does not answer like Vault (%w)", quoted(c.settings.address), err).
			Advise(fail.DoCheckVault, c.settings.address)
	case !errors.As(err, &answer):
		return c.failure(err, "sent an invalid answer")
	case answer.status == http.StatusForbidden:
		return c.forbidden(ctx, capability, path, answer)
	case answer.status == http.StatusNotFound:
		return c.notKV2("does not exist")
	case answer.status == http.StatusServiceUnavailable && strings.Contains(strings.Join(answer.errors, " "), "sealed"):
		return c.sealed(err)
	case answer.status == http.StatusTooManyRequests:
		return c.failure(err, "asks to retry later (429)")
	case answer.status == http.StatusPreconditionFailed:
		return c.failure(err, "does not have the last write yet (412)")
	case answer.status >= 300 && answer.status < 400:
		return c.failure(err, "redirects elsewhere, which is not followed with a token")
	}
	return c.failure(err, "answered %s", c.settings.scrub(answer.Error()))
}

// failure is a server that cannot be used now. The error stays findable.
func (c *vaultClient) failure(err error, what string, args ...any) *fail.Error {
	return fail.New(fail.Store, "Vault at %s "+what, append([]any{quoted(c.settings.address)}, args...)...).
		Advise(fail.DoCheckVault, c.settings.address).Because(err)
}

func (c *vaultClient) sealed(err error) error {
	return c.failure(err, "is sealed").Advise(fail.DoUnseal)
}

func (c *vaultClient) unreachable(err error) error {
	e := c.failure(err, "cannot be reached: %w", err)
	var untrusted x509.UnknownAuthorityError
	if errors.As(err, &untrusted) {
		return e.Advise(fail.DoSetCertificates, account.VaultCACert)
	}
	return e
}

func (c *vaultClient) notKV2(what string) error {
	return fail.New(fail.Usage, "the mount %s of Vault %s; tokencli needs a KV engine of version 2", c.settings.mount, what).
		Advise(fail.DoMountKV2, account.VaultMount, c.settings.mount)
}

// reason returns why a request failed, without its address.
func reason(err error) string {
	if why := fail.Unreached("the server", err); why != nil {
		return why.Text
	}
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return "the server did not answer in time"
		}
		err = u.Err
	}
	return quoted(err.Error())
}

// forbidden says whether a token is dead or lacks a capability: Vault answers 403 to both. A server that does not say
// which lets a token that is valid be looked up, unless it lacks the default policy.
func (c *vaultClient) forbidden(ctx context.Context, capability, path string, refusal *vaultAnswer) error {
	if refusal.invalidToken() {
		return fail.New(fail.Store, "Vault refused the token: it has expired, was revoked, or is not one of this server").Advise(fail.DoLogInToVault)
	}
	if _, err := c.send(ctx, request{method: http.MethodGet, path: lookupSelf, once: true}); isStatus(err, http.StatusForbidden) {
		return fail.New(fail.Store, "this Vault token is not valid any more, or its policies do not allow %s on %s", capability, path).
			Advise(fail.DoExtendPolicy, path)
	}
	return notAllowed(capability, path)
}

func notAllowed(capability, path string) error {
	return fail.New(fail.Store, "the policies of this Vault token do not allow %s on %s", capability, path).Advise(fail.DoExtendPolicy, path)
}

// capabilities are those of a token, by path.
type capabilities map[string][]string

// all reports whether the token has all of these on a path.
func (c capabilities) all(path string, wanted ...string) bool {
	return len(c.missing(path, wanted...)) == 0
}

// missing returns which of these the token lacks on a path.
func (c capabilities) missing(path string, wanted ...string) []string {
	return slices.DeleteFunc(wanted, func(capability string) bool {
		return slices.Contains(c[path], capability) || slices.Contains(c[path], "root")
	})
}

func (c *vaultClient) capabilities(ctx context.Context, paths ...string) (capabilities, error) {
	answer, err := c.send(ctx, request{method: http.MethodPost, path: capabilitiesSelf, body: map[string]any{"paths": paths}})
	if err != nil {
		return nil, err
	}
	var reply struct{ Data capabilities }
	return reply.Data, json.Unmarshal(answer.body, &reply)
}

// checkMount returns the failure of a mount that is not a KV engine of version 2, as far as the policies let
// that be seen: there, a record is missing for another reason than that nobody logged in.
func (c *vaultClient) checkMount(ctx context.Context) error {
	answer, err := c.send(ctx, request{method: http.MethodGet, path: "sys/internal/ui/mounts/" + c.settings.mount})
	var refusal *vaultAnswer
	switch {
	case errors.As(err, &refusal) && refusal.status < 500:
		return nil
	case err != nil:
		return c.explain(ctx, "read", "sys/internal/ui/mounts", err)
	}
	var reply struct {
		Data struct {
			Type    string            `json:"type"`
			Options map[string]string `json:"options"`
		} `json:"data"`
	}
	switch {
	case json.Unmarshal(answer.body, &reply) != nil:
		return nil //nolint:nilerr // a server without this page of the mounts is not a wrong mount
	case reply.Data.Type != "kv" && reply.Data.Type != "generic":
		return c.notKV2("is not a KV engine")
	case reply.Data.Options["version"] != "2":
		return c.notKV2("is a KV engine of version 1")
	}
	return nil
}

// foreignRecord is the failure of a record that tokencli cannot read.
func foreignRecord(c *vaultClient, name account.Name, err error) error {
	if errors.Is(err, errKV1) {
		return c.notKV2("is a KV engine of version 1")
	}
	at := "-mount=" + c.settings.mount + " " + c.settings.path + "/" + name.String()
	return fail.New(fail.Store, "the record %s in Vault: %w", c.path("data", name), err).
		Advise(fail.DoInspectRecord, "vault kv get "+at, "vault kv metadata delete "+at)
}
