//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/zalando/go-keyring"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

func TestKeychainServiceContract(t *testing.T) {
	testContract(t, func(t *testing.T) Store {
		return keychainUnderTest{newDesktop(t, "").withKeyring(t, true).keychain(t)}
	})
}

// users returns the names of our items on the desktop.
func (d *desktop) users(t *testing.T) []string {
	t.Helper()
	body := d.ask(t, secretsName, secretsPath, secretsIface, "SearchItems", map[string]string{"service": service})
	items, err := value[[]dbus.ObjectPath](body, 0)
	if err != nil {
		t.Fatal(err)
	}
	var users []string
	for _, item := range items {
		attributes, err := value[map[string]string](d.ask(t, secretsName, item, propertiesIface, "Get", itemIface, "Attributes"), 0)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, attributes["username"])
	}
	slices.Sort(users)
	return users
}

// secret-tool and go-keyring see what tokencli writes, and tokencli sees what they write.
func TestKeychainServiceItemsAreThoseOfOthers(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	mustPut(t, k, sample(shopB, 1))
	stored, err := credential.Encode(sample(shopB, 1))
	if err != nil {
		t.Fatal(err)
	}

	found := d.run(t, "", "secret-tool", "search", "--all", "service", "tokencli")
	for _, want := range []string{"label = tokencli: mollie/shop-b\n", "attribute.username = mollie/shop-b\n", "secret = " + string(stored) + "\n"} {
		if !strings.Contains(found, want) {
			t.Errorf("secret-tool search does not show %q:\n%s", want, found)
		}
	}
	if got := d.run(t, "", "secret-tool", "lookup", "service", "tokencli", "username", "mollie/shop-b"); got != string(stored) {
		t.Error("secret-tool lookup prints another text")
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", d.address)
	if got, err := keyring.Get(service, "mollie/shop-b"); err != nil || got != string(stored) {
		t.Errorf("go-keyring reads another text (%v)", err)
	}

	// Written by go-keyring, replaced by tokencli: still one item.
	other, err := credential.Encode(sample(mollie, 2))
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.Set(service, "mollie", string(other)); err != nil {
		t.Fatal(err)
	}
	mustGet(t, k, sample(mollie, 2))
	mustPut(t, k, sample(mollie, 3))
	mustGet(t, k, sample(mollie, 3))
	if got := d.users(t); !slices.Equal(got, []string{"mollie", "mollie/shop-b"}) {
		t.Errorf("items %q", got)
	}

	// Written by secret-tool, with attributes of its own: still one item.
	d.run(t, "", "secret-tool", "clear", "service", "tokencli", "username", "mollie")
	mustBeAbsent(t, k, mollie)
	d.run(t, string(other), "secret-tool", "store", "--label=x", "service", "tokencli", "username", "mollie", "more", "x")
	mustGet(t, k, sample(mollie, 2))
	mustPut(t, k, sample(mollie, 4))
	mustGet(t, k, sample(mollie, 4))
	if got := d.users(t); !slices.Equal(got, []string{"mollie", "mollie/shop-b"}) {
		t.Errorf("items %q", got)
	}
}

func TestKeychainServiceSplitting(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	k.bounds.total = time.Minute // 100 kB are some 90 writes here, of 20 ms and more
	for _, limit := range platformLimits {
		k.limit = limit
		for _, length := range []int{limit - 1, limit, limit + 1, 10_000, 100_000} {
			c := sized(t, 1, length)
			mustPut(t, k, c)
			mustGet(t, k, c)
			want := 1
			if length > limit {
				want += (length + limit - 1) / limit
			}
			if got := len(d.users(t)); got != want {
				t.Errorf("limit %d, %d bytes: %d items, want %d", limit, length, got, want)
			}
		}
		if err := k.Delete(t.Context(), mollie); err != nil {
			t.Fatal(err)
		}
		if left := d.users(t); len(left) > 0 {
			t.Errorf("left after Delete: %q", left)
		}
	}
	k.limit = 0 // as it is on Linux
	mustPut(t, k, sized(t, 1, 100_000))
	mustGet(t, k, sized(t, 1, 100_000))
	if got := d.users(t); !slices.Equal(got, []string{"mollie"}) {
		t.Errorf("items %q without a limit", got)
	}
}

// lasting is a keychain's items for longer than one operation may last.
type lasting struct{ *Keychain }

func (l *lasting) get(ctx context.Context, user string) (string, error) {
	it := keychainUnderTest{l.Keychain}.items()
	defer it.close()
	return it.get(ctx, user)
}

func (l *lasting) set(ctx context.Context, user, label, text string) error {
	it := keychainUnderTest{l.Keychain}.items()
	defer it.close()
	return it.set(ctx, user, label, text)
}

func (l *lasting) remove(ctx context.Context, user string) error {
	it := keychainUnderTest{l.Keychain}.items()
	defer it.close()
	return it.remove(ctx, user)
}

func (l *lasting) close() {}

func TestKeychainServiceCrashLeavesOldOrNew(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	const limit = 1000
	const one, three, four = limit, 2*limit + 1, 4 * limit
	testCrashes(t, &lasting{Keychain: d.keychain(t)}, limit, func() []string { return d.users(t) }, []bool{false},
		[][2]int{{one, three}, {three, four}, {four, one}, {three, 0}})
}

// lock locks the collection "login".
func (d *desktop) lock(t *testing.T) {
	t.Helper()
	d.ask(t, secretsName, secretsPath, secretsIface, "Lock", []dbus.ObjectPath{loginCollection})
}

func TestKeychainServiceLocked(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	d.lock(t)
	start := time.Now()
	mustFail(t, k, "locked")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v to say that the keychain is locked", took)
	}
	// An account that may or may not be there: what is locked cannot say.
	if _, err := k.Get(t.Context(), shopB); !fail.Is(err, fail.Store) {
		t.Errorf("Get = %v, want a failure of the store", err)
	}
	if err := put(t.Context(), k, sample(shopB, 1)); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("Put = %v, want it to say that the keychain is locked", err)
	}
	// The daemon is as it was: 20 at once have done no harm.
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := k.Get(t.Context(), mollie); !fail.Is(err, fail.Store) {
				t.Errorf("Get = %v, want a failure of the store", err)
			}
		})
	}
	wg.Wait()
	d.stopKeyring(t)
	d.withKeyring(t, true)
	mustGet(t, k, sample(mollie, 1))
	mustBeAbsent(t, k, shopB)
}

