package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"filippo.io/age"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// maxFile bounds an encrypted file, and so a credential.
const maxFile = 1 << 20

// File keeps each account in a file of its own, encrypted in the age format (age-encryption.org/v1), in the
// folder "credentials" of the state folder. `age -d -i KEYFILE FILE` decrypts it without tokencli. Reading
// tries every identity of the key; writing encrypts to the recipients of the key file, or to the first
// identity if it names none (see fileKeys).
//
// Nothing is read or created before the first call. A missing or malformed key is a failure of kind
// fail.Usage, everything else of kind fail.Store. A file that the key cannot decrypt is neither overwritten
// nor deleted.
type File struct {
	Dir string // the state folder; writing creates it
	// Key is an age identity, several of them, one per line, or the path of an identity file. It takes
	// precedence over Passphrase.
	Key credential.Secret
	// Passphrase costs over a second and 256 MiB for each file that is read or written.
	Passphrase credential.Secret

	once   sync.Once
	keys   *fileKeys
	keyErr error

	workFactor int                        // of the passphrase; 0 is age's default
	write      func(string, []byte) error // nil is safefile.WriteAtomic
}

// Kind returns "file".
func (f *File) Kind() string { return "file" }

// Traits returns none.
func (f *File) Traits() Traits { return Traits{} }

// Get decrypts the account's file.
func (f *File) Get(ctx context.Context, name account.Name) (*credential.Credential, error) {
	if err := usable(ctx, name); err != nil {
		return nil, err
	}
	path, err := f.path(name, safefile.CheckDir)
	if err != nil {
		return nil, err
	}
	return f.get(name, path)
}

// Swap encrypts next into the account's file and reads it back, if the file holds old, or if there is none and old is nil.
func (f *File) Swap(ctx context.Context, old, next *credential.Credential) error {
	if err := usable(ctx, next.Account); err != nil {
		return err
	}
	keys, err := f.unlock()
	if err != nil {
		return err
	}
	path, err := f.path(next.Account, safefile.EnsureDir)
	if err != nil {
		return err
	}
	held, err := f.get(next.Account, path)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := checkOld(next.Account, old, held); err != nil {
		return err
	}
	record, err := encrypt(next, keys)
	if err != nil {
		return err
	}
	// Checking the old file may have taken a second.
	if err := ended(ctx); err != nil {
		return err
	}
	write := f.write
	if write == nil {
		write = safefile.WriteAtomic
	}
	if err := f.names().Add(next.Account); err != nil {
		return err
	}
	if err := write(path, record); err != nil {
		return err
	}
	// The cause is left out: a file that is gone must not look like an account that was never stored.
	if kept, err := f.get(next.Account, path); err != nil || !kept.Equal(next) {
		return fail.New(fail.Store, "%s does not hold what was written to it", redact.Printable(path)).Advise(fail.DoSetStateDir)
	}
	return nil
}

// Delete removes the account's file, if the key opens it.
func (f *File) Delete(ctx context.Context, name account.Name) error {
	if err := usable(ctx, name); err != nil {
		return err
	}
	path, err := f.path(name, safefile.CheckDir)
	if err != nil {
		return err
	}
	if _, err := f.get(name, path); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := ended(ctx); err != nil {
		return err
	}
	if err := safefile.Remove(path); err != nil {
		return err
	}
	return f.names().Remove(name)
}

// List returns the accounts that have a file, and those whose file was deleted by something else. It needs no key.
func (f *File) List(ctx context.Context) ([]account.Name, error) {
	files, err := f.files(ctx)
	if err != nil {
		return nil, err
	}
	known, err := f.names().List()
	if err != nil {
		return nil, err
	}
	names := append(files, known...)
	account.Sort(names)
	return slices.Compact(names), nil
}

// files returns the accounts that have a file.
func (f *File) files(ctx context.Context) ([]account.Name, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	return listFolder(f.Dir, credentialsFolder, ageSuffix)
}

func (f *File) names() Names { return Names{Dir: f.Dir, Folder: "names-file"} }

