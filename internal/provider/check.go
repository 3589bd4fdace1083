package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/account"
)

// placeholder finds {name} in a template.
var placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{([^{}]*)\}`) })

// The placeholders that a request may hold, by what the request is for.
var (
	clientHolders    = []string{"client_id", "client_secret"}
	authorizeHolders = []string{"client_id", "redirect_uri", "scope", "state"}
	codeHolders      = append([]string{"code", "redirect_uri", "code_verifier"}, clientHolders...)
	refreshHolders   = append([]string{"refresh_token", "redirect_uri"}, clientHolders...)
	passwordHolders  = append([]string{"username", "password", "scope"}, clientHolders...)
	mintHolders      = append([]string{"scope"}, clientHolders...)
	revokeHolders    = append([]string{"token", "token_type_hint"}, clientHolders...)
)

// checker collects findings and finds the lines they belong to, for which the text is read once more: most
// definitions have none.
type checker struct {
	text     []byte
	root     *yaml.Node // nil: not read yet
	findings []Finding
}

func (c *checker) add(path, format string, args ...any) {
	c.findings = append(c.findings, Finding{Line: c.line(path), Text: path + ": " + fmt.Sprintf(format, args...)})
}

// line returns the line of a path such as token.refresh.url or whoami.0.url, or of the nearest part of it
// that is there.
func (c *checker) line(path string) int {
	if c.root == nil {
		c.root = new(yaml.Node)
		_ = yaml.Unmarshal(c.text, c.root) // it was decoded before
	}
	if len(c.root.Content) == 0 {
		return 0
	}
	node, line := c.root.Content[0], 0
	for part := range strings.SplitSeq(path, ".") {
		if n, err := strconv.Atoi(part); err == nil && node.Kind == yaml.SequenceNode && n < len(node.Content) {
			node = node.Content[n]
			line = node.Line
			continue
		}
		if node.Kind != yaml.MappingNode {
			break
		}
		i := 0
		for i < len(node.Content) && node.Content[i].Value != part {
			i += 2
		}
		if i >= len(node.Content) {
			break
		}
		line, node = node.Content[i].Line, node.Content[i+1]
	}
	return line
}

// check returns everything that is wrong with a decoded definition, by line.
func (d *Definition) check(text []byte, want string) []Finding {
	c := &checker{text: text}
	if !account.ValidPart(d.Name) {
		c.add("name", "must be a-z, 0-9, '.', '_' and '-', at most 64, starting with a letter or digit")
	} else if d.Name != want {
		c.add("name", "is %s, but the file is called %s.yaml", d.Name, want)
	}
	if d.Docs == "" {
		c.add("docs", "missing: the address of the provider's own page about its authorization")
	} else if u, err := url.Parse(d.Docs); err != nil || u.Scheme != "https" && u.Scheme != "http" {
		c.add("docs", "not an address")
	}
	if _, err := time.Parse(time.DateOnly, d.Checked); err != nil {
		c.add("checked", "not a day such as 2026-01-31")
	}
	if !slices.Contains([]string{"required", "optional", "none"}, d.Client.Secret) {
		c.add("client.secret", "must be required, optional or none")
	}
	c.grants(d)
	c.request("token.authorization_code", d.Token.AuthorizationCode, codeHolders, "code")
	c.request("token.refresh", d.Token.Refresh, refreshHolders, "refresh_token")
	c.request("token.password", d.Token.Password, passwordHolders, "password")
	c.request("token.client_credentials", d.Token.ClientCredentials, mintHolders, "")
	c.request("revoke.request", d.Revoke.Request, revokeHolders, "token")
	if d.Revoke.ByHand == "" && d.Revoke.Request == nil {
		c.add("revoke", "neither a request nor by_hand: say how a login is ended")
	}
	if e := d.Revoke.Retry; e != "" && e != "form" && e != "json" && e != "query" {
		c.add("revoke.retry", "must be form, json or query")
	}
	if a := d.Authorize; a != nil {
		c.url("authorize.url", a.URL)
		c.params("authorize.send", a.Send, authorizeHolders)
		if !a.Send.holds("state") {
			c.add("authorize.send", "nothing holds {state}, without which a reply cannot be told from a forged one")
		}
		if a.PKCE != "S256" && a.PKCE != "none" {
			c.add("authorize.pkce", "must be S256 or none")
		}
		if a.CodeLife < 0 {
			c.add("authorize.code_life", "must not be negative")
		}
	}
	if d.Redirect.Default != "" {
		if u, err := url.Parse(d.Redirect.Default); err != nil || u.Scheme == "" {
			c.add("redirect.default", "not an address")
		}
	}
	switch d.Rotation {
	case RotatesAlways, RotatesNever, RotatesUnknown:
	default:
		c.add("rotation", "must be always, never or unknown")
	}
	if d.Lifetimes.Access < 0 || d.Lifetimes.Refresh < 0 {
		c.add("lifetimes", "must not be negative")
	}
	c.api(d.API)
	for i, probe := range d.WhoAmI {
		c.probe(fmt.Sprintf("whoami.%d", i), probe, i > 0)
	}
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return a.Line - b.Line })
	return c.findings
}

func (c *checker) probe(path string, p Probe, further bool) {
	c.url(path+".url", p.URL)
	switch {
	case p.Method != "GET" && p.Method != "POST":
		c.add(path+".method", "must be GET or POST")
	case p.JSON != "" && p.Method == "GET":
		c.add(path+".json", "a GET has no body")
	case p.JSON != "" && !json.Valid([]byte(p.JSON)):
		c.add(path+".json", "not JSON")
	}
	if further && len(p.On) == 0 {
		c.add(path, "a further probe needs on: the statuses after which it is tried")
	}
	for i, field := range p.Show {
		if field.Name == "" || field.Path == "" {
			c.add(fmt.Sprintf("%s.show.%d", path, i), "needs a name and a path")
		}
	}
}

// grants checks that every grant has what it needs and that nothing stands there unused.
func (c *checker) grants(d *Definition) {
	if len(d.Grants) == 0 {
		c.add("grants", "missing: which of authorization_code, password, client_credentials, static")
	}
	needs := map[string]bool{
		"authorization_code": d.Authorize != nil && d.Token.AuthorizationCode != nil,
		"password":           d.Token.Password != nil,
		"client_credentials": d.Token.ClientCredentials != nil,
		"static":             true,
	}
	for _, grant := range d.Grants {
		ready, known := needs[grant]
		switch {
		case !known:
			c.add("grants", "%q is none of authorization_code, password, client_credentials, static", grant)
		case !ready && grant == "authorization_code":
			c.add("grants", "authorization_code needs authorize and token.authorization_code")
		case !ready:
			c.add("grants", "%s needs token.%s", grant, grant)
		}
	}
	described := map[string]bool{
		"authorization_code": d.Token.AuthorizationCode != nil || d.Authorize != nil,
		"password":           d.Token.Password != nil,
		"client_credentials": d.Token.ClientCredentials != nil,
	}
	for _, grant := range slices.Sorted(maps.Keys(described)) {
		if described[grant] && !d.Has(grant) {
			c.add("grants", "%s is described but not listed", grant)
		}
	}
	if slices.Equal(d.Grants, []string{"static"}) && d.API.URL == "" {
		c.add("api.url", "missing: with static tokens alone it says where they belong")
	}
}

// api checks what `api` goes by.
func (c *checker) api(a API) {
	if a.URL != "" {
		c.url("api.url", a.URL)
	} else if a.GraphQL || a.Paginate != nil {
		c.add("api.url", "missing")
	}
	p := a.Paginate
	if p == nil {
		return
	}
	ways := 0
	for _, there := range []bool{p.Next != "", p.Link, p.Page != "", p.Offset != ""} {
		if there {
			ways++
		}
	}
	counted := p.Page != "" || p.Offset != ""
	switch {
	case ways != 1:
		c.add("api.paginate", "needs one of next, link, page and offset")
	case counted && (p.Size == "" || p.Max < 1):
		c.add("api.paginate", "page and offset need size and max")
	case !counted && (p.Size != "" || p.Max != 0 || p.Items != ""):
		c.add("api.paginate", "size, max and items go with page or offset")
	case p.Page == "" && p.First != 0:
		c.add("api.paginate.first", "goes with page")
	case p.First < 0:
		c.add("api.paginate.first", "must not be negative")
	}
}

func (c *checker) url(path, address string) {
	if address == "" {
		c.add(path, "missing")
	} else if err := CheckURL(address); err != nil {
		c.add(path, "%s", err)
	}
}

func (c *checker) request(path string, r *Request, holders []string, needs string) {
	if r == nil {
		return
	}
	c.url(path+".url", r.URL)
	if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, r.Method) {
		c.add(path+".method", "must be GET, POST, PUT or DELETE")
	}
	if !slices.Contains([]string{"form", "json", "query"}, r.Encoding) {
		c.add(path+".encoding", "must be form, json or query")
	} else if r.Method == "GET" && r.Encoding != "query" {
		c.add(path+".encoding", "a GET has no body: query")
	}
	c.params(path+".send", r.Send, holders)
	switch r.ClientAuth {
	case "basic":
		if r.Send.holds("client_secret") {
			c.add(path+".client_auth", "basic, and yet the secret is among the parameters")
		}
	case "params":
	default:
		c.add(path+".client_auth", "must be basic or params")
	}
	if needs != "" && !r.Send.holds(needs) {
		c.add(path+".send", "nothing holds {%s}", needs)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		if !isToken(name) {
			c.add(path+".headers", "not the name of a header: %q", name)
		} else if strings.ContainsFunc(r.Headers[name], unicode.IsControl) {
			c.add(path+".headers."+name, "a header must not hold a line break or another control character")
		}
	}
}

// isToken reports whether s can be the name of a header (RFC 9110 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// holds reports whether a parameter takes the value of a placeholder.
func (p Params) holds(holder string) bool {
	for _, value := range p {
		if strings.Contains(value, "{"+holder+"}") {
			return true
		}
	}
	return false
}

func (c *checker) params(path string, params Params, holders []string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name == "" {
			c.add(path, "a parameter without a name")
		}
		for _, match := range placeholder().FindAllStringSubmatch(params[name], -1) {
			if !slices.Contains(holders, match[1]) {
				c.add(path+"."+name, "{%s} is not known here; there are {%s}", match[1], strings.Join(holders, "}, {"))
			}
		}
	}
}

// Expand puts values into the templates of params and returns the parameters to send. A parameter whose
// template is one placeholder that has no value is left out.
func (p Params) Expand(values map[string]string) map[string]string {
	out := make(map[string]string, len(p))
	for name, template := range p {
		if key, ok := soleHolder(template); ok {
			if values[key] != "" {
				out[name] = values[key]
			}
			continue
		}
		out[name] = placeholder().ReplaceAllStringFunc(template, func(match string) string {
			return values[match[1:len(match)-1]]
		})
	}
	return out
}

func soleHolder(template string) (string, bool) {
	inner, ok := strings.CutPrefix(template, "{")
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, "}")
	return inner, ok && !strings.ContainsAny(inner, "{}")
}
