package sandbox_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

func TestWholeLife(t *testing.T) {
	for _, p := range players() {
		t.Run(p.name, func(t *testing.T) {
			b := start(t, sandbox.Config{})
			first := b.login(p)
			b.want(b.send(p.whoami(first.str(p.access))), http.StatusOK)

			next := b.send(p.refresh(first.str(p.refreshed)))
			b.want(next, http.StatusOK)
			if next.str(p.access) == first.str(p.access) {
				t.Error("the access token stayed")
			}
			if rotated := next.str(p.refreshed) != first.str(p.refreshed); rotated != p.rotates {
				t.Errorf("refresh token replaced: %v, want %v", rotated, p.rotates)
			}
			b.want(b.send(p.whoami(next.str(p.access))), http.StatusOK)
			b.want(b.send(p.whoami(first.str(p.access))), http.StatusOK) // lives out its time

			again := b.send(p.refresh(first.str(p.refreshed)))
			stats := b.s.Stats()[p.name]
			if p.rotates {
				if again.status != http.StatusBadRequest && again.status != http.StatusUnauthorized {
					t.Errorf("reuse answers %d %s", again.status, again.body)
				}
				if !strings.Contains(b.last().Reason, "spent") || !b.last().Refused {
					t.Errorf("event of reuse: %+v", b.last())
				}
				if stats.ReusedRefreshTokens != 1 || stats.Refreshes != 1 || stats.Refused != 1 {
					t.Errorf("stats after reuse: %+v", stats)
				}
				// Reuse ends nothing else.
				b.want(b.send(p.refresh(next.str(p.refreshed))), http.StatusOK)
			} else {
				b.want(again, http.StatusOK)
				if stats.ReusedRefreshTokens != 0 || stats.Refreshes != 2 {
					t.Errorf("stats: %+v", stats)
				}
			}
			if stats.Requests["refresh"] != 2 || stats.APICalls != 3 {
				t.Errorf("counts of requests: %+v", stats)
			}
			// A refresh token opens no API.
			wrong := http.StatusUnauthorized
			if p.name == "moloni" {
				wrong = http.StatusBadRequest
			}
			b.want(b.send(p.whoami(next.str(p.refreshed))), wrong)
		})
	}
}

func TestLives(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		code, access, refresh time.Duration
	}{
		{"moloni-on", time.Minute, time.Hour, 14 * 24 * time.Hour},
		{"moloni", 10 * time.Minute, time.Hour, 14 * 24 * time.Hour},
		{"mollie", 30 * time.Second, time.Hour, 0},
		{"moneybird", 10 * time.Minute, 0, 0},
		{"monta", 0, time.Hour, 30 * 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, b := play(t, tt.name), start(t, sandbox.Config{})
			if tt.code > 0 {
				late, good := b.code(p), ""
				b.clock.move(time.Nanosecond)
				good = b.code(p)
				b.clock.move(tt.code - time.Nanosecond)
				if a := b.send(p.exchange(late)); a.status != http.StatusBadRequest || !strings.Contains(a.body, "expired") {
					t.Errorf("late code: %d %s", a.status, a.body)
				}
				b.want(b.send(p.exchange(good)), http.StatusOK)
				if a := b.send(p.exchange(good)); a.status != http.StatusBadRequest || !strings.Contains(a.body, "used before") {
					t.Errorf("second exchange: %d %s", a.status, a.body)
				}
				if n := b.s.Stats()[tt.name].ReusedCodes; n != 1 {
					t.Errorf("reused codes: %d", n)
				}
			}
			got := b.login(p)
			if tt.access == 0 {
				b.clock.move(10 * 365 * 24 * time.Hour)
				b.want(b.send(p.whoami(got.str(p.access))), http.StatusOK)
			} else {
				b.clock.move(tt.access - time.Nanosecond)
				b.want(b.send(p.whoami(got.str(p.access))), http.StatusOK)
				b.clock.move(time.Nanosecond)
				if a := b.send(p.whoami(got.str(p.access))); a.status < 400 || !strings.Contains(b.last().Reason, "expired") {
					t.Errorf("dead access token: %d %s", a.status, a.body)
				}
			}
			if tt.refresh == 0 {
				b.clock.move(10 * 365 * 24 * time.Hour)
				b.want(b.send(p.refresh(got.str(p.refreshed))), http.StatusOK)
				return
			}
			b.clock.move(tt.refresh - tt.access)
			if a := b.send(p.refresh(got.str(p.refreshed))); a.status < 400 || !strings.Contains(a.body, "expired") {
				t.Errorf("dead refresh token: %d %s", a.status, a.body)
			}
		})
	}
}

