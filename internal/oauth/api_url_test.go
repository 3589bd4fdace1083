package oauth

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// apiAt returns a configuration whose API is at an address, moved to base.
func apiAt(t testing.TB, address, base string) *Config {
	t.Helper()
	return resolve(t, &provider.Definition{Name: "there", Title: "There", API: provider.API{URL: address}}, base)
}

// resolve returns the configuration of a definition without inputs, moved to base.
func resolve(t testing.TB, d *provider.Definition, base string) *Config {
	t.Helper()
	c, err := Resolve(t.Context(), d, nil, nil, Base{URL: base, Setting: "BASE_URL"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAPIURL(t *testing.T) {
	for _, test := range []struct{ api, base, reference, want string }{
		{"https://api.example.com/v1/", "", "users/getMe/", "https://api.example.com/v1/users/getMe/"},
		{"https://api.example.com/v1/", "", "/v1/users/getMe/", "https://api.example.com/v1/users/getMe/"},
		{"https://api.example.com/v1/", "", "", "https://api.example.com/v1/"},
		{"https://api.example.com/v1", "", "", "https://api.example.com/v1"},
		{"https://api.example.com/v1", "", "/v1", "https://api.example.com/v1"},
		{"https://api.example.com/v1", "", "users", "https://api.example.com/users"},
		{"https://api.example.com/v1/", "", "?page=2", "https://api.example.com/v1/?page=2"},
		{"https://api.example.com/v1/", "", "../v2/a", "https://api.example.com/v2/a"},
		{"https://api.example.com/v1/", "", "../../../../a", "https://api.example.com/a"},
		{"https://api.example.com/v1/", "", "a/./b/../c", "https://api.example.com/v1/a/c"},
		{"https://api.example.com/v1/", "", "a%2Fb", "https://api.example.com/v1/a%2Fb"},
		{"https://api.example.com/v1/", "", "a?b=c%20d&e=f+g", "https://api.example.com/v1/a?b=c%20d&e=f+g"},
		{"https://api.example.com/v1/", "", `a?filter="x"|{y}`, "https://api.example.com/v1/a?filter=%22x%22%7C%7By%7D"},
		{"https://api.example.com/v1/", "", "ação?nome=são", "https://api.example.com/v1/a%C3%A7%C3%A3o?nome=s%C3%A3o"},
		{"https://api.example.com/v1/", "", "a#part", "https://api.example.com/v1/a"},
		{"https://api.example.com/v1/", "", "./a:b", "https://api.example.com/v1/a:b"},
		{"https://api.example.com/v1/", "", "https://api.example.com/v2/a", "https://api.example.com/v2/a"},
		{"https://api.example.com/v1/", "", "HTTPS://API.Example.COM:443/v2/a", "https://api.example.com/v2/a"},
		{"https://api.example.com/v1/", "", "//api.example.com/v2/a", "https://api.example.com/v2/a"},
		{"https://api.example.com/v1/", "", "https://api.example.com", "https://api.example.com/"},
		{"https://api.example.com:8443/v1/", "", "a", "https://api.example.com:8443/v1/a"},

		{"https://api.example.com/v1/", "http://127.0.0.1:9/moloni", "users/getMe/", "http://127.0.0.1:9/moloni/v1/users/getMe/"},
		{"https://api.example.com/v1/", "http://127.0.0.1:9/moloni", "/v1/users/getMe/", "http://127.0.0.1:9/moloni/v1/users/getMe/"},
		{"https://api.example.com/v1/", "http://127.0.0.1:9/moloni/", "/v1/a", "http://127.0.0.1:9/moloni/v1/a"},
		{"https://api.example.com/v1/", "http://127.0.0.1:9", "/v1/a", "http://127.0.0.1:9/v1/a"},
		{"https://api.example.com/v1/", "http://127.0.0.1:9/moloni", "../../../a", "http://127.0.0.1:9/moloni/a"},
		{"https://api.example.com/v1/", "http://127.0.0.1:9/moloni", "https://api.example.com/v2/a", "http://127.0.0.1:9/moloni/v2/a"},
		{"https://api.example.com/v1/", "http://127.0.0.1:9/a%2Fb", "c%2Fd", "http://127.0.0.1:9/a%2Fb/v1/c%2Fd"},
		{"https://api.example.com/v1", "http://127.0.0.1:9/on", "", "http://127.0.0.1:9/on/v1"},
		{"https://api.example.com/v1/", "http://127.0.0.1:9", "/x/..//evil.example/", "http://127.0.0.1:9/evil.example/"},
	} {
		u, err := apiAt(t, test.api, test.base).APIURL(test.reference)
		if err != nil {
			t.Errorf("%q at %s, %s: %v", test.reference, test.api, test.base, err)
		} else if u.String() != test.want {
			t.Errorf("%q at %s, %s: %s instead of %s", test.reference, test.api, test.base, u, test.want)
		}
	}
}

// elsewhere are references that must not be asked for.
var elsewhere = []string{
	"//evil.example/", "///evil.example/x:y@z", "https://evil.example/", "http://api.example.com/v1/", "https:evil", "https:/evil", "https:///evil", "https:",
	"HTTPS://evil.example", "https://api.example.com:8443/", "https://api.example.com:0443/", "https://api.example.com./",
	"https://api.example.com.evil.example/", "https://api.example.com@evil.example/", "https://user@api.example.com/",
	"https://user:hunter2@api.example.com/", "//user:hunter2@api.example.com/", "https://api.example.com%2eevil.example/",
	"https://evil.example#@api.example.com/", "https://evil.example?@api.example.com/", "https://api.example.com\\@evil.example/",
	`\\evil.example/`, `/\evil.example/`, `\/evil.example/`, `https:\\evil.example`, "/\t/evil.example/", "/\n/evil.example/", "\x00//evil.example/",
	" //evil.example/", "//evil.example/ ", "a b", "a\u00a0b", "a\u200bb", "a\u202eb", "a\x7f", "a\u0085b", "a\xffb",
	"ftp://api.example.com/", "file:///etc/passwd", "javascript:alert(1)", "data:,x", "mailto:a@b",
	"%2e%2e/x", "a/%2E%2e/b", ".%2e/x", "%2e/x", "..%2fx", "..%2Fx", "a%2f..%2fb", "%5c..%5cb", "..%5cx", "/%zz", "%", "a:b",
	"https://[::1]/", "https://127.0.0.1/",
}

func TestAPIURLRefuses(t *testing.T) {
	for _, base := range []string{"", "http://127.0.0.1:9/there", "https://proxy.example"} {
		d := apiAt(t, "https://api.example.com/v1/", base)
		for _, reference := range elsewhere {
			u, err := d.APIURL(reference)
			switch {
			case err == nil:
				t.Errorf("%q: %s", reference, u)
			case !fail.Is(err, fail.Usage):
				t.Errorf("%q: %v, of kind %d", reference, err, fail.KindOf(err))
			case strings.Contains(err.Error()+fail.HintOf(err), "hunter2"):
				t.Errorf("%q: a password is in %q", reference, err)
			}
		}
	}
	if _, err := apiAt(t, "", "").APIURL("a"); !fail.Is(err, fail.Usage) {
		t.Errorf("without an API: %v", err)
	}
}

// fine reports whether an address is in the API of d, by every reading of it.
func fine(c *Config, u *url.URL) bool {
	home, err := url.Parse(c.Definition.API.URL)
	if err != nil {
		return false
	}
	prefix := "/"
	if c.base != nil {
		prefix = strings.TrimRight(c.base.EscapedPath(), "/") + "/"
	}
	again, err := url.Parse(u.String())
	if err != nil || provider.Origin(again) != provider.Origin(home) || again.User != nil || again.Fragment != "" {
		return false
	}
	line := u.RequestURI()
	for i := range len(line) {
		if line[i] <= ' ' || line[i] >= 0x7f || line[i] == '\\' {
			return false
		}
	}
	plain, err := url.PathUnescape(again.EscapedPath())
	if err != nil {
		return false
	}
	for _, part := range strings.FieldsFunc(plain, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return false
		}
	}
	return u.Scheme == home.Scheme && u.Host == home.Host && u.Opaque == "" &&
		(strings.HasPrefix(u.EscapedPath(), prefix) || u.EscapedPath() == strings.TrimSuffix(prefix, "/"))
}

func TestOnward(t *testing.T) {
	const page = "http://127.0.0.1:9/there/v1/list?page=1"
	for _, test := range []struct{ reference, want string }{
		{"?page=2", "http://127.0.0.1:9/there/v1/list?page=2"},
		{"/there/v1/list?page=2", "http://127.0.0.1:9/there/v1/list?page=2"},
		{"http://127.0.0.1:9/there/v1/list?page=2#top", "http://127.0.0.1:9/there/v1/list?page=2"},
		{"HTTP://127.0.0.1:9/x", "http://127.0.0.1:9/x"},
		// The provider behind the base URL knows itself under its own name.
		{"https://api.example.com/v1/list?page=2", "http://127.0.0.1:9/there/v1/list?page=2"},
		{"https://api.example.com/v1/../../x", "http://127.0.0.1:9/there/x"},
		{"https://evil.example/v1/list?page=2", ""},
		{"//evil.example/v1/list?page=2", ""},
		{"//localhost:9/v1/list?page=2", ""},
		{"https://127.0.0.1:9/v1/list", ""},
		{"http://user:hunter2@127.0.0.1:9/", ""},
		{"http:opaque", ""},
		{"https://%zz/", ""},
		{"\x00", ""},
	} {
		current, err := url.Parse(page)
		if err != nil {
			t.Fatal(err)
		}
		u, err := apiAt(t, "https://api.example.com/v1/", "http://127.0.0.1:9/there").NextPage(current, test.reference)
		switch {
		case test.want == "" && !fail.Is(err, fail.Unavailable):
			t.Errorf("%q: %v, %v", test.reference, u, err)
		case test.want != "" && err != nil:
			t.Errorf("%q: %v", test.reference, err)
		case test.want != "" && u.String() != test.want:
			t.Errorf("%q: %s instead of %s", test.reference, u, test.want)
		}
	}
}

// FuzzAPIURL: whatever a user writes ends in the provider's own API, or is refused.
func FuzzAPIURL(f *testing.F) {
	for _, reference := range append([]string{"users/getMe/", "/v1/a?b=c", "..", "?x", "#y", "a%2Fb"}, elsewhere...) {
		f.Add(reference)
	}
	var configs []*Config
	for _, base := range []string{"", "http://127.0.0.1:9/there", "http://127.0.0.1:9", "https://proxy.example/a%2Fb/"} {
		configs = append(configs, apiAt(f, "https://api.example.com/v1/", base))
	}
	f.Fuzz(func(t *testing.T, reference string) {
		for _, d := range configs {
			u, err := d.APIURL(reference)
			if err == nil && !fine(d, u) {
				t.Errorf("%q: %#v", reference, u)
			}
			if err != nil && !fail.Is(err, fail.Usage) {
				t.Errorf("%q: %v", reference, err)
			}
		}
	})
}
