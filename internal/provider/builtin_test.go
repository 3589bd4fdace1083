package provider

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func find(t *testing.T, name string) *Definition {
	t.Helper()
	d, err := Catalog{}.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The facts of docs/providers.md. They stand here a second time so that an edit of a definition
// cannot silently change where a secret goes and how.
func TestBuiltinFacts(t *testing.T) {
	type facts struct {
		Grants    []string
		Secret    string
		Scopes    []string
		Redirect  Redirect
		Authorize *Authorize
		Token     map[string]*Request // by grant
		Reply     Reply
		Errors    Errors
		Lifetimes Lifetimes
		Rotation  Rotation
		API       API
		Revoke    *Request
		Retry     string
		Family    bool
		Gone      bool
		Probes    []string // method, address, statuses
	}
	standard := Reply{
		AccessToken: Names{"access_token"}, TokenType: Names{"token_type"}, RefreshToken: Names{"refresh_token"},
		Scope: Names{"scope"}, ExpiresIn: Names{"expires_in"}, RefreshExpiresIn: Names{"refresh_expires_in"}, IDToken: Names{"id_token"},
	}
	rfcErrors := Errors{Code: Names{"error"}, Description: Names{"error_description"}}
	molonionGrant, moloniGrant := "https://api.molonion.pt/v1/auth/grant", "https://api.moloni.pt/v1/grant/"
	mollieTokens, moneybirdToken := "https://api.mollie.com/oauth2/tokens", "https://moneybird.com/oauth/token"
	tests := map[string]facts{
		"moloni-on": {
			Grants: []string{"authorization_code", "static"}, Secret: "required",
			Redirect: Redirect{Default: "http://127.0.0.1:8976/callback"},
			Authorize: &Authorize{
				URL:    "https://api.molonion.pt/v1/auth/authorize",
				Params: Params{"apiClientId": {"{client_id}"}, "redirectUri": {"{redirect_uri}"}, "state": {"{state}"}},
				PKCE:   "none", CodeLife: time.Minute,
			},
			Token: map[string]*Request{
				"authorization_code": {Method: "POST", URL: molonionGrant, Encoding: "form", ClientAuth: "params", Params: Params{
					"grantType": {"authorization_code"}, "code": {"{code}"}, "apiClientId": {"{client_id}"}, "clientSecret": {"{client_secret}"},
				}},
				"refresh": {Method: "POST", URL: molonionGrant, Encoding: "form", ClientAuth: "params", Params: Params{
					"grantType": {"refresh_token"}, "refreshToken": {"{refresh_token}"}, "apiClientId": {"{client_id}"}, "clientSecret": {"{client_secret}"},
				}},
			},
			Reply: Reply{
				AccessToken: Names{"accessToken"}, TokenType: Names{"token_type"}, RefreshToken: Names{"refreshToken"}, IDToken: Names{"id_token"}, Scope: Names{"scope"},
				ExpiresIn: Names{"expiresIn"}, ExpiresAt: Names{"accessTokenExpiracy", "accessTokenExpiry"},
				RefreshExpiresIn: Names{"refreshExpiresIn"}, RefreshExpiresAt: Names{"refreshTokenExpiracy", "refreshTokenExpiry"},
			},
			Errors: Errors{
				Code: Names{"error", "error.code", "errorCode"}, Description: Names{"error_description", "errorDescription", "error.message", "message"},
				Undocumented: true,
			},
			Lifetimes: Lifetimes{Access: time.Hour, Refresh: 14 * 24 * time.Hour}, Rotation: RotatesAlways,
			API: API{URL: "https://api.molonion.pt/v1"}, Probes: []string{"POST https://api.molonion.pt/v1"},
		},
		"moloni": {
			Grants: []string{"authorization_code", "password"}, Secret: "required",
			Redirect: Redirect{NoLoopback: true, ExactPort: true},
			Authorize: &Authorize{
				URL:    "https://api.moloni.pt/v1/authorize/",
				Params: Params{"response_type": {"code"}, "client_id": {"{client_id}"}, "redirect_uri": {"{redirect_uri}"}, "state": {"{state}"}},
				PKCE:   "none", StateOptional: true,
			},
			Token: map[string]*Request{
				"authorization_code": {Method: "GET", URL: moloniGrant, Encoding: "query", ClientAuth: "params", Params: Params{
					"grant_type": {"authorization_code"}, "client_id": {"{client_id}"}, "redirect_uri": {"{redirect_uri}"},
					"client_secret": {"{client_secret}"}, "code": {"{code}"},
				}},
				"refresh": {Method: "GET", URL: moloniGrant, Encoding: "query", ClientAuth: "params", Params: Params{
					"grant_type": {"refresh_token"}, "client_id": {"{client_id}"}, "client_secret": {"{client_secret}"}, "refresh_token": {"{refresh_token}"},
				}},
				"password": {Method: "GET", URL: moloniGrant, Encoding: "query", ClientAuth: "params", Params: Params{
					"grant_type": {"password"}, "client_id": {"{client_id}"}, "client_secret": {"{client_secret}"},
					"username": {"{username}"}, "password": {"{password}"},
				}},
			},
			Reply:     standard,
			Errors:    Errors{Code: Names{"error"}, Description: Names{"error_description"}, Retry: []Rule{{Code: "too_many_login_attempts"}}},
			Lifetimes: Lifetimes{Access: time.Hour, Refresh: 14 * 24 * time.Hour}, Rotation: RotatesAlways,
			API: API{URL: "https://api.moloni.pt/v1/", QueryParam: "access_token", Expired: []Rule{{Status: 400, Code: "invalid_grant"}}}, Probes: []string{"GET https://api.moloni.pt/v1/users/getMe/"},
		},
		"mollie": {
			Grants: []string{"authorization_code", "static"}, Secret: "required", Scopes: []string{"organizations.read"},
			Redirect: Redirect{Default: "https://localhost:8976/callback", HTTPS: true, ExactPort: true},
			Authorize: &Authorize{
				URL: "https://my.mollie.com/oauth2/authorize",
				Params: Params{
					"response_type": {"code"}, "client_id": {"{client_id}"}, "redirect_uri": {"{redirect_uri}"}, "scope": {"{scope}"}, "state": {"{state}"},
				},
				PKCE: "none", CodeLife: 30 * time.Second,
			},
			Token: map[string]*Request{
				"authorization_code": {Method: "POST", URL: mollieTokens, Encoding: "form", ClientAuth: "basic", Params: Params{
					"grant_type": {"authorization_code"}, "code": {"{code}"}, "redirect_uri": {"{redirect_uri}"},
				}},
				"refresh": {Method: "POST", URL: mollieTokens, Encoding: "form", ClientAuth: "basic", Params: Params{
					"grant_type": {"refresh_token"}, "refresh_token": {"{refresh_token}"}, "redirect_uri": {"{redirect_uri}"},
				}},
			},
			Reply: standard, Errors: rfcErrors, Lifetimes: Lifetimes{Access: time.Hour}, Rotation: RotatesNever,
			API: API{URL: "https://api.mollie.com/v2/"},
			Revoke: &Request{Method: "DELETE", URL: mollieTokens, Encoding: "form", ClientAuth: "basic", Params: Params{
				"token": {"{token}"}, "token_type_hint": {"{token_type_hint}"},
			}},
			Retry: "json", Family: true,
			Probes: []string{"GET https://api.mollie.com/v2/organizations/me", "GET https://api.mollie.com/v2/permissions"},
		},
		"moneybird": {
			Grants: []string{"authorization_code", "static"}, Secret: "required",
			Redirect: Redirect{Default: "http://127.0.0.1:8976/callback", ExactPort: true, OutOfBand: true},
			Authorize: &Authorize{
				URL: "https://moneybird.com/oauth/authorize",
				Params: Params{
					"response_type": {"code"}, "client_id": {"{client_id}"}, "redirect_uri": {"{redirect_uri}"}, "scope": {"{scope}"}, "state": {"{state}"},
				},
				PKCE: "none",
			},
			Token: map[string]*Request{
				"authorization_code": {Method: "POST", URL: moneybirdToken, Encoding: "form", ClientAuth: "params", Params: Params{
					"grant_type": {"authorization_code"}, "client_id": {"{client_id}"}, "client_secret": {"{client_secret}"},
					"code": {"{code}"}, "redirect_uri": {"{redirect_uri}"},
				}},
				"refresh": {Method: "POST", URL: moneybirdToken, Encoding: "form", ClientAuth: "params", Params: Params{
					"grant_type": {"refresh_token"}, "client_id": {"{client_id}"}, "client_secret": {"{client_secret}"}, "refresh_token": {"{refresh_token}"},
				}},
			},
			// No lifetime: an answer without expires_in means that the token does not end.
			Reply: standard, Errors: rfcErrors, Rotation: RotatesUnknown,
			API: API{URL: "https://moneybird.com/api/v2/", MissingScope: "No access to"},
			Revoke: &Request{Method: "POST", URL: "https://moneybird.com/oauth/revoke", Encoding: "form", ClientAuth: "params", Params: Params{
				"client_id": {"{client_id}"}, "client_secret": {"{client_secret}"}, "token": {"{token}"},
			}},
			Family: true, Gone: true, Probes: []string{"GET https://moneybird.com/api/v2/administrations.json"},
		},
		"monta": {
			Grants: []string{"client_credentials"}, Secret: "required",
			Token: map[string]*Request{
				"client_credentials": {Method: "POST", URL: "https://public-api.monta.com/api/v1/auth/token", Encoding: "json", ClientAuth: "params", Params: Params{
					"clientId": {"{client_id}"}, "clientSecret": {"{client_secret}"},
				}},
				"refresh": {Method: "POST", URL: "https://public-api.monta.com/api/v1/auth/refresh", Encoding: "json", ClientAuth: "params", Params: Params{
					"refreshToken": {"{refresh_token}"},
				}},
			},
			Reply: Reply{
				AccessToken: Names{"accessToken"}, TokenType: Names{"token_type"}, RefreshToken: Names{"refreshToken"}, IDToken: Names{"id_token"}, Scope: Names{"scope"},
				ExpiresIn: Names{"expires_in"}, RefreshExpiresIn: Names{"refresh_expires_in"}, ExpiresAt: Names{"accessTokenExpirationDate"}, RefreshExpiresAt: Names{"refreshTokenExpirationDate"},
			},
			Errors: Errors{
				Code: Names{"errorCode", "error"}, Description: Names{"message", "error_description"}, Undocumented: true,
				RetryIn: Names{"context.rateLimitResponse.resetsIn"},
			},
			Lifetimes: Lifetimes{Access: time.Hour, Refresh: 30 * 24 * time.Hour}, Rotation: RotatesAlways,
			API: API{URL: "https://public-api.monta.com/api/v1/"}, Probes: []string{"GET https://public-api.monta.com/api/v1/auth/me"},
		},
	}
	if want := slices.Sorted(maps.Keys(tests)); !slices.Equal(Builtin(), want) {
		t.Errorf("built in are %v, want %v", Builtin(), want)
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			d := find(t, name)
			got := facts{
				Grants: d.Grants, Secret: d.Client.Secret, Scopes: d.Scopes.Default, Redirect: d.Redirect,
				Token: map[string]*Request{}, Reply: d.Reply, Errors: d.Errors, Lifetimes: d.Lifetimes, Rotation: d.Rotation,
				API:   API{URL: d.API.URL, QueryParam: d.API.QueryParam, MissingScope: d.API.MissingScope, Expired: d.API.Expired},
				Retry: d.Revoke.FallbackEncoding, Family: d.Revoke.Family, Gone: d.Revoke.GoneOn404,
			}
			// What is sent counts, wherever the definition has it from.
			effective := func(path string, r *Request) *Request {
				if r == nil {
					return nil
				}
				sent := *r
				sent.Params, sent.Standard = d.Params(KindAt(path), r), nil
				return &sent
			}
			for grant, r := range d.Token {
				got.Token[grant] = effective("token."+grant, r)
			}
			got.Revoke = effective("revoke.request", d.Revoke.Request)
			if d.Authorize != nil {
				a := *d.Authorize
				a.Params, a.Standard = d.Params(KindAt("authorize"), d.Request("authorize")), nil
				got.Authorize = &a
			}
			for _, p := range d.WhoAmI {
				got.Probes = append(got.Probes, p.Method+" "+p.URL)
			}
			g, w := reflect.ValueOf(got), reflect.ValueOf(want)
			for i := range g.NumField() {
				if got, want := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\n got %s\nwant %s", g.Type().Field(i).Name, asYAML(t, got), asYAML(t, want))
				}
			}
			if d.Name != name || d.Path != "" {
				t.Errorf("name %q, path %q", d.Name, d.Path)
			}
			for what, value := range map[string]string{
				"title": d.Title, "docs": d.Docs, "client.create": d.Client.Create, "revoke.manual": d.Revoke.Manual,
			} {
				if value == "" {
					t.Errorf("%s is missing", what)
				}
			}
			if len(d.Unknown) == 0 {
				t.Error("nothing is said to be unknown")
			}
			if d.Has("static") != (d.Static.Create != "") {
				t.Error("static tokens, and where they are made, do not go together")
			}
			if !d.SecretRequired() {
				t.Error("the secret is said not to be needed")
			}
			if d.Rotates() != (want.Rotation != RotatesNever) {
				t.Error("Rotates")
			}
		})
	}
}

func asYAML(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOriginsOfTheBuiltinDefinitions(t *testing.T) {
	for name, want := range map[string]string{
		"moloni-on": "https://api.molonion.pt", "moloni": "https://api.moloni.pt", "mollie": "https://api.mollie.com",
		"moneybird": "https://moneybird.com", "monta": "https://public-api.monta.com",
	} {
		if got := find(t, name).Origin(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