// Five prompts at once jam GNOME Keyring until it is started again. Here none can be shown, which is
// found out by trying, one after the other.
func TestKeychainServicePromptsOneAtATime(t *testing.T) {
	// The bus can start the prompter, which then finds no display.
	d := newDesktop(t, "<standard_session_servicedirs/>").withKeyring(t, true)
	k := d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	d.lock(t)
	k.options.CanPrompt = func() bool { return true }
	start := time.Now()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			_, err := k.Get(t.Context(), mollie)
			if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "prompt") {
				t.Errorf("Get = %v, want it to speak of the prompt", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > time.Minute {
		t.Errorf("10 readers took %v", took)
	}
	k.options.CanPrompt = func() bool { return false }
	mustFail(t, k, "locked")
}

func TestKeychainServiceStopped(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	if err := d.keyring.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	mustFail(t, k, "keychain service does not answer")
	if err := d.keyring.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	d.wait(t, "the old record", func() bool {
		_, err := k.Get(t.Context(), mollie)
		return err == nil || errors.Is(err, ErrNotFound) // the calls that were given up still reach it
	})
}

func TestKeychainServiceBusStopped(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	if err := d.bus.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	mustFail(t, d.keychain(t), "session bus does not answer")
}

func TestKeychainServiceAbsent(t *testing.T) {
	mustFail(t, newDesktop(t, "").keychain(t), "no keychain service")
}

func TestKeychainServiceWithoutACollection(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, false)
	k := d.keychain(t)
	mustBeAbsent(t, k, mollie)
	if err := k.Delete(t.Context(), mollie); err != nil {
		t.Errorf("Delete: %v", err)
	}
	err := put(t.Context(), k, sample(mollie, 1))
	if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "no keyring (collection)") || !advises(err, fail.DoUseAnotherStore) {
		t.Errorf("Put = %v (%+v), want it to say that there is no collection", err, fail.Advice(err))
	}
}

