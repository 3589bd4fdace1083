package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/safefile"
)

// testWorkFactor makes passphrases cheap; what is written with it is read like any other file.
const testWorkFactor = 4

// fileUnderTest plants records in a File.
type fileUnderTest struct{ *File }

func (f fileUnderTest) plant(t *testing.T, name account.Name, text string) {
	t.Helper()
	keys, err := f.unlock()
	if err != nil {
		t.Fatal(err)
	}
	f.plantRaw(t, name, encryptText(t, text, keys.recipients[0]))
}

func (f fileUnderTest) plantRaw(t *testing.T, name account.Name, record []byte) {
	t.Helper()
	path := f.file(t, name)
	if err := safefile.WriteAtomic(path, record); err != nil {
		t.Fatal(err)
	}
}

func (f fileUnderTest) raw(t *testing.T, name account.Name) string {
	t.Helper()
	content, err := os.ReadFile(f.file(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (f fileUnderTest) file(t *testing.T, name account.Name) string {
	t.Helper()
	path, err := f.path(name, safefile.EnsureDir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func encryptText(t testing.TB, text string, recipients ...age.Recipient) []byte {
	t.Helper()
	var record bytes.Buffer
	w, err := age.Encrypt(&record, recipients...)
	if err == nil {
		_, err = w.Write([]byte(text))
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return record.Bytes()
}

func newIdentity(t testing.TB) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

func newFile(t *testing.T) fileUnderTest {
	t.Helper()
	return fileUnderTest{&File{Dir: stateDir(t), Key: credential.Secret(newIdentity(t).String())}}
}

// stateDir returns the path of a state folder that is not there yet.
func stateDir(t *testing.T) string { return filepath.Join(t.TempDir(), "state") }

func TestFile(t *testing.T) {
	testContract(t, func(t *testing.T) Store { return newFile(t) })
}

func TestFileByPassphrase(t *testing.T) {
	testContract(t, func(t *testing.T) Store {
		return fileUnderTest{&File{Dir: stateDir(t), Passphrase: "correct horse", workFactor: testWorkFactor}}
	})
}

// A crowd of processes is a crowd of stores over one folder.
func TestFileSeveralStores(t *testing.T) {
	a := newFile(t)
	b := &File{Dir: a.Dir, Key: a.Key}
	mustPut(t, a, sample(mollie, 1))
	mustGet(t, b, sample(mollie, 1))
	mustPut(t, b, sample(mollie, 2))
	mustGet(t, a, sample(mollie, 2))
}

func TestFileIsClosedToOthers(t *testing.T) {
	f := newFile(t)
	mustPut(t, f, sample(mollie, 1))
	path := filepath.Join(f.Dir, "credentials", "acct-mollie.age")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"planted", "mollie", "app_123", "tokencli"} {
		if bytes.Contains(content, []byte(plain)) {
			t.Errorf("%q is in the file", plain)
		}
	}
	if !isUnix {
		return
	}
	for path, want := range map[string]fs.FileMode{f.Dir: 0o700, filepath.Dir(path): 0o700, path: 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("mode of %s = %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

func TestFileKeyForms(t *testing.T) {
	dir := t.TempDir()
	first, second := newIdentity(t).String(), newIdentity(t).String()
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, key := range map[string]string{
		"identity":               first,
		"identity and newline":   first + "\n",
		"text of a file":         "# created: 2026\n# public key: age1\n" + first + "\n",
		"several identities":     first + "\n\n# old\n" + second,
		"Windows line ends":      "# created\r\n" + first + "\r\n",
		"path":                   write("key.txt", "# created: 2026\n"+first+"\n"),
		"path, several":          write("keys.txt", first+"\n"+second+"\n"),
		"path that looks like a": write("age-secret-key-1.txt", first),
		"post-quantum identity":  hybrid.String(),
	} {
		t.Run(name, func(t *testing.T) {
			f := &File{Dir: stateDir(t), Key: credential.Secret(key), Passphrase: "not used"}
			mustPut(t, f, sample(mollie, 1))
			mustGet(t, &File{Dir: f.Dir, Key: credential.Secret(key)}, sample(mollie, 1))
		})
	}
}

// A key is changed by putting the new one first: old files are read, and written anew with the new one.
func TestFileKeyRotation(t *testing.T) {
	old, next := newIdentity(t).String(), newIdentity(t).String()
	dir := stateDir(t)
	both := &File{Dir: dir, Key: credential.Secret(next + "\n" + old)}
	onlyNew := &File{Dir: dir, Key: credential.Secret(next)}
	mustPut(t, &File{Dir: dir, Key: credential.Secret(old)}, sample(mollie, 1))
	if _, err := onlyNew.Get(t.Context(), mollie); !fail.Is(err, fail.Store) {
		t.Fatalf("Get with the new key alone = %v", err)
	}
	mustGet(t, both, sample(mollie, 1))
	mustPut(t, both, sample(mollie, 2))
	mustGet(t, onlyNew, sample(mollie, 2))
}

func TestFileKeyRefused(t *testing.T) {
	dir := t.TempDir()
	identity := newIdentity(t).String()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := write("open.txt", identity, 0o644)
	group := write("group.txt", identity, 0o640)
	writable := write("writable.txt", identity, 0o622)
	for _, test := range []struct {
		name, key string
		kind      fail.Kind
		text      string
		unix      bool
	}{
		{"not set", "", fail.Usage, "TOKENCLI_FILE_PASSPHRASE", false},
		{"blank", " \n", fail.Usage, "TOKENCLI_FILE_KEY", false},
		{"damaged identity", identity[:40], fail.Usage, "TOKENCLI_FILE_KEY", false},
		{"identity in lower case", strings.ToLower(identity), fail.Usage, "TOKENCLI_FILE_KEY", false},
		{"one identity of two damaged", identity + "\n" + identity[:40] + "\n", fail.Usage, "TOKENCLI_FILE_KEY", false},
		{"recipient", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", fail.Usage, "neither", false},
		{"no such file", filepath.Join(dir, "none.txt"), fail.Usage, "neither", false},
		{"home", "~/key.txt", fail.Usage, "neither", false},
		{"long", strings.Repeat(identity[20:], 100), fail.Usage, "neither", false},
		{"zero byte", identity[1:] + "\x00", fail.Usage, "U+0000 (NUL)", false},
		{"no identity in the file", write("empty.txt", "# nothing\n", 0o600), fail.Usage, "empty.txt", false},
		{"other file", write("other.txt", identity[:50], 0o600), fail.Usage, "other.txt", false},
		{"large file", write("large.txt", strings.Repeat("#\n", maxKeyFile), 0o600), fail.Store, "large.txt", false},
		{"folder", dir, fail.Store, "regular", false},
		{"readable by all", open, fail.Store, "can be read by other users", true},
		{"readable by the group", group, fail.Store, "can be read by other users", true},
		{"writable by others", writable, fail.Store, "can be written by other users", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.unix && !isUnix {
				t.Skip("permissions are not checked here")
			}
			f := &File{Dir: stateDir(t), Key: credential.Secret(test.key)}
			_, errGet := f.Get(t.Context(), mollie)
			for call, err := range map[string]error{
				"Get": errGet, "Put": put(t.Context(), f, sample(mollie, 1)), "Delete": f.Delete(t.Context(), mollie),
			} {
				if !fail.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) || fail.Advice(err) == nil {
					t.Errorf("%s = %v (%+v); want kind %d, a hint and %q", call, err, fail.Advice(err), test.kind, test.text)
				}
				if errors.Is(err, ErrNotFound) {
					t.Errorf("%s: a key that is missing reads as an account that is", call)
				}
				checkError(t, err, identity[20:40], strings.ToLower(identity[20:40]))
			}
			if names, err := f.List(t.Context()); err != nil || len(names) > 0 {
				t.Errorf("List without a key = %v, %v", names, err)
			}
			if _, err := os.Stat(f.Dir); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a store without a key made its folder")
			}
		})
	}
}

// What the key does not open stays as it is, whatever is called.
func TestFileForeignRecords(t *testing.T) {
	identity, other := newIdentity(t), newIdentity(t)
	phrase, err := age.NewScryptRecipient("wrong battery")
	if err != nil {
		t.Fatal(err)
	}
	phrase.SetWorkFactor(testWorkFactor)
	text, err := credential.Encode(sample(mollie, 1))
	if err != nil {
		t.Fatal(err)
	}
	whole := encryptText(t, string(text), identity.Recipient())
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-20] ^= 1
	byKey := &File{Key: credential.Secret(identity.String())}
	byPhrase := &File{Passphrase: "correct horse", workFactor: testWorkFactor}
	for _, test := range []struct {
		name   string
		store  *File
		record []byte
		text   string
		do     fail.Action
	}{
		{"another key", byKey, encryptText(t, string(text), other.Recipient()), "with TOKENCLI_FILE_KEY", fail.DoSetOldKey},
		{"a passphrase instead of a key", byKey, encryptText(t, string(text), phrase), "with TOKENCLI_FILE_KEY", fail.DoSetInstead},
		{"another passphrase", byPhrase, encryptText(t, string(text), phrase), "with TOKENCLI_FILE_PASSPHRASE", fail.DoSetOldKey},
		{"a key instead of a passphrase", byPhrase, whole, "with TOKENCLI_FILE_PASSPHRASE", fail.DoSetInstead},
		{"hostile passphrase cost", byPhrase, hostileScrypt(30), "costs more", fail.DoRestoreFile},
		{"hostile cost, just above", byPhrase, hostileScrypt(maxWorkFactor + 1), "costs more", fail.DoRestoreFile},
		{"absurd passphrase cost", byPhrase, hostileScrypt(1 << 40), "costs more", fail.DoRestoreFile},
		{"empty", byKey, nil, "damaged", fail.DoRestoreFile},
		{"text", byKey, text, "damaged", fail.DoRestoreFile},
		{"cut off in the header", byKey, whole[:60], "damaged", fail.DoRestoreFile},
		{"cut off in the body", byKey, whole[:len(whole)-1], "damaged", fail.DoRestoreFile},
		{"a byte changed", byKey, flipped, "damaged", fail.DoRestoreFile},
		{"a byte too many", byKey, append(bytes.Clone(whole), 'x'), "damaged", fail.DoRestoreFile},
		{"too large", byKey, make([]byte, maxFile+1), "larger than", fail.DoMoveAway},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fileUnderTest{&File{Dir: stateDir(t), Key: test.store.Key, Passphrase: test.store.Passphrase, workFactor: test.store.workFactor}}
			f.plantRaw(t, mollie, test.record)
			start := time.Now()
			_, errGet := f.Get(t.Context(), mollie)
			for call, err := range map[string]error{
				"Get": errGet, "Put": put(t.Context(), f, sample(mollie, 2)), "Delete": f.Delete(t.Context(), mollie),
			} {
				if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), test.text) || !advises(err, test.do) {
					t.Errorf("%s = %v (%+v); want %q and the advice %d", call, err, fail.Advice(err), test.text, test.do)
				}
				if err != nil && !strings.Contains(err.Error(), "acct-mollie.age") {
					t.Errorf("%s: %v does not name the file", call, err)
				}
				checkError(t, err, "correct horse", "wrong battery")
			}
			if f.raw(t, mollie) != string(test.record) {
				t.Error("the record was changed")
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			mustList(t, f, mollie)
		})
	}
}

// hostileScrypt returns a file that claims a passphrase cost of 2^cost.
func hostileScrypt(cost int64) []byte {
	return fmt.Appendf(nil, "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA %d\n%s\n--- %s\n0123456789abcdef0123456789abcdef",
		cost, strings.Repeat("A", 43), strings.Repeat("A", 43))
}

// The header of a file does not choose among several passphrase stanzas.
func TestFileSeveralPassphraseStanzas(t *testing.T) {
	record := bytes.Replace(hostileScrypt(4), []byte("--- "),
		[]byte("-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\n"+strings.Repeat("A", 43)+"\n--- "), 1)
	f := fileUnderTest{&File{Dir: stateDir(t), Passphrase: "correct horse"}}
	f.plantRaw(t, mollie, record)
	if _, err := f.Get(t.Context(), mollie); !fail.Is(err, fail.Store) {
		t.Errorf("Get = %v", err)
	}
}

// The passphrase is derived once for a header that is read, and not again for one that was written: what
// was met before opens although the passphrase is forgotten.
func TestFilePassphraseIsRemembered(t *testing.T) {
	writer := &File{Dir: stateDir(t), Passphrase: "correct horse", workFactor: testWorkFactor}
	reader := &File{Dir: writer.Dir, Passphrase: "correct horse"}
	mustPut(t, writer, sample(mollie, 1))
	mustPut(t, writer, sample(shopB, 2))
	mustGet(t, reader, sample(mollie, 1))
	forgetful, err := age.NewScryptIdentity("wrong battery")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*File{writer, reader} {
		f.keys.identities[0].(*passphrase).identity = forgetful
		mustGet(t, f, sample(mollie, 1))
	}
	mustGet(t, writer, sample(shopB, 2))
	mustPut(t, writer, sample(account.Name{Provider: "monta"}, 3)) // reads back what it wrote
	if _, err := reader.Get(t.Context(), shopB); !fail.Is(err, fail.Store) {
		t.Errorf("Get of a file not met before = %v", err)
	}
}

// A disk that loses or mixes up what is written is noticed before the caller relies on it.
func TestFileReadBack(t *testing.T) {
	for name, write := range map[string]func(f fileUnderTest) func(string, []byte) error{
		"nothing is written": func(fileUnderTest) func(string, []byte) error {
			return func(string, []byte) error { return nil }
		},
		"the end is lost": func(fileUnderTest) func(string, []byte) error {
			return func(path string, data []byte) error { return safefile.WriteAtomic(path, data[:len(data)-1]) }
		},
		"an old record comes back": func(f fileUnderTest) func(string, []byte) error {
			old, err := encrypt(sample(mollie, 1), f.keys)
			return func(path string, _ []byte) error { return errors.Join(err, safefile.WriteAtomic(path, old)) }
		},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, first %v", name, first), func(t *testing.T) {
				f := newFile(t)
				if _, err := f.unlock(); err != nil {
					t.Fatal(err)
				}
				if !first {
					mustPut(t, f, sample(mollie, 1))
				}
				f.write = write(f)
				err := put(t.Context(), f, sample(mollie, 2))
				if !fail.Is(err, fail.Store) || fail.Advice(err) == nil {
					t.Fatalf("Put = %v (%+v), want a failure of the store", err, fail.Advice(err))
				}
				if errors.Is(err, ErrNotFound) {
					t.Error("a save that was lost reads as an account that is missing")
				}
				checkError(t, err)
			})
		}
	}
}

