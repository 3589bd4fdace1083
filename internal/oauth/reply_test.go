package oauth

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// asked is when the requests of the tables were made, by the local clock.
var asked = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func answered(status int, body string, headers ...string) *answer {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &answer{
		status: status, header: h, body: []byte(body), asked: asked, login: true,
		secrets: []string{registration.Secret, oldRefresh, theCode, theWord},
	}
}

// decoded holds the definitions of reader, which are many times more work to decode than a reply.
var decoded sync.Map

// reader returns a client that only reads; nothing of it may be changed.
func reader(t testing.TB, name string) *Client {
	t.Helper()
	if c, ok := decoded.Load(name); ok {
		return c.(*Client)
	}
	c := &Client{Config: definition(t, name, "")}
	decoded.Store(name, c)
	return c
}

func TestRepliesOfTheProvidersPages(t *testing.T) {
	tests := []struct {
		name, provider, body string
		want                 Reply
	}{
		{"with both tokens", "mollie", `{"access_token": "access_46EUJ6x8jFJZZeAvhNH4JVey6qVpqR", "refresh_token": "refresh_FS4xc3Mgci2xQ5s5DzaLXh3HhaTZOP",
			"expires_in": 3600, "token_type": "bearer", "scope": "payments.read organizations.read"}`, Reply{
			AccessToken: "access_46EUJ6x8jFJZZeAvhNH4JVey6qVpqR", TokenType: "bearer", RefreshToken: "refresh_FS4xc3Mgci2xQ5s5DzaLXh3HhaTZOP",
			Scopes: []string{"payments.read", "organizations.read"}, AccessExpiresAt: asked.Add(time.Hour),
		}},
		{"scope null", "moloni", `{"access_token":"bad936989865c810e14a81ea9fc2cd8ea8d5e9f6","expires_in":3600,"token_type":"bearer","scope":null,
			"refresh_token":"96f84474f2ed3ae07e4e1b5d08fe1893d08a204f"}`, Reply{
			AccessToken: "bad936989865c810e14a81ea9fc2cd8ea8d5e9f6", TokenType: "bearer", RefreshToken: "96f84474f2ed3ae07e4e1b5d08fe1893d08a204f",
			AccessExpiresAt: asked.Add(time.Hour), RefreshExpiresAt: asked.Add(14 * 24 * time.Hour),
		}},
		{"no expiry", "moneybird", `{"access_token":"84ec207ad0154a50","token_type":"bearer","refresh_token":"r","scope":"sales_invoices","created_at":1700000000}`, Reply{
			AccessToken: "84ec207ad0154a50", TokenType: "bearer", RefreshToken: "r", Scopes: []string{"sales_invoices"},
		}},
		{"an expiry, should one come", "moneybird", `{"access_token":"a","expires_in":7200,"created_at":1}`, Reply{
			AccessToken: "a", TokenType: "Bearer", AccessExpiresAt: asked.Add(2 * time.Hour),
		}},
		{"instants", "monta", `{"applicationId":1,"userId":1,"accessToken":"dba896fe-8f14","accessTokenExpirationDate":"2026-11-22T13:00:00.703819Z",
			"refreshToken":"8f449e8c-864e","refreshTokenExpirationDate":"2026-12-22T12:00:00.703832Z"}`, Reply{
			AccessToken: "dba896fe-8f14", TokenType: "Bearer", RefreshToken: "8f449e8c-864e",
			AccessExpiresAt:  asked.Add(time.Hour + 703819*time.Microsecond),
			RefreshExpiresAt: asked.Add(30*24*time.Hour + 703832*time.Microsecond),
		}},
		{"no refresh token", "monta", `{"accessToken":"a","accessTokenExpirationDate":"2026-11-22T13:00:00Z"}`, Reply{
			AccessToken: "a", TokenType: "Bearer", AccessExpiresAt: asked.Add(time.Hour),
		}},
		{"the placeholders of the page", "moloni-on", `{"accessToken":"a","accessTokenExpiracy":"[now plus one hour]","refreshToken":"r","refreshTokenExpiracy":"[now plus 14 days]"}`, Reply{
			AccessToken: "a", TokenType: "Bearer", RefreshToken: "r", AccessExpiresAt: asked.Add(time.Hour), RefreshExpiresAt: asked.Add(14 * 24 * time.Hour),
			Notes: []string{"refresh token", "access token"},
		}},
		{"seconds, as the vendor's plugin expects them", "moloni-on", `{"accessToken":"a","expiresIn":3000,"refreshToken":"r","refreshExpiresIn":"864000"}`, Reply{
			AccessToken: "a", TokenType: "Bearer", RefreshToken: "r", AccessExpiresAt: asked.Add(3000 * time.Second), RefreshExpiresAt: asked.Add(864000 * time.Second),
		}},
		{"the other spelling", "moloni-on", `{"accessToken":"a","accessTokenExpiry":"2026-11-22 12:30:00","refreshToken":"r","refreshTokenExpiry":"2026-11-23"}`, Reply{
			AccessToken: "a", TokenType: "Bearer", RefreshToken: "r", AccessExpiresAt: asked.Add(30 * time.Minute), RefreshExpiresAt: asked.Add(14 * 24 * time.Hour),
			Notes: []string{"refresh token"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			got, err := reader(t, tt.provider).read(answered(200, tt.body))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.RequestedAt = asked
			checkNotes(t, got.Notes, tt.want.Notes)
			got.Notes, tt.want.Notes = nil, nil
			got.AccessLifetime, got.RefreshLifetime = 0, 0 // TestStatedLifetimes
			if fmt.Sprint(*got) != fmt.Sprint(tt.want) || got.AccessToken != tt.want.AccessToken || got.RefreshToken != tt.want.RefreshToken {
				t.Errorf("\n got %+v\nwant %+v", *got, tt.want)
			}
		})
	}
}

// checkNotes asserts that each note holds all words of the one that is wanted.
func checkNotes(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("notes %q, want %q", got, want)
		return
	}
	for i := range got {
		for word := range strings.FieldsSeq(want[i]) {
			if !strings.Contains(got[i], word) {
				t.Errorf("note %q, want %q", got[i], want[i])
			}
		}
	}
}

