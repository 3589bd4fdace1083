package proxy

import (
	"net/url"
	"testing"
)

func parse(t *testing.T, path string) *url.URL {
	t.Helper()
	u, err := url.ParseRequestURI(path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Only paths below the API's are forwarded, however a server may decode and resolve them.
func TestBelow(t *testing.T) {
	s := &server{api: parse(t, "http://api.example/v2/")}
	for path, want := range map[string]bool{
		"/v2":                    true,
		"/v2/":                   true,
		"/v2/x":                  true,
		"/v2/a..b/.x":            true,
		"/v2/100%25":             true,
		"/v2/a%2fb":              true,
		"/":                      false,
		"/v20/x":                 false,
		"/V2/x":                  false,
		"/x/v2/":                 false,
		"/v2/../x":               false,
		"/v2/./x":                false,
		"/v2/..":                 false,
		"/v2/%2e%2e/x":           false,
		"/v2/%2E./x":             false,
		"/v2/%252e%252e/x":       false,
		"/v2/%25252e%25252e/x":   false,
		"/v2/%2525252525252e./x": false, // encoded more often than is decoded
		"/v2/..;a=b/x":           false,
		"/v2/..%3ba/x":           false,
		"/v2/..%2fx":             false,
		"/v2/..%5cx":             false,
		`/v2/..\x`:               false,
		"/v2/a%00b":              false,
		"/v2/a%0d%0ab":           false,
		"/v2/a%7f":               false,
	} {
		if got := s.below(parse(t, path)); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

// No spelling of the path of an OAuth endpoint is forwarded.
func TestIsEndpoint(t *testing.T) {
	s := &server{endpoints: []string{"v2/oauth/token"}}
	for path, want := range map[string]bool{
		"/v2/oauth/token":             true,
		"/v2/oauth/token/":            true,
		"/v2/oauth/token/x":           true,
		"/v2/OAuth/Token":             true,
		"/v2//oauth/token":            true,
		"/v2/oauth;a=b/token;c":       true,
		"/v2/oauth%2ftoken":           true,
		"/v2/;x/oauth/token":          true,
		`/v2/oauth\token`:             true,
		"/v2/oauth/%74oken":           true,
		"/v2/oauth/%2574oken":         true,
		"/v2/oauth":                   false,
		"/v2/oauth/tokens":            false,
		"/v2/payments/v2/oauth/token": false,
	} {
		if got := s.isEndpoint(parse(t, path)); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}
