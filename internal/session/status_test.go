package session

import (
	"context"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/store"
)

// status, refresh --all, doctor and token judge a credential by one function.
func TestStateOfACredential(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	expired := func(c *credential.Credential) { c.AccessExpiresAt = now.Add(-time.Second) }
	ended := func(c *credential.Credential) { c.Ended, c.EndedReason = now, "invalid_grant" }
	mints := func(c *credential.Credential) { c.Grant, c.RefreshToken = credential.ClientCredentials, "" }
	for _, tt := range []struct {
		name    string
		change  func(c *credential.Credential)
		state   State
		blocked string // "": it can be refreshed
	}{
		{"valid", func(*credential.Credential) {}, Valid, ""},
		{"expired", expired, Refreshable, ""},
		{"expired, no refresh token", func(c *credential.Credential) { expired(c); c.RefreshToken = "" }, LoginNeeded, "no refresh token"},
		{"expired, ended", func(c *credential.Credential) { expired(c); ended(c) }, LoginNeeded, "ended on 2026-11-22: invalid_grant"},
		{"valid, ended", ended, Valid, "ended on"},
		{"refresh token expired this moment", func(c *credential.Credential) { expired(c); c.RefreshExpiresAt = now }, LoginNeeded, "expired on 2026-11-22"},
		{"refresh token has a nanosecond", func(c *credential.Credential) { expired(c); c.RefreshExpiresAt = now.Add(1) }, Refreshable, ""},
		{"refresh token without an expiry", func(c *credential.Credential) { expired(c); c.RefreshExpiresAt = time.Time{} }, Refreshable, ""},
		{"obtained in the future: its expiry cannot be trusted", func(c *credential.Credential) {
			c.ObtainedAt, c.AccessExpiresAt, c.RefreshExpiresAt = now.Add(time.Hour), now.Add(-time.Second), now.Add(-time.Hour)
		}, Refreshable, ""},
		{"mints", func(c *credential.Credential) { expired(c); mints(c); ended(c) }, Refreshable, ""},
		{"mints not without a secret", func(c *credential.Credential) { expired(c); mints(c); c.ClientSecret = "" }, LoginNeeded, "no refresh token"},
		{"mints not without an id", func(c *credential.Credential) { expired(c); mints(c); c.ClientID = "" }, LoginNeeded, "no refresh token"},
		{"static", func(c *credential.Credential) { expired(c); c.Grant = credential.Static }, Valid, "static token"},
		{"static, without a token", func(c *credential.Credential) { c.Grant, c.AccessToken = credential.Static, "" }, LoginNeeded, "static token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &credential.Credential{
				Account: moloniOn, Grant: credential.AuthorizationCode, ClientID: "app", ClientSecret: "s", AccessToken: "a", RefreshToken: "r",
				ObtainedAt: now.Add(-time.Hour), AccessExpiresAt: now.Add(time.Hour), RefreshExpiresAt: now.Add(24 * time.Hour),
			}
			tt.change(c)
			s := &Session{Store: &store.Memory{}, Options: Options{Getenv: func(string) string { return "" }, Now: func() time.Time { return now }}}
			state, blocked := s.state(c, nil)
			if state != tt.state {
				t.Errorf("state %s, want %s", state, tt.state)
			}
			switch {
			case tt.blocked == "" && blocked != nil:
				t.Errorf("blocked: %v", blocked)
			case tt.blocked != "":
				mustFail(t, blocked, fail.KindOf(blocked), tt.blocked)
			}
		})
	}
}

// Something else than tokencli deleted the credential.
func TestVanishedCredential(t *testing.T) {
	w := newWorld(t)
	s := w.session()
	gone := account.Name{Provider: "monta", Label: "gone"}
	s.Store = listed{s.Store, []account.Name{gone}}
	st, err := s.Status(t.Context(), gone)
	if err != nil || !st.Vanished || st.State != LoginNeeded || !st.NeedsLogin(0, w.now()) {
		t.Fatalf("%+v, %v", st, err)
	}
	mustFail(t, st.Blocked, fail.LoginNeeded, "gone from the store")
	if err := s.Revoke(t.Context(), gone, true); err != nil {
		t.Errorf("its name cannot be removed: %v", err)
	}
	_, err = w.session().Status(t.Context(), gone)
	mustFail(t, err, fail.NotLoggedIn, "monta/gone")
}

// listed is a store whose list of names has some that it holds no credential of.
type listed struct {
	store.Store
	names []account.Name
}

func (l listed) List(context.Context) ([]account.Name, error) { return l.names, nil }
