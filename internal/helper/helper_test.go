package helper

import (
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

// A token is handed out for exactly the hosts that were named, and only where nobody can read it on its way.
func TestAllow(t *testing.T) {
	hosts := []string{"git.example.com", "other.example:8443", "127.0.0.1:3000", "[::1]:3000", "localhost", "10.0.0.1", "0.0.0.0:3000"}
	for address, want := range map[string]bool{
		"https://git.example.com":           true,
		"https://GIT.example.com:443":       true,
		"HTTPS://git.example.com":           true,
		"https://other.example:8443":        true,
		"http://127.0.0.1:3000":             true,
		"http://[::1]:3000":                 true,
		"http://localhost:80":               true,
		"https://git.example.com:80":        false,
		"https://git.example.com:444":       false,
		"https://other.example":             false,
		"https://x.git.example.com":         false,
		"https://xgit.example.com":          false,
		"https://example.com":               false,
		"https://git.example.com.x":         false,
		"https://git.example.com@x.example": false,
		"https://":                          false,
		"http://git.example.com":            false,
		"http://10.0.0.1":                   false,
		"http://0.0.0.0:3000":               false,
		"ftp://127.0.0.1:3000":              false,
		"://git.example.com":                false,
	} {
		scheme, host, _ := strings.Cut(address, "://")
		if err := allow(scheme, host, hosts); (err == nil) != want || err != nil && fail.KindOf(err) != fail.Usage {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := allow("https", "git.example.com", nil); err == nil {
		t.Error("a helper without hosts allows one")
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:80": true, "127.0.0.1": true, "127.9.9.9:1": true, "[::1]": true, "[::1]:80": true,
		"localhost.example": false, "127.0.0.1.example": false, "0.0.0.0": false, "[::]": false, "10.0.0.1": false, "": false,
	} {
		if err := checkSecure("http", host); (err == nil) != want {
			t.Errorf("%q: %v", host, err)
		}
	}
}

// The last value of an attribute counts, as for git, so that the host that is checked is the one that git means.
func TestRequestOfGit(t *testing.T) {
	request := parseGit("host=a\r\nhost=b\ncapability[]=x\ncapability[]=\ncapability[]=y\nno value\n\nhost=c\n")
	if request.value("host") != "b" || len(request["capability[]"]) != 1 || request.value("capability[]") != "y" {
		t.Errorf("read %v", request)
	}
}

func TestRegistriesOfDocker(t *testing.T) {
	d := &Docker{Registries: map[string]account.Name{"registry.example:5000": {Provider: "monta"}, "localhost:5000": {Provider: "mollie"}}}
	for server, want := range map[string]string{
		"registry.example:5000":                "monta",
		"https://registry.example:5000/v1/":    "monta",
		"http://localhost:5000":                "mollie",
		"http://registry.example:5000":         "",
		"registry.example":                     "",
		"registry.example:5000@other.example":  "",
		"registry.example:5000.other.example":  "",
		"https://other.example/localhost:5000": "",
		"":                                     "",
	} {
		name, err := d.find(registry(server))
		if err != nil {
			name = account.Name{}
		}
		if name.Provider != want {
			t.Errorf("%q: %q, %v", server, name.Provider, err)
		}
	}
}

func TestTheRequestOfAToolIsBounded(t *testing.T) {
	if text, err := readInput(strings.NewReader(strings.Repeat("x", maxInput))); err != nil || len(text) != maxInput {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if _, err := readInput(strings.NewReader(strings.Repeat("x", maxInput+1))); fail.KindOf(err) != fail.Usage {
		t.Errorf("a larger one: %v", err)
	}
}