func TestExpiresIn(t *testing.T) {
	const life = time.Hour // the definition's default
	tests := []struct {
		value string
		want  time.Duration
		noted bool
	}{
		{"3600", time.Hour, false},
		{"60", time.Minute, false},
		{"1", time.Second, false},
		{`"1800"`, 30 * time.Minute, false},
		{`" 1800 "`, 30 * time.Minute, false},
		{"1799.5", 1799*time.Second + 500*time.Millisecond, false},
		{"1.8e3", 30 * time.Minute, false},
		{`"1799.5"`, 1799*time.Second + 500*time.Millisecond, false},
		{"3153600000", 100 * 365 * 24 * time.Hour, false},
		{fmt.Sprint(asked.Unix() + 1800), 30 * time.Minute, false}, // seconds since 1970
		{"null", life, false},                                      // not said
		{"0", life, true},
		{`"0"`, life, true},
		{"-1", life, true},
		{"-3600.5", life, true},
		{"3153600001", life, true},
		{"1e300", life, true},
		{"1e999", life, true},
		{"99999999999999999999999999", life, true},
		{`"NaN"`, life, true},
		{`"Infinity"`, life, true},
		{`"-inf"`, life, true},
		{`""`, life, true},
		{`"one hour"`, life, true},
		{`"3600s"`, life, true},
		{"true", life, true},
		{"[3600]", life, true},
		{`{"seconds":3600}`, life, true},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := reader(t, "mollie").read(answered(200, `{"access_token":"a","expires_in":`+tt.value+`}`))
			if err != nil {
				t.Fatal(err)
			}
			if left := got.AccessExpiresAt.Sub(asked); left != tt.want {
				t.Errorf("%s, want %s", left, tt.want)
			}
			if (len(got.Notes) > 0) != tt.noted {
				t.Errorf("notes %q", got.Notes)
			}
		})
	}
	// Without a default there is nothing to fall back to.
	got, err := reader(t, "moneybird").read(answered(200, `{"access_token":"a","expires_in":"soon"}`))
	if err != nil || !got.AccessExpiresAt.IsZero() || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "access token") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestExpiryInstants(t *testing.T) {
	epoch := asked.Unix()
	const life, unread = time.Hour, -1 // unread: the default counts, and that is said
	tests := []struct {
		value string
		want  time.Duration
	}{
		{`"2026-11-22T12:30:00Z"`, 30 * time.Minute},
		{`"2026-11-22T12:30:00.5Z"`, 30*time.Minute + 500*time.Millisecond},
		{`"2026-11-22T12:30:00.12Z"`, 30*time.Minute + 120*time.Millisecond},
		{`"2026-11-22T12:30:00.123Z"`, 30*time.Minute + 123*time.Millisecond},
		{`"2026-11-22T12:30:00.1234Z"`, 30*time.Minute + 123400*time.Microsecond},
		{`"2026-11-22T12:30:00.12345Z"`, 30*time.Minute + 123450*time.Microsecond},
		{`"2026-11-22T12:30:00.123456Z"`, 30*time.Minute + 123456*time.Microsecond},
		{`"2026-11-22T12:30:00.1234567Z"`, 30*time.Minute + 123456700},
		{`"2026-11-22T12:30:00.12345678Z"`, 30*time.Minute + 123456780},
		{`"2026-11-22T12:30:00.123456789Z"`, 30*time.Minute + 123456789},
		{`"2026-11-22T14:30:00+02:00"`, 30 * time.Minute},
		{`"2026-11-22T14:30:00.25+0200"`, 30*time.Minute + 250*time.Millisecond},
		{`"2026-11-22T05:00:00-07:30"`, 30 * time.Minute},
		{`"2026-11-22T12:30:00"`, 30 * time.Minute},
		{`"2026-11-22 12:30:00"`, 30 * time.Minute},
		{`"2026-11-22 12:30:00.75"`, 30*time.Minute + 750*time.Millisecond},
		{`"2026-11-22 12:30"`, 30 * time.Minute},
		{`"2026-11-22 13:30:00+01:00"`, 30 * time.Minute},
		{`"2026-11-22 13:30:00 +01:00"`, 30 * time.Minute},
		{`"2026-11-22 13:30:00 +0100"`, 30 * time.Minute},
		{`"2026-11-22 12:30:00 UTC"`, 30 * time.Minute},
		{`"2026-11-22 12:30:00 GMT"`, 30 * time.Minute},
		{`"Sun, 22 Nov 2026 12:30:00 GMT"`, 30 * time.Minute},
		{`"Sun, 22 Nov 2026 13:30:00 +0100"`, 30 * time.Minute},
		{`" 2026-11-22T12:30:00Z "`, 30 * time.Minute},
		{`"2026-11-22T12:30:00Z[Etc/UTC]"`, 30 * time.Minute},
		{`"2026-11-22T13:30:00+01:00[Europe/Paris][u-ca=gregory]"`, 30 * time.Minute},
		{`"2026-11-22T12:29:60Z"`, 29*time.Minute + 59*time.Second},
		{`"2026-11-22 12:30:00 +0000 UTC"`, 30 * time.Minute},
		{fmt.Sprint((epoch + 1800) * 1e6), 30 * time.Minute},
		{fmt.Sprint((epoch + 1800) * 1e9), 30 * time.Minute},
		{fmt.Sprint(epoch + 1800), 30 * time.Minute},
		{fmt.Sprintf(`"%d"`, epoch+1800), 30 * time.Minute},
		{fmt.Sprint((epoch + 1800) * 1000), 30 * time.Minute},
		{fmt.Sprintf(`"%d"`, (epoch+1800)*1000), 30 * time.Minute},
		{"1800", 30 * time.Minute},
		{`"1800"`, 30 * time.Minute},
		{"1209600", 14 * 24 * time.Hour},
		{"null", life},
		// Summer time in Lisbon is +1, but what an abbreviation means depends on who reads it.
		{`"2026-11-22 12:30:00 WEST"`, unread},
		{`"Sun, 22 Nov 2026 12:30:00 CET"`, unread},
		{`"2026-11-22"`, unread},
		{`"22/11/2026 12:30"`, unread},
		{`"2026-02-30T12:30:00Z"`, unread},
		{`"2026-11-22T25:00:00Z"`, unread},
		{`"[now plus one hour]"`, unread},
		{`""`, unread},
		{"true", unread},
		{"[1800]", unread},
		{`{"date":"2026-11-22 12:30:00.000000","timezone":"UTC"}`, unread},
		// Past.
		{`"2026-11-22T11:59:59Z"`, unread},
		{`"2026-11-22T12:00:00Z"`, unread},
		{`"1970-01-01T00:00:00Z"`, unread},
		{`"0001-01-01T00:00:00Z"`, unread},
		{fmt.Sprint(epoch - 1), unread},
		{fmt.Sprint((epoch - 1) * 1000), unread},
		{"0", unread},
		{"-1800", unread},
		// Never.
		{`"9999-12-31T23:59:59Z"`, longest},
		{`"9999-12-31T23:59:59.9999999"`, longest},
		{"99999999999", longest},
		{"253402300799", longest},
		{"253402300799000", longest},
		{"1e14", longest},
		{"1e300", unread},
		{`"NaN"`, unread},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := reader(t, "moloni-on").read(answered(200, `{"accessToken":"a","accessTokenExpiracy":`+tt.value+`}`))
			if err != nil {
				t.Fatal(err)
			}
			want, noted := tt.want, 0
			if want == unread {
				want, noted = life, 1
			}
			if left := got.AccessExpiresAt.Sub(asked); left != want {
				t.Errorf("%s, want %s", left, want)
			}
			if len(got.Notes) != noted {
				t.Errorf("notes %q", got.Notes)
			}
		})
	}
}

