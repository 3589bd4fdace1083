package session

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

// Property is one thing that is known of a provider, in words.
type Property struct {
	Name   string
	Values []string
}

// Describe puts a definition into words, with the settings applied, unknown things included.
func (s *Session) Describe(ctx context.Context, name string) ([]Property, error) {
	config, err := s.known(ctx, name)
	if err != nil {
		return nil, err
	}
	d := config.Described()
	var properties []Property
	add := func(name string, values ...string) {
		values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
		if len(values) > 0 {
			properties = append(properties, Property{name, values})
		}
	}
	add("provider", d.Title)
	add("documentation", d.Docs)
	add("checked", d.Checked)
	if base := s.Getenv(account.Name{Provider: name}.Var(account.BaseURL)); base != "" {
		add("base URL", base+" (from the environment)")
	}
	add("issuer", d.Issuer)
	add("resource", d.Resource)
	add("client", client(config)...)
	add("grants", strings.Join(d.Grants, ", "))
	if a := d.Authorize; a != nil {
		add("authorize", a.URL, only(a.PAR, "pushed to the server first (RFC 9126)"), "parameters: "+names(d, "authorize"), "PKCE: "+a.PKCE, "state: "+state(a), codeLife(a.CodeLife))
	}
	for _, input := range d.Inputs {
		add("input "+input.Name, input.Prompt, only(input.Pattern != "", "matches: "+input.Pattern), only(input.Default != "", "default: "+input.Default))
	}
	for _, r := range requests {
		if d.Request(r.path) != nil {
			add(r.name, request(d, r.path))
		}
	}
	add("revoke by hand", d.Revoke.Manual)
	add("redirect URI", redirects(d)...)
	if d.Has("authorization_code") || len(d.Scopes.Default) > 0 {
		add("scopes", "default: "+cmp.Or(strings.Join(d.Scopes.Default, " "), "none"), d.Scopes.Note)
	}
	add("access token", "valid for: "+life(d.Lifetimes.Access), presented(config.Presentation))
	if d.Token[provider.Refresh] != nil {
		add("refresh token", "valid for: "+life(d.Lifetimes.Refresh), "replaced when used: "+string(d.Rotation))
	}
	add("static token", d.Static.Format, d.Static.Create)
	if d.API.URL != "" {
		add("API", d.API.URL, only(d.API.GraphQL, "GraphQL"), pages(d.API.Paginate))
	}
	for _, probe := range d.WhoAmI {
		add("whoami", probe.Method+" "+probe.URL)
	}
	add("unknown", d.Unknown...)
	return properties, nil
}

// only is a text that holds under a condition.
func only(so bool, text string) string {
	if !so {
		return ""
	}
	return text
}

// requests are those of the token endpoint and the like, by their places in a definition.
var requests = []struct{ name, path string }{
	{"code exchange", "token.authorization_code"},
	{"device authorization", "device_authorization"},
	{"device token", "token.device_code"},
	{"password", "token.password"},
	{"client credentials", "token.client_credentials"},
	{"JWT bearer", "token.jwt_bearer"},
	{"token exchange", "token.token_exchange"},
	{"refresh", "token.refresh"},
	{"revoke", "revoke.request"},
}

func client(c *oauth.Config) []string {
	d, otherwise := c.Definition, ""
	switch {
	case c.ClientIDMetadataDocuments && d.Client.MetadataURL != "":
		otherwise = "if you have none: " + d.Client.MetadataURL
	case c.RegistrationEndpoint != "":
		otherwise = "if you have none: login registers one"
	}
	return []string{"register at: " + d.ClientPlace(), "secret: " + d.Client.Secret, otherwise}
}

func request(d *provider.Definition, path string) string {
	r := d.Request(path)
	where := map[string]string{"form": "as a form", "json": "as JSON", "query": "in the query"}[r.Encoding]
	auth := ""
	switch r.ClientAuth {
	case provider.Basic:
		auth = ", client by Basic"
	case provider.PrivateKeyJWT:
		auth = ", client by its key"
	}
	return fmt.Sprintf("%s %s %s: %s%s", r.Method, r.URL, where, names(d, path), auth)
}

func names(d *provider.Definition, path string) string {
	return strings.Join(slices.Sorted(maps.Keys(d.Params(provider.KindAt(path), d.Request(path)))), ", ")
}

func pages(p *provider.Paginate) string {
	switch {
	case p == nil:
		return ""
	case p.Next != "":
		return "pages: the reply names the next one (" + p.Next + ")"
	case p.Link:
		return "pages: the Link header names the next one"
	case p.Page != "":
		return "pages: counted by " + p.Page
	}
	return "pages: counted by " + p.Offset
}

func state(a *provider.Authorize) string {
	if a.StateOptional {
		return "sent; may be missing in the reply, but must not differ"
	}
	return "sent; required in the reply"
}

func codeLife(d time.Duration) string {
	if d == 0 {
		return "lifetime of the code unknown"
	}
	return "the code expires after " + lasting(d)
}

// lasting returns a duration in its largest whole unit.
func lasting(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}

func redirects(d *provider.Definition) []string {
	if d.Authorize == nil {
		return nil
	}
	values := []string{"default: " + cmp.Or(d.Redirect.Default, "none; set one")}
	if d.Redirect.HTTPS {
		values = append(values, "https only, according to the provider")
	}
	if d.Redirect.NoLoopback {
		values = append(values, "addresses of this machine are reported to be refused; paste the address instead")
	}
	if d.Redirect.ExactPort {
		values = append(values, "the port must match exactly")
	}
	if d.Redirect.OutOfBand {
		values = append(values, "urn:ietf:wg:oauth:2.0:oob shows the code")
	}
	return values
}

func life(d time.Duration) string {
	if d == 0 {
		return "as the reply says, else unlimited"
	}
	return lasting(d) + ", or as the reply says"
}

func presented(p oauth.Presentation) string {
	if query := p.Query("TOKEN"); query != "" {
		return "presented in the query: " + query
	}
	return "presented in the header: " + p.Header("TOKEN")
}