// New items go into the collection that the user's desktop uses, whatever its name, and a locked one does
// not matter unless an item is in it. Messages show the label that the user knows.
func TestKeychainServiceDefaultCollection(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	mustPut(t, k, sample(shopB, 1)) // in "login", which is the default so far
	other := d.addCollection(t, "My keys\x1b[31m")
	d.ask(t, secretsName, secretsPath, secretsIface, "SetAlias", "default", other)
	d.lock(t)
	mustBeAbsent(t, k, mollie)
	mustPut(t, k, sample(mollie, 1))
	mustGet(t, k, sample(mollie, 1))
	if label := k.Keyring(t.Context()); !strings.HasPrefix(label, "My keys") || strings.Contains(label, "\x1b") {
		t.Errorf("the keyring is %q", label)
	}
	if items, err := value[[]dbus.ObjectPath](d.ask(t, secretsName, other, propertiesIface, "Get", collectionIface, "Items"), 0); err != nil || len(items) != 1 {
		t.Errorf("items of the default collection: %v, %v; want one", items, err)
	}
	if _, err := k.Get(t.Context(), shopB); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), `the keyring "Login" is locked`) {
		t.Errorf("Get of an item in a locked collection = %v, want its label", err)
	}
	d.ask(t, secretsName, secretsPath, secretsIface, "Lock", []dbus.ObjectPath{other})
	_, errGet := k.Get(t.Context(), mollie)
	for call, err := range map[string]error{"Get": errGet, "Put": put(t.Context(), k, sample(account.Name{Provider: "monta"}, 1))} {
		if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), `the keyring "My keys`) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s with the default collection locked = %v, want its label", call, err)
		}
	}
}

func TestKeychainServiceKilled(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	d.stopKeyring(t)
	mustFail(t, k, "no keychain service")
	d.withKeyring(t, true)
	mustGet(t, k, sample(mollie, 1))
}

