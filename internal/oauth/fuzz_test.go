package oauth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// plantedSecret is sent with every fuzzed request. It is long and odd enough not to come about by
// chance, and has no character that an encoding escapes: those have their own tests.
const plantedSecret = "Pl4nted-S3cret_0123456789"

func builtin(f *testing.F) []*Client {
	f.Helper()
	var clients []*Client
	for _, name := range provider.Builtin() {
		clients = append(clients, reader(f, name))
	}
	return clients
}

func fuzzed(status int, body []byte, header http.Header) *answer {
	return &answer{status: status, header: header, body: body, asked: asked, login: true, secrets: []string{plantedSecret}}
}

// checkError holds what must be true of every error, whatever came.
func checkError(t *testing.T, err error, a *answer) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not an Error: %v", err)
	}
	text := e.Error() + fail.HintOf(err) + e.Code
	if strings.Contains(text, plantedSecret) {
		t.Errorf("the secret is told: %q", text)
	}
	if redact.Printable(text) != text || len([]rune(e.Error())) > 2*maxText {
		t.Errorf("not fit for a terminal: %q", text)
	}
	if !slices.Contains([]fail.Kind{fail.LoginNeeded, fail.Refused, fail.Unavailable}, e.Fail.Kind) {
		t.Errorf("kind %d", e.Fail.Kind)
	}
	if e.Ended != (e.Fail.Kind == fail.LoginNeeded) || e.Ended && !e.Unspent {
		t.Errorf("ended %t, unspent %t, kind %d", e.Ended, e.Unspent, e.Fail.Kind)
	}
	if never := []int{404, 407, 408, 429}; e.Ended && (a.status >= 500 || a.status >= 300 && a.status < 400 || slices.Contains(never, a.status)) {
		t.Errorf("status %d ends a login", a.status)
	}
	if e.Salvage != nil && !credential.ValidRefreshToken(e.Salvage.RefreshToken.Reveal()) {
		t.Error("what is no refresh token is salvaged")
	}
}

