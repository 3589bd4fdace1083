package provider

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
)

// At returns the definition with scheme and host of every endpoint replaced by those of base, whose path
// goes before theirs: how sandboxes, proxies and regional twins are reached. An empty base changes
// nothing. A base that is no address is a fail.Usage.
func (d *Definition) At(base, setting string) (*Definition, error) {
	if base == "" {
		return d, nil
	}
	u, err := url.Parse(base)
	switch {
	case err != nil, u.Host == "", u.Opaque != "":
		// The parser's error quotes the text, which may hold a password.
		err = errors.New("not an address such as https://api.example.com")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		err = errors.New("must hold nothing but scheme, host and path")
	default:
		err = CheckURL(base)
	}
	if err != nil {
		return nil, fail.New(fail.Usage, "%s: %w", setting, err)
	}
	moved := d.clone()
	moved.written, moved.base = d, u
	for _, endpoint := range moved.endpoints() {
		e, err := url.Parse(*endpoint)
		if err != nil {
			return nil, fail.New(fail.Usage, "%s: endpoint of %s: %w", setting, d.Name, err)
		}
		move(e, u)
		*endpoint = e.String()
	}
	return moved, nil
}

// move puts the address e where base says: at its scheme and host, with its path before that of e.
func move(e, base *url.URL) {
	// The escaped path keeps an encoded slash; both forms lose the same slashes at their ends.
	escaped := strings.TrimRight(base.EscapedPath(), "/")
	path := base.Path[:len(base.Path)-(len(base.EscapedPath())-len(escaped))]
	e.Scheme, e.Host = base.Scheme, base.Host
	e.Path, e.RawPath = path+e.Path, escaped+e.EscapedPath()
}

// clone copies everything that At changes.
func (d *Definition) clone() *Definition {
	c := *d
	if d.Authorize != nil {
		a := *d.Authorize
		c.Authorize = &a
	}
	copied := func(r *Request) *Request {
		if r == nil {
			return nil
		}
		another := *r
		return &another
	}
	c.Token = map[string]*Request{}
	for name, r := range d.Token {
		c.Token[name] = copied(r)
	}
	c.Revoke.Request, c.DeviceAuthorization = copied(d.Revoke.Request), copied(d.DeviceAuthorization)
	c.WhoAmI = slices.Clone(d.WhoAmI)
	return &c
}

// endpoints returns every address in the definition to which something is sent.
func (d *Definition) endpoints() []*string {
	list := []*string{&d.API.URL}
	if d.Authorize != nil {
		list = append(list, &d.Authorize.URL)
	}
	for _, k := range Kinds() {
		if r := d.Request(k.Path); r != nil && k.Path != "authorize" {
			list = append(list, &r.URL)
		}
	}
	for i := range d.WhoAmI {
		list = append(list, &d.WhoAmI[i].URL)
	}
	return slices.DeleteFunc(list, func(address *string) bool { return *address == "" })
}
