package refresh

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

// tokenJournal records which refresh tokens of one account were sent from a read-only store. Other processes,
// and later ones, have the old token in their environment and no other way to know that it was replaced; to
// send it again would end the login if the provider treats reuse as theft (RFC 9700 4.14.2). It holds
// fingerprints, never a token, and is written only under the account's lock.
type tokenJournal struct {
	Version int          `json:"tokencli"`
	Account string       `json:"account"`
	Tokens  []tokenEntry `json:"tokens"` // the oldest first
}

type tokenEntry struct {
	Token string    `json:"token"`
	By    string    `json:"by,omitempty"` // its replacement; empty: it was sent, and the outcome is unknown
	At    time.Time `json:"at"`
}

const (
	journalVersion = 1
	journalFolder  = "rotated"
	// maxEntries bounds the journal: a token that was replaced that often is in nobody's environment.
	maxEntries = 100
	maxJournal = 1 << 20
)

// fingerprint identifies the credential's refresh token without revealing it: tokens are long and random.
func fingerprint(c *credential.Credential) string {
	sum := sha256.Sum256([]byte("tokencli refresh token\x00" + c.Origin + "\x00" + c.RefreshToken.Reveal()))
	return hex.EncodeToString(sum[:])
}

func (r *Refresher) journalPath(name account.Name) string {
	return filepath.Join(r.StateDir, journalFolder, r.Store.Kind()+"-"+name.File()+".json")
}

func (r *Refresher) readJournal(name account.Name) (*tokenJournal, error) {
	path := r.journalPath(name)
	text, err := safefile.Read(path, maxJournal, safefile.State)
	if errors.Is(err, fs.ErrNotExist) {
		return &tokenJournal{Version: journalVersion, Account: name.String()}, nil
	}
	if err != nil {
		return nil, err
	}
	j := &tokenJournal{}
	if json.Unmarshal(text, j) != nil || j.Version != journalVersion || j.Account != name.String() {
		return nil, fail.New(fail.Store, "%s is not a journal that this tokencli wrote", redact.Printable(path)).
			Advise(fail.DoMoveJournal, name.Var(account.RefreshToken))
	}
	return j, nil
}

func (r *Refresher) writeJournal(name account.Name, j *tokenJournal) error {
	text, err := json.Marshal(j)
	if err != nil {
		return fail.New(fail.Internal, "the journal of %s cannot be written: %w", name, err)
	}
	return r.writeState(r.journalPath(name), text)
}

func (j *tokenJournal) find(token string) *tokenEntry {
	return j.entry(func(e tokenEntry) bool { return e.Token == token })
}

// parent returns the entry of the token that was replaced by this one, or nil.
func (j *tokenJournal) parent(token string) *tokenEntry {
	return j.entry(func(e tokenEntry) bool { return e.By == token })
}

func (j *tokenJournal) entry(match func(tokenEntry) bool) *tokenEntry {
	i := slices.IndexFunc(j.Tokens, match)
	if i < 0 {
		return nil
	}
	return &j.Tokens[i]
}

func (j *tokenJournal) without(token string) *tokenJournal {
	c := *j
	c.Tokens = slices.DeleteFunc(slices.Clone(j.Tokens), func(e tokenEntry) bool { return e.Token == token })
	return &c
}

// with returns a journal that says that the refresh token of old was sent, and by what it was replaced; nil:
// not known yet.
func (j *tokenJournal) with(old, replacement *credential.Credential, at time.Time) *tokenJournal {
	entry := tokenEntry{Token: fingerprint(old), At: at.UTC().Round(0)}
	if replacement != nil {
		entry.By = fingerprint(replacement)
	}
	c := j.without(entry.Token)
	c.Tokens = append(c.Tokens, entry)
	if n := len(c.Tokens); n > maxEntries {
		c.Tokens = slices.Delete(c.Tokens, 0, n-maxEntries)
	}
	return c
}