func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		granted, "", "<html>", "null", "[]", "{}", "\xef\xbb\xbf{}", `{"access_token":"a\u0000b","refresh_token":"r"}`,
		`{"accessToken":"a","accessTokenExpiracy":"2026-11-22 12:30:00","refreshToken":"r","refreshTokenExpiracy":1795000000000}`,
		`{"accessToken":"a","accessTokenExpirationDate":"2026-11-22T13:00:00.123456789Z"}`,
		`{"access_token":"a","expires_in":1e999,"scope":["a",null,{"b":1}]}`, `{"access_token":"a"}{}`,
		`{"error":"invalid_grant","error_description":"` + plantedSecret + `"}`, `{"access_token":"a","access_token":7}`,
		strings.Repeat(`{"access_token":`, 200), `{"access_token":"a","refresh_token":"with a space"}`, `{"access_token":"a\u0000b","refresh_token":"with a space"}`,
	} {
		f.Add(200, []byte(seed), "Sun, 22 Nov 2026 12:00:00 GMT")
	}
	f.Add(302, []byte(granted), "")
	clients := builtin(f)
	f.Fuzz(func(t *testing.T, status int, body []byte, date string) {
		a := fuzzed(status, body, http.Header{"Date": {date}})
		for _, c := range clients {
			r, err := c.read(a)
			if err != nil {
				checkError(t, err, a)
				continue
			}
			if status < 200 || status > 299 {
				t.Errorf("status %d grants a token", status)
			}
			if !credential.Printable(r.AccessToken.Reveal()) || r.RefreshToken != "" && !credential.ValidRefreshToken(r.RefreshToken.Reveal()) || !credential.Printable(r.TokenType) {
				t.Errorf("%q, %q, %q", r.AccessToken.Reveal(), r.RefreshToken.Reveal(), r.TokenType)
			}
			for _, at := range []time.Time{r.AccessExpiresAt, r.RefreshExpiresAt} {
				if !at.IsZero() && (!at.After(asked) || at.Sub(asked) > longest) {
					t.Errorf("ends at %s", at)
				}
			}
			for _, scope := range r.Scopes {
				if !credential.Printable(scope) {
					t.Errorf("scope %q", scope)
				}
			}
			for _, text := range []string{fmt.Sprintf("%+v", r), strings.Join(r.Notes, "")} {
				if strings.Contains(text, r.AccessToken.Reveal()) && len(r.AccessToken) > 20 {
					t.Errorf("the token is told: %s", text)
				}
			}
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	for _, status := range []int{400, 401, 403, 404, 407, 408, 429, 500, 503} {
		for _, seed := range []string{
			`{"error":"invalid_grant"}`, `{"error":{"code":"invalid_grant"}}`, `{"message":"No consumer with those credentials"}`,
			`{"error":"x","error_description":"\u001b[31m` + plantedSecret + `\u202e"}`, "Retry later", "<html>", "{}", "[]", `{"error":true}`,
		} {
			f.Add(status, []byte(seed))
		}
	}
	clients := builtin(f)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status >= 200 && status <= 299 {
			return
		}
		a := fuzzed(status, body, http.Header{})
		for _, c := range clients {
			r, err := c.read(a)
			if r != nil {
				t.Fatalf("status %d grants %+v", status, r)
			}
			checkError(t, err, a)
			resp := &http.Response{StatusCode: status, Header: a.header, Body: io.NopCloser(bytes.NewReader(body)), Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)}
			if api := c.APIFailure(resp, true, ""); api != nil && (api.Ended || redact.Printable(api.Error()) != api.Error()) {
				t.Errorf("%q, ended %t", api.Error(), api.Ended)
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "0", "7", "-1", "1795000000", "99999999999999", "9223372036854775807", "1e5", "0x1", " 7 ", "7, 8",
		"Sun, 22 Nov 2026 12:00:09 GMT", "Sunday, 22-Nov-26 12:00:09 GMT", "Sun Nov 22 12:00:09 2026", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		f.Add(seed, "Sun, 22 Nov 2026 12:00:00 GMT", []byte("{}"))
	}
	f.Add("", "", []byte(`{"context":{"rateLimitResponse":{"resetsIn":1e300}}}`))
	clients := builtin(f)
	f.Fuzz(func(t *testing.T, header, date string, body []byte) {
		a := fuzzed(429, body, http.Header{"Retry-After": {header}, "Date": {date}})
		for _, c := range clients {
			wait, told := c.retryAfter(a)
			if wait < 0 || wait > longest || !told && wait != 0 {
				t.Errorf("%s, %t", wait, told)
			}
			_, err := c.read(a)
			checkError(t, err, a)
		}
	})
}

func FuzzInstant(f *testing.F) {
	for _, layout := range instantLayouts() {
		f.Add(asked.Add(time.Hour).Format(layout), int64(0))
	}
	for _, seed := range []string{"", "0", "1795000000", "1795000000000", "3600", "1e14", "NaN", "-1", "9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00Z", "2026-11-22T12:30:00.0000000000001Z"} {
		f.Add(seed, int64(time.Hour))
	}
	f.Fuzz(func(t *testing.T, text string, skew int64) {
		now := asked.Add(time.Duration(skew))
		life := lifeUntil(text, now)
		if life > longest {
			t.Errorf("%q lives for %s", text, life)
		}
		if _, err := time.Parse(time.RFC3339, text); err == nil && life > 0 && life < longest {
			if at, _ := time.Parse(time.RFC3339, text); !now.Add(life).Equal(at) {
				t.Errorf("%q is read as %s", text, now.Add(life))
			}
		}
		if s := seconds(text); s < 0 || s > longest {
			t.Errorf("%q seconds are %s", text, s)
		}
	})
}
