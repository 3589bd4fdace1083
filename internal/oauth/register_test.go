package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// registrar is a client for a server with a registration endpoint, which handle answers.
func registrar(t *testing.T, m Metadata, handle http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	m.Issuer, m.RegistrationEndpoint = server.URL, server.URL+"/register"
	d := &provider.Definition{
		Name: "acme", Title: "Acme", Issuer: server.URL, Grants: []string{"authorization_code", "client_credentials", "device_code"},
		Errors: provider.Errors{Code: provider.Names{"error"}, Description: provider.Names{"error_description"}},
	}
	config, err := Resolve(t.Context(), d, nil, func(context.Context, *provider.Definition) (*Metadata, error) { return &m, nil }, Base{})
	if err != nil {
		t.Fatal(err)
	}
	return &Client{Config: config, HTTP: NewHTTP()}
}

func TestRegistrationRequest(t *testing.T) {
	const loopback = "http://127.0.0.1:8976/callback"
	for name, test := range map[string]struct {
		metadata    Metadata
		grant, uri  string
		scopes      []string
		wants, auth string
	}{
		"a native client": {
			Metadata{ClientAuth: []string{"client_secret_basic", "none"}},
			"authorization_code", loopback,
			[]string{"a", "b"},
			`{"application_type":"native","client_name":"tokencli","grant_types":["authorization_code","refresh_token"],"redirect_uris":["` + loopback + `"],"response_types":["code"],"scope":"a b","token_endpoint_auth_method":"none"}`, "none",
		},
		"a client with an address of its own, and no refresh tokens": {
			Metadata{ClientAuth: []string{"client_secret_post"}, GrantTypes: []string{"authorization_code"}},
			"authorization_code", "https://app.example/callback", nil,
			`{"client_name":"tokencli","grant_types":["authorization_code"],"redirect_uris":["https://app.example/callback"],"response_types":["code"],"token_endpoint_auth_method":"client_secret_post"}`, "client_secret_post",
		},
		"an assertion": {
			Metadata{ClientAuth: []string{"client_secret_basic"}},
			"jwt_bearer", "", nil,
			`{"client_name":"tokencli","grant_types":["urn:ietf:params:oauth:grant-type:jwt-bearer","refresh_token"],"response_types":[],"token_endpoint_auth_method":"client_secret_basic"}`, "client_secret_basic",
		},
		"client credentials": {
			Metadata{ClientAuth: []string{"none", "client_secret_basic"}},
			"client_credentials", "", nil,
			`{"client_name":"tokencli","grant_types":["client_credentials","refresh_token"],"response_types":[],"token_endpoint_auth_method":"client_secret_basic"}`, "client_secret_basic",
		},
		"device": {
			Metadata{},
			"device_code", "", nil,
			`{"client_name":"tokencli","grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],"response_types":[],"token_endpoint_auth_method":"client_secret_basic"}`, "client_secret_basic",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got map[string]any
			c := registrar(t, test.metadata, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "" {
					t.Errorf("%s %v", r.Method, r.Header)
				}
				_ = json.NewDecoder(r.Body).Decode(&got)
				w.WriteHeader(http.StatusCreated)
				fmt.Fprintf(w, `{"client_id":"id","client_secret":"secret","client_secret_expires_at":1900000000}`)
			})
			client, kept, err := c.Register(t.Context(), test.grant, test.uri, test.scopes)
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := json.Marshal(got); string(text) != test.wants {
				t.Errorf("%s", text)
			}
			public := test.auth == "none"
			if client.ID != "id" || (client.Secret == "") != public || kept.SecretExpiresAt.Equal(time.Unix(1900000000, 0)) == public || kept.RedirectURI != test.uri {
				t.Errorf("%+v, %+v", client, kept)
			}
		})
	}
}

