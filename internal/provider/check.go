package provider

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/account"
)

// Finding is something wrong with a definition.
type Finding struct {
	Path string // such as token.refresh.url; empty: the file as a whole
	Line int    // 0: not known
	Text string // starts with the path
}

// String returns the finding as "LINE: TEXT", or " TEXT" without a line, to follow a path and a colon.
func (f Finding) String() string {
	if f.Line == 0 {
		return " " + f.Text
	}
	return fmt.Sprintf("%d: %s", f.Line, f.Text)
}

// lineOf makes a finding of an error that starts with "line N: ".
func lineOf(err error) Finding {
	var line int
	text := err.Error()
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
	}
	return Finding{Line: line, Text: text}
}

type checker struct {
	root     *yaml.Node
	findings []Finding
	schema   int      // the first ones are the schema's
	later    []string // placeholders that get a value only after the request that is checked
}

// add adds a finding, unless the schema has one for the same place.
func (c *checker) add(path, format string, args ...any) {
	for _, f := range c.findings[:c.schema] {
		if f.Path != "" && (path == f.Path || strings.HasPrefix(path, f.Path+".")) {
			return
		}
	}
	c.findings = append(c.findings, Finding{Path: path, Line: c.line(path), Text: path + ": " + fmt.Sprintf(format, args...)})
}

func (c *checker) sorted() []Finding {
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return a.Line - b.Line })
	return c.findings
}

// line returns the line of a path such as token.refresh.url or whoami.0.url, or of the nearest part of it that is in
// the file: for what is inherited that of extends, and for what is missing that of the first key.
func (c *checker) line(path string) int {
	node, line := c.root, c.root.Line
	if i := indexOf(node, "extends"); i >= 0 {
		line = node.Content[i].Line
	}
	for part := range strings.SplitSeq(path, ".") {
		if i, err := strconv.Atoi(part); err == nil && node.Kind == yaml.SequenceNode && i < len(node.Content) {
			node = node.Content[i]
			line = node.Line
			continue
		}
		i := indexOf(node, part)
		if i < 0 {
			break
		}
		line, node = node.Content[i].Line, node.Content[i+1]
	}
	return line
}

// definition checks what the schema cannot express: what belongs together.
func (c *checker) definition(d *Definition, name string) {
	switch {
	case !account.ValidPart(name):
		c.add("name", "expected a-z, 0-9, '.', '_' and '-', at most 64, starting with a letter or digit")
	case d.Name != name:
		c.add("name", "%s, but the file is called %s.yaml", d.Name, name)
	}
	c.inputs(d)
	c.grants(d)
	for _, k := range Kinds() {
		if r := d.Request(k.Path); r != nil {
			c.request(d, k, r)
		}
	}
	if a := d.Authorize; a != nil && !d.Discovers() {
		if a.URL == "" {
			c.add("authorize.url", "missing")
		}
		if a.PAR {
			c.add("authorize.par", "expected an issuer or a resource beside it, whose metadata names the endpoint (RFC 9126 5)")
		}
	}
	if err := d.checkDefault(); err != nil {
		c.add("redirect.default", "%s", err)
	}
	for path, address := range map[string]string{"issuer": d.Issuer, "resource": d.Resource, "client.metadata_url": d.Client.MetadataURL} {
		if address != "" {
			if err := checkAddress(path, address); err != nil {
				c.add(path, "%s", err)
			}
		}
	}
	if d.Assertion != nil {
		c.assertion(d.Assertion)
	}
	c.rules("errors.ended", d.Errors.Ended, "a code or a text")
	c.rules("errors.retry", d.Errors.Retry, "a code or a text")
	c.api(d)
	for i, probe := range d.WhoAmI {
		c.probe(d, fmt.Sprintf("whoami.%d", i), probe, i > 0)
	}
}

// checkAddress checks the address at a path of a definition. That of an issuer has no query (RFC 8414 2).
func checkAddress(path, address string) error {
	if err := CheckURL(address); err != nil {
		return err
	}
	if path == "issuer" && strings.Contains(address, "?") {
		return errors.New("expected an address without a query (RFC 8414 2)")
	}
	return nil
}

// inputs checks the values that each login has.
func (c *checker) inputs(d *Definition) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		for _, holder := range append(k.holders, "client_id", "client_secret") {
			seen[holder] = true
		}
	}
	once := func(path, name string) {
		if seen[name] {
			c.add(path, "%s is already a placeholder", name)
		}
		seen[name] = true
	}
	for i, input := range d.Inputs {
		path := fmt.Sprintf("inputs.%d", i)
		once(path+".name", input.Name)
		if _, err := regexp.Compile(input.Pattern); err != nil {
			c.add(path+".pattern", "not a regular expression of RE2")
		} else if input.Default != "" && input.Check(input.Default) != nil {
			c.add(path+".default", "does not match the pattern")
		}
	}
	for i, name := range d.Reply.Keep {
		path := fmt.Sprintf("reply.keep.%d", i)
		if slices.Contains(slices.Concat(d.Reply.AccessToken, d.Reply.RefreshToken, d.Reply.IDToken), name) {
			c.add(path, "%s is a token, which is kept as a secret and is no placeholder", name)
		}
		once(path, name)
	}
	for i, name := range d.Callback.Keep {
		once(fmt.Sprintf("callback.keep.%d", i), name)
	}
}

