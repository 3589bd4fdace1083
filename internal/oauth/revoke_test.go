package oauth

import (
	"net/http"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestRevoke(t *testing.T) {
	type outcome struct {
		gone     bool
		kind     fail.Kind // 0: it is ended
		requests int
	}
	tests := []struct {
		name, provider, hint string
		answers              []http.HandlerFunc
		want                 outcome
	}{
		{"204", "mollie", "refresh_token", []http.HandlerFunc{replies(204, "")}, outcome{false, 0, 1}},
		{"200 without a body", "mollie", "refresh_token", []http.HandlerFunc{replies(200, "")}, outcome{false, 0, 1}},
		{"200 with an empty object", "moneybird", "refresh_token", []http.HandlerFunc{replies(200, "{}")}, outcome{false, 0, 1}},
		{"200 for an unknown token", "moneybird", "access_token", []http.HandlerFunc{replies(200, "null")}, outcome{false, 0, 1}},
		{"200 with words", "moneybird", "access_token", []http.HandlerFunc{replies(200, "OK")}, outcome{false, 0, 1}},
		{"HTML is no success", "moneybird", "refresh_token", []http.HandlerFunc{replies(200, "<html>Log in to the network")}, outcome{false, fail.Unavailable, 1}},
		{"an error inside a 200", "moneybird", "refresh_token", []http.HandlerFunc{replies(200, `{"error":"invalid_client"}`)}, outcome{false, fail.Refused, 1}},
		{"a redirect", "moneybird", "refresh_token", []http.HandlerFunc{replies(302, "", "Location", "/login")}, outcome{false, fail.Unavailable, 1}},
		{"form refused, JSON taken", "mollie", "refresh_token", []http.HandlerFunc{replies(400, `{"error":"invalid_request"}`), replies(204, "")}, outcome{false, 0, 2}},
		{"form breaks it, JSON taken", "mollie", "refresh_token", []http.HandlerFunc{replies(500, "<html>"), replies(204, "")}, outcome{false, 0, 2}},
		{"neither is taken", "mollie", "refresh_token", []http.HandlerFunc{replies(400, `{"error":"invalid_request"}`), replies(415, "{}")}, outcome{false, fail.Refused, 2}},
		{"both break it", "mollie", "refresh_token", []http.HandlerFunc{replies(500, "<html>"), replies(500, "<html>")}, outcome{false, fail.Unavailable, 2}},
		{"JSON is not tried after a 401", "mollie", "refresh_token", []http.HandlerFunc{replies(401, `{"error":"invalid_client"}`)}, outcome{false, fail.Refused, 1}},
		{"no second encoding where none is known", "moneybird", "refresh_token", []http.HandlerFunc{replies(400, `{"error":"invalid_request"}`)}, outcome{false, fail.Refused, 1}},
		{"JSON after which the connection is gone", "mollie", "refresh_token", []http.HandlerFunc{replies(500, ""), func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}}, outcome{false, fail.Unavailable, 2}},
		{"the token is dead already", "mollie", "refresh_token", []http.HandlerFunc{replies(400, `{"error":"invalid_grant"}`)}, outcome{false, 0, 2}},
		{"404 where that means gone", "moneybird", "refresh_token", []http.HandlerFunc{replies(404, "<html>Not found")}, outcome{true, 0, 1}},
		{"404 elsewhere", "mollie", "refresh_token", []http.HandlerFunc{replies(404, "<html>Not found")}, outcome{false, fail.Unavailable, 1}},
		{"of another client", "moneybird", "refresh_token", []http.HandlerFunc{replies(403, `{"error":"unauthorized_client"}`)}, outcome{false, fail.Refused, 1}},
		{"no access tokens, which end by themselves", "moneybird", "access_token", []http.HandlerFunc{replies(400, `{"error":"unsupported_token_type"}`)}, outcome{false, 0, 1}},
		{"no refresh tokens", "moneybird", "refresh_token", []http.HandlerFunc{replies(400, `{"error":"unsupported_token_type"}`)}, outcome{false, fail.Refused, 1}},
		{"429", "moneybird", "refresh_token", []http.HandlerFunc{replies(429, "Retry later")}, outcome{false, fail.Unavailable, 1}},
		{"429 with a time", "moneybird", "refresh_token", []http.HandlerFunc{replies(429, "Retry later", "Retry-After", "0"), replies(200, "{}")}, outcome{false, 0, 2}},
		{"503", "moneybird", "refresh_token", []http.HandlerFunc{replies(503, "<html>")}, outcome{false, fail.Unavailable, 1}},
		{"502", "moneybird", "refresh_token", []http.HandlerFunc{replies(502, "")}, outcome{false, fail.Unavailable, 1}},
		{"dropped", "moneybird", "refresh_token", []http.HandlerFunc{func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}, outcome{false, fail.Unavailable, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.provider+" "+tt.name, func(t *testing.T) {
			p := newPeer(t, inTurn(tt.answers...))
			gone, err := p.client(t, tt.provider).Revoke(t.Context(), registration, oldRefresh, tt.hint)
			got := outcome{gone: gone, requests: len(p.requests())}
			if err != nil {
				got.kind = failure(t, err).Fail.Kind
			}
			if got != tt.want {
				t.Errorf("%+v, want %+v: %v", got, tt.want, err)
			}
		})
	}
}

func TestTheSecondEncodingHoldsTheSame(t *testing.T) {
	p := newPeer(t, inTurn(replies(500, ""), replies(204, "")))
	if _, err := p.client(t, "mollie").Revoke(t.Context(), registration, oldRefresh, "refresh_token"); err != nil {
		t.Fatal(err)
	}
	seen := p.requests()
	for i, encoding := range []string{"form", "json"} {
		got, contentType := parameters(t, seen[i], encoding)
		if seen[i].method != "DELETE" || seen[i].path != "/oauth2/tokens" || seen[i].header.Get("Content-Type") != contentType {
			t.Errorf("%s %s %s", seen[i].method, seen[i].path, seen[i].header.Get("Content-Type"))
		}
		if got["token"] != oldRefresh || got["token_type_hint"] != "refresh_token" || len(got) != 2 {
			t.Errorf("%q", got)
		}
		checkBasic(t, seen[i].header, true)
	}
}

// The masking of a code must not hide what it says: a client secret may be any word.
func TestACodeThatHoldsASecretIsStillUnderstood(t *testing.T) {
	p := newPeer(t, replies(400, `{"error":"unsupported_token_type"}`))
	if _, err := p.client(t, "moneybird").Revoke(t.Context(), Registration{ID: "id", Secret: "token"}, "type", "access_token"); err != nil {
		t.Error(err)
	}
	q := newPeer(t, replies(400, `{"error":"invalid_grant"}`))
	_, err := q.client(t, "moneybird").Refresh(t.Context(), Registration{ID: "id", Secret: "grant"}, "invalid", "")
	if e := failure(t, err); !e.Ended {
		t.Errorf("%v", err)
	}
}
