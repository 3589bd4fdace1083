package oauth

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/provider"
)

// A token counts as presented if all of it is where the provider takes it, and is gone after Remove.
func TestHoldsAndRemove(t *testing.T) {
	const token = "a-token-0123456789"
	basic := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, test := range []struct {
		api    provider.API
		header string // the value of Authorization
		query  string
		want   bool
	}{
		{provider.API{}, "Bearer " + token, "", true},
		{provider.API{}, "bearer  " + token, "", true},
		{provider.API{}, "Bearer " + token[:17], "", false},
		{provider.API{}, "Bearer " + token + "0", "", false},
		{provider.API{}, "Bearer ", "", false},
		{provider.API{}, "", "", false},
		{provider.API{}, token, "", false},
		{provider.API{}, "Token " + token, "", false},
		{provider.API{}, "", "access_token=" + token, false},
		{provider.API{Scheme: "Token"}, "token " + token, "", true},
		{provider.API{Scheme: "Token"}, "Bearer " + token, "", false},
		{provider.API{Scheme: "none"}, token, "", true},
		{provider.API{Scheme: "none"}, "x", "", false},
		{provider.API{Scheme: "none"}, "", "", false},
		{provider.API{Scheme: provider.Basic}, "Basic " + basic(token), "", true},
		{provider.API{Scheme: provider.Basic}, "Basic " + basic(token+":"), "", true},
		{provider.API{Scheme: provider.Basic}, "Basic " + basic("me:"+token), "", true},
		{provider.API{Scheme: provider.Basic}, "Basic " + basic("me:x"), "", false},
		{provider.API{Scheme: provider.Basic}, "Basic " + basic(":"), "", false},
		{provider.API{Scheme: provider.Basic}, "Basic " + token, "", false},
		{provider.API{QueryParam: "access_token"}, "", "a=b&access_token=" + token, true},
		{provider.API{QueryParam: "access_token"}, "", "access_token=x", false},
		{provider.API{QueryParam: "access_token"}, "", "", false},
		{provider.API{QueryParam: "access_token"}, "Bearer " + token, "", false},
	} {
		p, err := NewPresentation(&provider.Definition{API: test.api}, nil)
		if err != nil {
			t.Fatal(err)
		}
		req := &http.Request{Header: http.Header{}, URL: &url.URL{RawQuery: test.query}}
		if test.header != "" {
			req.Header.Set("Authorization", test.header)
		}
		if got := p.Holds(req, token); got != test.want {
			t.Errorf("%+v: %q %q: %t", test.api, test.header, test.query, got)
		}
		if !test.want {
			continue
		}
		p.Remove(req)
		if req.Header.Get("Authorization") != "" || strings.Contains(req.URL.RawQuery, token) {
			t.Errorf("%+v: %v %s is left", test.api, req.Header, req.URL.RawQuery)
		}
	}
}
