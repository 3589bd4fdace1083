package credential_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// full returns a credential in which every field is set.
func full() *credential.Credential {
	return &credential.Credential{
		Account: account.Name{Provider: "mollie", Label: "shop-b"}, Grant: credential.AuthorizationCode,
		Origin: "https://api.example.com", Origins: credential.Origins{credential.TokenEndpoint: "https://api.example.com"},
		Issuer: "https://issuer.example.com", Resource: "https://resource.example.com/mcp",
		Registration: credential.Registration{URI: "https://issuer.example.com/clients/1", AccessToken: "registration-token", SecretExpiresAt: time.Unix(1800000000, 0).UTC(), RedirectURI: "http://127.0.0.1:8976/callback"},
		Inputs:       map[string]string{"shop": "demo"}, Kept: map[string]string{"instance_url": "https://eu.example.com"},
		AccessLifetime: time.Hour, RefreshLifetime: credential.Unlimited, RefusedAt: now.Add(3 * time.Minute),
		ClientID: "app_1", ClientSecret: "client-secret", ClientKey: "/etc/client.pem",
		RedirectURI: "https://localhost:8976/callback", Scopes: []string{"a.read", "b.write"},
		AccessToken: "access-token", TokenType: "bearer", RefreshToken: "refresh-token",
		ObtainedAt: now, AccessExpiresAt: now.Add(time.Hour), RefreshExpiresAt: now.Add(24 * time.Hour),
		Generation: 7, Presented: now.Add(time.Minute), Ended: now.Add(2 * time.Minute), EndedReason: "invalid_grant",
		MovedTo: "vault",
	}
}

func TestFresh(t *testing.T) {
	const second = time.Second
	tests := []struct {
		name     string
		change   func(c *credential.Credential)
		minTTL   time.Duration
		wantTrue bool
	}{
		{"an hour left", func(*credential.Credential) {}, 60 * second, true},
		{"exactly the demand left", expires(60 * second), 60 * second, true},
		{"a nanosecond less", expires(60*second - 1), 60 * second, false},
		{"a nanosecond more", expires(60*second + 1), 60 * second, true},
		{"no demand, a nanosecond left", expires(1), 0, true},
		{"no demand, over this moment", expires(0), 0, false},
		{"over", expires(-second), 0, false},
		{"over for a negative demand as well", expires(-second), -time.Hour, false},
		{"no expiry", func(c *credential.Credential) { c.AccessExpiresAt = time.Time{} }, time.Hour, true},
		{"no token", func(c *credential.Credential) { c.AccessToken = "" }, 0, false},
		{"no token, static", func(c *credential.Credential) { c.Grant, c.AccessToken = credential.Static, "" }, 0, false},
		{"obtained 60 s in the future", obtained(60 * second), 0, true},
		{"obtained a nanosecond more in the future", obtained(60*second + 1), 0, false},
		{"obtained hours in the future", obtained(5 * time.Hour), 0, false},
		{"obtained in the future, no expiry", func(c *credential.Credential) {
			c.ObtainedAt, c.AccessExpiresAt = now.Add(time.Hour), time.Time{}
		}, 0, false},
		{"not known when it was obtained", func(c *credential.Credential) { c.ObtainedAt = time.Time{} }, 0, true},
		{"static", func(c *credential.Credential) { c.Grant = credential.Static }, 1000 * time.Hour, true},
		{"static, obtained in the future", func(c *credential.Credential) {
			c.Grant, c.ObtainedAt = credential.Static, now.Add(time.Hour)
		}, 0, true},
		{"an ended login's token is good until it ends", func(c *credential.Credential) { c.Ended = now }, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := full()
			tt.change(c)
			if got := c.Fresh(now, tt.minTTL); got != tt.wantTrue {
				t.Errorf("Fresh = %t", got)
			}
			// The zone of the local clock does not matter.
			if got := c.Fresh(now.In(time.FixedZone("x", 5*3600)), tt.minTTL); got != tt.wantTrue {
				t.Errorf("in another zone Fresh = %t", got)
			}
		})
	}
}

func expires(left time.Duration) func(*credential.Credential) {
	return func(c *credential.Credential) { c.AccessExpiresAt = now.Add(left) }
}

func obtained(ahead time.Duration) func(*credential.Credential) {
	return func(c *credential.Credential) {
		c.ObtainedAt, c.AccessExpiresAt = now.Add(ahead), now.Add(ahead+time.Hour)
	}
}

func TestRefreshExpired(t *testing.T) {
	for name, tt := range map[string]struct {
		expires, obtained time.Time
		want              bool
	}{
		"at this moment":              {now, now.Add(-time.Hour), true},
		"a nanosecond left":           {now.Add(1), now.Add(-time.Hour), false},
		"never":                       {time.Time{}, now, false},
		"by a clock that was wrong":   {now.Add(-time.Hour), now.Add(time.Hour), false},
		"obtained 60 s in the future": {now.Add(-time.Hour), now.Add(time.Minute), true},
	} {
		c := &credential.Credential{RefreshExpiresAt: tt.expires, ObtainedAt: tt.obtained}
		if got := c.RefreshExpired(now); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestSecretsLeavesNoneOut(t *testing.T) {
	got := full().Secrets()
	slices.Sort(got)
	if want := []string{"access-token", "client-secret", "refresh-token", "registration-token"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (&credential.Credential{}).Secrets(); len(got) != 0 {
		t.Errorf("%q of a credential without any", got)
	}
}

func TestSplitScopes(t *testing.T) {
	for text, want := range map[string][]string{
		"": {}, " ,\t\n": {}, "a": {"a"}, "a b,c": {"a", "b", "c"}, ",a,, b ,": {"a", "b"},
	} {
		if got := credential.SplitScopes(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}