const (
	credentialsFolder = "credentials"
	ageSuffix         = ".age"
)

// path returns the account's file, after check accepted its folders.
func (f *File) path(name account.Name, check func(string) error) (string, error) {
	folder, err := subfolder(f.Dir, credentialsFolder, check)
	return filepath.Join(folder, name.File()+ageSuffix), err
}

// unlock returns the keys, which it reads once.
func (f *File) unlock() (*fileKeys, error) {
	f.once.Do(func() { f.keys, f.keyErr = parseFileKeys(f.Key, f.Passphrase, f.workFactor) })
	return f.keys, f.keyErr
}

func (f *File) get(name account.Name, path string) (*credential.Credential, error) {
	keys, err := f.unlock()
	if err != nil {
		return nil, err
	}
	record, err := safefile.Read(path, maxFile, safefile.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent(name)
	}
	if err != nil {
		return nil, err
	}
	return decrypt(name, path, record, keys)
}

// Seal encrypts a text to the store's key.
func (f *File) Seal(text []byte) ([]byte, error) {
	keys, err := f.unlock()
	if err != nil {
		return nil, err
	}
	return seal(text, keys)
}

// Unseal decrypts what Seal returned.
func (f *File) Unseal(sealed []byte) ([]byte, error) {
	keys, err := f.unlock()
	if err != nil {
		return nil, err
	}
	text, err := unseal(sealed, keys)
	if err != nil {
		return nil, fail.New(fail.Store, "not encrypted to the key of %s, or damaged", keys.setting)
	}
	return text, nil
}

func seal(text []byte, keys *fileKeys) ([]byte, error) {
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, keys.recipients...)
	if err == nil {
		_, err = w.Write(text)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		return nil, fail.New(fail.Internal, "cannot encrypt to the key of %s", keys.setting)
	}
	return sealed.Bytes(), nil
}

func unseal(sealed []byte, keys *fileKeys) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), keys.identities...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func encrypt(c *credential.Credential, keys *fileKeys) ([]byte, error) {
	text, err := credential.Encode(c)
	if err != nil {
		return nil, err
	}
	record, err := seal(text, keys)
	if err != nil {
		return nil, err
	}
	if len(record) > maxFile {
		return nil, fail.New(fail.Store, "the credential of %s is too large to be stored: %d bytes, the bound is %d", c.Account, len(record), maxFile)
	}
	return record, nil
}

// decrypt reads a record. Its errors quote nothing of it.
func decrypt(name account.Name, path string, record []byte, keys *fileKeys) (*credential.Credential, error) {
	path = redact.Printable(path)
	text, err := unseal(record, keys)
	var noMatch *age.NoIdentityMatchError
	switch {
	case errors.Is(err, errTooMuchWork):
		return nil, fail.New(fail.Store, "%s is encrypted with a passphrase that costs more than 2^%d to check, so tokencli did not write it", path, maxWorkFactor).
			Advise(fail.DoRestoreFile, path)
	case errors.As(err, &noMatch):
		byPassphrase := slices.Contains(noMatch.StanzaTypes, "scrypt")
		other := ""
		switch {
		case byPassphrase && keys.setting == account.FileKey:
			other = account.FilePassphrase
		case !byPassphrase && keys.setting == account.FilePassphrase:
			other = account.FileKey
		}
		if other != "" {
			return nil, fail.New(fail.Store, "%s cannot be decrypted with %s: it was encrypted with %s", path, keys.setting, other).
				Advise(fail.DoSetInstead, other, keys.setting)
		}
		return nil, fail.New(fail.Store, "%s cannot be decrypted with %s", path, keys.setting).Advise(fail.DoSetOldKey, keys.setting, path)
	case err != nil:
		return nil, fail.New(fail.Store, "%s is damaged, or tokencli did not write it", path).
			Advise(fail.DoRestoreFile, path)
	}
	c, err := credential.Decode(name, text)
	if err != nil {
		return nil, fail.New(fail.Store, "%s: %w", path, err).
			Advise(fail.DoRestoreFile, path)
	}
	return c, nil
}