// addCollection makes a second, unlocked collection, without a prompt.
func (d *desktop) addCollection(t *testing.T, label string) dbus.ObjectPath {
	t.Helper()
	b, err := d.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	must := func(path dbus.ObjectPath, iface, member string, args ...any) []any {
		serial, err := b.call(secretsName, path, iface, member, args...)
		if err == nil {
			err = b.flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := b.answer(serial)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	must(secretsPath, propertiesIface, "Get", secretsIface, "Collections")
	session, err := value[dbus.ObjectPath](must(secretsPath, secretsIface, "OpenSession", "plain", dbus.MakeVariant("")), 1)
	if err != nil {
		t.Fatal(err)
	}
	// What seahorse and gnome-keyring's own tests use.
	body := must(secretsPath, "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface", "CreateWithMasterPassword",
		map[string]dbus.Variant{collectionIface + ".Label": dbus.MakeVariant(label)},
		secretText{session, []byte{}, []byte("other"), "text/plain"})
	collection, err := value[dbus.ObjectPath](body, 0)
	if err != nil {
		t.Fatal(err)
	}
	return collection
}

// plantIn puts an item of ours into a collection.
func (d *desktop) plantIn(t *testing.T, collection dbus.ObjectPath, user, text string) {
	t.Helper()
	s := openItems(KeychainOptions{}, newPatience(defaultBounds)).(*secretService)
	s.address = func() (string, error) { return d.address, nil }
	defer s.close()
	err := s.do(t.Context(), func() error {
		if _, _, err := s.searchOnce(user); err != nil {
			return err
		}
		return s.create(t.Context(), collection, user, "planted", text)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestKeychainServiceTwoItemsOfAName(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	text, err := credential.Encode(sample(mollie, 2))
	if err != nil {
		t.Fatal(err)
	}
	d.plantIn(t, d.addCollection(t, "other"), "mollie", string(text))
	_, err = k.Get(t.Context(), mollie)
	for call, err := range map[string]error{"Get": err, "Put": put(t.Context(), k, sample(mollie, 3))} {
		if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "more than one") || !advises(err, fail.DoInspectItem) {
			t.Errorf("%s = %v (%+v), want a failure that says how to see and remove them", call, err, fail.Advice(err))
		}
	}
	if err := k.Delete(t.Context(), mollie); err != nil {
		t.Fatal(err)
	}
	if left := d.users(t); len(left) > 0 {
		t.Errorf("left after Delete: %q", left)
	}
}

func TestKeychainServiceItemStaysInItsCollection(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	other := d.addCollection(t, "other")
	text, err := credential.Encode(sample(mollie, 1))
	if err != nil {
		t.Fatal(err)
	}
	d.plantIn(t, other, "mollie", string(text))
	k := d.keychain(t)
	mustPut(t, k, sample(mollie, 2))
	mustGet(t, k, sample(mollie, 2))
	items, err := value[[]dbus.ObjectPath](d.ask(t, secretsName, other, propertiesIface, "Get", collectionIface, "Items"), 0)
	if err != nil || len(items) != 1 {
		t.Errorf("items of the other collection: %v, %v; want one", items, err)
	}
	if got := d.users(t); !slices.Equal(got, []string{"mollie"}) {
		t.Errorf("items %q", got)
	}
}

// Thousands of clients, each with its own connection. With OpenSession as the first call, or with the
// alias path, the daemon dies of this.
func TestKeychainServiceSurvivesManyReaders(t *testing.T) {
	reads := 3000
	if testing.Short() {
		reads = 300
	}
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	want := sample(mollie, 1)
	mustPut(t, k, want)
	var left atomic.Int64
	left.Store(int64(reads))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if c, err := k.Get(t.Context(), mollie); err != nil || !c.Equal(want) {
					t.Errorf("Get: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := d.keyring.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the keychain service is gone: %v", err)
	}
	mustGet(t, k, want)
}

// A bus with few file descriptors turns clients away when many come at once.
func TestKeychainServiceCrowdAtASmallBus(t *testing.T) {
	d := newDesktop(t, "", "prlimit", "--nofile=64").withKeyring(t, true)
	k := d.keychain(t)
	want := sample(mollie, 1)
	mustPut(t, k, want)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if c, err := k.Get(t.Context(), mollie); err != nil || !c.Equal(want) {
				t.Errorf("Get: %v", err)
			}
		})
	}
	wg.Wait()
}

// asOther runs the test again in a process of its own, with an environment and perhaps another user, and
// returns what it printed. The child is recognized by TOKENCLI_TEST_CHILD.
func asOther(t *testing.T, uid int, env ...string) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(env, "TOKENCLI_TEST_CHILD=1")
	if uid != 0 {
		// The other user may not be able to reach the folder of the test binary.
		copied := filepath.Join(os.TempDir(), fmt.Sprintf("tokencli-test-%d", os.Getpid()))
		text, err := os.ReadFile(binary)
		if err == nil {
			err = os.WriteFile(copied, text, 0o755) // it is to be run by another user
		}
		if err != nil {
			t.Fatal(err)
		}
		defer os.Remove(copied)
		cmd.Path, cmd.Dir = copied, os.TempDir()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func isChild() bool { return os.Getenv("TOKENCLI_TEST_CHILD") != "" }

// printGet is the child's side of asOther: one read as the command line does it.
func printGet() {
	_, err := NewKeychain(KeychainOptions{}).Get(context.Background(), mollie)
	fmt.Printf("kind %d: %v\nhint: %s\n", fail.KindOf(err), err, fail.Advice(err))
}

func TestKeychainWithoutAHome(t *testing.T) {
	if isChild() {
		printGet()
		return
	}
	out := asOther(t, 0, "XDG_RUNTIME_DIR="+t.TempDir())
	if !strings.Contains(out, "kind 7: the keychain cannot be used: this session has no D-Bus session bus") {
		t.Errorf("without HOME and bus: %s", out)
	}
}

// godbus and go-keyring run dbus-launch where they find no address, and leave what it starts behind.
func TestKeychainNeverStartsABus(t *testing.T) {
	if isChild() {
		printGet()
		return
	}
	folder := t.TempDir()
	mark := filepath.Join(folder, "started")
	if err := os.WriteFile(filepath.Join(folder, "dbus-launch"), []byte("#!/bin/sh\n: >"+mark+"\n"), 0o755); err != nil { // a program
		t.Fatal(err)
	}
	for _, address := range []string{"", "autolaunch:"} {
		out := asOther(t, 0, "PATH="+folder, "HOME="+folder, "DISPLAY=:99", "XDG_RUNTIME_DIR="+folder, "DBUS_SESSION_BUS_ADDRESS="+address)
		if !strings.Contains(out, "kind 7: ") || !strings.Contains(out, "hint: ") {
			t.Errorf("address %q: %s", address, out)
		}
		if _, err := os.Stat(mark); err == nil {
			t.Fatalf("address %q: dbus-launch was run", address)
		}
	}
}

func TestKeychainOnTheBusOfAnotherUser(t *testing.T) {
	if isChild() {
		printGet()
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	d := newDesktop(t, "").withKeyring(t, true)
	if err := os.Chmod(d.home, 0o755); err != nil { // the other user is to reach the socket
		t.Fatal(err)
	}
	out := asOther(t, 65534, "DBUS_SESSION_BUS_ADDRESS="+d.address)
	if !strings.Contains(out, "kind 7: the keychain cannot be used: the session bus refuses the connection") {
		t.Errorf("on the bus of another user: %s", out)
	}
}

// The order of calls is what GNOME Keyring survives, and what the speed of `token` rests on.
func TestKeychainServiceCalls(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	for _, call := range f.called() {
		if strings.Contains(call, "/aliases/") {
			t.Errorf("%s uses the path of an alias", call)
		}
		if strings.HasPrefix(call, "CreateItem ") && call != "CreateItem "+string(fakeCollection) {
			t.Errorf("%s, want the collection that ReadAlias names", call)
		}
	}
	mustGet(t, k, sample(mollie, 1))
	want := []string{"Get /org/freedesktop/secrets", "SearchItems /org/freedesktop/secrets", "OpenSession /org/freedesktop/secrets", "GetSecret " + string(fakeCollection) + "/0"}
	if got := f.called(); !slices.Equal(got, want) {
		t.Errorf("a read makes the calls %q, want %q", got, want)
	}
	// A script never asks for an unlock, whatever it does.
	f.lock()
	mustFail(t, k, "locked")
	for _, call := range f.called() {
		if strings.HasPrefix(call, "Unlock") || strings.HasPrefix(call, "Prompt") {
			t.Errorf("%s without a person", call)
		}
	}
}

// The first call is answered before OpenSession is sent: sent together they still crash GNOME Keyring.
func TestKeychainServiceAwaitsTheFirstCall(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	k.bounds.silence = 200 * time.Millisecond
	release := make(chan struct{})
	f.with(func() {
		f.answer["Get"] = func() ([]any, *dbus.Error) {
			f.mu.Unlock()
			defer f.mu.Lock()
			<-release
			return nil, dbus.NewError("org.example.Late", nil)
		}
	})
	if _, err := k.Get(t.Context(), mollie); !fail.Is(err, fail.Store) {
		t.Errorf("Get = %v, want a failure of the store", err)
	}
	if calls := f.called(); len(calls) != 1 {
		t.Errorf("calls %q before the first was answered", calls)
	}
	close(release)
}

func TestKeychainServiceUnlocksForAPerson(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	var remarks []string
	var mu sync.Mutex
	k.options.Notify = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		remarks = append(remarks, text)
	}
	k.options.CanPrompt = func() bool { return true }
	k.bounds = bounds{silence: 300 * time.Millisecond, total: 500 * time.Millisecond, notice: 100 * time.Millisecond}
	mustPut(t, k, sample(mollie, 1))

	// A quick person hears nothing.
	f.with(func() { f.prompt = func() bool { return false } })
	f.lock()
	mustGet(t, k, sample(mollie, 1))
	mu.Lock()
	if len(remarks) != 0 {
		t.Errorf("remarks %q to somebody who was quick", remarks)
	}
	mu.Unlock()
	// A slow one is told what is waited for, and has longer than any bound.
	f.with(func() { f.prompt = func() bool { time.Sleep(time.Second); return false } })
	f.lock()
	mustGet(t, k, sample(mollie, 1))
	mu.Lock()
	if len(remarks) != 1 || !strings.Contains(remarks[0], "unlock") {
		t.Errorf("remarks %q, want one about the unlock prompt", remarks)
	}
	mu.Unlock()
	f.lock()
	mustPut(t, k, sample(mollie, 2))
	f.lock()
	if err := k.Delete(t.Context(), mollie); err != nil {
		t.Errorf("Delete: %v", err)
	}
	mustBeAbsent(t, k, mollie)
	f.lock()
	mustBeAbsent(t, k, shopB)

	f.with(func() { f.prompt = func() bool { return true } })
	f.lock()
	mustFail(t, k, "prompt was dismissed")
}

// A service that says yes and stays locked is not asked again and again.
func TestKeychainServiceStaysLocked(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	k.options.CanPrompt = func() bool { return true }
	f.lock()
	f.with(func() {
		f.answer["Unlock"] = func() ([]any, *dbus.Error) { return []any{[]dbus.ObjectPath{}, nothing}, nil }
	})
	if _, err := k.Get(t.Context(), mollie); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("Get = %v, want it to say that the keychain is locked", err)
	}
	calls := f.called()
	if n := len(calls); n > 12 {
		t.Errorf("%d calls: %q", n, calls[:12])
	}
}

func TestKeychainServiceItemThatHasYetToBeAllowed(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	f.with(func() {
		for _, item := range f.items {
			item.locked = true
		}
	})
	if _, err := k.Get(t.Context(), mollie); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("Get = %v, want it to say that the keychain is locked", err)
	}
	k.options.CanPrompt = func() bool { return true }
	f.with(func() { f.prompt = func() bool { time.Sleep(100 * time.Millisecond); return false } })
	mustGet(t, k, sample(mollie, 1))

	// Two items are two questions, and one yes is no no to the other.
	mustPut(t, k, sample(shopB, 2))
	f.with(func() {
		for _, item := range f.items {
			item.locked = true
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() { mustGet(t, k, sample(mollie, 1)) })
	wg.Go(func() { mustGet(t, k, sample(shopB, 2)) })
	wg.Wait()
}

// KeePassXC can be set to ask before it deletes.
func TestKeychainServiceThatAsksBeforeItDeletes(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	f.with(func() { f.confirm = true })
	if err := k.Delete(t.Context(), mollie); !fail.Is(err, fail.Store) {
		t.Errorf("Delete with nobody to ask = %v, want a failure of the store", err)
	}
	k.options.CanPrompt = func() bool { return true }
	f.with(func() { f.prompt = func() bool { return true } })
	if err := k.Delete(t.Context(), mollie); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "dismissed") {
		t.Errorf("Delete = %v, want it to say that the prompt was dismissed", err)
	}
	mustGet(t, k, sample(mollie, 1))
	f.with(func() { f.prompt = func() bool { return false } })
	if err := k.Delete(t.Context(), mollie); err != nil {
		t.Errorf("Delete: %v", err)
	}
	mustBeAbsent(t, k, mollie)
}

func TestKeychainServicePromptIsInterruptible(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	k.options.CanPrompt = func() bool { return true }
	release := make(chan struct{})
	shown := make(chan struct{}, 10)
	f.with(func() { f.prompt = func() bool { shown <- struct{}{}; <-release; return true } })
	f.lock()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-shown; cancel() }()
	if _, err := k.Get(ctx, mollie); !fail.Is(err, fail.Interrupted) {
		t.Errorf("Get = %v, want an interruption", err)
	}
	close(release)
}

