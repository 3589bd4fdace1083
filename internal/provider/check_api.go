package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

func (c *checker) api(d *Definition) {
	a := d.API
	if a.URL != "" && a.URL != d.Resource {
		c.url(d, "api.url", a.URL, d.Placeholders())
	} else if a.URL == "" && (a.GraphQL || a.Paginate != nil) {
		c.add("api.url", "missing")
	}
	c.headers("api.headers", a.Headers, append([]string{"client_id"}, d.Placeholders()...))
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		if a.QueryParam == "" && strings.EqualFold(name, a.Header) {
			c.add("api.headers."+name, "this header presents the token")
		}
	}
	for i, rule := range a.Expired {
		if rule.Code == "insufficient_scope" {
			c.add(fmt.Sprintf("api.expired.%d.code", i), "this code is about a missing permission, not about the token (RFC 6750 3.1)")
		}
	}
	c.rules("api.expired", a.Expired, "a status, a code or a text")
	if a.Scheme == Basic && (a.QueryParam != "" || !slices.Equal(d.Grants, []string{StaticToken})) {
		c.add("api.scheme", "basic is only for a definition whose only grant is static")
	}
	if a.Paginate != nil {
		c.paginate(*a.Paginate)
	}
}

func (c *checker) paginate(p Paginate) {
	ways := 0
	for _, used := range []bool{p.Next != "", p.Link, p.Page != "", p.Offset != ""} {
		if used {
			ways++
		}
	}
	counted := p.Page != "" || p.Offset != ""
	switch {
	case ways != 1:
		c.add("api.paginate", "expected one of next, link, page and offset")
	case counted && (p.Size == "" || p.Max < 1):
		c.add("api.paginate", "page and offset need size and max")
	case !counted && (p.Size != "" || p.Max != 0 || p.Items != "" || p.InForm):
		c.add("api.paginate", "size, max, items and in_form go with page or offset")
	case p.Page == "" && p.First != 0:
		c.add("api.paginate.first", "goes with page")
	}
}

func (c *checker) probe(d *Definition, path string, p Probe, further bool) {
	c.url(d, path+".url", p.URL, d.Placeholders())
	switch {
	case p.JSON != "" && p.Method == "GET":
		c.add(path+".json", "a GET has no body")
	case p.JSON != "" && !json.Valid([]byte(p.JSON)):
		c.add(path+".json", "not JSON")
	case strings.ContainsFunc(p.JSON, unicode.IsControl):
		c.add(path+".json", "expected one line")
	}
	for _, name := range bodyHolders(p.JSON) {
		if !slices.Contains(d.Placeholders(), name) {
			c.add(path+".json", "{%s} is not known here; a brace that belongs to the body is followed by a space", name)
		}
	}
	if further && len(p.On) == 0 {
		c.add(path, "a further request needs on: the statuses after which it is tried")
	}
}

// bodyHolders returns the placeholders in a JSON body, where other braces are part of the body.
func bodyHolders(body string) []string {
	var names []string
	for rest := body; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return names
		}
		rest = after
		if name, _, ok := strings.Cut(after, "}"); ok && isWord(name) {
			names = append(names, name)
		}
	}
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}
