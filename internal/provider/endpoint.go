package provider

import (
	"errors"
	"net/netip"
	"net/url"
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
	for _, r := range []**Request{
		&c.Token.AuthorizationCode, &c.Token.Refresh, &c.Token.Password, &c.Token.ClientCredentials, &c.Revoke.Request,
	} {
		if *r != nil {
			copied := **r
			*r = &copied
		}
	}
	c.WhoAmI = append([]Probe(nil), d.WhoAmI...)
	return &c
}

// endpoints returns every address in the definition to which something is sent.
func (d *Definition) endpoints() []*string {
	var list []*string
	if d.Authorize != nil {
		list = append(list, &d.Authorize.URL)
	}
	for _, r := range []*Request{
		d.Token.AuthorizationCode, d.Token.Refresh, d.Token.Password, d.Token.ClientCredentials, d.Revoke.Request,
	} {
		if r != nil {
			list = append(list, &r.URL)
		}
	}
	for i := range d.WhoAmI {
		list = append(list, &d.WhoAmI[i].URL)
	}
	if d.API.URL != "" {
		list = append(list, &d.API.URL)
	}
	return list
}

// Origin returns the origin (RFC 6454) of the token endpoint, which is where credentials belong. A
// provider of static tokens alone has that of its API.
func (d *Definition) Origin() string {
	for _, r := range []*Request{
		d.Token.AuthorizationCode, d.Token.ClientCredentials, d.Token.Password, d.Token.Refresh,
	} {
		if r != nil {
			return originOf(r.URL)
		}
	}
	return originOf(d.API.URL)
}

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return Origin(u)
}

// Origin returns scheme, host and port of an address in one spelling: lower case, without the port that
// the scheme implies.
func Origin(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port := u.Port()
	if port != "" && (u.Scheme != "https" || port != "443") && (u.Scheme != "http" || port != "80") {
		host += ":" + port
	}
	return strings.ToLower(u.Scheme) + "://" + host
}

// CheckURL reports whether secrets may be sent to an address: https, or http to this machine. It quotes
// nothing of the address.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("not an address such as https://api.example.com/token")
	case u.User != nil:
		return errors.New("an address must not hold a user name or password")
	case u.Fragment != "":
		return errors.New("an address of an endpoint must not hold a fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("only https is used, and http for this machine")
	case !Loopback(u.Hostname()):
		return errors.New("http is only used for this machine (127.0.0.1, [::1], localhost): a secret would cross the network in the clear")
	}
	return nil
}

// Loopback reports whether a host is this machine beyond doubt: an address literal of the loopback
// network, or `localhost`, which is dialled without asking a name server.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
