package helper

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Kubectl is an exec plugin of client-go:
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins.
// The kubeconfig decides which clusters it serves.
type Kubectl struct {
	Source
	Account account.Name
	Info    string // the value of KUBERNETES_EXEC_INFO; empty: the client sent none
}

const execGroup = "client.authentication.k8s.io/"

type execCredential struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Spec       *execSpec   `json:"spec,omitempty"`
	Status     *execStatus `json:"status,omitempty"`
}

type execSpec struct {
	Cluster *struct {
		Server string `json:"server"`
	} `json:"cluster,omitempty"`
}

type execStatus struct {
	ExpirationTimestamp string `json:"expirationTimestamp,omitempty"`
	Token               string `json:"token"`
}

// Run prints an ExecCredential in the version that the client asks for.
func (k *Kubectl) Run(ctx context.Context, stdout io.Writer) error {
	version, err := k.version()
	if err != nil {
		return err
	}
	c, err := k.token(ctx, k.Account)
	if err != nil {
		return err
	}
	status := &execStatus{Token: c.AccessToken.Reveal()}
	if !c.AccessExpiresAt.IsZero() {
		status.ExpirationTimestamp = c.AccessExpiresAt.UTC().Format(time.RFC3339)
	}
	return writeJSON(stdout, execCredential{APIVersion: version, Kind: "ExecCredential", Status: status})
}

// version reads what the client sent, and refuses a cluster to which no token may be sent.
func (k *Kubectl) version() (string, error) {
	if k.Info == "" {
		return execGroup + "v1", nil
	}
	var info execCredential
	if err := json.Unmarshal([]byte(k.Info), &info); err != nil {
		return "", fail.New(fail.Usage, "KUBERNETES_EXEC_INFO is not JSON")
	}
	switch info.APIVersion {
	case execGroup + "v1", execGroup + "v1beta1":
	default:
		return "", fail.New(fail.Usage, "KUBERNETES_EXEC_INFO asks for %q; supported are %sv1 and %sv1beta1",
			redact.Scrub(info.APIVersion, 80), execGroup, execGroup)
	}
	if info.Spec == nil || info.Spec.Cluster == nil {
		return info.APIVersion, nil
	}
	u, err := url.Parse(info.Spec.Cluster.Server)
	if err != nil || u.Host == "" {
		return "", fail.New(fail.Usage, "KUBERNETES_EXEC_INFO holds an invalid cluster address")
	}
	return info.APIVersion, checkSecure(u.Scheme, u.Host)
}