func TestFileWriteFails(t *testing.T) {
	f := newFile(t)
	mustPut(t, f, sample(mollie, 1))
	broken := errors.New("disk on fire")
	f.write = func(string, []byte) error { return broken }
	if err := put(t.Context(), f, sample(mollie, 2)); !errors.Is(err, broken) {
		t.Errorf("Put = %v", err)
	}
	mustGet(t, f, sample(mollie, 1))
}

func TestFileTooLarge(t *testing.T) {
	f := newFile(t)
	mustPut(t, f, sample(mollie, 1))
	c := sample(mollie, 2)
	c.AccessToken = credential.Secret(strings.Repeat("planted", maxFile/7))
	err := put(t.Context(), f, c)
	if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "too large") {
		t.Errorf("Put of more than the bound = %v", err)
	}
	checkError(t, err)
	mustGet(t, f, sample(mollie, 1))
}

func TestFileUnencodable(t *testing.T) {
	c := sample(mollie, 1)
	c.ObtainedAt = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, s := range []Store{newFile(t), new(Memory)} {
		err := put(t.Context(), s, c)
		if !fail.Is(err, fail.Store) {
			t.Errorf("%s: Put of an instant that JSON cannot say = %v", s.Kind(), err)
		}
		mustList(t, s)
	}
}