// TestOneWinner: of many parallel uses of one rotating refresh token, exactly one is granted.
func TestOneWinner(t *testing.T) {
	for _, p := range players() {
		t.Run(p.name, func(t *testing.T) {
			b := start(t, sandbox.Config{})
			token := b.login(p).str(p.refreshed)
			const n = 100
			statuses := make([]int, n)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					a, err := b.try(p.refresh(token))
					if err != nil {
						t.Error(err)
					}
					statuses[i] = a.status
				})
			}
			wg.Wait()
			won := 0
			for _, s := range statuses {
				if s == http.StatusOK {
					won++
				}
			}
			stats := b.s.Stats()[p.name]
			want, reused := 1, n-1
			if !p.rotates {
				want, reused = n, 0
			}
			if won != want || stats.Refreshes != want || stats.ReusedRefreshTokens != reused || stats.Requests["refresh"] != n {
				t.Errorf("%d won, want %d; stats %+v", won, want, stats)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			for i, e := range b.events {
				if e.Seq != i+1 {
					t.Fatalf("event %d has number %d", i+1, e.Seq)
				}
			}
		})
	}
}

// TestOneExchange: the same for codes.
func TestOneExchange(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "mollie")
	code := b.code(p)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := b.try(p.exchange(code)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s := b.s.Stats()["mollie"]; s.Exchanges != 1 || s.ReusedCodes != 49 {
		t.Errorf("stats %+v", s)
	}
}

// TestReplies checks the shape of token replies: exactly these names, in this order, with these values.
func TestReplies(t *testing.T) {
	hex40, hex64, id := `"[0-9a-f]{40}"`, `"[0-9a-f]{64}"`, `"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`
	for _, tt := range []struct {
		name string
		cfg  sandbox.Config
		want string
	}{
		{"moloni-on", sandbox.Config{}, `{"accessToken":` + hex64 + `,"accessTokenExpiracy":"2026-03-04T06:06:07Z","refreshToken":` + hex64 + `,"refreshTokenExpiracy":"2026-03-18T05:06:07Z"}`},
		{"moloni-on", sandbox.Config{ExpiracyFormat: "sql"}, `.*"accessTokenExpiracy":"2026-03-04 06:06:07".*`},
		{"moloni-on", sandbox.Config{ExpiracyFormat: "epoch"}, `.*"accessTokenExpiracy":1772604367,.*`},
		{"moloni-on", sandbox.Config{ExpiracyFormat: "epoch_ms"}, `.*"accessTokenExpiracy":1772604367123,.*`},
		{"moloni-on", sandbox.Config{ExpiracyFormat: "seconds"}, `.*"accessTokenExpiracy":3600,.*`},
		{"moloni-on", sandbox.Config{ExpiracyFormat: "text"}, `.*"accessTokenExpiracy":"\[now plus one hour\]".*`},
		{"moloni", sandbox.Config{}, `{"access_token":` + hex40 + `,"expires_in":3600,"token_type":"bearer","scope":null,"refresh_token":` + hex40 + `}`},
		{"mollie", sandbox.Config{}, `{"access_token":"access_\w{30}","refresh_token":"refresh_\w{30}","expires_in":3600,"token_type":"bearer","scope":"organizations.read payments.read"}`},
		{"mollie", sandbox.Config{GrantScopes: map[string][]string{"mollie": {"payments.read"}}}, `.*"scope":"payments.read"}`},
		{"moneybird", sandbox.Config{}, `{"access_token":` + hex64 + `,"token_type":"bearer","refresh_token":` + hex64 + `,"scope":"sales_invoices","created_at":1772600767}`},
		{"moneybird", sandbox.Config{AccessLife: 90 * time.Second}, `.*"token_type":"bearer","expires_in":90,.*`},
		{"monta", sandbox.Config{}, `{"applicationId":1,"userId":1,"accessToken":` + id + `,"accessTokenExpirationDate":"2026-03-04T06:06:07.123456Z","refreshToken":` + id + `,"refreshTokenExpirationDate":"2026-04-03T05:06:07.123456Z"}`},
		{"monta", sandbox.Config{FractionDigits: new(0)}, `.*"accessTokenExpirationDate":"2026-03-04T06:06:07Z".*`},
		{"monta", sandbox.Config{FractionDigits: new(9)}, `.*"accessTokenExpirationDate":"2026-03-04T06:06:07.123456789Z".*`},
	} {
		a := start(t, tt.cfg).login(play(t, tt.name))
		if !regexp.MustCompile("^" + tt.want + "$").MatchString(a.body) {
			t.Errorf("%s replies\n%s\nwant\n%s", tt.name, a.body, tt.want)
		}
		if got := a.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", tt.name, got)
		}
		if got := a.header.Get("Date"); got != "Wed, 04 Mar 2026 05:06:07 GMT" {
			t.Errorf("%s: Date %q is not the sandbox's", tt.name, got)
		}
	}
}

