package oauth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

// metadataServer serves documents by path; {self} in one is the server's own address.
func metadataServer(t *testing.T, documents map[string]string) string {
	t.Helper()
	var self string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		document, ok := documents[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if age, rest, ok := strings.Cut(document, "|"); ok {
			w.Header().Set("Cache-Control", age)
			document = rest
		}
		if challenge, ok := strings.CutPrefix(document, "401:"); ok {
			w.Header().Set("WWW-Authenticate", strings.ReplaceAll(challenge, "{self}", self))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if to, ok := strings.CutPrefix(document, "redirect:"); ok {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		fmt.Fprint(w, strings.ReplaceAll(document, "{self}", self))
	}))
	t.Cleanup(server.Close)
	self = server.URL
	return self
}

func TestServerMetadata(t *testing.T) {
	const (
		oidc    = "/.well-known/openid-configuration"
		rfc8414 = "/.well-known/oauth-authorization-server"
		good    = `{"issuer":"{self}","token_endpoint":"{self}/t","authorization_endpoint":"{self}/a"}`
	)
	for name, test := range map[string]struct {
		path      string
		documents map[string]string
		validity  time.Duration
		kind      fail.Kind
		says      string
	}{
		"OpenID":                   {documents: map[string]string{oidc: good}, validity: 24 * time.Hour},
		"RFC 8414":                 {documents: map[string]string{rfc8414: good}, validity: 24 * time.Hour},
		"RFC 8414, after HTML":     {documents: map[string]string{oidc: "<html>", rfc8414: good}, validity: 24 * time.Hour},
		"OpenID under a path":      {path: "/t1", documents: map[string]string{"/t1" + oidc: `{"issuer":"{self}/t1"}`}, validity: 24 * time.Hour},
		"RFC 8414, with a path":    {path: "/t1", documents: map[string]string{rfc8414 + "/t1": `{"issuer":"{self}/t1"}`}, validity: 24 * time.Hour},
		"valid for an hour":        {documents: map[string]string{oidc: "public, max-age=3600|" + good}, validity: time.Hour},
		"valid for a moment":       {documents: map[string]string{oidc: "no-store|" + good}, validity: 5 * time.Minute},
		"valid for years":          {documents: map[string]string{oidc: "max-age=99999999999|" + good}, validity: 7 * 24 * time.Hour},
		"nothing":                  {kind: fail.Unavailable, says: "no metadata at"},
		"a member of another type": {documents: map[string]string{oidc: `{"issuer":"{self}","token_endpoint":5}`}, kind: fail.Unavailable, says: "a document in which token_endpoint is a number"},
		"a redirect":               {documents: map[string]string{oidc: "redirect:/elsewhere", "/elsewhere": good}, kind: fail.Unavailable, says: "a redirect"},
		"another issuer":           {documents: map[string]string{oidc: `{"issuer":"https://evil.example"}`}, kind: fail.Refused, says: "https://evil.example"},
		"a slash more":             {documents: map[string]string{oidc: `{"issuer":"{self}/"}`}, kind: fail.Refused, says: "identical"},
		"another case":             {path: "/t1", documents: map[string]string{"/t1" + oidc: `{"issuer":"{self}/T1"}`}, kind: fail.Refused, says: "identical"},
		"no issuer":                {documents: map[string]string{oidc: `{"token_endpoint":"{self}/t"}`}, kind: fail.Refused, says: "identical"},
		"another issuer, though RFC 8414 has it": {
			documents: map[string]string{oidc: `{"issuer":"https://evil.example"}`, rfc8414: good}, kind: fail.Refused, says: "https://evil.example",
		},
		"an endpoint on http": {
			documents: map[string]string{oidc: `{"issuer":"{self}","token_endpoint":"http://api.example/t"}`}, kind: fail.Refused, says: "token_endpoint",
		},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := metadataServer(t, test.documents) + test.path
			d := Discovery{HTTP: NewHTTP()}
			m, validity, err := d.Server(t.Context(), issuer)
			switch {
			case test.kind != 0:
				if !fail.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v", err)
				}
			case err != nil:
				t.Error(err)
			case m.Issuer != issuer || validity != test.validity:
				t.Errorf("issuer %s, valid for %s", m.Issuer, validity)
			}
		})
	}
}

