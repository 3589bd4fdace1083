package refresh

import (
	"testing"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

// The origin that a kept field adds belongs to the login, and a field that a later reply does not repeat stays.
func TestKeepAddsOrigins(t *testing.T) {
	d := &provider.Definition{
		Name: "acme", API: provider.API{URL: "{instance_url}/{plan}/"},
		Token: map[string]*provider.Request{provider.Refresh: {URL: "https://login.acme.example/token"}},
		Reply: provider.Reply{Keep: []string{"instance_url", "plan"}},
	}
	config, err := oauth.Resolve(t.Context(), d, nil, nil, oauth.Base{})
	if err != nil {
		t.Fatal(err)
	}
	client, c := &oauth.Client{Config: config}, &credential.Credential{}
	for _, fields := range []map[string]string{
		{"instance_url": "https://eu.acme.example", "plan": "basic"}, {"instance_url": "https://us.acme.example"},
	} {
		if err := Keep(c, client, fields); err != nil {
			t.Fatal(err)
		}
		if got := c.Origins[credential.APIEndpoint]; got != fields["instance_url"] || CheckOrigins(c, client.Definition) != nil {
			t.Errorf("%v: origins %v", fields, c.Origins)
		}
	}
	if want := "https://us.acme.example/basic/"; client.Definition.API.URL != want || c.Kept["plan"] != "basic" {
		t.Errorf("%s, kept %v", client.Definition.API.URL, c.Kept)
	}
	if Keep(c, client, map[string]string{"instance_url": "http://us.acme.example"}) == nil || c.Kept["instance_url"] != "https://us.acme.example" {
		t.Errorf("kept %v", c.Kept)
	}
}
