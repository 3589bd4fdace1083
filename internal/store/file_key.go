package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// maxKeyFile bounds an identity file; one identity takes about 200 bytes.
const maxKeyFile = 64 << 10

// fileKeys is what opens and closes the encrypted files.
type fileKeys struct {
	setting    string         // where it came from, for messages
	recipient  age.Recipient  // for writing
	identities []age.Identity // for reading
}

// parseFileKeys makes keys of the two settings. The key wins where both are set.
func parseFileKeys(key, phrase credential.Secret, workFactor int) (*fileKeys, error) {
	if text := strings.TrimSpace(key.Reveal()); text != "" {
		return parseFileKey(text)
	}
	if phrase == "" {
		return nil, fail.New(fail.Usage, "the file store has no key: neither %s nor %s is set", account.FileKey, account.FilePassphrase).
			WithHint("`tokencli store init file` makes a key and says what to set")
	}
	p, err := newPassphrase(phrase.Reveal(), workFactor)
	if err != nil {
		return nil, err
	}
	return &fileKeys{setting: account.FilePassphrase, recipient: p, identities: []age.Identity{p}}, nil
}

// parseFileKey reads an identity, the text of an identity file, or the file at a path. Nothing of the
// setting is quoted unless it is known to be the path of a file: it may be a damaged key.
func parseFileKey(setting string) (*fileKeys, error) {
	source, text := account.FileKey, setting
	if !holdsIdentity(setting) {
		content, err := readKeyFile(setting)
		if err != nil {
			return nil, err
		}
		source, text = fmt.Sprintf("the file %s of %s", redact.Printable(setting), account.FileKey), string(content)
	}
	// The parser's errors are left out: they may quote what they could not read.
	identities, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		return nil, fail.New(fail.Usage, "%s does not hold an age identity that can be read", source).
			WithHint("an identity is one line, AGE-SECRET-KEY-1...; `tokencli store init file --key FILE` makes one")
	}
	var recipient age.Recipient
	switch first := identities[0].(type) {
	case *age.X25519Identity:
		recipient = first.Recipient()
	case *age.HybridIdentity:
		recipient = first.Recipient()
	default:
		return nil, fail.New(fail.Usage, "%s holds an age identity of a kind that tokencli cannot write with", source).
			WithHint("`tokencli store init file --key FILE` makes one that it can")
	}
	return &fileKeys{setting: account.FileKey, recipient: recipient, identities: identities}, nil
}

// holdsIdentity reports whether a line of the setting is meant to be an identity.
func holdsIdentity(setting string) bool {
	for line := range strings.Lines(setting) {
		if strings.HasPrefix(line, "AGE-SECRET-KEY-") {
			return true
		}
	}
	return false
}

func readKeyFile(path string) ([]byte, error) {
	_, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fail.New(fail.Store, "the file that %s names cannot be read: permission denied", account.FileKey).
			WithHint("run tokencli as the user who may read it, or name a key of your own")
	case err != nil:
		failure := fail.New(fail.Usage, "%s is neither an age identity nor the path of a file that is there", account.FileKey).
			WithHint("set it to AGE-SECRET-KEY-1... or to a file that `tokencli store init file` or age-keygen wrote")
		if strings.HasPrefix(path, "~") {
			failure = failure.WithHint("write the path in full: a '~' is not expanded here")
		}
		return nil, failure
	}
	content, err := safefile.Read(path, maxKeyFile, safefile.Key)
	if errors.Is(err, fs.ErrNotExist) {
		// It went away this very moment. The cause is cut off: it would say that nobody is logged in.
		return nil, fail.New(fail.Usage, "%v", err)
	}
	return content, err
}

// maxWorkFactor is the scrypt cost, as a power of two, up to which files are read: twice the time and
// memory of what age writes (2^18: 256 MiB and about a second).
const maxWorkFactor = 19

var errTooMuchWork = errors.New("the passphrase of this file costs too much to check")

// passphrase is an age recipient and identity that remembers the file keys it has met. Deriving one costs
// over a second, and a save meets the same headers several times. It is safe for use by several
// goroutines, which derive one at a time: each derivation takes 256 MiB.
type passphrase struct {
	mu        sync.Mutex
	recipient *age.ScryptRecipient
	identity  *age.ScryptIdentity
	known     map[string][]byte // header stanza to file key
}

// newPassphrase returns a passphrase that writes with a work factor, or with age's default for 0.
func newPassphrase(text string, workFactor int) (*passphrase, error) {
	recipient, err := age.NewScryptRecipient(text)
	if err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(text)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	if workFactor > 0 {
		recipient.SetWorkFactor(workFactor)
	}
	return &passphrase{recipient: recipient, identity: identity, known: make(map[string][]byte)}, nil
}

// Wrap is for age.Recipient; age.Encrypt calls WrapWithLabels.
func (p *passphrase) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanzas, _, err := p.WrapWithLabels(fileKey)
	return stanzas, err
}

// WrapWithLabels encrypts the file key, with a label that keeps other recipients out of the file.
func (p *passphrase) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stanzas, labels, err := p.recipient.WrapWithLabels(fileKey)
	if err == nil {
		p.known[fingerprint(stanzas)] = slices.Clone(fileKey)
	}
	return stanzas, labels, err
}

// Unwrap decrypts the file key.
func (p *passphrase) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := fingerprint(stanzas)
	if fileKey, ok := p.known[id]; ok {
		return slices.Clone(fileKey), nil
	}
	fileKey, err := p.identity.Unwrap(stanzas)
	switch {
	case err == nil:
		p.known[id] = slices.Clone(fileKey)
	case !errors.Is(err, age.ErrIncorrectIdentity) && costsTooMuch(stanzas):
		err = errTooMuchWork
	}
	return fileKey, err
}

// costsTooMuch tells why a file was refused; age's own error says so in words only.
func costsTooMuch(stanzas []*age.Stanza) bool {
	for _, s := range stanzas {
		if s.Type == "scrypt" && len(s.Args) == 2 {
			cost, err := strconv.Atoi(s.Args[1])
			return err == nil && cost > maxWorkFactor
		}
	}
	return false
}

func fingerprint(stanzas []*age.Stanza) string {
	var text strings.Builder
	for _, s := range stanzas {
		fmt.Fprintf(&text, "%q %q %q\n", s.Type, s.Args, s.Body)
	}
	return text.String()
}

// InitKeyFile makes a key for the file store and writes it to path, which must not be there yet, in the
// form of age-keygen. Its folder is made when it is not there. It returns the absolute path, which is what
// TOKENCLI_FILE_KEY is set to, and the public recipient. The error for a file that is there wraps
// fs.ErrExist.
func InitKeyFile(path string) (absolute, recipient string, err error) {
	if absolute, err = filepath.Abs(path); err != nil {
		return "", "", fail.New(fail.Store, "the current folder cannot be told: %w", err).WithHint("give the path in full")
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fail.New(fail.Internal, "no key can be made: %w", err)
	}
	// A folder that cannot be made shows in the error of Create, with its hint.
	_ = os.MkdirAll(filepath.Dir(absolute), 0o700)
	recipient = identity.Recipient().String()
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339), recipient, identity)
	if err := safefile.Create(absolute, []byte(text)); err != nil {
		return "", "", err
	}
	return absolute, recipient, nil
}
