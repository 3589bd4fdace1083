package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// The Credential Manager as other programs use it, without go-keyring.
var (
	advapi        = windows.NewLazySystemDLL("advapi32.dll")
	credRead      = advapi.NewProc("CredReadW")
	credWrite     = advapi.NewProc("CredWriteW")
	credDelete    = advapi.NewProc("CredDeleteW")
	credEnumerate = advapi.NewProc("CredEnumerateW")
	credFree      = advapi.NewProc("CredFree")
)

const (
	generic        = 1 // CRED_TYPE_GENERIC
	domainPassword = 2 // CRED_TYPE_DOMAIN_PASSWORD
	localMachine   = 2 // CRED_PERSIST_LOCAL_MACHINE
)

// nativeCredential is CREDENTIALW of wincred.h.
type nativeCredential struct {
	Flags, Type         uint32
	TargetName, Comment *uint16
	LastWritten         windows.Filetime
	BlobSize            uint32
	Blob                *byte
	Persist             uint32
	AttributeCount      uint32
	Attributes          uintptr
	TargetAlias         *uint16
	UserName            *uint16
}

func wide(t *testing.T, text string) *uint16 {
	t.Helper()
	p, err := windows.UTF16PtrFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// writeItem keeps a blob as another program would.
func writeItem(t *testing.T, target, user string, kind uint32, blob []byte) {
	t.Helper()
	c := &nativeCredential{
		Type: kind, TargetName: wide(t, target), UserName: wide(t, user), Persist: localMachine,
		BlobSize: uint32(len(blob)), Blob: unsafe.SliceData(blob),
	}
	if ok, _, err := credWrite.Call(uintptr(unsafe.Pointer(c)), 0); ok == 0 {
		t.Fatalf("CredWrite of %s: %v", target, err)
	}
}

// readItem returns the blob and the user of an item.
func readItem(t *testing.T, target string, kind uintptr) (blob []byte, user string) {
	t.Helper()
	var c *nativeCredential
	ok, _, err := credRead.Call(uintptr(unsafe.Pointer(wide(t, target))), kind, 0, uintptr(unsafe.Pointer(&c)))
	if ok == 0 {
		t.Fatalf("CredRead of %s: %v", target, err)
	}
	defer credFree.Call(uintptr(unsafe.Pointer(c))) //nolint:errcheck // it returns nothing
	return slices.Clone(unsafe.Slice(c.Blob, c.BlobSize)), windows.UTF16PtrToString(c.UserName)
}

func removeItem(t *testing.T, target string, kind uintptr) {
	t.Helper()
	if ok, _, err := credDelete.Call(uintptr(unsafe.Pointer(wide(t, target))), kind, 0); ok == 0 {
		t.Errorf("CredDelete of %s: %v", target, err)
	}
}

// usersKept returns the names of tokencli's items, sorted.
func usersKept(t *testing.T) []string {
	t.Helper()
	const prefix = service + ":"
	var count uint32
	var list **nativeCredential
	ok, _, err := credEnumerate.Call(uintptr(unsafe.Pointer(wide(t, prefix+"*"))), 0, uintptr(unsafe.Pointer(&count)), uintptr(unsafe.Pointer(&list)))
	if ok == 0 {
		if errors.Is(err, windows.ERROR_NOT_FOUND) {
			return nil
		}
		t.Fatalf("CredEnumerate: %v", err)
	}
	defer credFree.Call(uintptr(unsafe.Pointer(list))) //nolint:errcheck // it returns nothing
	var users []string
	for _, c := range unsafe.Slice(list, count) {
		if user, ours := strings.CutPrefix(windows.UTF16PtrToString(c.TargetName), prefix); ours && c.Type == generic {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	return users
}

// newCredentialManager returns a store over the Credential Manager of this user, which must hold nothing
// of tokencli: what the test leaves there is removed.
func newCredentialManager(t *testing.T) *Keychain {
	t.Helper()
	if os.Getenv("TOKENCLI_TEST_KEYCHAIN") == "" {
		t.Skip("writes to the Credential Manager: run with TOKENCLI_TEST_KEYCHAIN=required where that may be")
	}
	if users := usersKept(t); len(users) > 0 {
		t.Fatalf("the Credential Manager holds logins that this test would remove: %q", users)
	}
	t.Cleanup(func() {
		for _, user := range usersKept(t) {
			removeItem(t, service+":"+user, generic)
		}
	})
	return NewKeychain(KeychainOptions{StateDir: filepath.Join(t.TempDir(), "state"), CanPrompt: func() bool { return false }})
}

func TestKeychainCredentialManagerContract(t *testing.T) {
	testContract(t, func(t *testing.T) Store { return keychainUnderTest{newCredentialManager(t)} })
}

func TestKeychainCredentialManagerLimit(t *testing.T) {
	k := newCredentialManager(t)
	it := k.open(k.options, newPatience(k.bounds))
	defer it.close()
	if err := it.set(t.Context(), "mollie", "", strings.Repeat("x", itemLimit)); err != nil {
		t.Errorf("%d bytes: %v", itemLimit, err)
	}
	if err := it.set(t.Context(), "mollie", "", strings.Repeat("x", itemLimit+1)); !fail.Is(err, fail.Store) || fail.Advice(err) == nil {
		t.Errorf("%d bytes: %v, want a failure of the store with a hint", itemLimit+1, err)
	}
	if err := it.remove(t.Context(), "mollie"); err != nil {
		t.Fatal(err)
	}

	for _, length := range []int{itemLimit - 1, itemLimit, itemLimit + 1, 2 * itemLimit, 2*itemLimit + 1, 10_000, 100_000} {
		t.Run(fmt.Sprintf("%d bytes", length), func(t *testing.T) {
			c := sized(t, length, length)
			start := time.Now()
			mustPut(t, k, c)
			mustGet(t, k, c)
			t.Logf("kept and read in %v", time.Since(start).Round(time.Millisecond))
			want := 1
			if length > itemLimit {
				want += (length + itemLimit - 1) / itemLimit
			}
			// What was there before, longer or shorter, is gone.
			if users := usersKept(t); len(users) != want || users[0] != "mollie" {
				t.Errorf("items %q, want %d", users, want)
			}
		})
	}
	if err := k.Delete(t.Context(), mollie); err != nil {
		t.Fatal(err)
	}
	if left := usersKept(t); len(left) > 0 {
		t.Errorf("left after Delete: %q", left)
	}
}

// lasting is a keychain's items for longer than one operation may last.
type lasting struct{ *Keychain }

func (l *lasting) items() items { return keychainUnderTest{l.Keychain}.items() }

func (l *lasting) get(ctx context.Context, user string) (string, error) {
	return l.items().get(ctx, user)
}

func (l *lasting) set(ctx context.Context, user, label, text string) error {
	return l.items().set(ctx, user, label, text)
}

func (l *lasting) remove(ctx context.Context, user string) error {
	return l.items().remove(ctx, user)
}

func (l *lasting) close() {}

func TestKeychainCredentialManagerCrash(t *testing.T) {
	k := newCredentialManager(t)
	testCrashes(t, &lasting{k}, itemLimit, func() []string { return usersKept(t) }, []bool{false, true}, [][2]int{
		{0, itemLimit + 1},
		{itemLimit, 3 * itemLimit},
		{3 * itemLimit, 2*itemLimit + 1},
		{3 * itemLimit, itemLimit},
		{2*itemLimit + 1, 0},
	})
}

// Other programs see what tokencli writes under the names that the hints give, and as it is.
func TestKeychainCredentialManagerItems(t *testing.T) {
	k := newCredentialManager(t)
	mustPut(t, k, sample(shopB, 1))
	text, err := credential.Encode(sample(shopB, 1))
	if err != nil {
		t.Fatal(err)
	}
	if blob, user := readItem(t, "tokencli:mollie/shop-b", generic); string(blob) != string(text) || user != "mollie/shop-b" {
		t.Errorf("the item of %q is not the credential's stored form", user)
	}
	if hint := inspectItem(shopB)[1]; hint != "cmdkey /delete:tokencli:mollie/shop-b" {
		t.Errorf("hint %q", hint)
	}

	// The name of a target is not told apart by upper and lower case; no account's name has upper case.
	if _, user := readItem(t, "TokenCLI:Mollie/Shop-B", generic); user != "mollie/shop-b" {
		t.Errorf("another item, of %q", user)
	}

	removeItem(t, "tokencli:mollie/shop-b", generic)
	mustBeAbsent(t, k, shopB)
}

// What other programs keep, whatever its bytes and however near its name, is not misread, and stays.
func TestKeychainCredentialManagerItemsOfOthers(t *testing.T) {
	utf16le := func(text string) (blob []byte) {
		for _, unit := range utf16.Encode([]rune(text)) {
			blob = binary.LittleEndian.AppendUint16(blob, unit)
		}
		return blob
	}
	ours, err := credential.Encode(sample(mollie, 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, blob := range map[string][]byte{
		"cmdkey's UTF-16":      utf16le("hunter2-planted"),
		"our text in UTF-16":   utf16le(string(ours)),
		"bytes":                {0x00, 0xff, 0xfe, 0x80, 'p', 'l', 'a', 'n', 't', 'e', 'd'},
		"nothing":              nil,
		"our text and a zero":  append(slices.Clone(ours), 0),
		"the longest":          []byte(strings.Repeat("planted", itemLimit/7)),
		"a head without parts": fmt.Appendf(nil, `{"tokencli_parts":1,"account":"mollie","generation":1,"parts":2,"length":3000,"sha256":"%064x"}`, 0),
	} {
		t.Run(name, func(t *testing.T) {
			k := newCredentialManager(t)
			writeItem(t, "tokencli:mollie", "somebody", generic, blob)

			c, err := k.Get(t.Context(), mollie)
			if c != nil || !fail.Is(err, fail.Store) || errors.Is(err, ErrNotFound) || !advises(err, fail.DoInspectItem) {
				t.Fatalf("Get = %v, %v (%+v); want a failure of the store with a hint", c, err, fail.Advice(err))
			}
			checkError(t, err)
			if err := put(t.Context(), k, sample(mollie, 2)); !fail.Is(err, fail.Store) {
				t.Errorf("Put = %v, want a failure of the store", err)
			}
			if kept, user := readItem(t, "tokencli:mollie", generic); !slices.Equal(kept, blob) || user != "somebody" {
				t.Error("the item was changed")
			}
		})
	}

	t.Run("names that are near", func(t *testing.T) {
		k := newCredentialManager(t)
		near := map[string]uintptr{
			"tokencli": generic, "github.com/tokencli/tokencli/mollie": generic, "xtokencli:mollie": generic, "mollie": generic,
			"tokencli:mollie": domainPassword,
		}
		for target, kind := range near {
			writeItem(t, target, "mollie", uint32(kind), utf16le("hunter2-planted"))
			defer removeItem(t, target, kind)
		}
		mustBeAbsent(t, k, mollie)
		mustPut(t, k, sized(t, 1, 10_000))
		mustGet(t, k, sized(t, 1, 10_000))
		if err := k.Delete(t.Context(), mollie); err != nil {
			t.Fatal(err)
		}
		for target, kind := range near {
			if _, user := readItem(t, target, kind); user != "mollie" {
				t.Errorf("%s was changed", target)
			}
		}
	})
}

// Two stores over one Credential Manager are two processes: a reader never sees half of what is written.
func TestKeychainCredentialManagerLongRecordsBesideReaders(t *testing.T) {
	k := newCredentialManager(t)
	versions := []*credential.Credential{sized(t, 0, 3*itemLimit), sized(t, 1, 5*itemLimit)}
	mustPut(t, k, versions[0])
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				reader := NewKeychain(k.options)
				c, err := reader.Get(t.Context(), account.Name{Provider: "mollie"})
				if err != nil || !c.Equal(versions[c.Generation]) {
					t.Errorf("Get beside a writer: %v", err)
					return
				}
			}
		})
	}
	for n := range 10 {
		mustPut(t, k, versions[(n+1)%2])
	}
	cancel()
	wg.Wait()
}
