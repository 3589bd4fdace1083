package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// A record that is longer than the platform's items is split into parts, and the item under the account's
// own name, the head, becomes a manifest of them. The parts have two sets of names, used in turn: a writer
// fills the set that the head does not point to, then replaces the head, then deletes the other set. So
// the head always points to a whole record, and a crash leaves the old one or the new one. Parts left by a
// crash are in one of the two sets, numbered without a gap, so that the next writer finds and deletes them
// although a keychain cannot be listed.

// manifest is the head of a record in parts.
type manifest struct {
	Form    int    `json:"tokencli_parts"` // first, see manifestPrefix
	Account string `json:"account"`
	// Generation counts the records in parts that followed each other; its parity names the set.
	Generation int64  `json:"generation"`
	Parts      int    `json:"parts"`
	Length     int    `json:"length"` // of the whole text in bytes
	SHA256     string `json:"sha256"` // of the whole text, in hex
}

const (
	manifestForm = 1
	// manifestPrefix is how a manifest begins, and no credential does.
	manifestPrefix = `{"tokencli_parts":`
	// maxParts bounds the work that a manifest can cause. It is enough for 2 MB in the smallest items.
	maxParts = 1000
)

// errTorn says that the parts under a head are not those that it describes.
var errTorn = errors.New("its parts are incomplete or do not belong together")

// record is what is stored for an account.
type record struct {
	account    account.Name
	credential *credential.Credential // of a record that was read
	head       string
	manifest   *manifest // nil if the head is the whole text
	parts      []string
}

// newRecord splits a text into items of at most limit bytes (0: any number), to follow the old record,
// which is nil if there was none.
func newRecord(name account.Name, text string, limit int, old *record) (*record, error) {
	if limit == 0 || len(text) <= limit {
		return &record{account: name, head: text}, nil
	}
	parts := split(text, limit)
	if len(parts) > maxParts {
		return nil, fail.New(fail.Store, "the credential of %s is too long for the keychain: %d bytes", name, len(text)).
			Advise(fail.DoUseAnotherStore)
	}
	m := &manifest{
		Form:       manifestForm,
		Account:    name.String(),
		Generation: 1,
		Parts:      len(parts),
		Length:     len(text),
		SHA256:     checksum(text),
	}
	if old != nil && old.manifest != nil {
		m.Generation = old.manifest.Generation + 1
	}
	head, err := json.Marshal(m)
	return &record{account: name, head: string(head), manifest: m, parts: parts}, err
}

// split cuts a text into pieces of at most limit bytes, between characters: some keychains take only
// text.
func split(text string, limit int) []string {
	var parts []string
	for len(text) > limit {
		cut := limit
		for cut > limit-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
			cut--
		}
		parts = append(parts, text[:cut])
		text = text[cut:]
	}
	return append(parts, text)
}

func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// partName returns the item of a part, counted from 1. The # keeps it from being the name of an account.
func partName(name account.Name, set int64, n int) string {
	return fmt.Sprintf("%s#g%d.%d", name, set, n)
}

// set returns which of the two sets of names the record's parts have.
func (m *manifest) set() int64 { return m.Generation % 2 }

