package callback

import (
	"cmp"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// way is how a code comes back.
type way int

const (
	overHTTP   way = iota // a listener on loopback
	overTLS               // the same behind https
	outOfBand             // the provider shows the code
	byAddress             // the browser lands elsewhere; the address is pasted
	oobURN     = "urn:ietf:wg:oauth:2.0:oob"
	oobAutoURN = oobURN + ":auto"
)

// redirect is a parsed redirect URI.
type redirect struct {
	raw   string
	url   *url.URL
	way   way
	host  string       // as in a Host header, without the port
	addrs []netip.Addr // what to bind; the first must work
	port  int
}

// parseRedirect decides by the redirect URI how the code comes back. It refuses only what cannot be a
// redirect URI at all (RFC 6749 3.1.2); whether the provider accepts it is not decided here.
func parseRedirect(raw string) (*redirect, error) {
	if strings.EqualFold(raw, oobURN) || strings.EqualFold(raw, oobAutoURN) {
		return &redirect{raw: raw, url: &url.URL{Scheme: "urn", Opaque: raw[len("urn:"):]}, way: outOfBand}, nil
	}
	bad := func(why string) error {
		return fail.New(fail.Usage, "redirect URI %q %s", redact.Scrub(raw, 200), why).
			Advise(fail.DoGiveRedirectURI)
	}
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, bad("is empty")
	case err != nil:
		return nil, bad("is not an address")
	case u.Scheme == "" || u.Scheme == "localhost": // localhost:8976/callback
		return nil, bad("has no scheme, such as https://")
	case u.Host == "" && (u.Scheme == "http" || u.Scheme == "https"):
		return nil, bad("has no host")
	case strings.Contains(raw, "#"):
		return nil, bad("has a fragment, which is not allowed")
	}
	to := &redirect{raw: raw, url: u, way: byAddress}
	switch u.Scheme {
	case "http":
		to.port = 80
	case "https":
		to.port = 443
	default:
		return to, nil
	}
	v4, v6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	host := strings.ToLower(u.Hostname())
	addr, _ := netip.ParseAddr(host)
	switch {
	case host == "localhost":
		// Browsers connect to either family first (RFC 8252 8.3). IPv4 comes first because the port
		// forwarding of containers and of WSL reaches nothing else.
		to.host, to.addrs = host, []netip.Addr{v4, v6}
	case addr == v4:
		to.host, to.addrs = addr.String(), []netip.Addr{v4}
	case addr == v6:
		to.host, to.addrs = "["+addr.String()+"]", []netip.Addr{v6}
	default:
		return to, nil
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, bad("has a port above 65535")
		}
		to.port = int(n)
	}
	to.way = overHTTP
	if u.Scheme == "https" {
		to.way = overTLS
	}
	return to, nil
}

func (to *redirect) listens() bool { return to.way == overHTTP || to.way == overTLS }

// withPort returns the redirect URI with port in place of a port 0 and every other byte as it was:
// providers compare it with the registered one as a string.
func (to *redirect) withPort(port int) string {
	if to.port != 0 {
		return to.raw
	}
	start := strings.Index(to.raw, "//") + len("//")
	end := len(to.raw)
	if i := strings.IndexAny(to.raw[start:], "/?"); i >= 0 {
		end = start + i
	}
	colon := start + strings.LastIndexByte(to.raw[start:end], ':')
	return to.raw[:colon+1] + strconv.Itoa(port) + to.raw[end:]
}

// hosts returns the Host headers a browser sends for the redirect URI. A name that an attacker pointed
// here (DNS rebinding) is not among them.
func (to *redirect) hosts(port int) []string {
	hosts := []string{to.host + ":" + strconv.Itoa(port)}
	if port == 80 && to.way == overHTTP || port == 443 && to.way == overTLS {
		hosts = append(hosts, to.host)
	}
	return hosts
}

// path returns the path a browser requests.
func (to *redirect) path() string { return pathOf(to.url) }

func pathOf(u *url.URL) string { return cmp.Or(u.EscapedPath(), "/") }