func TestMoloniPassword(t *testing.T) {
	b := start(t, sandbox.Config{Username: "anna", Password: "sandbox pass&word"})
	q := vals("grant_type", "password", "client_id", molID, "client_secret", molSecret, "username", "anna", "password", "sandbox pass&word")
	b.want(b.send(call{path: "/moloni/v1/grant/", query: q}), http.StatusOK, "access_token")
	b.want(b.send(call{method: "POST", path: "/moloni/v1/grant/", query: q}), http.StatusOK, "access_token")
	b.want(b.send(call{path: "/moloni/v1/grant/", query: with(q, "password", "wrong")}), http.StatusBadRequest, "invalid_grant")
	if n := b.s.Stats()["moloni"].Mints; n != 2 {
		t.Errorf("mints %d", n)
	}
}

func TestMoneybirdKeepsRefreshToken(t *testing.T) {
	b, p := start(t, sandbox.Config{Rotate: map[string]bool{"moneybird": false}}), play(t, "moneybird")
	first := b.login(p)
	next := b.send(p.refresh(first.str("refresh_token")))
	if next.status != http.StatusOK || next.str("refresh_token") != first.str("refresh_token") {
		t.Errorf("refresh: %d %s", next.status, next.body)
	}
}

// TestMollieClient: the client may be odd, and may stand in the header or in the body.
func TestMollieClient(t *testing.T) {
	id, secret := "app_a b+c%41:ü", "sandbox s&=+/%2F:é"
	b := start(t, sandbox.Config{ClientID: map[string]string{"mollie": id}, ClientSecret: map[string]string{"mollie": secret}})
	p := play(t, "mollie")
	code := func() string {
		c := p.authorize("state-1234567890")
		c.query.Set("client_id", id)
		u, err := url.Parse(b.send(c).header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return u.Query().Get("code")
	}
	c := p.exchange(code())
	c.user, c.pass = id, secret // not encoded
	if a := b.send(c); a.status != http.StatusUnauthorized || a.str("error") != "invalid_client" || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("raw Basic: %d %s", a.status, a.body)
	}
	c.user, c.pass = url.QueryEscape(id), url.QueryEscape(secret)
	b.want(b.send(c), http.StatusOK, "access_token")

	c = p.exchange(code())
	c.user, c.pass = "", ""
	c.form = with(c.form, "client_id", id, "client_secret", secret)
	b.want(b.send(c), http.StatusOK, "access_token")

	c = call{method: "POST", path: "/mollie/oauth2/tokens", json: map[string]string{
		"grant_type": "authorization_code", "code": code(), "client_id": id, "client_secret": secret,
	}}
	b.want(b.send(c), http.StatusOK, "access_token")
}

