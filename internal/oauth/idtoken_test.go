package oauth

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

func TestIDTokenClaims(t *testing.T) {
	c := &Client{
		Config: &Config{Definition: &provider.Definition{Title: "Acme", Issuer: "https://a.example"}},
		Now:    func() time.Time { return time.Unix(1000, 0) },
	}
	for claims, accepted := range map[string]bool{
		`{"iss":"https://a.example","aud":"me","exp":2000,"nonce":"n"}`:           true,
		`{"iss":"https://a.example","aud":["other","me"],"exp":2000,"nonce":"n"}`: true,
		`{"iss":"https://a.example/","aud":"me","exp":2000,"nonce":"n"}`:          false,
		`{"iss":"https://a.example","aud":"other","exp":2000,"nonce":"n"}`:        false,
		`{"iss":"https://a.example","aud":"me","exp":900,"nonce":"n"}`:            false,
		`{"iss":"https://a.example","aud":"me","nonce":"n"}`:                      false,
		`{"iss":"https://a.example","aud":"me","exp":2000,"nonce":"another"}`:     false,
		`{"iss":"https://a.example","aud":"me","exp":2000}`:                       false,
		`{"iss":"https://a.example","exp":2000,"nonce":"n"}`:                      false,
		`not JSON`: false,
	} {
		token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s"
		err := c.checkIDToken(&Authorization{nonce: "n"}, "me", &Reply{IDToken: credential.Secret(token)})
		if accepted != (err == nil) || err != nil && fail.KindOf(err) != fail.Refused {
			t.Errorf("%s: %v", claims, err)
		}
	}
	if c.checkIDToken(&Authorization{nonce: "n"}, "me", &Reply{}) == nil {
		t.Error("a missing ID token was accepted")
	}
}

// idToken returns a reply with an ID token of these claims.
func idToken(claims string) string {
	return `{"access_token":"a","id_token":"e30.` + base64.RawURLEncoding.EncodeToString([]byte(claims)) + `.s"}`
}

// A login by code sends a nonce, and takes only an ID token that holds it.
func TestLoginChecksTheIDToken(t *testing.T) {
	for _, fits := range []bool{true, false} {
		var nonce string
		p := newPeer(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, idToken(`{"iss":"https://a.example","aud":"me","exp":9999999999,"nonce":"`+nonce+`"}`))
		})
		c, by := p.standard(t), Registration{ID: "me", Secret: registration.Secret}
		c.Definition.Issuer, c.Definition.Reply.IDToken = "https://a.example", provider.Names{"id_token"}
		a := c.NewAuthorization("https://app.example/cb", []string{"openid"})
		address, _, err := c.URL(t.Context(), by, a)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if nonce = u.Query().Get("nonce"); len(nonce) < 43 {
			t.Fatalf("the nonce %q has fewer than 256 bits", nonce)
		}
		if !fits {
			nonce = "of-another-login"
		}
		if _, err := c.Exchange(t.Context(), by, a, theCode); fits != (err == nil) || err != nil && !fail.Is(err, fail.Refused) {
			t.Errorf("the nonce fits: %t, %v", fits, err)
		}
	}
}

// A device login takes no ID token of another client or issuer.
func TestPollChecksTheIDToken(t *testing.T) {
	for claims, accepted := range map[string]bool{
		`{"iss":"https://a.example","aud":"me","exp":9999999999}`:    true,
		`{"iss":"https://a.example","aud":"other","exp":9999999999}`: false,
		`{"iss":"https://b.example","aud":"me","exp":9999999999}`:    false,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &deviceServer{start: deviceReply, polls: []string{idToken(claims)}}
			c := s.client(t)
			c.Definition.Issuer, c.Definition.Reply.IDToken = "https://a.example", provider.Names{"id_token"}
			d, err := c.AuthorizeDevice(t.Context(), Registration{ID: "me"}, []string{"openid"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Poll(t.Context(), Registration{ID: "me"}, d); accepted != (err == nil) || err != nil && !fail.Is(err, fail.Refused) {
				t.Errorf("%s: %v", claims, err)
			}
		})
	}
}

// A definition with reply: {access_token: id_token} hands out the ID token until its own exp.
func TestIDTokenHasItsOwnExpiry(t *testing.T) {
	asked := time.Unix(1000, 0)
	token := credential.Secret("e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1600}`)) + ".s")
	for what, test := range map[string]struct {
		reply Reply
		want  time.Duration
	}{
		"the ID token":     {Reply{AccessToken: token, IDToken: token, AccessLifetime: time.Hour}, 10 * time.Minute},
		"another token":    {Reply{AccessToken: "a", IDToken: token, AccessLifetime: time.Hour}, time.Hour},
		"no ID token":      {Reply{AccessToken: token, AccessLifetime: time.Hour}, time.Hour},
		"one without exp":  {Reply{AccessToken: "e30.e30.s", IDToken: "e30.e30.s", AccessLifetime: time.Hour}, time.Hour},
		"one that is none": {Reply{AccessToken: "a", IDToken: "a", AccessLifetime: time.Hour}, time.Hour},
	} {
		test.reply.ownExpiry(&answer{asked: asked})
		if test.reply.AccessLifetime != test.want {
			t.Errorf("%s: %s, want %s", what, test.reply.AccessLifetime, test.want)
		}
	}
	d := &provider.Definition{Name: "test", Title: "Test", API: provider.API{URL: "https://api.example/"}}
	d.Reply.AccessToken, d.Reply.IDToken, d.Reply.ExpiresIn = provider.Names{"id_token"}, provider.Names{"id_token"}, provider.Names{"expires_in"}
	config, err := Resolve(t.Context(), d, nil, nil, Base{})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"access_token":"a","id_token":"` + token.Reveal() + `","expires_in":3600}`
	r, err := (&Client{Config: config}).read(&answer{status: 200, body: []byte(body), asked: asked})
	if want := asked.Add(10 * time.Minute); err != nil || r.AccessToken != token || !r.AccessExpiresAt.Equal(want) {
		t.Errorf("read %+v, %v; want it to expire at %s", r, err, want)
	}
}
