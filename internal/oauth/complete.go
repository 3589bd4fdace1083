package oauth

import (
	"slices"

	"github.com/tokencli/tokencli/internal/provider"
)

// complete puts into a definition what it leaves to the metadata.
func (m *Metadata) complete(d *provider.Definition) {
	set := func(value *string, found string) {
		if *value == "" {
			*value = found
		}
	}
	set(&d.Issuer, m.Issuer) // of a resource whose definition names none
	if d.OpenGrants && m.DeviceEndpoint != "" {
		d.Grants = []string{provider.AuthorizationCode, provider.DeviceCode}
		if m.AuthorizationEndpoint == "" {
			d.Grants = []string{provider.DeviceCode}
		}
	}
	if d.Token == nil {
		d.Token = map[string]*provider.Request{}
	}
	for _, name := range append(slices.Clone(d.Grants), provider.Refresh) {
		if name != provider.StaticToken && d.Token[name] == nil {
			d.Token[name] = provider.NewRequest()
		}
	}
	if d.Has(provider.AuthorizationCode) {
		if d.Authorize == nil {
			d.Authorize = &provider.Authorize{PKCE: "S256"}
		}
		set(&d.Authorize.URL, m.AuthorizationEndpoint)
		d.Authorize.PAR = d.Authorize.PAR || m.RequirePAR
	}
	requests := map[*provider.Request]string{}
	for _, r := range d.Token {
		requests[r] = m.TokenEndpoint
	}
	if m.RevocationEndpoint != "" {
		if d.Revoke.Request == nil {
			d.Revoke.Request = provider.NewRequest()
		}
		requests[d.Revoke.Request] = m.RevocationEndpoint
	}
	if d.DeviceAuthorization == nil && d.Has(provider.DeviceCode) {
		d.DeviceAuthorization = provider.NewRequest()
	}
	if d.DeviceAuthorization != nil {
		requests[d.DeviceAuthorization] = m.DeviceEndpoint
	}
	for r, endpoint := range requests {
		set(&r.URL, endpoint)
		set(&r.ClientAuth, m.authentication())
	}
	if d.WhoAmI == nil && m.UserinfoEndpoint != "" {
		d.WhoAmI = []provider.Probe{{Method: "GET", URL: m.UserinfoEndpoint, Show: []provider.Field{
			{Name: "subject", Path: "sub"}, {Name: "name", Path: "name"}, {Name: "email", Path: "email"},
		}}}
	}
}

// authentication returns how a client with a secret authenticates: by Basic if the server lists it or lists
// nothing (RFC 8414 2), by its key if the server lists no way with a secret, else by the parameters.
func (m *Metadata) authentication() string {
	lists := func(way string) bool { return slices.Contains(m.ClientAuth, way) }
	switch {
	case len(m.ClientAuth) == 0 || lists("client_secret_basic"):
		return provider.Basic
	case lists("private_key_jwt") && !lists("client_secret_post") && !lists("none"):
		return provider.PrivateKeyJWT
	}
	return provider.InParams
}
