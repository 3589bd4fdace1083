package store

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// recipientPrefix begins a line of a key file that names a further recipient, such as a recovery key. To age
// it is a comment.
const recipientPrefix = "# recipient: "

// rewrapLock is how long Rewrap waits for the lock of an account.
const rewrapLock = time.Minute

// extraRecipients returns the further recipients that a key file names, and their texts.
func extraRecipients(source, text string) ([]age.Recipient, []string, error) {
	var recipients []age.Recipient
	var texts []string
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), recipientPrefix); ok {
			recipient, err := parseRecipient(source, name)
			if err != nil {
				return nil, nil, err
			}
			recipients, texts = append(recipients, recipient), append(texts, strings.TrimSpace(name))
		}
	}
	return recipients, texts, nil
}

// parseRecipient reads the public key of an age identity. The text is not quoted: it may be the identity.
func parseRecipient(source, text string) (age.Recipient, error) {
	parsed, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(parsed) != 1 {
		return nil, fail.New(fail.Usage, "%s: not an age recipient (age1...)", source).Advise(fail.DoShowRecipient)
	}
	return parsed[0], nil
}

// AddRecipients adds recipients to the key file, except those that it names already. A store that is opened
// afterwards encrypts every file that it writes to them as well. Files written earlier stay as they are: see
// Rewrap.
func (f *File) AddRecipients(recipients []string) error {
	keys, err := f.unlock()
	if err != nil {
		return err
	}
	if keys.setting == account.FilePassphrase {
		return fail.New(fail.Usage, "a file encrypted with a passphrase can have no other recipient").Advise(fail.DoInitFile)
	}
	added, all := "", slices.Clone(keys.recipients)
	for _, text := range recipients {
		text = strings.TrimSpace(text)
		recipient, err := parseRecipient("the recipient", text)
		if err != nil {
			return err
		}
		if !slices.Contains(keys.extra, text) {
			added += recipientPrefix + text + "\n"
			all = append(all, recipient)
		}
	}
	if added == "" {
		return nil
	}
	if _, err := age.Encrypt(new(bytes.Buffer), all...); err != nil {
		return fail.New(fail.Usage, "age does not encrypt to these recipients together: those of post-quantum keys (age1pq1...) and others cannot be mixed")
	}
	if keys.path == "" {
		return fail.New(fail.Usage, "%s holds the key itself, so the recipients cannot be added to its file", account.FileKey).
			Advise(fail.DoAddLines, account.FileKey, strings.TrimSpace(strings.ReplaceAll(added, "\n", " ")))
	}
	return appendToKeyFile(keys.path, added)
}

func appendToKeyFile(path, text string) error {
	// A link stays a link: the file that it points to is replaced.
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fail.New(fail.Store, "%s cannot be read", redact.Printable(path)).Advise(fail.DoCheckReadable, redact.Printable(path))
	}
	content, err := readKeyFile(target)
	if err != nil {
		return err
	}
	if len(content) > 0 && content[len(content)-1] != '\n' {
		content = append(content, '\n')
	}
	return safefile.WriteAtomic(target, append(content, text...))
}

// Rewrap encrypts every file again: to the first identity of the key and to the further recipients that the
// key file names. It holds each account's lock meanwhile. If the key cannot decrypt one of the files, none is
// changed. It returns the accounts.
func (f *File) Rewrap(ctx context.Context) ([]account.Name, error) {
	names, err := f.files(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := f.unlock(); err != nil {
		return nil, err
	}
	if err := f.Readable(ctx); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := f.rewrap(ctx, name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// Readable returns the failure of the first file that the key cannot decrypt.
func (f *File) Readable(ctx context.Context) error {
	names, err := f.files(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := f.Get(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) rewrap(ctx context.Context, name account.Name) error {
	bounded, cancel := context.WithTimeout(ctx, rewrapLock)
	defer cancel()
	release, err := Locks{Dir: f.Dir, Store: f.Kind()}.Hold(bounded, name)
	if err != nil {
		return err
	}
	defer release()
	c, err := f.Get(ctx, name)
	if err != nil {
		return err
	}
	return f.Swap(ctx, c, c)
}

// Recipients returns the public keys that files are encrypted to, the store's own first. With a passphrase
// there are none.
func (f *File) Recipients() ([]string, error) {
	keys, err := f.unlock()
	if err != nil {
		return nil, err
	}
	var texts []string
	if own, ok := keys.recipients[0].(fmt.Stringer); ok {
		texts = append(texts, own.String())
	}
	return append(texts, keys.extra...), nil
}
