package sandbox_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

func (b *bench) inject(f sandbox.Fault) {
	b.Helper()
	if err := b.s.Inject(f); err != nil {
		b.Fatal(err)
	}
}

// TestFaults plays each kind at each provider's refresh. spent says whether the token is gone afterwards.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		f     sandbox.Fault
		spent bool
		check func(*testing.T, player, answer)
	}{
		{sandbox.Fault{Kind: "status", Status: 418, Body: "kaputt", ContentType: "text/x-odd", Headers: map[string]string{"X-Odd": "yes"}}, false, func(t *testing.T, _ player, a answer) {
			if a.status != 418 || a.body != "kaputt" || a.header.Get("Content-Type") != "text/x-odd" || a.header.Get("X-Odd") != "yes" {
				t.Errorf("%d %q %v", a.status, a.body, a.header)
			}
		}},
		{sandbox.Fault{Kind: "status"}, false, func(t *testing.T, _ player, a answer) { is(t, a, 500, "") }},
		{sandbox.Fault{Kind: "status", Status: 204, Body: "x"}, false, func(t *testing.T, _ player, a answer) { is(t, a, 204, "") }},
		{sandbox.Fault{Kind: "html"}, false, func(t *testing.T, _ player, a answer) {
			if is(t, a, 200, "<html>"); !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
				t.Error(a.header)
			}
		}},
		{sandbox.Fault{Kind: "html", Status: 502, Body: "<b>gateway</b>"}, false, func(t *testing.T, _ player, a answer) { is(t, a, 502, "<b>gateway") }},
		{sandbox.Fault{Kind: "empty"}, false, func(t *testing.T, _ player, a answer) {
			if is(t, a, 200, ""); a.body != "" {
				t.Errorf("body %q", a.body)
			}
		}},
		{sandbox.Fault{Kind: "truncated"}, false, func(t *testing.T, p player, a answer) {
			if is(t, a, 200, `{"`+p.access); a.json != nil {
				t.Errorf("body %q is whole", a.body)
			}
		}},
		{sandbox.Fault{Kind: "truncated", Handled: new(true)}, true, func(t *testing.T, _ player, a answer) {
			if is(t, a, 200, `{"`); a.json != nil {
				t.Errorf("body %q is whole", a.body)
			}
		}},
		{sandbox.Fault{Kind: "huge", Bytes: 3 << 20}, false, func(t *testing.T, p player, a answer) {
			if is(t, a, 200, `{"`+p.access+`": "aaa`); len(a.body) < 3<<20 {
				t.Errorf("%d bytes", len(a.body))
			}
		}},
		{sandbox.Fault{Kind: "redirect", Location: "https://evil.example.test/?t={refresh_token}"}, false, func(t *testing.T, _ player, a answer) {
			if l := a.header.Get("Location"); a.status != 302 || !strings.HasPrefix(l, "https://evil.example.test/?t=") || len(l) < 50 {
				t.Errorf("%d %q", a.status, l)
			}
		}},
		{sandbox.Fault{Kind: "wrong_type"}, true, func(t *testing.T, p player, a answer) {
			_, object := a.json[p.access].(map[string]any)
			if is(t, a, 200, ""); !object || fmt.Sprint(a.json[p.refreshed]) != "12345" {
				t.Error(a.body)
			}
		}},
		{sandbox.Fault{Kind: "date", Seconds: -7200}, true, func(t *testing.T, _ player, a answer) {
			if is(t, a, 200, ""); a.header.Get("Date") != "Wed, 04 Mar 2026 03:06:07 GMT" {
				t.Error(a.header)
			}
		}},
		{sandbox.Fault{Kind: "no_refresh_token"}, true, func(t *testing.T, p player, a answer) {
			if is(t, a, 200, p.access); strings.Contains(a.body, p.refreshed) {
				t.Error(a.body)
			}
		}},
		{sandbox.Fault{Kind: "no_expiry"}, true, func(t *testing.T, p player, a answer) {
			if is(t, a, 200, p.refreshed); strings.Contains(a.body, "xpir") {
				t.Error(a.body)
			}
		}},
		{sandbox.Fault{Kind: "error", Error: "invalid_grant", Description: "gone"}, false, func(t *testing.T, p player, a answer) { is(t, a, 400, "gone") }},
		{sandbox.Fault{Kind: "error_in_200"}, false, func(t *testing.T, _ player, a answer) {
			if is(t, a, 200, "rror"); a.json == nil {
				t.Error(a.body)
			}
		}},
		{sandbox.Fault{Kind: "escape"}, false, func(t *testing.T, _ player, a answer) {
			if is(t, a, 400, ""); !strings.Contains(a.str("error_description")+a.str("error")+a.str("message"), "\x1b[31m") {
				t.Error(a.body)
			}
		}},
		{sandbox.Fault{Kind: "429", Seconds: 7}, false, func(t *testing.T, p player, a answer) {
			want := "7"
			if p.name == "moneybird" {
				want = strconv.FormatInt(newClock().t.Unix()+7, 10)
				if a.body != "Retry later" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") || a.header.Get("RateLimit-Limit") == "" {
					t.Errorf("%q %v", a.body, a.header)
				}
			}
			if p.name == "monta" {
				is(t, a, 429, `"rateLimitResponse":{"exceeded":true`)
			}
			if is(t, a, 429, ""); a.header.Get("Retry-After") != want {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		}},
		{sandbox.Fault{Kind: "503", Seconds: 60, Form: "date"}, false, func(t *testing.T, _ player, a answer) {
			if is(t, a, 503, ""); a.header.Get("Retry-After") != "Wed, 04 Mar 2026 05:07:07 GMT" {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		}},
		{sandbox.Fault{Kind: "503", Form: "delta"}, false, func(t *testing.T, _ player, a answer) {
			if is(t, a, 503, ""); a.header.Get("Retry-After") != "0" {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		}},
		{sandbox.Fault{Kind: "delay", Milliseconds: 1}, true, func(t *testing.T, p player, a answer) { is(t, a, 200, p.access) }},
		{sandbox.Fault{Kind: "delay_reply", Milliseconds: 1}, true, func(t *testing.T, p player, a answer) { is(t, a, 200, p.access) }},
	} {
		for _, p := range players() {
			t.Run(tt.f.Kind+" "+p.name, func(t *testing.T) {
				b := start(t, sandbox.Config{})
				token := b.login(p).str(p.refreshed)
				f := tt.f
				f.Provider, f.On = p.name, "refresh"
				b.inject(f)
				tt.check(t, p, b.send(p.refresh(token)))
				if e := b.last(); e.Fault != tt.f.Kind {
					t.Errorf("event %+v", e)
				}
				s := b.s.Stats()[p.name]
				if s.Faults != 1 || (s.Refreshes == 1) != tt.spent || s.Refused != 0 {
					t.Errorf("stats %+v", s)
				}
				if gone := b.send(p.refresh(token)).status != 200; gone != (tt.spent && p.rotates) {
					t.Errorf("token spent: %v", gone)
				}
			})
		}
	}
}

