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

// fileKeys encrypt and decrypt the files.
type fileKeys struct {
	setting    string          // the variable, for messages
	path       string          // of the key file; empty if the setting holds the key itself
	recipients []age.Recipient // for writing: the store's own first
	extra      []string        // the texts of the further recipients
	identities []age.Identity  // for reading
}

// parseFileKeys reads the two settings. If both are set, the key takes precedence.
func parseFileKeys(key, phrase credential.Secret, workFactor int) (*fileKeys, error) {
	identity, err := account.CleanVar(account.FileKey, key.Reveal())
	if err != nil {
		return nil, err
	}
	if identity != "" {
		return parseFileKey(identity)
	}
	text, err := account.CleanVar(account.FilePassphrase, phrase.Reveal())
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, fail.New(fail.Usage, "the file store has no key: neither %s nor %s is set", account.FileKey, account.FilePassphrase).
			Advise(fail.DoInitFile)
	}
	p, err := newPassphrase(text, workFactor)
	if err != nil {
		return nil, err
	}
	return &fileKeys{setting: account.FilePassphrase, recipients: []age.Recipient{p}, identities: []age.Identity{p}}, nil
}

// parseFileKey reads an identity, the text of an identity file, or the file at a path. The setting is
// quoted only if it is known to be the path of a file: it may be a damaged key.
func parseFileKey(setting string) (*fileKeys, error) {
	source, text, path := account.FileKey, setting, ""
	if !holdsIdentity(setting) {
		content, err := readKeyFile(setting)
		if err != nil {
			return nil, err
		}
		source = fmt.Sprintf("the file %s of %s", redact.Printable(setting), account.FileKey)
		path = setting
		if text, err = account.CleanText(source, string(content)); err != nil {
			return nil, err
		}
	}
	// The parser's errors are left out: they may quote what they could not read.
	identities, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		return nil, fail.New(fail.Usage, "%s does not hold a valid age identity (a line AGE-SECRET-KEY-1...)", source).
			Advise(fail.DoInitFile)
	}
	var recipient age.Recipient
	switch first := identities[0].(type) {
	case *age.X25519Identity:
		recipient = first.Recipient()
	case *age.HybridIdentity:
		recipient = first.Recipient()
	default:
		return nil, fail.New(fail.Usage, "%s holds an age identity of a kind that tokencli cannot write with", source).
			Advise(fail.DoInitFile)
	}
	further, extra, err := extraRecipients(source, text)
	if err != nil {
		return nil, err
	}
	return &fileKeys{
		setting: account.FileKey, path: path, recipients: append([]age.Recipient{recipient}, further...), extra: extra, identities: identities,
	}, nil
}

// holdsIdentity reports whether a line of the setting is meant to be an identity.
func holdsIdentity(setting string) bool {
	return strings.HasPrefix(setting, "AGE-SECRET-KEY-") || strings.Contains(setting, "\nAGE-SECRET-KEY-")
}

func readKeyFile(path string) ([]byte, error) {
	_, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fail.New(fail.Store, "the file that %s names cannot be read: permission denied", account.FileKey).
			Advise(fail.DoCheckReadable, redact.Printable(path))
	case err != nil:
		if strings.HasPrefix(path, "~") {
			return nil, fail.New(fail.Usage, "%s is neither an age identity nor the path of a file: '~' is not expanded here", account.FileKey).
				Advise(fail.DoWriteFullPath, account.FileKey)
		}
		return nil, fail.New(fail.Usage, "%s is neither an age identity nor the path of an existing file", account.FileKey).
			Advise(fail.DoInitFile)
	}
	content, err := safefile.Read(path, maxKeyFile, safefile.Key)
	if errors.Is(err, fs.ErrNotExist) {
		// It was deleted just now. The cause is cut off: it would say that nobody is logged in.
		return nil, fail.New(fail.Usage, "%v", err)
	}
	return content, err
}

// maxWorkFactor is the scrypt cost, as a power of two, up to which files are read: twice the time and
// memory of what age writes (2^18: 256 MiB and about a second).
const maxWorkFactor = 19

var errTooMuchWork = errors.New("the passphrase of this file is too expensive to check")

// passphrase is an age recipient and identity that remembers the file keys it has derived. Deriving one
// costs over a second, and a save needs the same ones several times. It is safe for use by several
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

// costsTooMuch reports whether that is why a file was refused; age's own error says so in words only.
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

// InitKeyFile generates a key for the file store and writes it to a new file at path, in the form of
// age-keygen, creating its folder if needed. It returns the absolute path, which is the value for
// TOKENCLI_FILE_KEY, and the public recipient. If the file exists, the error wraps fs.ErrExist.
func InitKeyFile(path string) (absolute, recipient string, err error) {
	if absolute, err = filepath.Abs(path); err != nil {
		return "", "", fail.New(fail.Store, "the current folder is unknown: %w", err).Advise(fail.DoWriteFullPath, "the key")
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fail.New(fail.Internal, "cannot generate a key: %w", err)
	}
	if err := safefile.CheckParents(absolute); err != nil {
		return "", "", err
	}
	// A folder that cannot be created shows in the error of Create, with its advice.
	_ = os.MkdirAll(filepath.Dir(absolute), 0o700)
	recipient = identity.Recipient().String()
	text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", time.Now().UTC().Format(time.RFC3339), recipient, identity)
	if err := safefile.Create(absolute, []byte(text)); err != nil {
		return "", "", err
	}
	return absolute, recipient, nil
}
