package oauth

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// What became of what was sent.
const (
	unknown = iota // it may be spent
	unspent
	ended
)

// TestWhatEndsALogin is what ends a login, as a table. A line too many in it logs people out; one too few asks a
// dead refresh token again for ever.
func TestWhatEndsALogin(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		// Documented codes (Mollie, Moloni, Moneybird), and undocumented ones (Moloni ON, Monta).
		kind, undocumented fail.Kind
		fate, undocFate    int
	}{
		{"invalid_grant 400", 400, `{"error":"invalid_grant","error_description":"gone"}`, fail.LoginNeeded, fail.LoginNeeded, ended, ended},
		{"invalid_grant 401", 401, `{"error":"invalid_grant"}`, fail.LoginNeeded, fail.LoginNeeded, ended, ended},
		{"invalid_grant 403", 403, `{"error":"invalid_grant"}`, fail.LoginNeeded, fail.LoginNeeded, ended, ended},
		{"invalid_grant inside a 200", 200, `{"error":"invalid_grant"}`, fail.LoginNeeded, fail.LoginNeeded, ended, ended},
		{"invalid_grant 404", 404, `{"error":"invalid_grant"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"invalid_grant 407", 407, `{"error":"invalid_grant"}`, fail.Unavailable, fail.Unavailable, unknown, unknown},
		{"invalid_grant 408", 408, `{"error":"invalid_grant"}`, fail.Unavailable, fail.Unavailable, unknown, unknown},
		{"invalid_grant 429", 429, `{"error":"invalid_grant"}`, fail.Unavailable, fail.Unavailable, unspent, unspent},
		{"invalid_grant 500", 500, `{"error":"invalid_grant"}`, fail.Unavailable, fail.Unavailable, unknown, unknown},
		{"invalid_grant 502", 502, `{"error":"invalid_grant"}`, fail.Unavailable, fail.Unavailable, unknown, unknown},
		{"invalid_grant 503", 503, `{"error":"invalid_grant"}`, fail.Unavailable, fail.Unavailable, unknown, unknown},
		{"invalid_grant 504", 504, `{"error":"invalid_grant"}`, fail.Unavailable, fail.Unavailable, unknown, unknown},
		{"invalid_client 400", 400, `{"error":"invalid_client"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"invalid_client 401", 401, `{"error":"invalid_client"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"unauthorized_client", 403, `{"error":"unauthorized_client"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"invalid_request", 400, `{"error":"invalid_request"}`, fail.Refused, fail.LoginNeeded, unspent, ended},
		{"invalid_scope", 400, `{"error":"invalid_scope"}`, fail.Refused, fail.LoginNeeded, unspent, ended},
		{"an unknown code 400", 400, `{"error":"TokenExpired"}`, fail.Refused, fail.LoginNeeded, unspent, ended},
		{"an unknown code 401", 401, `{"message":"Refresh token not found","errorCode":"NOT_FOUND"}`, fail.Refused, fail.LoginNeeded, unspent, ended},
		{"an unknown code 402", 402, `{"error":"pay first"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"an unknown code 403", 403, `{"error":"forbidden"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"an unknown code 404", 404, `{"error":"no such route"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"an unknown code 422", 422, `{"error":"unprocessable"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"an unknown code inside a 200", 200, `{"error":"something"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"speaks of the client", 401, `{"message":"The API client was not found"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"speaks of credentials", 401, `{"message":"No consumer with those Credentials was found"}`, fail.Refused, fail.Refused, unspent, unspent},
		{"speaks of the secret deep inside", 400, `{"errors":[{"field":"x","list":["wrong SECRET"]}]}`, fail.Refused, fail.Refused, unspent, unspent},
		{"speaks of the client by a name", 400, `{"errors":{"clientSecret":["must match"]}}`, fail.Refused, fail.Refused, unspent, unspent},
		{"names the client and says nothing of it", 400, `{"error":"expired","clientId":null,"clientSecret":""}`, fail.Refused, fail.LoginNeeded, unspent, ended},
		{"an empty object 400", 400, `{}`, fail.Refused, fail.Refused, unspent, unspent},
		{"an empty object 401", 401, `{}`, fail.Refused, fail.Refused, unspent, unspent},
		{"an empty object 500", 500, `{}`, fail.Unavailable, fail.Unavailable, unknown, unknown},
		{"an empty object 429", 429, `{}`, fail.Unavailable, fail.Unavailable, unspent, unspent},
		{"plain text 429", 429, "Retry later\n", fail.Unavailable, fail.Unavailable, unspent, unspent},
		{"HTML 503", 503, "<html>", fail.Unavailable, fail.Unavailable, unknown, unknown},
		{"error is an object", 400, `{"error":{"code":"invalid_grant","message":"x"}}`, fail.Refused, fail.LoginNeeded, unspent, ended},
		{"error is a list", 400, `{"error":["expired"]}`, fail.Refused, fail.LoginNeeded, unspent, ended},
		{"error is true", 400, `{"error":true,"message":"expired"}`, fail.Refused, fail.LoginNeeded, unspent, ended},
		{"error is a number", 400, `{"error":17}`, fail.Refused, fail.LoginNeeded, unspent, ended},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"mollie", "moloni", "moneybird"} {
				_ = checkFate(t, name, answered(tt.status, tt.body), tt.kind, tt.fate)
			}
			for _, name := range []string{"moloni-on", "monta"} {
				_ = checkFate(t, name, answered(tt.status, tt.body), tt.undocumented, tt.undocFate)
			}
		})
	}
}

func checkFate(t *testing.T, name string, a *answer, kind fail.Kind, fate int) *Error {
	t.Helper()
	got, err := reader(t, name).read(a)
	if got != nil {
		t.Fatalf("%s: %+v", name, got)
	}
	e := failure(t, err)
	if e.Fail.Kind != kind || e.Ended != (fate == ended) || e.Unspent != (fate != unknown) || e.Status != a.status {
		t.Errorf("%s: kind %d, ended %t, unspent %t, status %d: %v", name, e.Fail.Kind, e.Ended, e.Unspent, e.Status, e)
	}
	if fail.KindOf(err) != kind {
		t.Errorf("%s: exit code %d", name, fail.KindOf(err))
	}
	return e
}

// The code that counts is found where the provider nests it.
func TestNestedErrorCodes(t *testing.T) {
	for _, body := range []string{`{"error":{"code":"invalid_grant","message":"gone"}}`, `{"errorCode":"invalid_grant","error":{}}`, `{"error":"","errorCode":"invalid_grant"}`} {
		e := checkFate(t, "moloni-on", answered(403, body), fail.LoginNeeded, ended)
		if e.Code != "invalid_grant" {
			t.Errorf("%s: code %q", body, e.Code)
		}
	}
}

// With nothing but the client's own credentials in it, a request can only have failed because of them:
// exit 5, whatever the words are.
func TestARefusedMintIsTheClientsFault(t *testing.T) {
	for _, status := range []int{400, 401, 403} {
		a := answered(status, `{"message":"Unauthorized","errorCode":"UNAUTHORIZED"}`)
		a.login = false
		_ = checkFate(t, "monta", a, fail.Refused, unspent)
	}
	p := newPeer(t, replies(401, `{"message":"Unauthorized"}`))
	_, err := p.client(t, "monta").Mint(t.Context(), provider.ClientCredentials, registration, "", nil)
	if e := failure(t, err); e.Fail.Kind != fail.Refused || e.Ended {
		t.Errorf("mint: %d, ended %t", e.Fail.Kind, e.Ended)
	}
	_, err = refresh(p.client(t, "monta"))
	if e := failure(t, err); e.Fail.Kind != fail.LoginNeeded || !e.Ended {
		t.Errorf("refresh: %d, ended %t", e.Fail.Kind, e.Ended)
	}
}

func TestATemporaryRefusalEndsNothing(t *testing.T) {
	for _, status := range []int{200, 400, 401, 429, 503} {
		e := checkFate(t, "moloni", answered(status, `{"error":"too_many_login_attempts","error_description":"locked"}`), fail.Unavailable, unspent)
		if !strings.Contains(e.Error(), "retry later") {
			t.Errorf("%d: %v", status, e)
		}
	}
	e := checkFate(t, "mollie", answered(503, `{}`, "Retry-After", "120"), fail.Unavailable, unspent)
	if e.Fail.Do != fail.DoWait || e.Fail.About[0] != "2m0s" {
		t.Errorf("advice %d %q", e.Fail.Do, e.Fail.About)
	}
	for _, header := range []string{"0", "9223372036854775807", "99999999999"} {
		if e := checkFate(t, "mollie", answered(429, `{}`, "Retry-After", header), fail.Unavailable, unspent); e.Fail.Do != 0 {
			t.Errorf("Retry-After %s: advice %d", header, e.Fail.Do)
		}
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	e := checkFate(t, "mollie", answered(401, `{"error":"invalid_client","error_description":"Unknown application"}`), fail.Refused, unspent)
	if want := "Mollie refused: invalid_client: Unknown application (status 401)"; e.Error() != want {
		t.Errorf("%q, want %q", e, want)
	}
	if e.Fail.Do != fail.DoCheckClient || !strings.Contains(e.Fail.About[0], "my.mollie.com") || e.Code != "invalid_client" {
		t.Errorf("advice %d %q, code %q", e.Fail.Do, e.Fail.About, e.Code)
	}
}

// A provider's words go to a terminal, and may hold what was sent to it.
func TestWordsOfAProviderAreMadeHarmless(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(registration.ID) + ":" + url.QueryEscape(registration.Secret)))
	for name, echo := range map[string]string{
		"escape sequences": "\x1b[2J\x1b]0;pwned\x07\u009b31m\r\nfake: line", "bidirectional override": "\u202egnihsihp\u202c",
		"secret": registration.Secret, "refresh token": oldRefresh, "code": theCode, "password": theWord,
		"escaped": url.QueryEscape(registration.Secret) + " " + url.PathEscape(oldRefresh), "query": "code=" + strings.ReplaceAll(url.QueryEscape(theCode), "+", "%20"),
		"base64": base64.StdEncoding.EncodeToString([]byte("x" + registration.Secret)), "Basic": "Authorization: Basic " + basic,
		"HTML":       "&lt;" + strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;").Replace(registration.Secret),
		"at the cut": strings.Repeat("x", maxText-5) + registration.Secret,
		"long":       strings.Repeat("é", 2000),
	} {
		for _, status := range []int{200, 401, 503} {
			for _, shape := range []map[string]any{
				{"error": "x", "error_description": echo},
				{"error": echo},
				{"error": echo, "error_description": echo},
				{"error": map[string]any{"detail": echo}, "message": echo, "errorCode": []string{echo}},
			} {
				body, err := json.Marshal(shape)
				if err != nil {
					t.Fatal(err)
				}
				for _, provider := range []string{"moloni-on", "mollie"} {
					_, err := reader(t, provider).read(answered(status, string(body)))
					e := failure(t, err)
					noSecretsIn(t, e.Code)
					if len([]rune(e.Error())) > maxText+100 || redact.Printable(e.Code) != e.Code {
						t.Errorf("%s: %q", name, e)
					}
				}
			}
		}
	}
}