func is(t *testing.T, a answer, status int, word string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, word) {
		t.Errorf("%d %.300q, want %d with %q", a.status, a.body, status, word)
	}
}

// TestFaultsWithoutAnswer: drop and hang leave the client with nothing; drop_reply and delay_reply have
// spent the token by then, drop, hang and delay have not.
func TestFaultsWithoutAnswer(t *testing.T) {
	for _, tt := range []struct {
		f     sandbox.Fault
		spent bool
	}{
		{sandbox.Fault{Kind: "drop"}, false},
		{sandbox.Fault{Kind: "hang"}, false},
		{sandbox.Fault{Kind: "delay", Milliseconds: 60_000}, false},
		{sandbox.Fault{Kind: "drop_reply"}, true},
		{sandbox.Fault{Kind: "delay_reply", Milliseconds: 60_000}, true},
		{sandbox.Fault{Kind: "hang", Handled: new(true)}, true},
	} {
		t.Run(tt.f.Kind, func(t *testing.T) {
			b, p := start(t, sandbox.Config{}), play(t, "monta")
			token := b.login(p).str(p.refreshed)
			b.inject(tt.f)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "POST", b.url+"/monta/api/v1/auth/refresh", strings.NewReader(`{"refreshToken":"`+token+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if resp, err := b.client.Do(req); err == nil {
				_ = resp.Body.Close()
				t.Fatalf("an answer came: %d", resp.StatusCode)
			}
			if gone := b.send(p.refresh(token)).status != 200; gone != tt.spent {
				t.Errorf("token spent: %v", gone)
			}
		})
	}
}

func TestFaultEcho(t *testing.T) {
	for _, p := range players() {
		b := start(t, sandbox.Config{})
		got := b.login(p)
		token := got.str(p.refreshed)
		b.inject(sandbox.Fault{Kind: "echo", On: "refresh"})
		a := b.send(p.refresh(token))
		is(t, a, 400, token)
		if secret := b.s.Variables("")[2].Value; p.name == "moloni-on" && !strings.Contains(a.body, secret) {
			t.Errorf("no secret in %s", a.body)
		}
		if p.name == "mollie" && !strings.Contains(a.body, mollieSecret) {
			t.Errorf("no Basic secret in %s", a.body)
		}
		b.inject(sandbox.Fault{Kind: "status", On: "api", Status: 500, Body: "[{access_token}|{client_id}|{other}]"})
		is(t, b.send(p.whoami(got.str(p.access))), 500, "["+got.str(p.access)+"||{other}]")
	}
	b := start(t, sandbox.Config{})
	b.inject(sandbox.Fault{Kind: "status", Body: "{client_id}/{client_secret}/{code}"})
	is(t, b.send(play(t, "mollie").exchange("auth_1")), 500, mollieID+"/"+mollieSecret+"/auth_1")
	b.inject(sandbox.Fault{Kind: "echo"})
	is(t, b.send(call{method: "POST", path: "/mollie/oauth2/tokens", header: map[string]string{"Authorization": "Basic %"}}), 400, "what you sent: ")
}

// TestFaultCounting: after requests that pass, times that are hit, and only what fits.
func TestFaultCounting(t *testing.T) {
	b, p, other := start(t, sandbox.Config{}), play(t, "monta"), play(t, "mollie")
	token, foreign := b.login(p).str(p.access), b.login(other).str(other.access)
	b.inject(sandbox.Fault{Provider: "monta", On: "api", Kind: "503", After: 2, Times: 2})
	for i, want := range []int{200, 200, 503, 503, 200} {
		if a := b.send(p.whoami(token)); a.status != want {
			t.Errorf("request %d: %d, want %d", i, a.status, want)
		}
		b.want(b.send(other.whoami(foreign)), 200)
		b.want(b.send(p.mint()), 200)
	}
	if got := b.s.Stats()["monta"]; got.APICalls != 3 || got.Faults != 2 || got.Requests["api"] != 5 {
		t.Errorf("stats %+v", got) // a request that a fault kept away was no success
	}
	b.inject(sandbox.Fault{Kind: "empty", Times: -1})
	for range 3 {
		a := b.send(p.whoami(token))
		is(t, a, 200, "")
		if a.body != "" {
			t.Errorf("body %q", a.body)
		}
	}
	if n := len(b.s.Faults()); n != 1 {
		t.Errorf("%d faults", n)
	}
	b.s.ClearFaults()
	b.want(b.send(p.whoami(token)), 200, "Sandbox Application")
}

func TestFaultOnEveryOperation(t *testing.T) {
	b, p := start(t, sandbox.Config{}), play(t, "mollie")
	for _, on := range []string{"authorize", "token", "refresh", "revoke", "api"} {
		c := map[string]call{
			"authorize": p.authorize("s"), "token": p.exchange("x"), "refresh": p.refresh("x"), "api": p.whoami("x"),
			"revoke": {method: "DELETE", path: "/mollie/oauth2/tokens"},
		}[on]
		b.inject(sandbox.Fault{On: on, Kind: "truncated"})
		is(t, b.send(c), 200, `{"`)
		if e := b.last(); e.Operation != on {
			t.Errorf("%s: event %+v", on, e)
		}
	}
}

// TestFaultHuge streams: what is not read is not made.
func TestFaultHuge(t *testing.T) {
	b := start(t, sandbox.Config{})
	b.inject(sandbox.Fault{Kind: "huge"}) // 2 GiB
	req, err := http.NewRequestWithContext(t.Context(), "GET", b.url+"/monta/api/v1/auth/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.CopyN(io.Discard, resp.Body, 5<<20); err != nil || resp.ContentLength != -1 {
		t.Errorf("%d bytes, %v, length %d", n, err, resp.ContentLength)
	}
}

func TestFaultRefuses(t *testing.T) {
	b := start(t, sandbox.Config{Providers: []string{"monta"}})
	for word, f := range map[string]sandbox.Fault{
		"unknown kind":  {Kind: "meteor"},
		"unknown on":    {Kind: "drop", On: "login"},
		"times":         {Kind: "drop", Times: -2},
		"after":         {Kind: "drop", After: -1},
		"status 99":     {Kind: "status", Status: 99},
		"bytes":         {Kind: "huge", Bytes: 2<<30 + 1},
		"milliseconds":  {Kind: "delay", Milliseconds: 600_001},
		"form":          {Kind: "429", Form: "roman"},
		"location":      {Kind: "redirect"},
		"not played":    {Kind: "drop", Provider: "mollie"},
		"known: author": {Kind: "drop", On: "x"},
	} {
		if err := b.s.Inject(f); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	if n := len(b.s.Faults()); n != 0 {
		t.Errorf("%d faults were taken", n)
	}
}
