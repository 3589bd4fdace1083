package doctor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/session"
)

func TestNearestVariable(t *testing.T) {
	providers := []string{"mollie", "moloni", "moloni-on"}
	for variable, want := range map[string]string{
		"TOKENCLI_MOLLIE_CLIENT_SERCET":          "TOKENCLI_MOLLIE_CLIENT_SECRET",
		"TOKENCLI_MOLIE_CLIENT_ID":               "TOKENCLI_MOLLIE_CLIENT_ID",
		"TOKENCLI_MOLONION_CLIENT_ID":            "TOKENCLI_MOLONI_ON_CLIENT_ID",
		"TOKENCLI_MOLLIE_CLIENTID":               "TOKENCLI_MOLLIE_CLIENT_ID",
		"TOKENCLI_MOLLIE__SHOP_B_CLIENT_SECERT":  "TOKENCLI_MOLLIE__SHOP_B_CLIENT_SECRET",
		"TOKENCLI_FILEKEY":                       "TOKENCLI_FILE_KEY",
		"TOKENCLI_STOR":                          "TOKENCLI_STORE",
		"TOKENCLI_STATEDIR":                      "TOKENCLI_STATE_DIR",
		"TOKENCLI_ACME_CLIENT_ID":                "",
		"TOKENCLI_SOMETHING_ELSE_ALTOGETHER":     "",
		"TOKENCLI_MOLLIE__SHOP_B_COMPLETELY_NEW": "",
	} {
		if got := nearest(variable, providers); got != want {
			t.Errorf("%s: %q instead of %q", variable, got, want)
		}
	}
}

func TestVariablesOfAccounts(t *testing.T) {
	providers := []string{"mollie", "moloni", "moloni-on"}
	for variable, want := range map[string]string{
		"TOKENCLI_MOLLIE_CLIENT_ID":         "mollie",
		"TOKENCLI_MOLONI_ON_CLIENT_ID":      "moloni-on",
		"TOKENCLI_MOLLIE__SHOP_B_CLIENT_ID": "mollie/shop-b",
		"TOKENCLI_MOLLIE__CLIENT_ID":        "",
		"TOKENCLI_MOLLIE__B_BASE_URL":       "",
		"TOKENCLI_MOLLIEX_CLIENT_ID":        "",
		"TOKENCLI_STORE":                    "",
	} {
		got := ""
		if name, _, known := account.ParseVar(variable, providers); known {
			got = name.String()
		}
		if got != want {
			t.Errorf("%s: %q instead of %q", variable, got, want)
		}
	}
}

func examine(t *testing.T) *run {
	t.Helper()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	p := &Input{Getenv: func(string) string { return "" }, Now: func() time.Time { return now }, Session: session.Options{Store: "file"}}
	e := &run{Input: p, proved: make(chan struct{}), asked: make(chan struct{})}
	return e
}

func TestClockByTheNearest(t *testing.T) {
	for _, c := range []struct {
		ahead []time.Duration
		state State
		text  string
	}{
		{nil, OK, "not compared"},
		{[]time.Duration{time.Second}, OK, "accurate to 1s"},
		{[]time.Duration{-time.Minute}, OK, "accurate to 1m0s"},
		{[]time.Duration{61 * time.Second}, Problem, "it is 1m1s behind the clock of a"},
		{[]time.Duration{-10 * time.Minute, -9 * time.Minute}, Problem, "it is 9m0s ahead of the clock of a, b"},
		{[]time.Duration{time.Second, time.Hour}, Warning, "b's clock is 1h0m0s fast, the others agree"},
	} {
		e := examine(t)
		for i, ahead := range c.ahead {
			e.skews = append(e.skews, skew{string(rune('a' + i)), ahead})
		}
		close(e.asked)
		got := e.clock(context.Background())
		if len(got) != 1 || got[0].State != c.state || !strings.Contains(got[0].Text, c.text) {
			t.Errorf("%v: %+v", c.ahead, got)
		}
	}
}

