package acceptance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// authServer is an authorization server that describes itself (RFC 8414), with the protected resource /mcp (RFC 9728)
// beside it. It accepts only what the RFCs prescribe for a native client: PKCE by S256, a redirect URI that is
// registered, codes and refresh tokens that are used once, and the resource in every request for a token.
type authServer struct {
	url string

	mu sync.Mutex
	// settings are those of `authserver` and `authset`.
	settings map[string]string
	counts   map[string]int
	clients  map[string]authClient
	grants   map[string]*authGrant // by code and by every token that was issued
}

type authClient struct {
	redirectURIs []string
	management   string // the registration access token
}

// authGrant is what one login was granted.
type authGrant struct {
	client, redirectURI, challenge, scope string
	code, access, refresh                 string // that are valid; "": none
	ended                                 bool
}

// authError is an error code of the RFCs.
type authError string

func cmdAuthServer(ts *testscript.TestScript, neg bool, args []string) {
	a := &authServer{
		settings: map[string]string{"sendsiss": "true", "registration": "true", "challenge": "true"},
		counts:   map[string]int{}, grants: map[string]*authGrant{},
		// The client of a user who registered one: any port (RFC 8252 7.3).
		clients: map[string]authClient{"registered-by-hand": {redirectURIs: []string{"http://127.0.0.1:*/callback"}}},
	}
	server := httptest.NewServer(a)
	ts.Defer(server.Close)
	a.url = server.URL
	s := of(ts)
	if s.authServers == nil {
		s.authServers = map[string]*authServer{}
	}
	s.authServers[args[0]] = a
	ts.Setenv(args[0], a.url)
	cmdAuthSet(ts, false, args)
}

func cmdAuthSet(ts *testscript.TestScript, neg bool, args []string) {
	a := of(ts).authServers[args[0]]
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, arg := range args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		a.settings[name] = value
	}
}

func cmdAuthCount(ts *testscript.TestScript, neg bool, args []string) {
	a := of(ts).authServers[args[0]]
	a.mu.Lock()
	defer a.mu.Unlock()
	if got := strconv.Itoa(a.counts[args[1]]); got != args[2] {
		ts.Fatalf("%s: %s, of %v", args[1], got, a.counts)
	}
}

func (a *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := strings.Split(r.URL.Path, "/")[1]
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		name = "metadata"
	case "/.well-known/oauth-protected-resource/mcp", "/resource":
		name = "resource"
	}
	if r.Method == http.MethodDelete {
		name = "delete " + name
	}
	handle := map[string]func(http.ResponseWriter, *http.Request){
		"metadata": a.metadata, "resource": a.resource, "mcp": a.api, "register": a.register, "authorize": a.authorize,
		"token": a.token, "revoke": a.revoke, "userinfo": a.userinfo, "delete register": a.unregister,
	}[name]
	if handle == nil {
		http.NotFound(w, r)
		return
	}
	defer func() {
		if e, ok := recover().(authError); ok {
			a.counts["refused"]++
			a.json(w, http.StatusBadRequest, map[string]any{"error": string(e)})
		}
	}()
	a.counts[name]++
	if to := a.settings["redirect."+name]; to != "" {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	if status, err := strconv.Atoi(a.settings["status."+name]); err == nil {
		a.json(w, status, map[string]any{"error": "invalid_request"})
		return
	}
	handle(w, r)
}

func (a *authServer) json(w http.ResponseWriter, status int, object map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object)
}

// need refuses a request.
func need(ok bool, e authError) {
	if !ok {
		panic(e)
	}
}

// document serves metadata; the setting KIND.MEMBER replaces a member.
func (a *authServer) document(w http.ResponseWriter, kind string, object map[string]any) {
	for name, value := range a.settings {
		if member, ok := strings.CutPrefix(name, kind+"."); ok {
			switch object[member].(type) {
			case bool:
				object[member] = value == "true"
			case []string:
				object[member] = []string{value}
			default:
				object[member] = value
			}
		}
	}
	maps.DeleteFunc(object, func(_ string, v any) bool { return v == "" })
	a.json(w, http.StatusOK, object)
}

