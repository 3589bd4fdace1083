package oauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// Config is what the requests of one login need. Resolve makes it; nothing changes it afterwards, so that
// it may be used by several goroutines.
type Config struct {
	// Definition has every address in its final form: with the inputs and kept fields of the login, with
	// what the metadata adds, and moved to the base URL. An address that needs a field which the login has
	// not kept (yet) is empty.
	Definition   *provider.Definition
	Presentation Presentation
	// SendsIssuer: every authorization response names its issuer (RFC 9207 3).
	SendsIssuer bool
	// RegistrationEndpoint is where a client registers itself (RFC 7591); "" if the server has none.
	RegistrationEndpoint string
	// ClientIDMetadataDocuments: the address of a document may be the client id.
	ClientIDMetadataDocuments bool

	written *provider.Definition // with what the metadata adds, before any value
	pushURL string               // where authorization requests are pushed; "": the metadata names no endpoint
	server  *Metadata            // nil without discovery
	values  map[string]string    // of every input and kept field

	clientID string           // in the constant headers; "": not known
	api      *url.URL         // before it was moved to base; nil: not known
	base     *url.URL         // nil: none
	missing  map[string]error // why an address is empty, by its path
}

// Base is the address that replaces scheme and host of every endpoint, and the setting it comes from.
type Base struct{ URL, Setting string }

// Resolve makes the configuration of one login. values are its inputs and kept fields, and client_id where
// it is known. discover returns the metadata of the authorization server; it is called only where the
// definition has an issuer or a resource. A value or a base URL that cannot be used is a fail.Usage.
func Resolve(ctx context.Context, d *provider.Definition, values map[string]string, discover Discover, base Base) (*Config, error) {
	c := &Config{written: d.Clone()}
	var err error
	if c.base, err = base.parse(); err != nil {
		return nil, err
	}
	if d.Discovers() {
		if discover == nil {
			return nil, fail.New(fail.Usage, "%s: the metadata of its authorization server is not known", d.Name)
		}
		metadata, err := discover(ctx, d)
		if err != nil {
			return nil, err
		}
		metadata.complete(c.written)
		c.server, c.SendsIssuer = metadata, metadata.SendsIssuer
		c.RegistrationEndpoint, c.ClientIDMetadataDocuments = metadata.RegistrationEndpoint, metadata.ClientIDMetadataDocuments
	}
	return c.fill(values)
}

// Keeping returns the configuration of the login once it keeps these fields of a reply or a redirect too. Where one
// cannot be used in an address, that is a fail.Usage.
func (c *Config) Keeping(kept map[string]string) (*Config, error) {
	values := maps.Clone(c.values)
	maps.Copy(values, kept)
	values["client_id"] = c.clientID
	return c.fill(values)
}

// fill returns a copy of the configuration in which these values have the place of the placeholders.
func (c *Config) fill(values map[string]string) (*Config, error) {
	filled := *c
	c = &filled
	d := c.written
	c.Definition, c.values, c.missing = d.Clone(), map[string]string{}, map[string]error{}
	c.clientID = values["client_id"]
	for _, name := range d.Placeholders() {
		c.values[name] = values[name]
	}
	for path, address := range c.Definition.Addresses() {
		if err := c.resolve(path, address); err != nil {
			return nil, fail.New(fail.Usage, "%s: %s: %w", d.Name, path, err)
		}
	}
	if c.server != nil && c.server.PAREndpoint != "" {
		c.pushURL = c.server.PAREndpoint
		if err := c.resolve("authorize.par", &c.pushURL); err != nil {
			return nil, fail.New(fail.Usage, "%s: pushed_authorization_request_endpoint: %w", d.Name, err)
		}
	}
	for i := range c.Definition.WhoAmI {
		probe := &c.Definition.WhoAmI[i]
		probe.JSON = provider.ExpandJSON(probe.JSON, c.values)
	}
	var err error
	c.Presentation, err = NewPresentation(d, values)
	return c, err
}

