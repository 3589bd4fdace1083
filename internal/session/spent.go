package session

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// spentTokens is the record of the refresh tokens of one account that were sent from the env store. Other
// processes, and later ones, have the old token in their environment and no other way to know that it was
// replaced; to send it again would end the login where reuse counts as theft (RFC 9700 4.14.2). It holds
// fingerprints, never a token, and is written only under the account's lock.
type spentTokens struct {
	Version int          `json:"tokencli"`
	Account string       `json:"account"`
	Tokens  []spentToken `json:"tokens"` // the oldest first
}

type spentToken struct {
	Token string    `json:"token"`
	By    string    `json:"by,omitempty"` // its replacement; empty: it was sent, and the outcome is unknown
	At    time.Time `json:"at"`
}

const (
	spentVersion = 1
	// spentKept bounds the record: a token that was replaced so often is in nobody's environment.
	spentKept = 100
	maxSpent  = 1 << 20
)

// fingerprint stands for the credential's refresh token without giving it away: it is long and random.
func fingerprint(c *credential.Credential) string {
	sum := sha256.Sum256([]byte("tokencli refresh token\x00" + c.Origin + "\x00" + c.RefreshToken.Reveal()))
	return hex.EncodeToString(sum[:])
}

func (s *Session) spentPath(name account.Name) string {
	return filepath.Join(s.StateDir, "rotated", s.Store.Kind()+"-"+name.File()+".json")
}

func (s *Session) readSpent(name account.Name) (*spentTokens, error) {
	path := s.spentPath(name)
	spent := &spentTokens{Version: spentVersion, Account: name.String()}
	text, err := safefile.Read(path, maxSpent, safefile.State)
	if errors.Is(err, fs.ErrNotExist) {
		return spent, nil
	}
	if err != nil {
		return nil, err
	}
	read := &spentTokens{}
	if json.Unmarshal(text, read) != nil || read.Version != spentVersion || read.Account != name.String() {
		return nil, fail.New(fail.Store, "%s is not a record that this tokencli wrote", redact.Printable(path)).
			WithHint("without it a refresh token may be sent twice; make sure that %s is the newest one, then move the file away", name.Var(account.RefreshToken))
	}
	return read, nil
}

func (s *Session) writeSpent(name account.Name, spent *spentTokens) error {
	text, err := json.Marshal(spent)
	if err != nil {
		return fail.New(fail.Internal, "the record of %s cannot be written: %w", name, err)
	}
	return s.writeState(s.spentPath(name), text)
}

// keepSpent writes what is known after a request. That it cannot be written changes nothing of what the
// request did.
func (s *Session) keepSpent(name account.Name, spent *spentTokens) {
	if err := s.writeSpent(name, spent); err != nil {
		s.tell("warning: %v", err)
	}
}

func (t *spentTokens) find(token string) *spentToken {
	i := slices.IndexFunc(t.Tokens, func(s spentToken) bool { return s.Token == token })
	if i < 0 {
		return nil
	}
	return &t.Tokens[i]
}

// parent returns the token that was replaced by this one.
func (t *spentTokens) parent(token string) *spentToken {
	i := slices.IndexFunc(t.Tokens, func(s spentToken) bool { return s.By == token })
	if i < 0 {
		return nil
	}
	return &t.Tokens[i]
}

func (t *spentTokens) clone() *spentTokens {
	c := *t
	c.Tokens = slices.Clone(t.Tokens)
	return &c
}

func (t *spentTokens) without(token string) *spentTokens {
	c := t.clone()
	c.Tokens = slices.DeleteFunc(c.Tokens, func(s spentToken) bool { return s.Token == token })
	return c
}

// note records that the refresh token of old was sent, and by what it was replaced; nil: not known yet.
func (t *spentTokens) note(old, replacement *credential.Credential, at time.Time) {
	entry := spentToken{Token: fingerprint(old), At: at.UTC().Round(0)}
	if replacement != nil {
		entry.By = fingerprint(replacement)
	}
	*t = *t.without(entry.Token)
	t.Tokens = append(t.Tokens, entry)
	if n := len(t.Tokens); n > spentKept {
		t.Tokens = slices.Delete(t.Tokens, 0, n-spentKept)
	}
}
