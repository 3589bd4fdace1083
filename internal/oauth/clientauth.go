package oauth

import (
	"net/http"
	"net/url"

	"github.com/tokencli/tokencli/internal/provider"
)

// Registration is the client as the provider knows it (RFC 6749 2.2).
type Registration struct {
	ID, Secret string
}

// values adds the client to the values of a request.
func (r Registration) values(more map[string]string) map[string]string {
	more["client_id"], more["client_secret"] = r.ID, r.Secret
	return more
}

// clientAuth is one way for a client to authenticate in a request (RFC 6749 2.3).
type clientAuth interface {
	// authenticate adds what the request needs to its parameters or headers.
	authenticate(r Registration, params map[string][]string, header http.Header)
}

// clientAuthOf returns the way that a definition names.
func clientAuthOf(word string) clientAuth {
	switch word {
	case provider.Basic:
		return basicAuth{encode: url.QueryEscape}
	case provider.BasicRaw:
		return basicAuth{encode: func(s string) string { return s }}
	}
	return inParams{}
}

// inParams sends id and secret as parameters, which provider.Definition.Params lists.
type inParams struct{}

func (inParams) authenticate(Registration, map[string][]string, http.Header) {}

// basicAuth sends id and secret in the Authorization header. By RFC 6749 2.3.1 both are form-encoded
// first, so that a colon in the id cannot shift the border between them.
type basicAuth struct{ encode func(string) string }

func (b basicAuth) authenticate(r Registration, params map[string][]string, header http.Header) {
	if r.Secret == "" {
		// A public client names itself in the body (RFC 6749 3.2.1).
		if r.ID != "" {
			params["client_id"] = []string{r.ID}
		}
		return
	}
	request := http.Request{Header: header}
	request.SetBasicAuth(b.encode(r.ID), b.encode(r.Secret))
}
