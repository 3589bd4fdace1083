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
		"OpenID":                {documents: map[string]string{oidc: good}, validity: 24 * time.Hour},
		"RFC 8414":              {documents: map[string]string{rfc8414: good}, validity: 24 * time.Hour},
		"RFC 8414, after HTML":  {documents: map[string]string{oidc: "<html>", rfc8414: good}, validity: 24 * time.Hour},
		"OpenID under a path":   {path: "/t1", documents: map[string]string{"/t1" + oidc: `{"issuer":"{self}/t1"}`}, validity: 24 * time.Hour},
		"RFC 8414, with a path": {path: "/t1", documents: map[string]string{rfc8414 + "/t1": `{"issuer":"{self}/t1"}`}, validity: 24 * time.Hour},
		"valid for an hour":     {documents: map[string]string{oidc: "public, max-age=3600|" + good}, validity: time.Hour},
		"valid for a moment":    {documents: map[string]string{oidc: "no-store|" + good}, validity: 5 * time.Minute},
		"valid for years":       {documents: map[string]string{oidc: "max-age=99999999999|" + good}, validity: 7 * 24 * time.Hour},
		"nothing":               {kind: fail.Unavailable, says: "no metadata at"},
		"a redirect":            {documents: map[string]string{oidc: "redirect:/elsewhere", "/elsewhere": good}, kind: fail.Unavailable, says: "a redirect"},
		"another issuer":        {documents: map[string]string{oidc: `{"issuer":"https://evil.example"}`}, kind: fail.Refused, says: "https://evil.example"},
		"a slash more":          {documents: map[string]string{oidc: `{"issuer":"{self}/"}`}, kind: fail.Refused, says: "identical"},
		"no issuer":             {documents: map[string]string{oidc: `{"token_endpoint":"{self}/t"}`}, kind: fail.Refused, says: "identical"},
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
		named     string
		documents map[string]string
		kind      fail.Kind
		says      string
	}{
		"well-known":        {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/mcp","authorization_servers":["https://as.example"]}`}},
		"named by the 401":  {named: "/meta", documents: map[string]string{"/meta": `{"resource":"{self}/mcp","authorization_servers":["https://as.example"]}`}},
		"another resource":  {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/other","authorization_servers":["https://as.example"]}`}, kind: fail.Refused, says: "/other"},
		"no server":         {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/mcp"}`}, kind: fail.Refused, says: "names no authorization server"},
		"a server on http":  {documents: map[string]string{wellKnown + "/mcp": `{"resource":"{self}/mcp","authorization_servers":["http://as.example"]}`}, kind: fail.Refused, says: "http is only"},
		"nothing published": {kind: fail.Unavailable, says: "no metadata at"},
	} {
		t.Run(name, func(t *testing.T) {
			self := metadataServer(t, test.documents)
			named := test.named
			if named != "" {
				named = self + named
			}
			d := Discovery{HTTP: NewHTTP()}
			_, _, err := d.Resource(t.Context(), self+"/mcp", named)
			if test.kind == 0 && err != nil || test.kind != 0 && (!fail.Is(err, test.kind) || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A server elsewhere must not send tokencli to this machine.
func TestMetadataNamesNoLoopback(t *testing.T) {
	for _, address := range []string{"http://127.0.0.1/t", "https://localhost/t", "https://[::1]:8443/t"} {
		if err := checkNamed("https://as.example", "token_endpoint", address); !fail.Is(err, fail.Refused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := checkNamed("http://127.0.0.1:1", "token_endpoint", "http://127.0.0.1:2/t"); err != nil {
		t.Error(err)
	}
}
