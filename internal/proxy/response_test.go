package proxy

import (
	"net/http"
	"testing"

	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
)

// An address leads to the proxy only at the scheme, host and port of the API, and carries the key in place of
// the token.
func TestAddressesInAnswers(t *testing.T) {
	const api = "http://api.example:8080/v2/"
	present, err := oauth.NewPresentation(&provider.Definition{API: provider.API{URL: api, QueryParam: "t"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Proxy: &Proxy{Key: testKey}, api: parse(t, api), present: present}
	for address, want := range map[string]string{
		"http://api.example:8080/v2/x?t=" + realToken: "/v2/x?t=" + testKey,
		"http://me:x@API.example:8080/v2/x":           "/v2/x",
		"http://api.example:8080":                     "/",
		"x?t=***":                                     "/v2/x?t=" + testKey,
		"https://api.example:8080/v2/x":               "https://api.example:8080/v2/x",
		"http://api.example/v2/x":                     "http://api.example/v2/x",
		"http://other.example/?a=b&t=" + realToken:    "http://other.example/?a=b",
	} {
		resp := &http.Response{Header: http.Header{}, Request: &http.Request{URL: s.api}}
		for _, name := range []string{"Location", "Content-Location"} {
			resp.Header.Set(name, address)
		}
		resp.Header.Set("Link", "<"+address+">; rel=x")
		if err := s.modifyResponse(resp); err != nil {
			t.Fatal(err)
		}
		if l, c, k := resp.Header.Get("Location"), resp.Header.Get("Content-Location"), resp.Header.Get("Link"); l != want || c != want || k != "<"+want+">; rel=x" {
			t.Errorf("%s: Location %s, Content-Location %s, Link %s; want %s", address, l, c, k, want)
		}
	}
}
