package callback

import (
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestRedirectURIDecides(t *testing.T) {
	for _, c := range []struct {
		uri   string
		way   way
		port  int
		addrs string
	}{
		{"http://127.0.0.1:8976/callback", overHTTP, 8976, "127.0.0.1"},
		{"http://localhost:8976/callback", overHTTP, 8976, "127.0.0.1 ::1"},
		{"http://LocalHost:8976", overHTTP, 8976, "127.0.0.1 ::1"},
		{"http://[::1]:8976/callback", overHTTP, 8976, "::1"},
		{"http://[0:0:0:0:0:0:0:1]:8976/callback", overHTTP, 8976, "::1"},
		{"http://127.0.0.1/callback", overHTTP, 80, "127.0.0.1"},
		{"https://localhost/callback", overTLS, 443, "127.0.0.1 ::1"},
		{"https://localhost:8976/callback", overTLS, 8976, "127.0.0.1 ::1"},
		{"https://127.0.0.1:0/", overTLS, 0, "127.0.0.1"},
		{"urn:ietf:wg:oauth:2.0:oob", outOfBand, 0, ""},
		{"urn:ietf:wg:oauth:2.0:oob:auto", outOfBand, 0, ""},
		{"https://myapp.example/callback", byAddress, 0, ""},
		{"http://127.0.0.1.evil.example:80/", byAddress, 0, ""},
		{"http://127.0.0.1@evil.example/", byAddress, 0, ""},
		{"http://localhost.evil.example/", byAddress, 0, ""},
		{"http://0.0.0.0:8976/", byAddress, 0, ""},
		{"http://[::]:8976/", byAddress, 0, ""},
		{"http://192.168.1.2:8976/", byAddress, 0, ""},
		{"http://127.0.0.2:8976/", byAddress, 0, ""},
		{"http://[::ffff:127.0.0.1]:8976/", byAddress, 0, ""},
		{"com.example.app:/callback", byAddress, 0, ""},
	} {
		got, err := parseRedirect(c.uri)
		if err != nil {
			t.Errorf("%s: %v", c.uri, err)
			continue
		}
		var addrs []string
		for _, a := range got.addrs {
			addrs = append(addrs, a.String())
			if !a.IsLoopback() {
				t.Errorf("%s binds %v", c.uri, a)
			}
		}
		if got.way != c.way || (got.listens() && got.port != c.port) || strings.Join(addrs, " ") != c.addrs {
			t.Errorf("%s: way %d, port %d, addresses %v", c.uri, got.way, got.port, addrs)
		}
	}
}

func TestBadRedirectURI(t *testing.T) {
	for _, uri := range []string{"", "callback", "/callback", "localhost:8976/callback", "127.0.0.1:8976/callback", "http://", "http:///cb", "https:cb", "http://127.0.0.1:70000/", "http://127.0.0.1:x/", "http://127.0.0.1:1/#f", "http://a\x1b/", " http://127.0.0.1/"} {
		_, err := Listen(Options{RedirectURI: uri, OpenTerminal: noTerminal})
		kindAndAdvice(t, err, fail.Usage, "redirect URI", fail.DoGiveRedirectURI)
	}
}

func TestPortTakesThePlaceOfZero(t *testing.T) {
	for uri, want := range map[string]string{
		"http://127.0.0.1:0/cb":          "http://127.0.0.1:41/cb",
		"HTTP://LocalHost:0":             "HTTP://LocalHost:41",
		"http://[::1]:0?x=a:0":           "http://[::1]:41?x=a:0",
		"http://localhost:00/a:0/%7e":    "http://localhost:41/a:0/%7e",
		"http://u:0@localhost:0/":        "http://u:0@localhost:41/",
		"http://127.0.0.1:8976/Cb%7e?a=": "http://127.0.0.1:8976/Cb%7e?a=",
		"http://127.0.0.1:08976/":        "http://127.0.0.1:08976/",
	} {
		got, err := parseRedirect(uri)
		if err != nil {
			t.Fatal(err)
		}
		if s := got.withPort(41); s != want {
			t.Errorf("%s: %s, want %s", uri, s, want)
		}
	}
}

func TestHostOfDefaultPort(t *testing.T) {
	for uri, want := range map[string]string{
		"http://127.0.0.1/":       "127.0.0.1:80 127.0.0.1",
		"https://localhost:443/":  "localhost:443 localhost",
		"https://localhost:80/":   "localhost:80",
		"http://[::1]:443/":       "[::1]:443",
		"http://LOCALHOST:8976/x": "localhost:8976",
	} {
		got, err := parseRedirect(uri)
		if err != nil {
			t.Fatal(err)
		}
		if s := strings.Join(got.hosts(got.port), " "); s != want {
			t.Errorf("%s: %s, want %s", uri, s, want)
		}
	}
}