// resolve gives one address its final form. One that needs a value which is not known becomes empty.
func (c *Config) resolve(path string, address *string) error {
	for _, holder := range provider.Holders(*address) {
		if c.values[holder] == "" {
			c.missing[path] = fmt.Errorf("{%s} has no value", holder)
			*address = ""
			return nil
		}
	}
	expanded, err := c.Definition.ExpandURL(*address, c.values)
	if err != nil {
		return err
	}
	u, err := url.Parse(expanded)
	if err != nil {
		return errors.New("not an address")
	}
	if path == "api.url" {
		c.api = new(*u)
	}
	if c.base != nil {
		move(u, c.base)
	}
	*address = u.String()
	return nil
}

// parse returns nil without a base URL. Its errors quote nothing of it: it may hold a password.
func (base Base) parse() (*url.URL, error) {
	if base.URL == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	u, err := url.Parse(base.URL)
	switch {
	case err != nil, u.Host == "", u.Opaque != "":
		err = errors.New("expected an address such as https://api.example.com")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		err = errors.New("expected only scheme, host and path")
	default:
		err = provider.CheckURL(base.URL)
	}
	if err != nil {
		return nil, fail.New(fail.Usage, "%s: %w", base.Setting, err)
	}
	return u, nil
}

// move puts the address u where base says: at its scheme and host, with its path before that of u.
func move(u, base *url.URL) {
	// The escaped path keeps an encoded slash; both forms lose the same slashes at their ends.
	escaped := strings.TrimRight(base.EscapedPath(), "/")
	path := base.Path[:len(base.Path)-(len(base.EscapedPath())-len(escaped))]
	u.RawPath = escaped + u.EscapedPath()
	u.Scheme, u.Host, u.Path = base.Scheme, base.Host, path+u.Path
}

// Described returns the definition to show to a user: an address that is not known without a login is as it was written.
func (c *Config) Described() *provider.Definition {
	d, known := c.written.Clone(), c.Definition.Addresses()
	for path, address := range d.Addresses() {
		if found := known[path]; found != nil {
			*address = *found
		}
	}
	return d
}

// Endpoints returns the addresses of the authorization server, as far as they are known.
func (c *Config) Endpoints() []string {
	var all []string
	for path, address := range c.Definition.Addresses() {
		if path != "api.url" && !strings.HasPrefix(path, "whoami") {
			all = append(all, *address)
		}
	}
	if c.pushURL != "" {
		all = append(all, c.pushURL)
	}
	if c.RegistrationEndpoint != "" {
		all = append(all, c.moved(c.RegistrationEndpoint))
	}
	return all
}

// CanRefresh reports whether the provider has refresh tokens.
func (c *Config) CanRefresh() bool { return c.Definition.Token[provider.Refresh] != nil }

// SendsRedirectURI reports whether the exchange of a code repeats the redirect URI.
func (c *Config) SendsRedirectURI() bool {
	r := c.Definition.Token[provider.AuthorizationCode]
	return r != nil && c.Definition.Params(provider.KindAt("token.authorization_code"), r).Hold("{redirect_uri}")
}

// params returns the parameters of a request of this kind, with the values of the request and the login.
func (c *Config) params(path string, r *provider.Request, values map[string]string) (map[string][]string, error) {
	params, err := c.Definition.Params(provider.KindAt(path), r).Expand(c.with(values))
	if err != nil {
		return nil, fail.New(fail.Usage, "%s: %s.params.%w", c.Definition.Name, path, err)
	}
	return params, nil
}

// with returns the values of a request together with those of the login.
func (c *Config) with(values map[string]string) map[string]string {
	all := maps.Clone(values)
	maps.Copy(all, c.values)
	all["resource"] = c.Definition.Resource
	return all
}

// unknown is the error of an address that is not known.
func (c *Config) unknown(path string) error {
	e := fail.New(fail.Usage, "the definition of %s has no %s", c.Definition.Name, path)
	switch err := c.missing[path]; {
	case err != nil:
		e = fail.New(fail.Usage, "%s: %s: %w", c.Definition.Name, path, err)
	case c.server != nil && c.server.Issuer != "":
		e = fail.New(fail.Usage, "neither the definition of %s nor the metadata of %s has %s", c.Definition.Name, c.server.Issuer, path)
	}
	return e.Advise(fail.DoShowProvider, c.Definition.Name)
}

// Discover returns the metadata of the authorization server of a definition with an issuer or a resource.
type Discover func(context.Context, *provider.Definition) (*Metadata, error)