func TestRegistrationReply(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		reply   string // {self} is the server
		kind    fail.Kind
		says    string
		managed bool
	}{
		"managed":                       {201, `{"client_id":"id","registration_client_uri":"{self}/r/1","registration_access_token":"management"}`, 0, "", true},
		"with status 200":               {200, `{"client_id":"id"}`, 0, "", false},
		"managed elsewhere":             {201, `{"client_id":"id","registration_client_uri":"https://evil.example/r/1","registration_access_token":"management"}`, 0, "", false},
		"managed by another scheme":     {201, `{"client_id":"id","registration_client_uri":"https{host}/r/1","registration_access_token":"management"}`, 0, "", false},
		"managed without a token":       {201, `{"client_id":"id","registration_client_uri":"{self}/r/1"}`, 0, "", false},
		"another way to authenticate":   {201, `{"client_id":"id","client_secret":"s3cret","token_endpoint_auth_method":"client_secret_jwt"}`, fail.Refused, `"client_secret_jwt"`, false},
		"no client id":                  {201, `{"client_secret":"s3cret"}`, fail.Unavailable, "without a client id", false},
		"a refusal":                     {400, `{"error":"invalid_redirect_uri","error_description":"not this one"}`, fail.Refused, "invalid_redirect_uri: not this one", false},
		"no initial access token":       {401, `{"error":"invalid_token"}`, fail.Refused, "invalid_token", false},
		"HTML":                          {200, `<html>`, fail.Unavailable, "HTML", false},
		"a redirect":                    {307, ``, fail.Unavailable, "a redirect", false},
		"a server that does not manage": {503, `{"error":"x"}`, fail.Unavailable, "x", false},
	} {
		t.Run(name, func(t *testing.T) {
			var c *Client
			c = registrar(t, Metadata{ClientAuth: []string{"none"}}, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://evil.example/register")
				w.WriteHeader(test.status)
				self := c.Definition.Issuer
				_, _ = io.WriteString(w, strings.NewReplacer("{self}", self, "{host}", strings.TrimPrefix(self, "http")).Replace(test.reply))
			})
			client, kept, err := c.Register(t.Context(), "authorization_code", "http://127.0.0.1:1/callback", nil)
			switch {
			case test.kind != 0:
				if !fail.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%v", err)
				}
			case err != nil:
				t.Error(err)
			case client.ID != "id" || (kept.URI != "") != test.managed || (kept.AccessToken != "") != test.managed:
				t.Errorf("%+v, %+v", client, kept)
			}
		})
	}
}

func TestUnregister(t *testing.T) {
	for _, test := range []struct {
		status int
		gone   bool
		kind   fail.Kind
	}{
		{204, true, 0},
		{200, true, 0},
		{401, true, 0},
		{404, true, 0},
		{403, false, 0},
		{405, false, 0},
		{501, false, 0},
		{500, false, fail.Unavailable},
		{429, false, fail.Unavailable},
		{302, false, 0},
	} {
		var sent []string
		c := registrar(t, Metadata{}, func(w http.ResponseWriter, r *http.Request) {
			sent = append(sent, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, `{"error":"said management"}`)
		})
		gone, err := c.Unregister(t.Context(), credential.Registration{URI: c.Definition.Issuer + "/r/1", AccessToken: "management"})
		if gone != test.gone || (err != nil) != (test.kind != 0) || err != nil && (!fail.Is(err, test.kind) || strings.Contains(err.Error(), "management")) {
			t.Errorf("%d: %t, %v", test.status, gone, err)
		}
		if !slices.Equal(sent, []string{"DELETE /r/1 Bearer management"}) {
			t.Errorf("%d: %q", test.status, sent)
		}
		sent = nil
		if gone, err = c.Unregister(t.Context(), credential.Registration{URI: "https://evil.example/r/1", AccessToken: "management"}); gone || err != nil || sent != nil {
			t.Errorf("elsewhere: %t, %v, %q", gone, err, sent)
		}
	}
}

func TestRegistrationMovesToBaseURL(t *testing.T) {
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		_, _ = io.WriteString(w, `{"client_id":"id","registration_client_uri":"https://as.example/r/1","registration_access_token":"management"}`)
	}))
	t.Cleanup(server.Close)
	discover := func(context.Context, *provider.Definition) (*Metadata, error) {
		return &Metadata{Issuer: "https://as.example", RegistrationEndpoint: "https://as.example/register"}, nil
	}
	config, err := Resolve(t.Context(), &provider.Definition{Name: "acme", Issuer: "https://as.example"}, nil, discover, Base{URL: server.URL + "/base"})
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{Config: config, HTTP: NewHTTP()}
	_, kept, err := c.Register(t.Context(), "authorization_code", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := c.Unregister(t.Context(), kept); !gone || err != nil || !slices.Equal(paths, []string{"/base/register", "/base/r/1"}) {
		t.Errorf("%t, %v, %q", gone, err, paths)
	}
}