// A local clock that is hours off must not make a new token old, or an old one new.
func TestInstantsAreCorrectedByTheServersClock(t *testing.T) {
	body := `{"accessToken":"a","accessTokenExpiracy":"2026-11-22T12:30:00Z"}`
	for name, tt := range map[string]struct {
		date   string
		access time.Duration
		notes  int
	}{
		"the same":                       {"Sun, 22 Nov 2026 12:00:00 GMT", 30 * time.Minute, 0},
		"none":                           {"", 30 * time.Minute, 0},
		"garbage":                        {"yesterday", 30 * time.Minute, 0},
		"the server's is 10 min ahead":   {"Sun, 22 Nov 2026 12:10:00 GMT", 20 * time.Minute, 0},
		"the server's is 5 h behind":     {"Sun, 22 Nov 2026 07:00:00 GMT", 5*time.Hour + 30*time.Minute, 0},
		"over by the server's own clock": {"Sun, 22 Nov 2026 12:30:00 GMT", time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := reader(t, "moloni-on").read(answered(200, body, "Date", tt.date))
			if err != nil {
				t.Fatal(err)
			}
			if left := got.AccessExpiresAt.Sub(asked); left != tt.access {
				t.Errorf("access token: %s, want %s", left, tt.access)
			}
			if len(got.Notes) != tt.notes {
				t.Errorf("notes %q", got.Notes)
			}
		})
	}
	// A number of seconds is a life, whatever the clocks say.
	got, err := reader(t, "mollie").read(answered(200, `{"access_token":"a","expires_in":60}`, "Date", "Sun, 22 Nov 2020 12:00:00 GMT"))
	if err != nil || got.AccessExpiresAt.Sub(asked) != time.Minute {
		t.Errorf("%+v, %v", got, err)
	}
}

