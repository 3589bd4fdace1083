package oauth

import (
	"encoding/base64"
	"testing"
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
