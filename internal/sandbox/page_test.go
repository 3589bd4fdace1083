package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

var requestID = regexp.MustCompile(`name="request" value="(\w{32})"`)

func (b *bench) ask(c call) (id string, page answer) {
	b.Helper()
	page = b.send(c)
	m := requestID.FindStringSubmatch(page.body)
	if page.status != 200 || m == nil {
		b.Fatalf("no consent page: %d %s", page.status, page.body)
	}
	return m[1], page
}

func (b *bench) decide(provider, id, decision string) answer {
	b.Helper()
	return b.send(call{method: "POST", path: "/" + provider + "/_consent", form: vals("request", id, "decision", decision)})
}

func TestConsentPage(t *testing.T) {
	for _, name := range []string{"moloni-on", "moloni", "mollie", "moneybird"} {
		t.Run(name, func(t *testing.T) {
			b, p := start(t, sandbox.Config{Consent: sandbox.ConsentAsk}), play(t, name)
			id, page := b.ask(p.authorize("st&ate"))
			for _, word := range []string{`action="/` + name + `/_consent"`, "Allow", "Deny", `lang="en"`, "width=device-width"} {
				if !strings.Contains(page.body, word) {
					t.Errorf("the page lacks %q", word)
				}
			}
			if name == "mollie" && !strings.Contains(page.body, "<code>payments.read</code>") {
				t.Error("the page lacks the scopes")
			}
			a := b.decide(name, id, "allow")
			u, err := url.Parse(a.header.Get("Location"))
			if err != nil || a.status != 303 || u.Query().Get("state") != "st&ate" {
				t.Fatalf("%d %s", a.status, u)
			}
			b.want(b.send(p.exchange(u.Query().Get("code"))), 200)
			b.want(b.decide(name, id, "allow"), 400, "answered before") // once

			id, _ = b.ask(p.authorize("s2"))
			u, err = url.Parse(b.decide(name, id, "deny").header.Get("Location"))
			if err != nil || u.Query().Get("error") != "access_denied" || u.Query().Get("state") != "s2" || u.Query().Has("code") {
				t.Errorf("denied: %s", u)
			}
			b.want(b.decide(name, id, "allow"), 400)
			if s := b.s.Stats()[name]; s.Allowed != 1 || s.Denied != 1 || s.Requests["consent"] != 4 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestConsentWithoutAsking(t *testing.T) {
	b := start(t, sandbox.Config{Consent: sandbox.ConsentDeny})
	a := b.send(play(t, "moloni").authorize("s"))
	if l := a.header.Get("Location"); a.status != 302 || !strings.Contains(l, "error=access_denied") || !strings.Contains(l, "state=s") {
		t.Errorf("%d %s", a.status, l)
	}
}

func TestConsentRefuses(t *testing.T) {
	b, p := start(t, sandbox.Config{Consent: sandbox.ConsentAsk}), play(t, "moneybird")
	b.want(b.decide("moneybird", "invented", "allow"), 400, "never asked")
	id, _ := b.ask(p.authorize("s"))
	b.want(b.decide("mollie", id, "allow"), 400, "never asked") // of another provider
	b.want(b.decide("moneybird", id, "perhaps"), 400, "neither")
	b.want(b.send(call{method: "POST", path: "/moneybird/_consent", form: vals("request", id)}), 400, "decision is missing")
	b.want(b.send(call{method: "POST", path: "/moneybird/_consent", json: map[string]string{}}), 400, "application/json")
	id, _ = b.ask(p.authorize("s"))
	b.clock.move(10 * time.Minute)
	b.want(b.decide("moneybird", id, "allow"), 400, "too long")
	id, _ = b.ask(p.authorize("s"))
	b.clock.move(10 * time.Minute)
	b.ask(p.authorize("s")) // clears old ones away
	b.want(b.decide("moneybird", id, "allow"), 400, "never asked")
}

func TestOutOfBand(t *testing.T) {
	b, p := start(t, sandbox.Config{Consent: sandbox.ConsentAsk}), play(t, "moneybird")
	c := p.authorize("s")
	c.query.Set("redirect_uri", oobURI)
	id, _ := b.ask(c)
	a := b.decide("moneybird", id, "allow")
	m := regexp.MustCompile(`<code id="code">([0-9a-f]{64})</code>`).FindStringSubmatch(a.body)
	if a.status != 200 || m == nil || a.header.Get("Location") != "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	e := p.exchange(m[1])
	b.want(b.send(e), 400, "redirect_uri")
	e.form.Set("redirect_uri", oobURI)
	b.want(b.send(e), 200)

	id, _ = b.ask(c)
	b.want(b.decide("moneybird", id, "deny"), 403, "denied")
}

// TestPagesAreClosed: nothing outside is loaded, the style is the one that the policy names, and what a
// client writes stays text.
func TestPagesAreClosed(t *testing.T) {
	b := start(t, sandbox.Config{
		Consent:  sandbox.ConsentAsk,
		ClientID: map[string]string{"moloni-on": `"><script>alert(1)</script>`},
	})
	c := play(t, "moloni-on").authorize("s")
	c.query.Set("apiClientId", `"><script>alert(1)</script>`)
	c.query.Set("redirectUri", `https://x.example.test/?a="><img src=x>`)
	_, page := b.ask(c)
	c = play(t, "mollie").authorize("s")
	c.query.Set("redirect_uri", "http://<b>x")
	for name, a := range map[string]answer{"ask": page, "refused": b.send(c)} {
		style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(a.body)
		if style == nil {
			t.Fatalf("%s: no style", name)
		}
		sum := sha256.Sum256([]byte(style[1]))
		csp := a.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || !strings.HasPrefix(csp, "default-src 'none';") {
			t.Errorf("%s: policy %s", name, csp)
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(style[1], "url(") || strings.Contains(a.body, "<script") || strings.Contains(a.body, "<img") || strings.Contains(a.body, "<b>x") {
			t.Errorf("%s: %s", name, a.body)
		}
		for _, m := range regexp.MustCompile(`<[^>]*(?:src|href)="?([^"\s>]*)`).FindAllStringSubmatch(a.body, -1) {
			if m[1] != "data:," {
				t.Errorf("%s loads %q", name, m[1])
			}
		}
		for header, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"} {
			if got := a.header.Get(header); got != want {
				t.Errorf("%s: %s %q", name, header, got)
			}
		}
	}
}