func TestRefusedExchangeAndPassword(t *testing.T) {
	p := newPeer(t, replies(400, `{"error":"invalid_grant","error_description":"`+"p4ss w\\u00f6rd+%&=\\\"/"+` is wrong"}`))
	_, err := p.client(t, "moloni").Password(t.Context(), registration, "u", theWord, nil)
	if e := failure(t, err); !e.Ended || e.Fail.Kind != fail.LoginNeeded || !strings.Contains(e.Error(), redact.Mask) {
		t.Errorf("%v", err)
	}
	p = newPeer(t, replies(400, `{"error":"invalid_grant","error_description":"auth_c0de\/+ %41&= is gone"}`))
	c := p.client(t, "mollie")
	_, err = c.Exchange(t.Context(), registration, c.NewAuthorization("https://x.example", nil), theCode)
	if e := failure(t, err); !e.Ended || e.Fail.Kind != fail.LoginNeeded {
		t.Errorf("%v", err)
	}
	p.one(t)
}

func TestExpiryIsCountedFromTheRequest(t *testing.T) {
	p := newPeer(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		replies(200, granted)(w, r)
	})
	c := p.client(t, "mollie")
	c.Now = func() time.Time { return asked }
	got, err := refresh(c)
	if err != nil || !got.RequestedAt.Equal(asked) || !got.AccessExpiresAt.Equal(asked.Add(time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
	c.Now = nil
	before := time.Now()
	got, err = refresh(c)
	if err != nil || got.RequestedAt.Before(before) || got.RequestedAt.After(time.Now().Add(-50*time.Millisecond)) {
		t.Errorf("%v, %v", got, err)
	}
}

// A definition lists what ends a login and what means to wait, which takes precedence.
func TestADefinitionListsWhatEndsALogin(t *testing.T) {
	c := &Client{Config: definition(t, "mollie", "")}
	d := c.Definition
	d.Errors.Ended = []provider.Rule{{Code: "bad_refresh_token"}, {Code: "unauthorized_client", Text: "old refresh token"}, {Text: "the refresh token expired"}}
	d.Errors.Retry = []provider.Rule{{Code: "slow"}, {Text: "not yet"}}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		kind   fail.Kind
	}{
		{"a code in a 200", 200, `{"error":"bad_refresh_token"}`, fail.LoginNeeded},
		{"a code and a text, in another case", 401, `{"error":"unauthorized_client","error_description":"Old refresh token used."}`, fail.LoginNeeded},
		{"the code alone", 401, `{"error":"unauthorized_client"}`, fail.Refused},
		{"a text alone", 400, `{"error":"invalid_request","message":"The Refresh Token expired"}`, fail.LoginNeeded},
		{"retry takes precedence", 400, `{"error":"invalid_grant","error_description":"Not yet"}`, fail.Unavailable},
		{"retry in a 200", 200, `{"error":"slow"}`, fail.Unavailable},
		{"never a 404", 404, `{"error":"bad_refresh_token"}`, fail.Refused},
		{"never a 429", 429, `{"error":"bad_refresh_token"}`, fail.Unavailable},
		{"never a 500", 500, `{"error":"bad_refresh_token"}`, fail.Unavailable},
		{"never HTML", 400, `<html>{"error":"bad_refresh_token"}`, fail.Unavailable},
		{"never broken JSON", 400, `{"error":"bad_refresh_token"`, fail.Unavailable},
	} {
		_, err := c.read(answered(tt.status, tt.body))
		if e := failure(t, err); e.Fail.Kind != tt.kind || e.Ended != (tt.kind == fail.LoginNeeded) {
			t.Errorf("%s: kind %d, ended %t: %v", tt.name, e.Fail.Kind, e.Ended, err)
		}
	}
}

func TestRefusalSaysWhatToDo(t *testing.T) {
	for body, test := range map[string]struct {
		status int
		words  string
		do     fail.Action
	}{
		`{"error":"invalid_scope"}`:  {400, "Mollie refused: invalid_scope (status 400)", fail.DoNarrowScopes},
		`{"error":"invalid_client"}`: {401, "Mollie refused: invalid_client (status 401)", fail.DoCheckClient},
		`{}`:                         {413, "Mollie refused: status 413", fail.DoCheckClient},
	} {
		_, err := refresh(newPeer(t, replies(test.status, body)).client(t, "mollie"))
		e := failure(t, err)
		if e.Error() != test.words || e.Fail.Do != test.do {
			t.Errorf("%s: %v, advice %d", body, e, e.Fail.Do)
		}
	}
}
