package oauth

import (
	"net/http"
	"net/url"

	"github.com/tokencli/tokencli/internal/provider"
)

// Registration is the client as the provider knows it (RFC 6749 2.2).
type Registration struct {
	ID, Secret string
	Key        string // PEM or JWK, for provider.PrivateKeyJWT
}

func (r Registration) values(more map[string]string) map[string]string {
	more["client_id"], more["client_secret"], more["client_key"] = r.ID, r.Secret, r.Key
	return more
}

// clientAuth is one way for a client to authenticate in a request (RFC 6749 2.3).
type clientAuth interface {
	// authenticate adds what the request needs to its parameters or headers.
	authenticate(values map[string]string, params map[string][]string, header http.Header)
}

func clientAuthOf(word string) clientAuth {
	switch word {
	case provider.Basic:
		return basicAuth{encode: url.QueryEscape}
	case provider.BasicRaw:
		return basicAuth{encode: func(s string) string { return s }}
	case provider.PrivateKeyJWT:
		return keyAuth{}
	}
	return inParams{}
}

// inParams sends id and secret as parameters, which provider.Definition.Params lists.
type inParams struct{}

func (inParams) authenticate(map[string]string, map[string][]string, http.Header) {}

// basicAuth sends id and secret in the Authorization header. By RFC 6749 2.3.1 both are form-encoded
// first, so that a colon in the id cannot shift the border between them.
type basicAuth struct{ encode func(string) string }

func (b basicAuth) authenticate(values map[string]string, params map[string][]string, header http.Header) {
	id, secret := values["client_id"], values["client_secret"]
	if secret == "" {
		// A public client names itself in the body (RFC 6749 3.2.1).
		if id != "" {
			params["client_id"] = []string{id}
		}
		return
	}
	request := http.Request{Header: header}
	request.SetBasicAuth(b.encode(id), b.encode(secret))
}
