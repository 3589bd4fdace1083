package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestRules(t *testing.T) {
	var allow []Rule
	for _, text := range []string{"GET /v2/payments/*", "post /v2/refunds", "* /v2/any/**"} {
		rule, err := ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		allow = append(allow, rule)
	}
	for _, test := range []struct {
		rules Rules
		to    string
		want  bool
	}{
		{Rules{}, "DELETE /v2/a%2fb", true},
		{Rules{ReadOnly: true}, "GET /v2/x", true},
		{Rules{ReadOnly: true}, "HEAD /v2/x", true},
		{Rules{ReadOnly: true}, "OPTIONS /v2/x", true},
		{Rules{ReadOnly: true}, "POST /v2/x", false},
		{Rules{ReadOnly: true}, "DELETE /v2/x", false},
		{Rules{ReadOnly: true, Allow: allow}, "POST /v2/refunds", true},
		{Rules{Allow: allow}, "GET /v2/payments/1", true},
		{Rules{Allow: allow}, "GET /v2/payments/%74r", true},
		{Rules{Allow: allow}, "POST /v2/payments/1", false},
		{Rules{Allow: allow}, "GET /v2/payments", false},
		{Rules{Allow: allow}, "GET /v2/payments/", false},
		{Rules{Allow: allow}, "GET /v2/payments/1/refunds", false},
		{Rules{Allow: allow}, "POST /v2/refunds", true},
		{Rules{Allow: allow}, "POST /v2/refunds/", false},
		{Rules{Allow: allow}, "GET /v2/refunds", false},
		{Rules{Allow: allow}, "DELETE /v2/any/a/b", true},
		{Rules{Allow: allow}, "DELETE /v2/anything", false},
	} {
		method, path, _ := strings.Cut(test.to, " ")
		if got := test.rules.check(&http.Request{Method: method, URL: parse(t, path)}) == nil; got != test.want {
			t.Errorf("%s, read-only %t: %t", test.to, test.rules.ReadOnly, got)
		}
	}
}

func TestRulesThatCannotMatch(t *testing.T) {
	for _, text := range []string{"", "GET", "/v2", "GET v2", "GET,POST /v2", "** /v2", "G*T /v2", "GET /v2/*x", "GET /**/x", "GET /a/../b", "GET /%61", "GET /a//b", "GET /a?b"} {
		if _, err := ParseRule(text); !fail.Is(err, fail.Usage) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A path that a server may take apart in another way than the rules do matches no rule.
func TestRulesRefuseOddPaths(t *testing.T) {
	rule, err := ParseRule("* /v2/**")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/v2//x", "/v2/a%2fb", "/v2/a%2Fb", "/v2/a%2eb", "/v2/a%2Eb", "/v2/a%5cb", "/v2/a%5Cb", "/v2/a%252fb", `/v2/a\b`,
	} {
		for _, rules := range []Rules{{ReadOnly: true}, {Allow: []Rule{rule}}} {
			if rules.check(&http.Request{Method: http.MethodGet, URL: parse(t, path)}) == nil {
				t.Errorf("%s, read-only %t: allowed", path, rules.ReadOnly)
			}
		}
	}
}