func (a *authServer) metadata(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{
		"issuer": a.url, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"authorization_response_iss_parameter_supported": a.settings["sendsiss"] == "true",
		"client_id_metadata_document_supported":          a.settings["document"] != "",
		"authorization_endpoint":                         a.url + "/authorize",
	}
	for _, name := range []string{"token", "revoke", "userinfo", "register"} {
		long := map[string]string{"revoke": "revocation", "register": "registration"}[name]
		if long == "" {
			long = name
		}
		m[long+"_endpoint"] = a.url + "/" + name
	}
	if a.settings["registration"] != "true" {
		delete(m, "registration_endpoint")
	}
	a.document(w, "metadata", m)
}

func (a *authServer) resource(w http.ResponseWriter, _ *http.Request) {
	a.document(w, "resource", map[string]any{"resource": a.url + "/mcp", "authorization_servers": []string{a.url}})
}

func (a *authServer) api(w http.ResponseWriter, r *http.Request) {
	if g := a.bearer(r); g == nil {
		if a.settings["challenge"] == "true" {
			w.Header().Set("WWW-Authenticate", `Bearer scope="files:read", resource_metadata="`+a.url+`/resource"`)
		}
		a.json(w, http.StatusUnauthorized, map[string]any{})
		return
	}
	a.json(w, http.StatusOK, map[string]any{"path": r.URL.Path})
}