// readRecord reads and checks what is stored for an account. It returns errNoItem if there is nothing.
func readRecord(ctx context.Context, it items, name account.Name) (*record, error) {
	const tries = 3
	for try := 1; ; try++ {
		r, err := readOnce(ctx, it, name)
		if try == tries || !errors.Is(err, errTorn) {
			return r, err
		}
		// A writer may have replaced the record between the head and the last part; the next try then
		// reads the new head.
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

func readOnce(ctx context.Context, it items, name account.Name) (*record, error) {
	head, err := it.get(ctx, name.String())
	if err != nil {
		return nil, err
	}
	r := &record{account: name, head: head}
	text := head
	if strings.HasPrefix(head, manifestPrefix) {
		if r.manifest, err = parseManifest(name, head); err != nil {
			return nil, err
		}
		if text, err = readParts(ctx, it, r); err != nil {
			return nil, err
		}
	}
	r.credential, err = credential.Decode(name, []byte(text))
	return r, err
}

// parseManifest reads a manifest. Like credential.Decode it never quotes the text.
func parseManifest(name account.Name, text string) (*manifest, error) {
	m := new(manifest)
	if json.Unmarshal([]byte(text), m) != nil || m.Form < 1 {
		return nil, credential.ErrForeign
	}
	if m.Form > manifestForm {
		return nil, fmt.Errorf("written by a newer tokencli (parts of form %d, this one knows %d)", m.Form, manifestForm)
	}
	if m.Account != name.String() || m.Generation < 1 || m.Parts < 1 || m.Parts > maxParts || m.Length < m.Parts {
		return nil, credential.ErrForeign
	}
	return m, nil
}

// readParts returns the text in the parts of a record, or errTorn.
func readParts(ctx context.Context, it items, r *record) (string, error) {
	var text strings.Builder
	for n := 1; n <= r.manifest.Parts; n++ {
		part, err := it.get(ctx, partName(r.account, r.manifest.set(), n))
		switch {
		case errors.Is(err, errNoItem):
			return "", errTorn
		case err != nil:
			return "", err
		}
		if text.WriteString(part); text.Len() > r.manifest.Length {
			return "", errTorn
		}
	}
	if text.Len() != r.manifest.Length || checksum(text.String()) != r.manifest.SHA256 {
		return "", errTorn
	}
	return text.String(), nil
}

// writeRecord replaces the old record, nil if there was none, and reads back what it wrote.
func writeRecord(ctx context.Context, it items, r, old *record) error {
	label := service + ": " + r.account.String()
	for i, part := range r.parts {
		label := fmt.Sprintf("%s (part %d)", label, i+1)
		if err := it.set(ctx, partName(r.account, r.manifest.set(), i+1), label, part); err != nil {
			return err
		}
	}
	if r.manifest != nil {
		// Before the head points to them: after that, the old record is lost.
		switch _, err := readParts(ctx, it, r); {
		case errors.Is(err, errTorn):
			return notKept(r.account)
		case err != nil:
			return err
		}
	}
	if err := it.set(ctx, r.account.String(), label, r.head); err != nil {
		return err
	}
	back, err := it.get(ctx, r.account.String())
	switch {
	case err == nil && back == r.head:
		return nil
	case err != nil && !errors.Is(err, errNoItem):
		return err
	}
	if isHead(r.account, back) {
		return fail.New(fail.Store, "another process changed the credential of %s in the keychain at the same time", r.account).
			Advise(fail.DoTryAgain)
	}
	// A keychain locked over SSH may store an empty text and report success (openclaw/gogcli#206). The old
	// record is put back; the failure is reported either way.
	if old != nil {
		_ = it.set(ctx, r.account.String(), label, old.head)
	} else {
		_ = it.remove(ctx, r.account.String())
	}
	return notKept(r.account)
}

// isHead reports whether tokencli could have stored the text under the account's own name.
func isHead(name account.Name, text string) bool {
	_, err := credential.Decode(name, []byte(text))
	if err != nil && strings.HasPrefix(text, manifestPrefix) {
		_, err = parseManifest(name, text)
	}
	return err == nil
}

func notKept(name account.Name) error {
	return fail.New(fail.Store, "the keychain did not save the credential of %s: it returned another text", name).
		Advise(fail.DoUnlockKeychain)
}

// sweep deletes the parts that do not belong to the record: those of the one before it, and of writers that
// crashed. The last part goes first, so that what a crash leaves is still numbered without a gap.
func sweep(ctx context.Context, it items, r *record) error {
	for set := range int64(2) {
		first := 1
		if r.manifest != nil && r.manifest.set() == set {
			first += len(r.parts)
		}
		last := first - 1
		for last < maxParts {
			_, err := it.get(ctx, partName(r.account, set, last+1))
			if errors.Is(err, errNoItem) {
				break
			}
			if err != nil {
				return err
			}
			last++
		}
		for ; last >= first; last-- {
			if err := it.remove(ctx, partName(r.account, set, last)); err != nil && !errors.Is(err, errNoItem) {
				return err
			}
		}
	}
	return nil
}

// pause waits a short random time, so that processes that failed together do not try again together.
func pause(ctx context.Context) error {
	const shortest, longest = 20 * time.Millisecond, 100 * time.Millisecond
	select {
	case <-time.After(shortest + rand.N(longest-shortest)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