func TestFileUnsafeFolders(t *testing.T) {
	if !isUnix {
		t.Skip("permissions are not checked here")
	}
	for _, test := range []struct {
		name string
		harm func(t *testing.T, f fileUnderTest)
		text string
	}{
		{"state folder written by all", func(t *testing.T, f fileUnderTest) { chmod(t, f.Dir, 0o777) }, "can be written by other users"},
		{"credentials written by the group", func(t *testing.T, f fileUnderTest) { chmod(t, filepath.Join(f.Dir, "credentials"), 0o770) }, "can be written by other users"},
		{"file written by all", func(t *testing.T, f fileUnderTest) { chmod(t, f.file(t, mollie), 0o666) }, "can be written by other users"},
		{"state folder is a link", func(t *testing.T, f fileUnderTest) { replaceByLink(t, f.Dir) }, "is a symbolic link"},
		{"credentials is a link", func(t *testing.T, f fileUnderTest) { replaceByLink(t, filepath.Join(f.Dir, "credentials")) }, "is a symbolic link"},
		{"file is a link", func(t *testing.T, f fileUnderTest) { replaceByLink(t, f.file(t, mollie)) }, "is a symbolic link"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFile(t)
			mustPut(t, f, sample(mollie, 1))
			test.harm(t, f)
			_, errGet := f.Get(t.Context(), mollie)
			for call, err := range map[string]error{
				"Get": errGet, "Put": put(t.Context(), f, sample(mollie, 2)), "Delete": f.Delete(t.Context(), mollie),
			} {
				if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), test.text) || fail.Advice(err) == nil {
					t.Errorf("%s = %v (%+v), want %q and a hint", call, err, fail.Advice(err), test.text)
				}
			}
		})
	}
}

