package callback

import (
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

// target is a redirect URI taken apart.
type target struct {
	raw   string
	url   *url.URL
	way   way
	host  string       // as it stands in a Host header, without the port
	addrs []netip.Addr // what to bind; the first has to work
	port  int
}

// parseTarget decides by the redirect URI how the code comes back. It refuses only what can be no
// redirect URI at all (RFC 6749 3.1.2); whether the provider likes it is not decided here.
func parseTarget(raw string) (*target, error) {
	if strings.EqualFold(raw, oobURN) || strings.EqualFold(raw, oobAutoURN) {
		return &target{raw: raw, url: &url.URL{Scheme: "urn", Opaque: raw[len("urn:"):]}, way: outOfBand}, nil
	}
	bad := func(why string) error {
		return fail.New(fail.Usage, "redirect URI %q %s", redact.Scrub(raw, 200), why).
			WithHint("give a whole address such as http://127.0.0.1:8976/callback with --redirect-uri, exactly as it is registered at the provider")
	}
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, bad("is empty")
	case err != nil:
		return nil, bad("is no address")
	case u.Scheme == "" || u.Scheme == "localhost": // localhost:8976/callback
		return nil, bad("lacks its beginning, such as https://")
	case u.Host == "" && (u.Scheme == "http" || u.Scheme == "https"):
		return nil, bad("names no host")
	case strings.Contains(raw, "#"):
		return nil, bad("has a fragment, which no redirect URI may have")
	}
	t := &target{raw: raw, url: u, way: byAddress}
	switch u.Scheme {
	case "http":
		t.port = 80
	case "https":
		t.port = 443
	default:
		return t, nil
	}
	v4, v6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
	host := strings.ToLower(u.Hostname())
	addr, _ := netip.ParseAddr(host)
	switch {
	case host == "localhost":
		// Browsers dial either family first (RFC 8252 8.3). IPv4 comes first because forwarders of
		// containers and of WSL reach nothing else.
		t.host, t.addrs = host, []netip.Addr{v4, v6}
	case addr == v4:
		t.host, t.addrs = addr.String(), []netip.Addr{v4}
	case addr == v6:
		t.host, t.addrs = "["+addr.String()+"]", []netip.Addr{v6}
	default:
		return t, nil
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, bad("has a port over 65535")
		}
		t.port = int(n)
	}
	t.way = overHTTP
	if u.Scheme == "https" {
		t.way = overTLS
	}
	return t, nil
}

func (t *target) listens() bool { return t.way == overHTTP || t.way == overTLS }

// withPort returns the redirect URI with port in place of a port 0 and every other byte as it was:
// providers compare it with the registered one character by character.
func (t *target) withPort(port int) string {
	if t.port != 0 {
		return t.raw
	}
	start := strings.Index(t.raw, "//") + len("//")
	end := len(t.raw)
	if i := strings.IndexAny(t.raw[start:], "/?"); i >= 0 {
		end = start + i
	}
	colon := start + strings.LastIndexByte(t.raw[start:end], ':')
	return t.raw[:colon+1] + strconv.Itoa(port) + t.raw[end:]
}

// hosts returns the Host headers a browser sends for the redirect URI. A name that an attacker made to
// point here (DNS rebinding) is not among them.
func (t *target) hosts(port int) []string {
	hosts := []string{t.host + ":" + strconv.Itoa(port)}
	if port == 80 && t.way == overHTTP || port == 443 && t.way == overTLS {
		hosts = append(hosts, t.host)
	}
	return hosts
}

// path returns the path a browser asks for.
func (t *target) path() string { return pathOf(t.url) }

func pathOf(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}