// TestMollieRedirect: redirect_uri at refresh exactly if the exchange had one.
func TestMollieRedirect(t *testing.T) {
	p := play(t, "mollie")
	for _, tt := range []struct {
		name, exchange, refresh string
		status                  int
	}{
		{"both", webURI, webURI, 200},
		{"neither", "", "", 200},
		{"missing at refresh", webURI, "", 400},
		{"needless at refresh", "", webURI, 400},
		{"other at refresh", webURI, webURI + "/", 400},
		{"other at exchange", webURI + "/", "", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, sandbox.Config{})
			c := p.exchange(b.code(p))
			c.form = with(c.form, "redirect_uri", tt.exchange)
			a := b.send(c)
			if tt.name == "other at exchange" {
				b.want(a, 400, "invalid_grant", "redirect_uri")
				return
			}
			b.want(a, 200)
			c = p.refresh(a.str("refresh_token"))
			c.form = with(c.form, "redirect_uri", tt.refresh)
			got := b.send(c)
			b.want(got, tt.status)
			if tt.status == 400 && (got.str("error") != "invalid_request" || !strings.Contains(got.body, "redirect_uri")) {
				t.Errorf("refusal %s", got.body)
			}
		})
	}
}

func TestMollieForceEndsTheOthers(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "mollie")
	old := b.login(p)
	c := p.authorize("state-1234567890")
	c.query.Set("approval_prompt", "force")
	b.want(b.send(c), http.StatusFound)
	b.want(b.send(p.whoami(old.str("access_token"))), http.StatusUnauthorized, "Unauthorized Request")
	b.want(b.send(p.whoami("access_SandboxOrganizationTokenSandbox")), http.StatusOK)
}

func TestMollieRevoke(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "mollie")
	revoke := func(hint, token string) call {
		return call{method: "DELETE", path: "/mollie/oauth2/tokens", user: mollieID, pass: mollieSecret, form: vals("token_type_hint", hint, "token", token)}
	}
	got := b.login(p)
	second := b.send(p.refresh(got.str("refresh_token")))

	a := b.send(revoke("access_token", got.str("access_token")))
	if a.status != http.StatusNoContent || a.body != "" {
		t.Errorf("revoke: %d %q", a.status, a.body)
	}
	b.want(b.send(p.whoami(got.str("access_token"))), 401)
	b.want(b.send(p.whoami(second.str("access_token"))), 200) // only the one
	b.want(b.send(revoke("refresh_token", got.str("refresh_token"))), 204)
	b.want(b.send(p.whoami(second.str("access_token"))), 401)
	b.want(b.send(p.refresh(got.str("refresh_token"))), 400, "invalid_grant", "ended")
	b.want(b.send(revoke("refresh_token", "refresh_unknown")), 204)
	b.want(b.send(revoke("access_token", "access_SandboxOrganizationTokenSandbox")), 204)
	b.want(b.send(p.whoami("access_SandboxOrganizationTokenSandbox")), 200) // static: stays
	if n := b.s.Stats()["mollie"].Revokes; n != 2 {
		t.Errorf("revokes %d", n)
	}
	asJSON := call{method: "DELETE", path: "/mollie/oauth2/tokens", user: mollieID, pass: mollieSecret, json: map[string]string{"token_type_hint": "refresh_token", "token": "x"}}
	b.want(b.send(asJSON), 204)

	for name, tt := range map[string]struct {
		c     call
		words []string
	}{
		"POST":      {with2(revoke("refresh_token", "x"), func(c *call) { c.method = "POST" }), []string{"invalid_request", "grant type was not specified"}},
		"no hint":   {with2(revoke("", "x"), func(c *call) { c.form.Del("token_type_hint") }), []string{"invalid_request", "token_type_hint"}},
		"no token":  {with2(revoke("refresh_token", "x"), func(c *call) { c.form.Del("token") }), []string{"invalid_request", "token"}},
		"odd hint":  {revoke("id_token", "x"), []string{"invalid_request", "token_type_hint"}},
		"extra":     {with2(revoke("refresh_token", "x"), func(c *call) { c.form.Set("more", "1") }), []string{"more is not documented"}},
		"in query":  {with2(revoke("", ""), func(c *call) { c.query, c.form = vals("token", "x"), nil }), []string{"not in the URL"}},
		"bad JSON":  {with2(revoke("", ""), func(c *call) { c.form, c.raw, c.media = nil, "{", "application/json" }), []string{"no JSON object"}},
		"no client": {with2(revoke("refresh_token", "x"), func(c *call) { c.user = "" }), []string{"invalid_client"}},
	} {
		a := b.send(tt.c)
		if a.status != 400 && a.status != 401 {
			t.Errorf("%s: %d", name, a.status)
		}
		b.want(a, a.status, tt.words...)
	}
}