func (a *authServer) userinfo(w http.ResponseWriter, r *http.Request) {
	if a.bearer(r) == nil {
		a.json(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	a.json(w, http.StatusOK, map[string]any{"sub": "user-1"})
}

// bearer returns what was granted to the token of a request.
func (a *authServer) bearer(r *http.Request) *authGrant {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if g := a.grants[token]; ok && g != nil && !g.ended && g.access == token {
		return g
	}
	return nil
}

// unregister implements RFC 7592 2.3.
func (a *authServer) unregister(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/register/")
	if c, ok := a.clients[id]; !ok || r.Header.Get("Authorization") != "Bearer "+c.management {
		a.json(w, http.StatusUnauthorized, map[string]any{})
		return
	}
	delete(a.clients, id)
	a.counts["deleted"]++
	w.WriteHeader(http.StatusNoContent)
}

// register implements RFC 7591.
func (a *authServer) register(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		RedirectURIs    []string `json:"redirect_uris"`
		GrantTypes      []string `json:"grant_types"`
		ResponseTypes   []string `json:"response_types"`
		ClientAuth      string   `json:"token_endpoint_auth_method"`
		ApplicationType string   `json:"application_type"`
	}
	need(r.Header.Get("Content-Type") == "application/json" && json.NewDecoder(r.Body).Decode(&asked) == nil, "invalid_client_metadata")
	need(len(asked.RedirectURIs) == 1 && strings.HasPrefix(asked.RedirectURIs[0], "http://127.0.0.1:"), "invalid_redirect_uri")
	need(slices.Equal(asked.GrantTypes, []string{"authorization_code", "refresh_token"}) && slices.Equal(asked.ResponseTypes, []string{"code"}) &&
		asked.ClientAuth == "none" && asked.ApplicationType == "native", "invalid_client_metadata")
	id, management := "client-"+rand.Text(), "management-"+rand.Text()
	a.clients[id] = authClient{asked.RedirectURIs, management}
	reply := map[string]any{"client_id": id, "token_endpoint_auth_method": "none", "registration_client_uri": a.url + "/register/" + id, "registration_access_token": management}
	if to := a.settings["management"]; to != "" {
		reply["registration_client_uri"] = to
	}
	a.json(w, http.StatusCreated, reply)
}

// client returns the client of a request and whether it has a redirect URI, where that is given.
func (a *authServer) client(id, redirectURI string) bool {
	c, ok := a.clients[id]
	if document := a.settings["document"]; document != "" && id == document {
		c, ok = authClient{redirectURIs: []string{"http://127.0.0.1:*/callback"}}, true
	}
	u, err := url.Parse(redirectURI)
	return ok && err == nil && (redirectURI == "" || slices.Contains(c.redirectURIs, redirectURI) ||
		slices.Contains(c.redirectURIs, strings.Replace(redirectURI, ":"+u.Port(), ":*", 1)))
}

func (a *authServer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	need(q.Get("redirect_uri") != "" && a.client(q.Get("client_id"), q.Get("redirect_uri")), "unauthorized_client")
	// From here on a refusal is sent to the client (RFC 6749 4.1.2.1).
	back := url.Values{"state": {q.Get("state")}}
	switch {
	case q.Get("response_type") != "code", q.Get("code_challenge_method") != "S256", len(q.Get("code_challenge")) != 43, len(q.Get("state")) < 43, twice(q):
		back.Set("error", "invalid_request")
	case q.Get("resource") != a.settings["wants"]:
		back.Set("error", "invalid_target")
	}
	g := &authGrant{
		client: q.Get("client_id"), redirectURI: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
		scope: q.Get("scope"), code: "code-" + rand.Text(),
	}
	if a.grants[g.code] = g; back.Get("error") == "" {
		back.Set("code", g.code)
	}
	if a.settings["sendsiss"] == "true" {
		back.Set("iss", a.url)
	}
	if other := a.settings["iss"]; other != "" {
		back.Set("iss", other)
	}
	http.Redirect(w, r, g.redirectURI+"?"+back.Encode(), http.StatusFound)
}

// twice reports whether a parameter is repeated or empty (RFC 6749 3.1).
func twice(q url.Values) bool {
	for _, values := range q {
		if len(values) != 1 || values[0] == "" {
			return true
		}
	}
	return false
}

func (a *authServer) token(w http.ResponseWriter, r *http.Request) {
	need(r.Method == http.MethodPost && r.ParseForm() == nil && r.Header.Get("Authorization") == "", "invalid_request")
	f := r.PostForm
	need(f.Get("resource") == a.settings["wants"], "invalid_target")
	need(a.client(f.Get("client_id"), ""), "invalid_client")
	var g *authGrant
	switch f.Get("grant_type") {
	case "authorization_code":
		g = a.grants[f.Get("code")]
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		need(g != nil && g.code == f.Get("code") && g.client == f.Get("client_id") && g.redirectURI == f.Get("redirect_uri") &&
			g.challenge == base64.RawURLEncoding.EncodeToString(sum[:]), "invalid_grant")
		g.code = ""
		a.counts["exchanges"]++
	case "refresh_token":
		g = a.grants[f.Get("refresh_token")]
		need(g != nil && g.client == f.Get("client_id"), "invalid_grant")
		if g.refresh != f.Get("refresh_token") { // reused: everything ends (RFC 9700 4.14.2)
			g.ended = true
			a.counts["reused"]++
		}
		need(!g.ended, "invalid_grant")
		a.counts["refreshes"]++
	default:
		need(false, "unsupported_grant_type")
	}
	g.access, g.refresh = "access-"+rand.Text(), "refresh-"+rand.Text()
	a.grants[g.access], a.grants[g.refresh] = g, g
	a.json(w, http.StatusOK, map[string]any{
		"access_token": g.access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": g.refresh, "scope": g.scope,
	})
}

func (a *authServer) revoke(w http.ResponseWriter, r *http.Request) {
	need(r.ParseForm() == nil && a.client(r.PostForm.Get("client_id"), ""), "invalid_client")
	if g := a.grants[r.PostForm.Get("token")]; g != nil {
		g.ended = true
	}
	fmt.Fprintln(w)
}
