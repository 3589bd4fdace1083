package oauth

import (
	"errors"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

func keeper(t *testing.T) *Client {
	t.Helper()
	d := &provider.Definition{
		Name: "acme", Title: "Acme", API: provider.API{URL: "{instance_url}/v2/"},
		Reply: provider.Reply{
			AccessToken: provider.Names{"access_token"}, RefreshToken: provider.Names{"refresh_token"}, Keep: []string{"instance_url"},
		},
	}
	config, err := Resolve(t.Context(), d, nil, nil, Base{})
	if err != nil {
		t.Fatal(err)
	}
	return &Client{Config: config}
}

// A kept field that begins an address decides where the token goes.
func TestAKeptFieldThatBeginsAnAddressIsHTTPS(t *testing.T) {
	for value, want := range map[string]string{
		"https://eu.acme.example":   "https://eu.acme.example/v2/",
		"https://eu.acme.example/x": "https://eu.acme.example/x/v2/",
		"http://127.0.0.1:8080":     "http://127.0.0.1:8080/v2/",
		"http://eu.acme.example":    "",
		"ftp://eu.acme.example":     "",
		"https://u:p@acme.example":  "",
		"https://acme.example/?q=":  "",
		"eu.acme.example":           "",
		`https://a\u0007.example`:   "",
	} {
		c := keeper(t)
		r, err := c.read(answered(200, `{"access_token":"a","refresh_token":"r","instance_url":"`+value+`"}`))
		if want == "" {
			var e *Error
			if !errors.As(err, &e) || !fail.Is(err, fail.Unavailable) || e.Salvage == nil || e.Salvage.RefreshToken != "r" {
				t.Errorf("%s: %v", value, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		config, err := c.Keeping(r.Kept)
		if err != nil || config.Definition.API.URL != want || c.Definition.API.URL != "" {
			t.Errorf("%s: %v, %v", value, config, err)
		}
	}
}
