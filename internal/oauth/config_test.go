package oauth

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

const baseSetting = "TOKENCLI_X_BASE_URL"

func builtinDefinition(t testing.TB, name string) *provider.Definition {
	t.Helper()
	d, err := provider.Catalog{}.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func addresses(d *provider.Definition) map[string]string {
	all := map[string]string{}
	for path, address := range d.Addresses() {
		all[path] = *address
	}
	return all
}

func TestBaseMovesEveryEndpoint(t *testing.T) {
	for _, name := range provider.Builtin() {
		d := builtinDefinition(t, name)
		before := addresses(d)
		moved := resolve(t, d, "http://127.0.0.1:4711/pre/fix")
		after := addresses(moved.Definition)
		if len(after) != len(before) {
			t.Fatalf("%s: %v", name, after)
		}
		for where, old := range before {
			u, err := url.Parse(old)
			if err != nil {
				t.Fatal(err)
			}
			if want := "http://127.0.0.1:4711/pre/fix" + u.Path; after[where] != want {
				t.Errorf("%s %s: %s, want %s", name, where, after[where], want)
			}
		}
		if now := addresses(d); !maps.Equal(now, before) {
			t.Errorf("%s: the definition itself was changed: %v", name, now)
		}
		if origin := moved.Definition.Origin(); origin != "http://127.0.0.1:4711" {
			t.Errorf("%s: origin %s", name, origin)
		}
		if same := resolve(t, d, ""); !maps.Equal(addresses(same.Definition), before) {
			t.Errorf("%s: an empty base changes something", name)
		}
	}
}

func TestBase(t *testing.T) {
	tests := []struct{ name, base, endpoint, want string }{
		{"host", "https://proxy.example", "https://api.example.com/v1/token", "https://proxy.example/v1/token"},
		{"trailing slash of the endpoint stays", "https://proxy.example", "https://api.example.com/v1/token/", "https://proxy.example/v1/token/"},
		{"port", "https://proxy.example:8443", "https://api.example.com:444/token", "https://proxy.example:8443/token"},
		{"path before path", "https://proxy.example/a/b", "https://api.example.com/v1/", "https://proxy.example/a/b/v1/"},
		{"trailing slash of the base", "https://proxy.example/a/", "https://api.example.com/v1/", "https://proxy.example/a/v1/"},
		{"trailing slashes", "https://proxy.example//", "https://api.example.com/v1", "https://proxy.example/v1"},
		{"an empty segment in front is a path, not a host", "https://proxy.example//evil.example", "https://api.example.com/v1", "https://proxy.example//evil.example/v1"},
		{"no path at the endpoint", "https://proxy.example/a", "https://api.example.com", "https://proxy.example/a"},
		{"escapes stay", "https://proxy.example/a%2Fb/", "https://api.example.com/c%20d", "https://proxy.example/a%2Fb/c%20d"},
		{"an escaped slash at the end stays", "https://proxy.example/a%2F/", "https://api.example.com/v1", "https://proxy.example/a%2F/v1"},
		{"query of the endpoint stays", "https://proxy.example", "https://api.example.com/v1?tenant=x", "https://proxy.example/v1?tenant=x"},
		{"upper case", "HTTPS://Proxy.Example", "https://api.example.com/v1", "https://Proxy.Example/v1"},
		{"IPv6", "http://[::1]:8080/x", "https://api.example.com/v1", "http://[::1]:8080/x/v1"},
		{"IPv4", "http://127.0.0.1:1", "https://api.example.com/v1", "http://127.0.0.1:1/v1"},
		{"localhost", "http://localhost:8080", "https://api.example.com/v1", "http://localhost:8080/v1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &provider.Definition{Name: "x", Token: map[string]*provider.Request{provider.Refresh: {URL: tt.endpoint}}}
			if got := resolve(t, d, tt.base).Definition.Token[provider.Refresh].URL; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestBaseRefuses(t *testing.T) {
	for _, base := range []string{
		"proxy.example", "/path", "https://", "https:///path", "https:opaque", "mailto:a@b.example", "http://proxy.example",
		"http://192.168.1.1:80", "http://0.0.0.0", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://localhost.",
		"http://2130706433", "http://[::2]", "ftp://127.0.0.1", "https://user@proxy.example", "https://u:hunter22@proxy.example",
		"http://u:hunter22@127.0.0.1", "https://proxy.example?hunter22=1", "https://proxy.example?", "https://proxy.example#hunter22",
		"https://[::1", "https://proxy.example:port", " https://proxy.example", "https://proxy.example/\x00", "https://u:hunter22@[::1", "://x",
		"https://:443",
	} {
		d := &provider.Definition{Name: "x", Token: map[string]*provider.Request{provider.Refresh: {URL: "https://api.example.com/v1"}}}
		_, err := Resolve(t.Context(), d, nil, nil, Base{URL: base, Setting: baseSetting})
		if !fail.Is(err, fail.Usage) {
			t.Errorf("%q: %v", base, err)
			continue
		}
		if !strings.Contains(err.Error(), baseSetting) {
			t.Errorf("%q: the setting is not named: %v", base, err)
		}
		if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%q is quoted: %v", base, err)
		}
	}
}

// customers has an address of every form that a placeholder may have.
func customers() *provider.Definition {
	return &provider.Definition{
		Name: "acme", Title: "Acme",
		Inputs:   []provider.Input{{Name: "shop"}},
		Reply:    provider.Reply{Keep: []string{"instance_url"}},
		Callback: provider.Callback{Keep: []string{"realmId"}},
		Token: map[string]*provider.Request{provider.Refresh: {
			URL: "https://{shop}.acme.example/token?shop={shop}", Params: provider.Params{"realm": {"{realmId}"}},
		}},
		API: provider.API{URL: "{instance_url}/v2/{realmId}/", Headers: map[string]string{"X-App": "{client_id}", "X-Realm": "{realmId}"}},
	}
}

func TestValuesFillPlaceholders(t *testing.T) {
	c, err := Resolve(t.Context(), customers(), map[string]string{
		"shop": "demo-1", "instance_url": "https://eu.acme.example/a/", "realmId": "1/2 ü", "client_id": "app",
	}, nil, Base{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"token.refresh.url": "https://demo-1.acme.example/token?shop=demo-1",
		"api.url":           "https://eu.acme.example/a/v2/1%2F2%20%C3%BC/",
	} {
		if got := addresses(c.Definition)[path]; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	headers := c.Presentation.Headers("T")
	if headers["X-App"] != "app" || headers["X-Realm"] != "1/2 ü" || headers["Authorization"] != "Bearer T" {
		t.Errorf("headers %v", headers)
	}
	params, err := c.params("token.refresh", c.Definition.Token[provider.Refresh], map[string]string{"refresh_token": "R", "client_id": "", "client_secret": ""})
	if err != nil || len(params["realm"]) != 1 || params["realm"][0] != "1/2 ü" {
		t.Errorf("%v, %v", params, err)
	}
}

// Before the login no field is kept; what needs one cannot be used, and the rest can.
func TestAddressesThatNeedAKeptField(t *testing.T) {
	c, err := Resolve(t.Context(), customers(), map[string]string{"shop": "demo"}, nil, Base{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Definition.API.URL != "" || c.Definition.Token[provider.Refresh].URL == "" {
		t.Errorf("%v", addresses(c.Definition))
	}
	if _, err := c.APIURL("users"); !fail.Is(err, fail.Usage) || !strings.Contains(err.Error(), "{instance_url} has no value") {
		t.Errorf("%v", err)
	}
	if _, there := c.Presentation.Headers("T")["X-App"]; there {
		t.Error("a header without a value is sent")
	}
}

func TestValuesThatCannotBePartOfAnAddress(t *testing.T) {
	for name, values := range map[string]map[string]string{
		"a domain for a label":           {"shop": "evil.example/", "instance_url": "https://a.example"},
		"dots in a label":                {"shop": "a.b"},
		"a port in a label":              {"shop": "a:1"},
		"a user in a label":              {"shop": "a@b"},
		"a hyphen at the end of a label": {"shop": "a-"},
		"a kept address in the clear":    {"shop": "a", "instance_url": "http://a.example", "realmId": "1"},
		"a kept address with a user":     {"shop": "a", "instance_url": "https://u:p4ss@a.example", "realmId": "1"},
		"a kept address with a query":    {"shop": "a", "instance_url": "https://a.example?x=", "realmId": "1"},
		"a kept address with a fragment": {"shop": "a", "instance_url": "https://a.example#", "realmId": "1"},
		"a kept address that is none":    {"shop": "a", "instance_url": "javascript:alert(1)", "realmId": "1"},
		"a step upwards":                 {"shop": "a", "instance_url": "https://a.example", "realmId": ".."},
	} {
		_, err := Resolve(t.Context(), customers(), values, nil, Base{})
		if !fail.Is(err, fail.Usage) || strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMetadataCompletesADefinition(t *testing.T) {
	d := &provider.Definition{Name: "acme", Issuer: "https://as.example", Grants: []string{provider.AuthorizationCode}}
	discover := func(context.Context, *provider.Definition) (*Metadata, error) {
		return &Metadata{
			AuthorizationEndpoint: "https://as.example/a", TokenEndpoint: "https://as.example/t", RevocationEndpoint: "https://as.example/r",
			UserinfoEndpoint: "https://as.example/u", ClientAuth: []string{"client_secret_post"},
			PAREndpoint: "https://as.example/p", RequirePAR: true, RegistrationEndpoint: "https://as.example/reg",
		}, nil
	}
	c, err := Resolve(t.Context(), d, nil, discover, Base{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"authorize.url": "https://as.example/a", "token.authorization_code.url": "https://as.example/t", "token.refresh.url": "https://as.example/t",
		"revoke.request.url": "https://as.example/r", "whoami.0.url": "https://as.example/u",
	}
	if got := addresses(c.Definition); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := c.Definition.Token[provider.Refresh].ClientAuth; got != provider.InParams {
		t.Errorf("client_auth %s", got)
	}
	if !c.Definition.Authorize.PAR || c.pushURL != "https://as.example/p" {
		t.Errorf("requests are pushed to %q: %t", c.pushURL, c.Definition.Authorize.PAR)
	}
	endpoints := slices.Sorted(slices.Values(c.Endpoints()))
	if got := strings.ReplaceAll(strings.Join(slices.Compact(endpoints), " "), "https://as.example", ""); got != "/a /p /r /reg /t" {
		t.Errorf("endpoints %s", got)
	}
	if d.Token != nil || d.Authorize != nil {
		t.Error("the definition itself was changed")
	}
	if _, err := Resolve(t.Context(), d, nil, nil, Base{}); !fail.Is(err, fail.Usage) {
		t.Errorf("without metadata: %v", err)
	}
}

func TestPresentation(t *testing.T) {
	for name, tt := range map[string]struct {
		api                        provider.API
		header, query, curl, takes string
	}{
		"standard":     {provider.API{}, "Authorization: Bearer a b", "", "header = \"Authorization: Bearer a b\"\n", "bearer"},
		"other header": {provider.API{Header: "X-API-Key", Scheme: "none"}, "X-API-Key: a b", "", "header = \"X-API-Key: a b\"\n", "Bearer"},
		"other scheme": {provider.API{Scheme: "Zoho-oauthtoken"}, "Authorization: Zoho-oauthtoken a b", "", "header = \"Authorization: Zoho-oauthtoken a b\"\n", "zoho-OAuthToken"},
		"basic":        {provider.API{Scheme: "basic"}, "Authorization: Basic YSBi", "", "header = \"Authorization: Basic YSBi\"\n", "basic"},
		"query":        {provider.API{QueryParam: "access_token"}, "", "access_token=a+b", "url-query = \"access_token=a b\"\n", "Bearer"},
		"constant": {
			provider.API{Headers: map[string]string{"Notion-Version": "2022"}},
			"Authorization: Bearer a b", "",
			"header = \"Authorization: Bearer a b\"\nheader = \"Notion-Version: 2022\"\n", "Bearer",
		},
	} {
		p, err := NewPresentation(&provider.Definition{API: tt.api}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p.Header("a b") != tt.header || p.Query("a b") != tt.query || p.CurlConfig("a b") != tt.curl {
			t.Errorf("%s: %q, %q, %q", name, p.Header("a b"), p.Query("a b"), p.CurlConfig("a b"))
		}
		if !p.Takes("") || !p.Takes(tt.takes) || p.Takes("DPoP") {
			t.Errorf("%s: token types", name)
		}
	}
}