func TestResourceMetadata(t *testing.T) {
	const wellKnown = "/.well-known/oauth-protected-resource"
	for name, test := range map[string]struct {
		documents map[string]string
		scopes    string
		kind      fail.Kind
		says      string
	}{
		"well-known": {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/mcp","authorization_servers":["https://as.example"]}`}},
		"named by the 401": {documents: map[string]string{
			"/mcp":  `401:Bearer realm="x, resource_metadata=y", resource_metadata="{self}/meta", scope="a b"`,
			"/meta": `{"resource":"{self}/mcp","authorization_servers":["https://as.example"]}`,
		}, scopes: "a b"},
		"the 401 names nothing": {documents: map[string]string{
			"/mcp":             `401:Basic realm="x"`,
			wellKnown + "/mcp": `{"resource":"{self}/mcp","authorization_servers":["https://as.example"]}`,
		}},
		"the 401 names http": {documents: map[string]string{"/mcp": `401:Bearer resource_metadata="http://as.example/meta"`}, kind: fail.Refused, says: "resource_metadata"},
		"a redirect of the resource": {documents: map[string]string{
			"/mcp":             "redirect:https://evil.example/mcp",
			wellKnown + "/mcp": `{"resource":"{self}/mcp","authorization_servers":["https://as.example"]}`,
		}},
		"a redirect of its metadata": {documents: map[string]string{wellKnown + "/mcp": "redirect:/elsewhere"}, kind: fail.Unavailable, says: "a redirect"},
		"another resource":           {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/other","authorization_servers":["https://as.example"]}`}, kind: fail.Refused, says: "/other"},
		"a slash more":               {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/mcp/","authorization_servers":["https://as.example"]}`}, kind: fail.Refused, says: "identical"},
		"no server":                  {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/mcp"}`}, kind: fail.Refused, says: "names no authorization server"},
		"a server on http":           {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/mcp","authorization_servers":["http://as.example"]}`}, kind: fail.Refused, says: "http is only"},
		"nothing published":          {kind: fail.Unavailable, says: "no metadata at"},
	} {
		t.Run(name, func(t *testing.T) {
			self := metadataServer(t, test.documents)
			d := Discovery{HTTP: NewHTTP()}
			m, _, err := d.Resource(t.Context(), self+"/mcp")
			if err == nil && strings.Join(m.Challenge, " ") != test.scopes {
				t.Errorf("asks for %q", m.Challenge)
			}
			if test.kind == 0 && err != nil || test.kind != 0 && (!fail.Is(err, test.kind) || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// RFC 9728 3.1: the query and a slash at the end of the path belong to a resource.
func TestWellKnownOfAResource(t *testing.T) {
	const name = "https://r.example/.well-known/oauth-protected-resource"
	for resource, want := range map[string]string{
		"https://r.example":            name,
		"https://r.example/":           name,
		"https://r.example/mcp":        name + "/mcp",
		"https://r.example/mcp/":       name + "/mcp/ " + name + "/mcp",
		"https://r.example/mcp?tenant": name + "/mcp?tenant",
		"https://r.example/?a=1&b=%2F": name + "?a=1&b=%2F",
	} {
		if got := strings.Join(resourceWellKnown(resource), " "); got != want {
			t.Errorf("%s: %s", resource, got)
		}
	}
	self := metadataServer(t, map[string]string{
		"/.well-known/oauth-protected-resource/mcp": `{"resource":"{self}/mcp?tenant=1","authorization_servers":["https://as.example"]}`,
	})
	d := Discovery{HTTP: NewHTTP()}
	if _, _, err := d.Resource(t.Context(), self+"/mcp?tenant=1"); err != nil {
		t.Error(err)
	}
}

// A server elsewhere must not send tokencli to this machine or its network, in whatever spelling.
func TestMetadataNamesNothingLocal(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "localhost", "LOCALHOST.", "as.localhost", "[::1]:8443", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "127.1", "2130706433",
		"0x7f.0.0.1", "0177.0.0.1", "10.0.0.7", "192.168.1.1", "169.254.169.254", "[fe80::1]", "[fd00::1]",
	} {
		if err := checkNamed("https://as.example", "token_endpoint", "https://"+host+"/t"); !fail.Is(err, fail.Refused) {
			t.Errorf("%s: %v", host, err)
		}
	}
	for by, address := range map[string]string{
		"http://127.0.0.1:1": "http://127.0.0.1:2/t", "https://10.0.0.7": "https://10.0.0.8/t", "https://as.example": "https://8.8.8.8/t",
	} {
		if err := checkNamed(by, "token_endpoint", address); err != nil {
			t.Error(err)
		}
	}
	if err := checkNamed("https://as.example", "issuer", "https://\u0430pple.example"); !fail.Is(err, fail.Refused) {
		t.Errorf("a Cyrillic letter: %v", err)
	}
}

func TestAuthParams(t *testing.T) {
	for header, want := range map[string]string{
		``:       "|",
		`Bearer`: "|",
		`Bearer scope="a b", resource_metadata="https://r.example/m"`: "a b|https://r.example/m",
		`Bearer SCOPE=a,resource_metadata=https://r.example/m`:        "a|https://r.example/m",
		`Basic realm="x\", scope=\"y", Bearer scope = "a \"b\""`:      `a "b"|`,
		`Negotiate abc==, Bearer scope=a`:                             "a|",
		`Bearer scope="cut`:                                           "cut|",
		`Bearer ="", scope=a`:                                         "a|",
		`Bearer scope=a, scope=b`:                                     "a|",
	} {
		got := authParams([]string{header})
		if text := got["scope"] + "|" + got["resource_metadata"]; text != want {
			t.Errorf("%s: %s", header, text)
		}
	}
}

// The address of an issuer or a resource is https, or http on this machine, and has no user, query or fragment.
func TestAddressesOfIssuers(t *testing.T) {
	for address, usable := range map[string]bool{
		"https://as.example/t1": true, "http://127.0.0.1:1": true,
		"http://as.example": false, "ftp://as.example": false, "as.example": false, "https://me@as.example": false,
		"https://as.example?a=b": false, "https://as.example#a": false,
	} {
		if _, err := checkIssuer(address); usable != (err == nil) || err != nil && !fail.Is(err, fail.Usage) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
