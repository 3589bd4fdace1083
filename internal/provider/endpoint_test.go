package provider

import (
	"net/url"
	"testing"
)

func TestOriginIsOneSpelling(t *testing.T) {
	for address, want := range map[string]string{
		"https://api.example.com/v1?x#y":  "https://api.example.com",
		"HTTPS://API.Example.COM/":        "https://api.example.com",
		"https://api.example.com:443/":    "https://api.example.com",
		"https://api.example.com:/":       "https://api.example.com",
		"https://api.example.com:80/":     "https://api.example.com:80",
		"https://api.example.com:8443/":   "https://api.example.com:8443",
		"http://127.0.0.1:80/":            "http://127.0.0.1",
		"http://127.0.0.1:443/":           "http://127.0.0.1:443",
		"http://[::1]:8080/":              "http://[::1]:8080",
		"https://[2001:DB8::1]:443/":      "https://[2001:db8::1]",
		"https://user:pw@api.example.com": "https://api.example.com",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := Origin(u); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := originOf("https://{Shop}.acme.example/token"); got != "https://{shop}.acme.example" {
		t.Errorf("the template has the origin %q", got)
	}
}

// Credentials belong to the token endpoint, whichever request describes it.
func TestOriginIsThatOfTheTokenEndpoint(t *testing.T) {
	at := func(host string) *Request { return &Request{URL: "https://" + host + "/token"} }
	for want, d := range map[string]*Definition{
		"https://code":    {Token: map[string]*Request{AuthorizationCode: at("code"), Refresh: at("refresh"), Password: at("password")}},
		"https://mint":    {Token: map[string]*Request{ClientCredentials: at("mint"), Refresh: at("refresh")}},
		"https://pass":    {Token: map[string]*Request{Password: at("pass"), Refresh: at("refresh")}},
		"https://refresh": {Token: map[string]*Request{Refresh: at("refresh")}, API: API{URL: "https://api"}},
		"https://api":     {API: API{URL: "https://api/v1"}},
	} {
		if got := d.Origin(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
