package provider

import (
	"cmp"
	"errors"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/loopback"
)

// Origin returns the origin (RFC 6454) to which the credentials of the definition belong: that of the
// token endpoint, else of the issuer, the resource or the API. It may hold placeholders.
func (d *Definition) Origin() string {
	if address := cmp.Or(d.TokenURL(), d.Issuer, d.Resource, d.API.URL); address != "" {
		return originOf(address)
	}
	return ""
}

// TokenURL returns the address of the token endpoint, that of the first grant where they differ; empty: there is none.
func (d *Definition) TokenURL() string {
	for _, k := range Kinds() {
		if r := d.Request(k.Path); r != nil && r.URL != "" && strings.HasPrefix(k.Path, "token.") {
			return r.URL
		}
	}
	return ""
}

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		// Braces are not allowed in a host: take what is before the path.
		scheme, rest, _ := strings.Cut(address, "://")
		host, _, _ := strings.Cut(rest, "/")
		return strings.ToLower(scheme + "://" + host)
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

// CheckURL reports why secrets must not be sent to an address: only https is safe, and http to this
// machine. It quotes nothing of the address.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("expected an address such as https://api.example.com/token")
	case u.User != nil:
		return errors.New("an address must not hold a user name or password")
	case u.Fragment != "":
		return errors.New("the address of an endpoint must not hold a fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("expected https, or http for this machine")
	case !loopback.Is(u.Hostname()):
		return errors.New("http is only for this machine (127.0.0.1, [::1], localhost): a secret would cross the network in the clear")
	}
	return nil
}