// One no is enough: those who waited for the answer do not ask again.
func TestKeychainServiceAsksOnce(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	k.options.CanPrompt = func() bool { return true }
	for _, dismissed := range []bool{true, false} {
		var prompts, atOnce atomic.Int64
		ask := func() bool {
			if atOnce.Add(1) > 1 {
				t.Error("two prompts at once")
			}
			defer atOnce.Add(-1)
			prompts.Add(1)
			time.Sleep(300 * time.Millisecond)
			return dismissed
		}
		f.with(func() { f.prompt = ask })
		f.lock()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := k.Get(t.Context(), mollie)
				if dismissed != fail.Is(err, fail.Store) || dismissed == errors.Is(err, ErrNotFound) {
					t.Errorf("Get with the prompt dismissed (%v): %v", dismissed, err)
				}
			})
		}
		wg.Wait()
		if n := prompts.Load(); n != 1 {
			t.Errorf("%d prompts (dismissed %v), want one", n, dismissed)
		}
	}
}

func TestKeychainServiceTriesAgainOnce(t *testing.T) {
	for name, test := range map[string]struct {
		member, err string
		times       int
		works       bool
	}{
		"first call refused":         {"Get", "org.freedesktop.DBus.Error.UnknownMethod", 1, true},
		"first call refused twice":   {"Get", "org.freedesktop.DBus.Error.UnknownMethod", 2, false},
		"search refused":             {"SearchItems", "org.freedesktop.DBus.Error.UnknownMethod", 1, true},
		"recipient disconnected":     {"GetSecret", "org.freedesktop.DBus.Error.NoReply", 1, true},
		"session gone":               {"GetSecret", errorNoSession, 1, true},
		"item replaced":              {"GetSecret", errorNoSuchObject, 1, true},
		"write with a lost session":  {"CreateItem", errorNoSession, 1, true},
		"too many connections":       {"Get", "org.freedesktop.DBus.Error.LimitsExceeded", 5, true},
		"not allowed":                {"Get", "org.freedesktop.DBus.Error.AccessDenied", 1, false},
		"something else":             {"SearchItems", "org.example.Error", 1, false},
		"could not be started":       {"Get", "org.freedesktop.DBus.Error.Spawn.ChildExited", 1, false},
		"item cannot be made at all": {"CreateItem", "org.freedesktop.DBus.Error.NotSupported", 1, false},
		"item cannot be changed":     {"SetSecret", "org.freedesktop.DBus.Error.NotSupported", 1, false},
		"item gone before a change":  {"SetSecret", errorNoSuchObject, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesktop(t, "")
			f, k := d.withFake(t), d.keychain(t)
			mustPut(t, k, sample(mollie, 1))
			f.with(func() { f.refusal, f.refuse[test.member] = test.err, test.times })
			err := func() error {
				switch test.member {
				case "CreateItem":
					return put(t.Context(), k, sample(shopB, 2))
				case "SetSecret":
					return put(t.Context(), k, sample(mollie, 2))
				}
				_, err := k.Get(t.Context(), mollie)
				return err
			}()
			if test.works {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if !fail.Is(err, fail.Store) || errors.Is(err, ErrNotFound) || !strings.HasPrefix(err.Error(), "the keychain cannot be used: ") {
				t.Errorf("got %v, want a failure of the store", err)
			}
		})
	}
}

