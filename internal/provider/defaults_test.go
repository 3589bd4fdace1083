package provider

import "testing"

func TestClientPlaceIsNeverEmpty(t *testing.T) {
	for _, tt := range []struct {
		d    Definition
		want string
	}{
		{Definition{Title: "Acme", Client: Client{Create: "Settings, Apps"}, Docs: "https://acme.example/docs"}, "Settings, Apps"},
		{Definition{Title: "Acme", Docs: "https://acme.example/docs"}, "the provider's site; its documentation is https://acme.example/docs"},
		{Definition{Title: "Acme", Issuer: "https://login.acme.example"}, "the site of Acme or its administrator; the server is login.acme.example"},
		{Definition{Title: "Acme"}, "the site of Acme or its administrator"},
	} {
		if got := tt.d.ClientPlace(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