func with2(c call, change func(*call)) call {
	change(&c)
	return c
}

func TestMoneybirdRevoke(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "moneybird")
	got := b.login(p)
	f := vals("client_id", birdID, "client_secret", birdSecret, "token", got.str("refresh_token"))
	revoke := func(f url.Values) answer {
		return b.send(call{method: "POST", path: "/moneybird/oauth/revoke", form: f})
	}
	b.want(revoke(with(f, "client_secret", "wrong")), 403, "unauthorized_client")
	b.want(revoke(with(f, "token", "")), 400, "token is missing")
	b.want(revoke(with(f, "more", "x")), 400, "more is not documented")
	b.want(b.send(call{method: "POST", path: "/moneybird/oauth/revoke", form: f, user: "a", pass: "b"}), 400, "no Authorization header")
	b.want(b.send(p.whoami(got.str("access_token"))), 200)
	b.want(revoke(with(f, "token", "unknown")), 200)
	b.want(revoke(with(f, "token_type_hint", "refresh_token")), 200)
	b.want(b.send(p.whoami(got.str("access_token"))), 401, "revoked")
	b.want(b.send(p.refresh(got.str("refresh_token"))), 400, "invalid_grant")
	if n := b.s.Stats()["moneybird"].Revokes; n != 1 {
		t.Errorf("revokes %d", n)
	}
}

func TestStaticTokens(t *testing.T) {
	b := start(t, sandbox.Config{})
	list := b.s.StaticTokens()
	if len(list) != 5 {
		t.Fatalf("static tokens: %+v", list)
	}
	for _, s := range list {
		c := play(t, s.Provider).whoami(s.Value)
		if s.Kind == "API key" && s.Provider == "mollie" {
			b.want(b.send(c), 403, "/v2/profiles/me")
			c.path = "/mollie/v2/profiles/me"
		}
		b.want(b.send(c), 200)
		if n, err := b.s.Expire("", "all"); err != nil || n != 0 {
			t.Errorf("expire ended %d, %v", n, err)
		}
		b.want(b.send(c), 200)
	}
	b.want(b.send(call{path: "/mollie/v2/profiles/me", bearer: b.login(play(t, "mollie")).str("access_token")}), 403)
}

func TestStateCanBeForgotten(t *testing.T) {
	p := play(t, "moloni")
	for _, omit := range []bool{false, true} {
		b := start(t, sandbox.Config{OmitState: map[string]bool{"moloni": omit}})
		u, err := url.Parse(b.send(p.authorize("a b&c")).header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"a b&c"}
		if omit {
			want = nil
		}
		if got := u.Query()["state"]; !slices.Equal(got, want) {
			t.Errorf("omit %v: state %q", omit, got)
		}
	}
}

func TestRedirectKeepsItsQuery(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "moloni-on")
	c := p.authorize("s")
	c.query.Set("redirectUri", "https://Shop.example.test/wp?page=a%20b")
	got := b.send(c).header.Get("Location")
	if !strings.HasPrefix(got, "https://Shop.example.test/wp?page=a%20b&code=") || !strings.HasSuffix(got, "&state=s") {
		t.Errorf("Location %s", got)
	}
}