// grants checks that every grant has what it needs, and that nothing is described in vain.
func (c *checker) grants(d *Definition) {
	described := map[string]bool{StaticToken: true}
	for _, k := range Kinds() {
		if k.Grant == "" {
			continue
		}
		described[k.Grant] = d.Request(k.Path) != nil
		if described[k.Grant] && !d.Has(k.Grant) {
			c.add("grants", "%s is described but not listed", k.Grant)
		}
	}
	if len(d.Grants) == 0 {
		c.add("grants", "expected at least one")
	}
	tokensAlone := slices.Equal(d.Grants, []string{StaticToken})
	if tokensAlone && d.Authorize != nil {
		c.add("authorize", "no grant uses it; expected token.authorization_code beside it")
	}
	if tokensAlone && d.DeviceAuthorization != nil {
		c.add("device_authorization", "no grant uses it; expected token.device_code beside it")
	}
	for _, grant := range d.Grants {
		path := "grants"
		if indexOf(c.root, path) < 0 {
			path = "token." + grant // which it is derived from
		}
		there, known := described[grant]
		switch {
		case d.Discovers(), !known: // the schema has a finding for an unknown one
		case !there:
			c.add(path, "%s needs token.%s", grant, grant)
		case grant == AuthorizationCode && d.Authorize == nil:
			c.add(path, "%s needs authorize", grant)
		case grant == DeviceCode && d.DeviceAuthorization == nil:
			c.add(path, "%s needs device_authorization", grant)
		}
		if (grant == JWTBearer || grant == TokenExchange) && d.Assertion == nil {
			c.add(path, "%s needs assertion", grant)
		}
	}
	if tokensAlone && d.API.URL == "" {
		c.add("api.url", "missing: with static tokens alone it says where they belong")
	}
}

func (c *checker) assertion(a *Assertion) {
	switch {
	case a.From == "":
		c.add("assertion.from", "missing")
	case a.From == "file" && a.Path == "":
		c.add("assertion.path", "missing")
	case a.From != "file" && a.Path != "":
		c.add("assertion.path", "only for a file")
	case a.From != "github_actions" && a.Audience != "":
		c.add("assertion.audience", "only for github_actions")
	}
}

func (c *checker) request(d *Definition, k Kind, r *Request) {
	known := d.placeholdersOf(k)
	c.later = slices.DeleteFunc(d.Placeholders(), func(name string) bool { return slices.Contains(known, name) })
	defer func() { c.later = nil }()
	if r.URL != "" || k.Path != "authorize" && !d.Discovers() {
		c.url(d, k.Path+".url", r.URL, known)
	}
	if r.Method == "GET" && r.Encoding != "query" {
		c.add(k.Path+".encoding", "expected query: a GET has no body")
	}
	holders := slices.Concat(k.holders, []string{"client_id", "client_secret"}, known)
	if k.Path == "authorize" {
		holders = slices.DeleteFunc(holders, func(s string) bool { return s == "client_secret" })
	}
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		if name == "" {
			c.add(k.Path+".params", "a parameter without a name")
		}
		for _, template := range r.Params[name] {
			c.template(k.Path+".params."+name, template, holders)
		}
	}
	c.headers(k.Path+".headers", r.Headers, holders)
	params := d.Params(k, r)
	if r.ClientAuth != InParams && r.ClientAuth != "" && params.Hold("{client_secret}") {
		c.add(k.Path+".client_auth", "the secret is among the parameters: expected params")
	}
	for _, need := range k.needs {
		switch {
		case params.Hold("{" + need + "}"):
		case strings.HasPrefix(need, "client_") && r.ClientAuth != InParams && (r.ClientAuth != "" || d.Discovers()):
		case need == "client_secret" && d.Client.Secret == "none":
		default:
			c.add(k.Path+".params", "no parameter holds {%s}", need)
		}
	}
}

// framing are the headers that describe the connection or the length of a body.
var framing = []string{"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"}

func (c *checker) headers(path string, headers map[string]string, holders []string) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		switch {
		case !IsToken(name):
			c.add(path, "not the name of a header: %q", name)
		case strings.ContainsFunc(headers[name], unicode.IsControl):
			c.add(path+"."+name, "a header must not hold a line break or another control character")
		case slices.Contains(framing, strings.ToLower(name)):
			c.add(path+"."+name, "HTTP itself sets this header")
		}
		c.template(path+"."+name, headers[name], holders)
	}
}

// IsToken reports whether s is a token of HTTP, as methods and the names of headers are (RFC 9110 5.6.2).
func IsToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// template checks that every placeholder has a value at its place, and reports whether that is so.
func (c *checker) template(path, template string, holders []string) bool {
	before := len(c.findings)
	for part, err := range parts(template) {
		if err != nil {
			c.add(path, "%s", err)
			return false
		}
		if part.holder != "" && !slices.Contains(holders, part.holder) {
			near := suggest(part.holder, holders)
			switch {
			case slices.Contains(c.later, part.holder):
				near = ": what brings it comes after this request"
			case near != "":
			case len(holders) == 0:
				near = "; expected the name of an input, or a field of reply.keep or callback.keep"
			default:
				near = "; the placeholders here are {" + strings.Join(holders, "}, {") + "}"
			}
			c.add(path, "{%s} is not known here%s", part.holder, near)
		}
	}
	return len(c.findings) == before
}

// rules checks that each rule has something to recognize.
func (c *checker) rules(path string, rules []Rule, expected string) {
	for i, rule := range rules {
		if rule == (Rule{}) {
			c.add(fmt.Sprintf("%s.%d", path, i), "expected %s", expected)
		}
	}
}
