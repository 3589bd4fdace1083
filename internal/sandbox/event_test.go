package sandbox_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/sandbox"
)

// TestEventsHoldNoSecret lets every secret there is pass by, also in wrong places, and then searches the
// events for it: raw, URL-encoded and in base64.
func TestEventsHoldNoSecret(t *testing.T) {
	b := start(t, sandbox.Config{})
	var secrets []string
	add := func(values ...string) { secrets = append(secrets, values...) }
	add(onSecret, molSecret, mollieSecret, birdSecret, montaSecret, "sandbox-moloni-password")
	for _, p := range players() {
		add("state-of-" + p.name + "-1234567890")
		var c call
		if p.mint != nil {
			c = p.mint()
		} else {
			u, err := url.Parse(b.send(p.authorize("state-of-" + p.name + "-1234567890")).header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			c = p.exchange(u.Query().Get("code"))
			add(u.Query().Get("code"))
		}
		got := b.send(c)
		next := b.send(p.refresh(got.str(p.refreshed)))
		b.send(p.refresh(got.str(p.refreshed)))
		b.send(p.whoami(got.str(p.access)))
		for _, a := range []answer{got, next} {
			add(a.str(p.access), a.str(p.refreshed))
		}
		// In the wrong place, and under a wrong name.
		b.send(call{path: "/" + p.name + "/x", query: vals("client_id", got.str(p.access), "scope", got.str(p.refreshed), "huch", got.str(p.access))})
		b.send(call{path: "/" + p.name + "/x", query: vals("redirect_uri", "https://x.example.test/?s="+onSecret+molSecret+mollieSecret+birdSecret+montaSecret)})
	}
	b.send(call{path: "/moloni/v1/grant/", query: vals("grant_type", "password", "client_id", molID, "client_secret", molSecret, "username", "u", "password", "sandbox-moloni-password")})
	for _, s := range b.s.StaticTokens() {
		b.send(play(t, s.Provider).whoami(s.Value))
		add(s.Value)
	}
	b.inject(sandbox.Fault{Kind: "echo"})
	b.send(play(t, "mollie").exchange("auth_12345678901234567890"))
	add("auth_12345678901234567890")

	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		text := fmt.Sprintf("%+v", e)
		for _, s := range secrets {
			if s == "" {
				t.Fatal("a secret is empty: the test looks for nothing")
			}
			basic := base64.StdEncoding.EncodeToString([]byte(mollieID + ":" + s))
			for _, form := range []string{s, url.QueryEscape(s), base64.StdEncoding.EncodeToString([]byte(s)), basic, s[:len(s)/2+1]} {
				if strings.Contains(text, form) {
					t.Errorf("%q in %s", form, text)
				}
			}
		}
	}
	if len(b.events) < 40 {
		t.Errorf("only %d events", len(b.events))
	}
}

func TestEventTells(t *testing.T) {
	b := start(t, sandbox.Config{})
	b.send(play(t, "mollie").exchange("auth_12345678901234567890"))
	e := b.last()
	want := "[{In:header Name:Basic Value:YXBw…} {In:form Name:code Value:auth…} {In:form Name:grant_type Value:authorization_code} {In:form Name:redirect_uri Value:" + webURI + "}]"
	if got := fmt.Sprintf("%+v", e.Parameters); got != want {
		t.Errorf("parameters\n%s\nwant\n%s", got, want)
	}
	if e.Provider != "mollie" || e.Operation != "token" || e.Method != "POST" || e.Path != "/mollie/oauth2/tokens" || e.Status != 400 || e.Time.IsZero() {
		t.Errorf("event %+v", e)
	}
	b.send(play(t, "monta").mint())
	if got := fmt.Sprintf("%+v", b.last().Parameters); !strings.Contains(got, "{In:json Name:clientSecret Value:sand…}") || !strings.Contains(got, montaID) {
		t.Errorf("parameters %s", got)
	}
	b.send(call{method: "POST", path: "/monta/x", raw: `{"page":{"a":1},"pin":"12345678901"}`, media: "application/json"})
	if got := fmt.Sprintf("%+v", b.last().Parameters); !strings.Contains(got, `Value:{"a":1}`) || !strings.Contains(got, "{In:json Name:pin Value:…}") {
		t.Errorf("parameters %s", got)
	}
}

// TestEventsFitATerminal: what a client writes does not steer the terminal that shows it.
func TestEventsFitATerminal(t *testing.T) {
	b := start(t, sandbox.Config{})
	b.send(call{path: "/mollie/%1b%5d0;x", query: vals("client_id", "\x1b[31mred\n"+strings.Repeat("x", 1000), "na\x1bme", "1", "scope", "\xff\u009b")})
	e := b.last()
	text := fmt.Sprintf("%+v", e)
	for _, r := range text {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			t.Fatalf("control character %U in %q", r, text)
		}
	}
	if len(text) > 1000 {
		t.Errorf("%d bytes", len(text))
	}
	c := play(t, "mollie").authorize("s")
	c.query.Set("scope", "a\x1bb")
	b.send(c)
	if r := b.last().Reason; strings.Contains(r, "\x1b") || r == "" {
		t.Errorf("reason %q", r)
	}
}