// A cache or an image may give the encrypted files back readable by all: that reveals nothing.
func TestFileReadableByOthers(t *testing.T) {
	f := newFile(t)
	mustPut(t, f, sample(mollie, 1))
	chmod(t, f.file(t, mollie), 0o644)
	chmod(t, f.Dir, 0o755)
	mustGet(t, f, sample(mollie, 1))
	mustPut(t, f, sample(mollie, 2))
	if info, err := os.Stat(f.Dir); err != nil || isUnix && info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the state folder after a save = %v, %v", info.Mode(), err)
	}
}

func TestFileNoStateFolder(t *testing.T) {
	f := &File{Key: credential.Secret(newIdentity(t).String())}
	_, errGet := f.Get(t.Context(), mollie)
	_, errList := f.List(t.Context())
	for _, err := range []error{errGet, errList, put(t.Context(), f, sample(mollie, 1)), f.Delete(t.Context(), mollie)} {
		if !fail.Is(err, fail.Store) || fail.Advice(err) == nil {
			t.Errorf("%v (%+v), want a failure of the store that names the setting", err, fail.Advice(err))
		}
	}
}

// What something else did to a file does not make its account unknown.
func TestFileListKeepsNames(t *testing.T) {
	f := newFile(t)
	mustPut(t, f, sample(mollie, 1))
	mustPut(t, f, sample(shopB, 1))
	path := filepath.Join(f.Dir, "credentials", mollie.File()+".age")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check := func(want ...account.Name) {
		t.Helper()
		mustList(t, f, want...)
	}
	check(mollie, shopB)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	check(mollie, shopB)
	if _, err := f.Get(t.Context(), mollie); !fail.Is(err, fail.Store) {
		t.Errorf("a folder: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), mollie); err != nil {
		t.Error(err)
	}
	check(shopB)
	if err := f.Delete(t.Context(), shopB); err != nil {
		t.Error(err)
	}
	check()
}

func TestFileListPassesOverOtherFiles(t *testing.T) {
	f := newFile(t)
	mustPut(t, f, sample(mollie, 1))
	folder := filepath.Dir(f.file(t, mollie))
	for _, name := range []string{"README", "acct-mollie", "acct-Mollie.age", "acct-a~b~c.age", ".tokencli-1.tmp", "mollie.age", "acct-.age"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "acct-folder.age"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustList(t, f, mollie)
}

func TestFileDeadline(t *testing.T) {
	f := newFile(t)
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	err := put(ctx, f, sample(mollie, 1))
	if !fail.Is(err, fail.Store) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put after the deadline = %v", err)
	}
	mustList(t, f)
}

// The files need no tokencli: the age command opens them, and what it writes is read.
func TestFileByAgeCommand(t *testing.T) {
	if _, err := exec.LookPath("age"); err != nil {
		t.Skip("age is not installed")
	}
	dir := t.TempDir()
	key, recipient, err := InitKeyFile(filepath.Join(dir, "keys", "key.txt"))
	if err != nil {
		t.Fatal(err)
	}
	f := fileUnderTest{&File{Dir: stateDir(t), Key: credential.Secret(key)}}
	mustPut(t, f, sample(mollie, 1))

	text, err := exec.CommandContext(t.Context(), "age", "-d", "-i", key, f.file(t, mollie)).Output()
	if err != nil {
		t.Fatalf("age -d: %v", err)
	}
	if want, _ := credential.Encode(sample(mollie, 1)); string(text) != string(want) {
		t.Error("age -d does not show the record")
	}

	next, err := credential.Encode(sample(mollie, 2))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "age", "-r", recipient, "-o", f.file(t, mollie))
	cmd.Stdin = bytes.NewReader(next)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("age -r: %v: %s", err, out)
	}
	mustGet(t, f, sample(mollie, 2))
}

func TestInitKeyFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	path, recipient, err := InitKeyFile(filepath.Join("made", "key.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(path) || !strings.HasSuffix(path, filepath.Join("made", "key.txt")) {
		t.Errorf("path = %s", path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(content))
	if err != nil || len(ids) != 1 || ids[0].(*age.X25519Identity).Recipient().String() != recipient {
		t.Errorf("the file does not hold the identity of %s: %v", recipient, err)
	}
	if !strings.Contains(string(content), "# public key: "+recipient+"\n") {
		t.Error("the file does not name its public key")
	}
	if info, err := os.Stat(path); err != nil || isUnix && info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}

	_, _, err = InitKeyFile(path)
	if !fail.Is(err, fail.Store) || !errors.Is(err, fs.ErrExist) || fail.Advice(err) == nil {
		t.Errorf("InitKeyFile over a file = %v", err)
	}
	if again, _ := os.ReadFile(path); string(again) != string(content) {
		t.Error("the key was overwritten")
	}
	if _, _, err := InitKeyFile(filepath.Join(path, "below", "key.txt")); !fail.Is(err, fail.Store) {
		t.Errorf("InitKeyFile below a file = %v", err)
	}
}

func FuzzFileDecrypt(f *testing.F) {
	identity := newIdentity(f)
	byKey, err := parseFileKeys(credential.Secret(identity.String()), "", 0)
	if err != nil {
		f.Fatal(err)
	}
	byPhrase, err := parseFileKeys("", "correct horse", testWorkFactor)
	if err != nil {
		f.Fatal(err)
	}
	text, err := credential.Encode(sample(mollie, 1))
	if err != nil {
		f.Fatal(err)
	}
	whole := encryptText(f, string(text), byKey.recipients[0])
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(encryptText(f, string(text), byPhrase.recipients[0]))
	f.Add(encryptText(f, "hunter2-planted", byKey.recipients[0]))
	f.Add(encryptText(f, "", byKey.recipients[0]))
	f.Add(hostileScrypt(30))
	f.Add(hostileScrypt(1))
	f.Add([]byte("age-encryption.org/v1\n-> X25519 planted\n\n---\n"))
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, record []byte) {
		for _, keys := range []*fileKeys{byKey, byPhrase} {
			if bytes.Contains(record, []byte("scrypt")) && keys == byPhrase && !cheap(record) {
				continue
			}
			c, err := decrypt(mollie, "FILE", record, keys)
			if (c == nil) == (err == nil) {
				t.Fatalf("decrypt = %v, %v", c, err)
			}
			if err != nil {
				if !fail.Is(err, fail.Store) || fail.Advice(err) == nil {
					t.Errorf("%v (%+v), want a failure of the store with a hint", err, fail.Advice(err))
				}
				checkError(t, err)
			}
		}
	})
}

// cheap reports whether a record asks for no passphrase cost that is allowed and takes a second: the
// fuzzer would spend its time there.
func cheap(record []byte) bool {
	for cost := 11; cost <= maxWorkFactor; cost++ {
		if bytes.Contains(record, fmt.Appendf(nil, " %d\n", cost)) {
			return false
		}
	}
	return true
}
