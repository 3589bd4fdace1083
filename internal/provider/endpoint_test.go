package provider

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
)

// addresses returns every address of a definition to which something is sent, by where it stands.
func addresses(d *Definition) map[string]string {
	all := map[string]string{"api": d.API.URL}
	for _, k := range Kinds() {
		if r := d.Request(k.Path); r != nil {
			all[k.Path] = r.URL
		}
	}
	for i, p := range d.WhoAmI {
		all["whoami "+string(rune('0'+i))] = p.URL
	}
	return all
}

const baseSetting = "TOKENCLI_X_BASE_URL"

func TestAtMovesEveryEndpoint(t *testing.T) {
	for _, name := range Builtin() {
		d := find(t, name)
		before := addresses(d)
		moved, err := d.At("http://127.0.0.1:4711/pre/fix", baseSetting)
		if err != nil {
			t.Fatal(err)
		}
		after := addresses(moved)
		if len(after) != len(before) {
			t.Fatalf("%s: %v", name, after)
		}
		for where, old := range before {
			u, err := url.Parse(old)
			if err != nil {
				t.Fatal(err)
			}
			if want := "http://127.0.0.1:4711/pre/fix" + u.Path; after[where] != want {
				t.Errorf("%s %s: %s, want %s", name, where, after[where], want)
			}
		}
		if now := addresses(d); !reflect.DeepEqual(now, before) {
			t.Errorf("%s: the definition itself was changed: %v", name, now)
		}
		if got := moved.Origin(); got != "http://127.0.0.1:4711" {
			t.Errorf("%s: origin %s", name, got)
		}
		if same, err := d.At("", baseSetting); err != nil || same != d {
			t.Errorf("%s: an empty base changes something: %v", name, err)
		}
	}
}

func TestAt(t *testing.T) {
	tests := []struct{ name, base, endpoint, want string }{
		{"host", "https://proxy.example", "https://api.example.com/v1/token", "https://proxy.example/v1/token"},
		{"trailing slash of the endpoint stays", "https://proxy.example", "https://api.example.com/v1/token/", "https://proxy.example/v1/token/"},
		{"port", "https://proxy.example:8443", "https://api.example.com:444/token", "https://proxy.example:8443/token"},
		{"path before path", "https://proxy.example/a/b", "https://api.example.com/v1/", "https://proxy.example/a/b/v1/"},
		{"trailing slash of the base", "https://proxy.example/a/", "https://api.example.com/v1/", "https://proxy.example/a/v1/"},
		{"trailing slashes", "https://proxy.example//", "https://api.example.com/v1", "https://proxy.example/v1"},
		{"an empty segment in front is a path, not a host", "https://proxy.example//evil.example", "https://api.example.com/v1", "https://proxy.example//evil.example/v1"},
		{"no path at the endpoint", "https://proxy.example/a", "https://api.example.com", "https://proxy.example/a"},
		{"escapes stay", "https://proxy.example/a%2Fb/", "https://api.example.com/c%20d", "https://proxy.example/a%2Fb/c%20d"},
		{"an escaped slash at the end stays", "https://proxy.example/a%2F/", "https://api.example.com/v1", "https://proxy.example/a%2F/v1"},
		{"query of the endpoint stays", "https://proxy.example", "https://api.example.com/v1?tenant=x", "https://proxy.example/v1?tenant=x"},
		{"upper case", "HTTPS://Proxy.Example", "https://api.example.com/v1", "https://Proxy.Example/v1"},
		{"IPv6", "http://[::1]:8080/x", "https://api.example.com/v1", "http://[::1]:8080/x/v1"},
		{"IPv4", "http://127.0.0.1:1", "https://api.example.com/v1", "http://127.0.0.1:1/v1"},
		{"localhost", "http://localhost:8080", "https://api.example.com/v1", "http://localhost:8080/v1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &Definition{Name: "x", Token: map[string]*Request{Refresh: {URL: tt.endpoint}}}
			moved, err := d.At(tt.base, baseSetting)
			if err != nil {
				t.Fatal(err)
			}
			if got := moved.Token[Refresh].URL; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestAtRefuses(t *testing.T) {
	for _, base := range []string{
		"proxy.example", "/path", "https://", "https:///path", "https:opaque", "mailto:a@b.example", "http://proxy.example",
		"http://192.168.1.1:80", "http://0.0.0.0", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://localhost.",
		"http://2130706433", "http://[::2]", "ftp://127.0.0.1", "https://user@proxy.example", "https://u:hunter22@proxy.example",
		"http://u:hunter22@127.0.0.1", "https://proxy.example?hunter22=1", "https://proxy.example?", "https://proxy.example#hunter22",
		"https://[::1", "https://proxy.example:port", " https://proxy.example", "https://proxy.example/\x00", "https://u:hunter22@[::1", "://x",
		"https://:443",
	} {
		d := &Definition{Name: "x", Token: map[string]*Request{Refresh: {URL: "https://api.example.com/v1"}}}
		_, err := d.At(base, baseSetting)
		if !fail.Is(err, fail.Usage) {
			t.Errorf("%q: %v", base, err)
			continue
		}
		if !strings.Contains(err.Error(), baseSetting) {
			t.Errorf("%q: the setting is not named: %v", base, err)
		}
		if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%q is quoted: %v", base, err)
		}
	}
}

func TestOriginIsOneSpelling(t *testing.T) {
	for address, want := range map[string]string{
		"https://api.example.com/v1?x#y":  "https://api.example.com",
		"HTTPS://API.Example.COM/":        "https://api.example.com",
		"https://api.example.com:443/":    "https://api.example.com",
		"https://api.example.com:/":       "https://api.example.com",
		"https://api.example.com:80/":     "https://api.example.com:80",
		"https://api.example.com:8443/":   "https://api.example.com:8443",
		"http://127.0.0.1:80/":            "http://127.0.0.1",
		"http://127.0.0.1:443/":           "http://127.0.0.1:443",
		"http://[::1]:8080/":              "http://[::1]:8080",
		"https://[2001:DB8::1]:443/":      "https://[2001:db8::1]",
		"https://user:pw@api.example.com": "https://api.example.com",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := Origin(u); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := originOf("https://{Shop}.acme.example/token"); got != "https://{shop}.acme.example" {
		t.Errorf("the template has the origin %q", got)
	}
}

// Credentials belong to the token endpoint, whichever request describes it.
func TestOriginIsThatOfTheTokenEndpoint(t *testing.T) {
	at := func(host string) *Request { return &Request{URL: "https://" + host + "/token"} }
	for want, d := range map[string]*Definition{
		"https://code":    {Token: map[string]*Request{AuthorizationCode: at("code"), Refresh: at("refresh"), Password: at("password")}},
		"https://mint":    {Token: map[string]*Request{ClientCredentials: at("mint"), Refresh: at("refresh")}},
		"https://pass":    {Token: map[string]*Request{Password: at("pass"), Refresh: at("refresh")}},
		"https://refresh": {Token: map[string]*Request{Refresh: at("refresh")}, API: API{URL: "https://api"}},
		"https://api":     {API: API{URL: "https://api/v1"}},
	} {
		if got := d.Origin(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.1.2.3": true, "::1": true, "::ffff:127.0.0.1": true,
		"localhost.": false, "sub.localhost": false, "localhost.example.com": false, "127.0.0.1.nip.io": false, "0.0.0.0": false,
		"127.1": false, "2130706433": false, "0x7f.0.0.1": false, "::": false, "10.0.0.1": false, "": false, "[::1]": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}
