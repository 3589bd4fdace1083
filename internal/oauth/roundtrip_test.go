package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// twoTokens hands out a token and, once, another one.
type twoTokens struct {
	mu     sync.Mutex
	asked  []string
	refuse error
}

func (s *twoTokens) Token(context.Context) (string, error) { return newAccess, nil }

func (s *twoTokens) Replace(_ context.Context, refused string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, refused)
	return "access_0ther", s.refuse
}

func apiOf(base string, rules ...provider.Rule) *Client {
	d := &provider.Definition{Name: "there", Title: "There", API: provider.API{URL: base + "/v1/", MissingScope: "No access to", Expired: rules}}
	d.Errors.Code = provider.Names{"error"}
	c, err := Resolve(context.Background(), d, nil, nil, Base{})
	if err != nil {
		panic(err)
	}
	return &Client{Config: c, HTTP: NewHTTP()}
}

func post(t *testing.T, address, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestATokenThatTheAPIRefusesIsReplacedOnce(t *testing.T) {
	expired := []provider.Rule{{Status: 400, Code: "invalid_grant"}, {Status: 419, Text: "Session Expired"}, {Status: 500, Code: "token_expired"}, {Text: "dead"}}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		header string
		dead   bool
	}{
		{"401", 401, "{}", "", true},
		{"403 invalid_token", 403, `{"error":"invalid_token"}`, "", true},
		{"403 invalid_token in the header", 403, "", `Bearer error="invalid_token"`, true},
		{"403", 403, `{"error":"forbidden"}`, "", false},
		{"what the definition lists", 400, `{"error":"invalid_grant"}`, "", true},
		{"another 400", 400, `{"error":"invalid_request"}`, "", false},
		{"a missing permission", 401, `{"error":"No access to documents"}`, "", false},
		{"insufficient_scope", 401, `{"error":"insufficient_scope"}`, "", false},
		{"insufficient_scope in the header", 401, "", `Bearer error="insufficient_scope"`, false},
		{"429", 429, "{}", "", false},
		{"500", 500, `{"error":"invalid_token"}`, "", false},
		{"a 500 that the definition lists", 500, `{"error":"token_expired"}`, "", true},
		{"a text of the definition in a body that is not JSON", 419, "<p>Your session expired</p>", "", true},
		{"a text of the definition with any other status", 503, "dead", "", false},
		{"200", 200, `{"error":"invalid_token"}`, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPeer(t, replies(tt.status, tt.body, "WWW-Authenticate", tt.header))
			tokens := &twoTokens{}
			resp, err := (&Transport{Client: apiOf(p.URL, expired...), Tokens: tokens}).RoundTrip(post(t, p.URL+"/v1/x", "data"))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil || string(text) != tt.body || resp.Body.Close() != nil {
				t.Errorf("%q, %v", text, err)
			}
			seen := p.requests()
			if want := map[bool]int{true: 2, false: 1}[tt.dead]; len(seen) != want || len(tokens.asked) != want-1 {
				t.Fatalf("%d requests, %d replacements", len(seen), len(tokens.asked))
			}
			last := seen[len(seen)-1]
			if tt.dead && last.header.Get("Authorization") != "Bearer access_0ther" || last.body != "data" || tokens.asked != nil && tokens.asked[0] != newAccess {
				t.Errorf("%v", last)
			}
		})
	}
}

func TestARefusalThatCannotBeHelpedKeepsTheAnswer(t *testing.T) {
	p := newPeer(t, replies(401, "no"))
	_, err := (&Transport{Client: apiOf(p.URL), Tokens: &twoTokens{refuse: errors.New("ended")}}).RoundTrip(post(t, p.URL+"/v1/x", "")) //nolint:bodyclose // it is in the error
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Err.Error() != "ended" {
		t.Fatalf("%v", err)
	}
	if text, err := io.ReadAll(refused.Answer.Body); err != nil || string(text) != "no" {
		t.Errorf("%q, %v", text, err)
	}
	_ = refused.Answer.Body.Close()
	// What is larger than 1 MiB is not sent again.
	tokens := &twoTokens{}
	resp, err := (&Transport{Client: apiOf(p.URL), Tokens: tokens}).RoundTrip(post(t, p.URL+"/v1/x", strings.Repeat("x", 1<<20+1)))
	if err != nil || resp.StatusCode != 401 || len(tokens.asked) != 0 {
		t.Errorf("%v, %d replacements", err, len(tokens.asked))
	}
	_ = resp.Body.Close()
}

func TestTheTransportStaysOnTheOriginsOfTheLogin(t *testing.T) {
	other := newPeer(t, replies(200, ""))
	p := newPeer(t, replies(200, ""))
	transport := &Transport{Client: apiOf(p.URL), Tokens: &twoTokens{}}
	port := p.URL[strings.LastIndex(p.URL, ":")+1:]
	for _, address := range []string{other.URL, "https://127.0.0.1:" + port, "http://localhost:" + port, "http://127.0.0.1/", "https://evil.example/"} {
		if _, err := transport.RoundTrip(post(t, address, "")); !fail.Is(err, fail.Usage) { //nolint:bodyclose // there is none
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := transport.Elsewhere(post(t, other.URL, "data")); !fail.Is(err, fail.Usage) { //nolint:bodyclose // there is none
		t.Errorf("a body goes to another host: %v", err)
	}
	if len(other.requests())+len(p.requests()) != 0 {
		t.Error("something was sent")
	}
}

func TestAnswersDoNotEchoTheToken(t *testing.T) {
	p := newPeer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Echo", newAccess)
		w.Header().Set("Location", "/?t="+strings.ReplaceAll(newAccess, "~", "%257E"))
		fmt.Fprint(w, "{}")
	})
	resp, err := (&Transport{Client: apiOf(p.URL), Tokens: &twoTokens{}}).RoundTrip(post(t, p.URL+"/v1/x", ""))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for name, values := range resp.Header {
		if holds(strings.Join(values, " "), newAccess) {
			t.Errorf("%s: %s", name, values)
		}
	}
}