func TestWhatARecordTells(t *testing.T) {
	name := account.Name{Provider: "acme"}
	d := &provider.Definition{Name: "acme", Title: "Acme", API: provider.API{URL: "https://api.acme.example/"}}
	e := examine(t)
	now := e.Now()
	valid := credential.Credential{Account: name, Grant: credential.AuthorizationCode, Origin: "https://api.acme.example", AccessToken: "access", RefreshToken: "refresh", ObtainedAt: now, AccessExpiresAt: now.Add(time.Hour)}
	for what, c := range map[string]struct {
		change func(*credential.Credential)
		state  State
		kind   fail.Kind
		text   string
	}{
		"valid":           {func(*credential.Credential) {}, OK, 0, "valid by authorization_code, access until 2026-11-22 13:00 UTC"},
		"other origin":    {func(c *credential.Credential) { c.Origin = "https://elsewhere.example" }, Problem, fail.LoginNeeded, "belongs to https://elsewhere.example, but"},
		"ended":           {func(c *credential.Credential) { c.Ended, c.EndedReason = now, "invalid_grant" }, Problem, fail.LoginNeeded, "ended this login on 2026-11-22: invalid_grant"},
		"expired":         {func(c *credential.Credential) { c.RefreshToken, c.AccessExpiresAt = "", now }, Problem, fail.LoginNeeded, "there is no refresh token"},
		"cut off":         {func(c *credential.Credential) { c.Presented = now.Add(-time.Hour) }, Warning, 0, "a refresh was interrupted on 2026-11-22 11:00 UTC"},
		"being refreshed": {func(c *credential.Credential) { c.Presented = now.Add(-time.Second) }, OK, 0, "valid"},
		"from tomorrow":   {func(c *credential.Credential) { c.ObtainedAt = now.Add(time.Hour) }, Warning, 0, "obtained in the future"},
		"a little ahead":  {func(c *credential.Credential) { c.ObtainedAt = now.Add(30 * time.Second) }, OK, 0, "valid"},
	} {
		kept := valid
		c.change(&kept)
		seen := &session.Inspection{Definition: d, Kept: &kept, State: session.Valid}
		if c.kind == fail.LoginNeeded {
			seen.State = session.LoginNeeded
			seen.Blocked = fail.New(fail.LoginNeeded, "there is no refresh token")
		}
		findings := e.account(name, accountView{Inspection: seen}, map[string]port{})
		i := slices.IndexFunc(findings, func(f Finding) bool {
			return f.State == c.state && strings.Contains(f.Text, c.text) && f.Kind == c.kind
		})
		if i < 0 {
			t.Errorf("%s: %+v", what, findings)
		}
		for _, f := range findings {
			if f.State != OK && f.State != c.state {
				t.Errorf("%s: %+v is too much", what, f)
			}
			if (f.Fix == "" && f.advice == nil) != (f.State == OK) {
				t.Errorf("%s: the fix of %+v", what, f)
			}
		}
	}
}

func TestAHangingCheckIsLeftBehind(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	list := []check{
		{"first", time.Minute, func(*run, context.Context) []Finding { return []Finding{ok("first", "well")} }},
		{"hangs", time.Millisecond, func(*run, context.Context) []Finding { <-hang; return nil }},
		{"late", time.Minute, func(*run, context.Context) []Finding { return []Finding{ok("late", "well")} }},
	}
	e := examine(t)
	e.Session = session.Options{Store: "memory", Getenv: e.Getenv}
	var err error
	if e.session, err = session.Open(e.Session); err != nil {
		t.Fatal(err)
	}
	report, err := e.report(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Findings {
		got = append(got, f.Check+" "+string(f.State))
	}
	if want := []string{"first ok", "hangs warning", "late ok"}; !slices.Equal(got, want) {
		t.Errorf("%v instead of %v", got, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.report(ctx, list); !fail.Is(err, fail.Interrupted) {
		t.Errorf("an interrupt ends in %v", err)
	}
}