func TestKeychainServiceAnswersOfTheWrongKind(t *testing.T) {
	d := newDesktop(t, "")
	f, k := d.withFake(t), d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	for member, body := range map[string][]any{
		"Get":         {dbus.MakeVariant("text")},
		"SearchItems": {"text", uint32(7)},
		"OpenSession": {dbus.MakeVariant("")},
		"GetSecret":   {"hunter2-planted"},
		"CreateItem":  {},
	} {
		f.with(func() { f.answer[member] = func() ([]any, *dbus.Error) { return body, nil } })
		var err error
		if member == "CreateItem" {
			err = put(t.Context(), k, sample(shopB, 2))
		} else {
			_, err = k.Get(t.Context(), mollie)
		}
		if !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "invalid answer") {
			t.Errorf("%s: %v, want a failure that says invalid answer", member, err)
		}
		if err != nil {
			checkError(t, err)
		}
		f.with(func() { delete(f.answer, member) })
	}
}

func TestKeychainReadsLeaveNothingBehind(t *testing.T) {
	d := newDesktop(t, "").withKeyring(t, true)
	k := d.keychain(t)
	mustPut(t, k, sample(mollie, 1))
	files := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	goroutines, open := runtime.NumGoroutine(), files()
	for range 20 {
		mustGet(t, k, sample(mollie, 1))
		mustBeAbsent(t, k, shopB)
	}
	mustNotLeak(t, goroutines)
	if got := files(); got > open {
		t.Errorf("%d open files, %d before", got, open)
	}
}
