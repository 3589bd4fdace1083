package refresh

import (
	"fmt"
	"net/url"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/provider"
)

// Origins returns the origins of the endpoints to which a definition sends a credential, or a part of one.
func Origins(d *provider.Definition) credential.Origins {
	origins := credential.Origins{credential.TokenEndpoint: d.Origin()}
	add := func(endpoint credential.Endpoint, address string) {
		if u, err := url.Parse(address); err == nil && address != "" {
			origins[endpoint] = provider.Origin(u)
		}
	}
	if r := d.Token[provider.Refresh]; r != nil {
		add(credential.RefreshEndpoint, r.URL)
	}
	if r := d.Revoke.Request; r != nil {
		add(credential.RevokeEndpoint, r.URL)
	}
	add(credential.APIEndpoint, d.API.URL)
	for i, probe := range d.WhoAmI {
		endpoint := credential.WhoAmIEndpoint
		if i > 0 {
			endpoint = credential.Endpoint(fmt.Sprintf("%s %d", endpoint, i+1))
		}
		add(endpoint, probe.URL)
	}
	return origins
}