// An instant that is over must not hide a life that is stated beside it.
func TestTheReadableOfTwoExpiriesCounts(t *testing.T) {
	for _, at := range []string{`"garbage"`, `"1970-01-01T00:00:00Z"`, "0"} {
		got, err := reader(t, "moloni-on").read(answered(200, `{"accessToken":"a","expiresIn":900,"accessTokenExpiracy":`+at+`}`))
		if err != nil || got.AccessExpiresAt.Sub(asked) != 15*time.Minute || len(got.Notes) != 0 {
			t.Errorf("%s: %+v, %v", at, got, err)
		}
	}
}

func TestScopesOfAReply(t *testing.T) {
	for value, want := range map[string][]string{
		"null": nil, `""`: nil, `" "`: nil, "[]": nil, "12": nil, "{}": nil, "[1,null]": nil,
		`"a"`: {"a"}, `"a.read b.write"`: {"a.read", "b.write"}, `"a,b"`: {"a", "b"}, `" a  b\t"`: {"a", "b"},
		`["a","b c",3]`: {"a", "b", "c"}, `"a \u001b[31m b"`: {"a", "b"}, `"a\u202eb c"`: {"c"},
	} {
		got, err := reader(t, "mollie").read(answered(200, `{"access_token":"a","scope":`+value+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Scopes, want) || (got.Scopes == nil) != (want == nil) {
			t.Errorf("%s: %q, want %q", value, got.Scopes, want)
		}
	}
}

func TestTokenTypeOfAReply(t *testing.T) {
	for value, want := range map[string]string{
		`"bearer"`: "bearer", `"Bearer"`: "Bearer", `"BEARER"`: "BEARER", `" bearer "`: "bearer", "null": "Bearer", `""`: "Bearer",
	} {
		got, err := reader(t, "mollie").read(answered(200, `{"access_token":"a","token_type":`+value+`}`))
		if err != nil || got.TokenType != want {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
	}
	// A token of a type that is not understood must not be used (RFC 6749 7.1).
	for value, named := range map[string]string{
		`"DPoP"`: "DPoP", `"mac"`: "mac", `"N_A"`: "N_A", "1": "1", "\"a\\nb\"": "a b", `["Bearer"]`: "Bearer", `"bearer x"`: "bearer x", "true": "true",
		`"` + oldRefresh + `"`: "[redacted]",
	} {
		got, err := reader(t, "mollie").read(answered(200, `{"access_token":"a","refresh_token":"`+newRefresh+`","token_type":`+value+`}`))
		e := failure(t, err)
		if got != nil || e.Fail.Kind != fail.Unavailable || !strings.Contains(e.Error(), "type") || !strings.Contains(e.Error(), named) || e.Salvage == nil || e.Salvage.RefreshToken != newRefresh {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
	}
}

func TestStatedLifetimes(t *testing.T) {
	for body, want := range map[string][2]time.Duration{
		`"expiresIn":60,"refreshExpiresIn":120`:                  {time.Minute, 2 * time.Minute},
		`"refreshToken":"r","expiresIn":60`:                      {time.Minute, 0},
		`"refreshToken":"r","refreshExpiresIn":0`:                {0, credential.Unlimited},
		`"refreshToken":"r","refreshExpiresIn":"0"`:              {0, credential.Unlimited},
		`"refreshExpiresIn":0`:                                   {0, credential.Unlimited},
		`"refreshToken":"r","refreshTokenExpiracy":0`:            {0, credential.Unlimited},
		`"refreshToken":"r","expiresIn":0,"refreshExpiresIn":-1`: {0, 0},
	} {
		got, err := reader(t, "moloni-on").read(answered(200, `{"accessToken":"a",`+body+`}`))
		if err != nil || got.AccessLifetime != want[0] || got.RefreshLifetime != want[1] {
			t.Errorf("%s: %+v, %v", body, got, err)
			continue
		}
		if want[1] == credential.Unlimited && (len(got.Notes) != 0 || !got.RefreshExpiresAt.IsZero()) {
			t.Errorf("%s: %q, %s", body, got.Notes, got.RefreshExpiresAt)
		}
	}
}

func TestWhatIsStillAReply(t *testing.T) {
	for name, body := range map[string]string{
		"byte order mark":       "\xef\xbb\xbf{\"access_token\":\"a\"}",
		"space around it":       " \r\n\t{\"access_token\":\"a\"}\n\n",
		"unknown fields":        `{"access_token":"a","id_token":{"x":[1,2,{"y":null}]}}`,
		"the last of two keys":  `{"access_token":"b","access_token":"a"}`,
		"status 201":            `{"access_token":"a"}`,
		"an error that is null": `{"access_token":"a","error":null,"error_description":""}`,
		"a list":                `[{"access_token":"a"}]`,
		"trailing garbage":      `{"access_token":"a"} x`,
		"a PHP notice":          "Notice: Undefined index: {x} in /var/www/token.php on line 3\n{\"access_token\":\"a\"}",
		"a PHP notice in HTML":  "<br />\n<b>Notice</b>: Undefined variable: {\"x in <b>/var/www/token.php</b><br />\n{\"access_token\":\"a\"}",
		"a comment":             `{"access_token":"a"}<!-- 0.02 s -->`,
		"comments":              `/* {"cached":true} */ {"access_token":"a"} // {"error":"invalid_grant"}`,
		"NULs":                  "\x00\x00{\"access_token\":\"a\"}\x00",
		"JSONP":                 `callback({"access_token":"a"});`,
		"another object":        `{"debug":{"query":"x"}}{"access_token":"a"}`,
		"a form":                "access_token=a&token_type=bearer&expires_in=60",
		"a form with a BOM":     "\xef\xbb\xbfaccess_token=a&scope=b+c\r\n",
	} {
		status := 200
		if name == "status 201" {
			status = 201
		}
		got, err := reader(t, "mollie").read(answered(status, body))
		if err != nil || got.AccessToken != "a" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is no reply is nonsense: exit 6, outcome unknown, nothing ended.
func TestNonsense(t *testing.T) {
	const r = `"refresh_token":"` + newRefresh + `"`
	tests := []struct {
		name    string
		status  int
		body    string
		salvage bool
	}{
		{"empty", 200, "", false},
		{"white space", 200, " \n", false},
		{"byte order mark alone", 200, "\xef\xbb\xbf", false},
		{"HTML", 200, "<!DOCTYPE html><title>Login</title>", false},
		{"HTML after a byte order mark", 200, "\xef\xbb\xbf <html>", false},
		{"HTML 400", 400, "<html>Bad Request</html>", false},
		{"HTML 401", 401, "<html>Unauthorized</html>", false},
		{"HTML 404", 404, "<html>Not Found</html>", false},
		{"HTML 500", 500, "<html>Oops</html>", false},
		{"HTML 502", 502, "<html>Bad Gateway</html>", false},
		{"plain text", 200, "OK", false},
		{"plain text 400", 400, "invalid_grant", false},
		{"empty 400", 400, "", false},
		{"empty 401", 401, "", false},
		{"a list 400", 400, `["invalid_grant"]`, false},
		{"a string", 400, `"invalid_grant"`, false},
		{"null", 400, "null", false},
		{"half of it", 200, `{"access_token":"` + newAccess + `","refre`, false},
		{"half of an error", 400, `{"error":"invalid_grant"`, false},
		{"two of them", 400, `{"error":"invalid_grant"}{"error":"x"}`, false},
		{"the page's own sample, which is no JSON", 200, "{\n\taccess_token: 'bad936'\n\texpires_in: 3600\n}", false},
		{"deep nesting", 200, `{"access_token":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", false},
		{"UTF-16", 200, "\xff\xfe{\x00}\x00", false},
		{"no token", 200, `{"expires_in":3600}`, false},
		{"nothing in it", 200, "{}", false},
		{"token null", 200, `{"access_token":null}`, false},
		{"token empty", 200, `{"access_token":""}`, false},
		{"token a number", 200, `{"access_token":12}`, false},
		{"token a list", 200, `{"access_token":["a"]}`, false},
		{"token an object", 200, `{"access_token":{"value":"a"}}`, false},
		{"token true", 200, `{"access_token":true}`, false},
		{"token with a line break", 200, `{"access_token":"a\nb"}`, false},
		{"token with a space", 200, `{"access_token":"a b"}`, false},
		{"token with an escape sequence", 200, `{"access_token":"\u001b[31m"}`, false},
		{"token with DEL", 200, `{"access_token":"a\u007f"}`, false},
		{"token beyond ASCII", 200, `{"access_token":"é"}`, false},
		{"token that is no UTF-8", 200, "{\"access_token\":\"a\xff\"}", false},
		{"the name in another case", 200, `{"Access_Token":"a"}`, false},
		{"unusable refresh token alone", 200, `{"refresh_token":"a\nb"}`, false},
		{"no token, a refresh token", 200, `{` + r + `}`, true},
		{"a broken token, a refresh token", 200, `{"access_token":"a\nb",` + r + `}`, true},
		{"a token of another type, a refresh token", 200, `{"access_token":["a"],` + r + `}`, true},
		{"an error beside a refresh token", 200, `{"error":"invalid_grant",` + r + `}`, true},
		{"a redirect", 302, `{"access_token":"a"}`, false},
		{"a redirect that keeps the method", 307, `{"error":"invalid_grant"}`, false},
		{"multiple choices", 300, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := reader(t, "mollie").read(answered(tt.status, tt.body))
			if got != nil {
				t.Fatalf("%+v", got)
			}
			e := failure(t, err)
			if e.Fail.Kind != fail.Unavailable || e.Ended || e.Unspent || e.Status != tt.status {
				t.Errorf("kind %d, ended %t, unspent %t, status %d: %v", e.Fail.Kind, e.Ended, e.Unspent, e.Status, e)
			}
			if strings.Contains(e.Error(), "bad936") {
				t.Errorf("the body is quoted: %v", e)
			}
			if (e.Salvage != nil) != tt.salvage {
				t.Fatalf("salvage %+v", e.Salvage)
			}
			if tt.salvage && (e.Salvage.RefreshToken != newRefresh || e.Salvage.AccessToken != "") {
				t.Errorf("salvage %+v", *e.Salvage)
			}
		})
	}
}

// The life of a salvaged refresh token is as good as that of any other.
func TestSalvageKnowsWhenItEnds(t *testing.T) {
	_, err := reader(t, "monta").read(answered(200, `{"refreshToken":"`+newRefresh+`","refreshTokenExpirationDate":"2026-11-29T12:00:00Z"}`))
	if e := failure(t, err); e.Salvage == nil || e.Salvage.RefreshExpiresAt.Sub(asked) != 7*24*time.Hour {
		t.Errorf("%+v", e.Salvage)
	}
}

func TestRetryAfter(t *testing.T) {
	epoch := asked.Unix()
	tests := []struct {
		header string
		want   time.Duration
		told   bool
	}{
		{"", 0, false},
		{"0", 0, true},
		{"7", 7 * time.Second, true},
		{" 7 ", 7 * time.Second, true},
		{"31536000", year, true},
		{"-1", 0, false},
		{"1.5", 0, false},
		{"soon", 0, false},
		{"0x10", 0, false},
		{"Sun, 22 Nov 2026 12:00:09 GMT", 9 * time.Second, true},
		{"Sunday, 22-Nov-26 12:00:09 GMT", 9 * time.Second, true},
		{"Sun Nov 22 12:00:09 2026", 9 * time.Second, true},
		{"Sun, 22 Nov 2026 11:00:00 GMT", 0, true}, // over
		{"Sun, 22 Nov 9026 12:00:00 GMT", 0, false},
		{fmt.Sprint(epoch + 11), 11 * time.Second, true},
		{fmt.Sprint(epoch - 11), 0, true},
		{fmt.Sprint((epoch + 11) * 1000), 0, false},
		{fmt.Sprint(math.MaxInt64), 0, false},
		{fmt.Sprint(math.MinInt64), 0, false},
		{"99999999999", 0, false},
		{"99999999999999999999999", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.header, func(t *testing.T) {
			got, told := reader(t, "moneybird").retryAfter(answered(429, "", "Retry-After", tt.header))
			if got != tt.want || told != tt.told {
				t.Errorf("%s, %t, want %s, %t", got, told, tt.want, tt.told)
			}
		})
	}
	t.Run("by the server's clock", func(t *testing.T) {
		got, told := reader(t, "moneybird").retryAfter(answered(429, "", "Retry-After", fmt.Sprint(epoch+5*3600+3), "Date", "Sun, 22 Nov 2026 17:00:00 GMT"))
		if got != 3*time.Second || !told {
			t.Errorf("%s, %t", got, told)
		}
	})
	for body, want := range map[string]time.Duration{
		`{"context":{"rateLimitResponse":{"resetsIn":5}}}`:    5 * time.Second,
		`{"context":{"rateLimitResponse":{"resetsIn":"5"}}}`:  5 * time.Second,
		`{"context":{"rateLimitResponse":{"resetsIn":0}}}`:    0,
		`{"context":{"rateLimitResponse":{"resetsIn":-5}}}`:   0,
		`{"context":{"rateLimitResponse":{"resetsIn":1e99}}}`: 0,
		`{"context":{"rateLimitResponse":null}}`:              0,
		`{"context":"5"}`:                                     0,
		`Retry later`:                                         0,
	} {
		got, told := reader(t, "monta").retryAfter(answered(429, body))
		if got != want || told != (want > 0) {
			t.Errorf("%s: %s, %t", body, got, told)
		}
	}
	if got, _ := reader(t, "monta").retryAfter(answered(429, `{"context":{"rateLimitResponse":{"resetsIn":5}}}`, "Retry-After", "2")); got != 2*time.Second {
		t.Errorf("the header counts first: %s", got)
	}
}

func TestReplyMasksItsTokens(t *testing.T) {
	r := &Reply{AccessToken: newAccess, RefreshToken: credential.Secret(newRefresh)}
	for _, text := range []string{fmt.Sprint(r), fmt.Sprintf("%+v %#v", *r, r)} {
		noSecretsIn(t, text)
	}
}
