package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// keychainUnderTest lets the contract plant items of other programs.
type keychainUnderTest struct{ *Keychain }

func (k keychainUnderTest) items() items { return k.open(k.options, newPatience(k.bounds)) }

func (k keychainUnderTest) plant(t *testing.T, name account.Name, text string) {
	t.Helper()
	it := k.items()
	defer it.close()
	if err := it.set(t.Context(), name.String(), "planted", text); err != nil {
		t.Fatal(err)
	}
}

func (k keychainUnderTest) raw(t *testing.T, name account.Name) string {
	t.Helper()
	it := k.items()
	defer it.close()
	text, err := it.get(t.Context(), name.String())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// drawer is a keychain in memory, with a platform's limit on the length of an item.
type drawer struct {
	mu     sync.Mutex
	limit  int
	texts  map[string]string
	labels map[string]string
}

func newDrawer(limit int) *drawer {
	return &drawer{limit: limit, texts: make(map[string]string), labels: make(map[string]string)}
}

func (d *drawer) close() {}

func (d *drawer) get(ctx context.Context, user string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, ok := d.texts[user]
	if !ok {
		return "", errNoItem
	}
	return text, ctx.Err()
}

func (d *drawer) set(ctx context.Context, user, label, text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limit > 0 && len(text) > d.limit {
		return fmt.Errorf("%d bytes are over the platform's limit", len(text))
	}
	d.texts[user], d.labels[user] = text, label
	return ctx.Err()
}

func (d *drawer) remove(ctx context.Context, user string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.texts[user]; !ok {
		return errNoItem
	}
	delete(d.texts, user)
	return ctx.Err()
}

// users returns the names of the items.
func (d *drawer) users() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.texts))
}

// keychain returns a store over the drawer that splits what is longer than its limit.
func (d *drawer) keychain(t *testing.T) *Keychain {
	t.Helper()
	return keychainOver(t, d, d.limit)
}

func keychainOver(t *testing.T, it items, limit int) *Keychain {
	t.Helper()
	k := NewKeychain(KeychainOptions{StateDir: filepath.Join(t.TempDir(), "state"), CanPrompt: func() bool { return false }})
	k.limit = limit
	k.open = func(KeychainOptions, *patience) items { return it }
	return k
}

// The limits that a platform sets: those of Windows and of macOS.
var platformLimits = []int{2560, 2900}

func TestKeychainContract(t *testing.T) {
	for _, limit := range append([]int{0}, platformLimits...) {
		t.Run(fmt.Sprintf("limit %d", limit), func(t *testing.T) {
			testContract(t, func(t *testing.T) Store { return keychainUnderTest{newDrawer(limit).keychain(t)} })
		})
	}
}

func TestKeychainIsOneReadableItemAnAccount(t *testing.T) {
	d := newDrawer(0)
	k := d.keychain(t)
	mustPut(t, k, sample(shopB, 1))
	if got := d.users(); !slices.Equal(got, []string{"mollie/shop-b"}) {
		t.Errorf("items %q, want one with the account's name", got)
	}
	if got, want := d.labels["mollie/shop-b"], "tokencli: mollie/shop-b"; got != want {
		t.Errorf("label %q, want %q", got, want)
	}
	text, err := credential.Encode(sample(shopB, 1))
	if err != nil {
		t.Fatal(err)
	}
	if d.texts["mollie/shop-b"] != string(text) {
		t.Error("the item is not the credential's stored form")
	}
}

// sized returns a credential whose stored form has a given length.
func sized(t *testing.T, n, length int) *credential.Credential {
	t.Helper()
	c := sample(mollie, n)
	c.AccessToken = ""
	empty, err := credential.Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	const overhead = len(`"access_token":"",`)
	fill := fmt.Sprintf("%d.", n)
	c.AccessToken = credential.Secret(strings.Repeat(fill, length)[:length-len(empty)-overhead])
	if text, err := credential.Encode(c); err != nil || len(text) != length {
		t.Fatalf("made %d bytes, want %d (%v)", len(text), length, err)
	}
	return c
}

func TestKeychainSplitsWhatIsTooLong(t *testing.T) {
	for _, limit := range platformLimits {
		for _, test := range []struct{ length, items int }{
			{limit - 1, 1},
			{limit, 1},
			{limit + 1, 1 + 2},
			{2 * limit, 1 + 2},
			{2*limit + 1, 1 + 3},
			{10_000, 1 + (10_000+limit-1)/limit},
			{100_000, 1 + (100_000+limit-1)/limit},
		} {
			t.Run(fmt.Sprintf("limit %d, %d bytes", limit, test.length), func(t *testing.T) {
				d := newDrawer(limit)
				k := d.keychain(t)
				c := sized(t, 1, test.length)
				mustPut(t, k, c)
				mustGet(t, k, c)
				if got := len(d.users()); got != test.items {
					t.Errorf("%d items, want %d", got, test.items)
				}
				for _, user := range d.users()[1:] {
					if _, err := account.Parse(user); err == nil {
						t.Errorf("the part %q could be an account", user)
					}
				}
				if err := k.Delete(t.Context(), mollie); err != nil {
					t.Fatal(err)
				}
				if left := d.users(); len(left) > 0 {
					t.Errorf("left after Delete: %q", left)
				}
			})
		}
	}
}

func TestKeychainRefusesWhatIsFarTooLong(t *testing.T) {
	k := newDrawer(500).keychain(t)
	err := put(t.Context(), k, sized(t, 1, 501*maxParts))
	if !fail.Is(err, fail.Store) || fail.Advice(err) == nil {
		t.Errorf("Put = %v, want a failure of the store with a hint", err)
	}
}

func TestSplitCutsBetweenCharacters(t *testing.T) {
	text := strings.Repeat("aé日🔑", 50)
	for limit := 4; limit < 20; limit++ {
		parts := split(text, limit)
		if strings.Join(parts, "") != text {
			t.Errorf("limit %d: the parts are not the text", limit)
		}
		for _, part := range parts {
			if len(part) == 0 || len(part) > limit || part != strings.ToValidUTF8(part, "") {
				t.Errorf("limit %d: part %q", limit, part)
			}
		}
	}
	// Not UTF-8: the cut must still move on.
	if parts := split(strings.Repeat("\x80", 25), 10); len(parts) > 4 || strings.Join(parts, "") != strings.Repeat("\x80", 25) {
		t.Errorf("split made %d parts of 25 bytes", len(parts))
	}
}

// crashing is a keychain whose user dies: after some changes it does nothing any more.
type crashing struct {
	items
	left int  // changes until the crash
	lost bool // the last change is made, but its answer is lost
}

var errCrash = errors.New("crashed")

func (c *crashing) change(f func() error) error {
	c.left--
	switch {
	case c.left > 0:
		return f()
	case c.left == 0 && c.lost:
		_ = f()
	}
	return errCrash
}

func (c *crashing) get(ctx context.Context, user string) (string, error) {
	if c.left <= 0 {
		return "", errCrash
	}
	return c.items.get(ctx, user)
}

func (c *crashing) set(ctx context.Context, user, label, text string) error {
	return c.change(func() error { return c.items.set(ctx, user, label, text) })
}

func (c *crashing) remove(ctx context.Context, user string) error {
	return c.change(func() error { return c.items.remove(ctx, user) })
}

// testCrashes replaces records of one length by those of another, in pairs (0: no record), crashing at
// every step, with the answer to the last change lost or not. It checks that the old or the new record is
// there, whole, and that the next writer leaves nothing over. It takes the items' names from users.
func testCrashes(t *testing.T, it items, limit int, users func() []string, lost []bool, pairs [][2]int) {
	t.Helper()
	healthy := keychainOver(t, it, limit)
	clear := func() {
		for _, user := range users() {
			if err := it.remove(t.Context(), user); err != nil {
				t.Fatal(err)
			}
		}
	}
	// crash reports whether the change was cut off at all.
	crash := func(from, to, left int, lost bool) bool {
		name := fmt.Sprintf("from %d to %d bytes, crash at change %d (lost %v)", from, to, left, lost)
		clear()
		var before, after *credential.Credential
		if from > 0 {
			before = sized(t, 1, from)
			mustPut(t, healthy, before)
		}
		c := &crashing{items: it, left: left, lost: lost}
		dying := *healthy
		dying.open = func(KeychainOptions, *patience) items { return c }
		if to > 0 {
			after = sized(t, 2, to)
			_ = put(t.Context(), &dying, after)
		} else {
			_ = dying.Delete(t.Context(), mollie)
		}
		crashed := c.left <= 0

		got, err := healthy.Get(t.Context(), mollie)
		is := func(want *credential.Credential) bool {
			if want == nil {
				return errors.Is(err, ErrNotFound)
			}
			return err == nil && got.Equal(want)
		}
		if !is(after) && (!crashed || !is(before)) {
			t.Errorf("%s: neither the old nor the new record: %v", name, err)
		}
		next := sized(t, 3, 2*limit)
		mustPut(t, healthy, next)
		mustGet(t, healthy, next)
		if got := len(users()); got != 3 {
			t.Errorf("%s: %d items after the next Put, want a head and two parts", name, got)
		}
		return crashed
	}
	crashes := 0
	for _, pair := range pairs {
		for _, lost := range lost {
			for left := 1; crash(pair[0], pair[1], left, lost); left++ {
				crashes++
			}
		}
	}
	clear()
	t.Logf("%d crashes", crashes)
}

func TestKeychainCrashLeavesOldOrNew(t *testing.T) {
	for _, limit := range platformLimits {
		var pairs [][2]int
		lengths := []int{0, limit, 2*limit + 1, 5*limit + 1, 3 * limit}
		for _, from := range lengths {
			for _, to := range lengths {
				pairs = append(pairs, [2]int{from, to})
			}
		}
		d := newDrawer(limit)
		testCrashes(t, d, limit, d.users, []bool{false, true}, pairs)
	}
}

func TestKeychainDeleteCleansUpAfterCrashes(t *testing.T) {
	const limit = 2560
	for left := 1; left < 12; left++ {
		d := newDrawer(limit)
		mustPut(t, d.keychain(t), sized(t, 1, 3*limit))
		_ = put(t.Context(), keychainOver(t, &crashing{items: d, left: left}, limit), sized(t, 2, 5*limit))
		if err := d.keychain(t).Delete(t.Context(), mollie); err != nil {
			t.Fatal(err)
		}
		if left := d.users(); len(left) > 0 {
			t.Errorf("left after Delete: %q", left)
		}
	}
}

func TestKeychainTornPartsAreDamage(t *testing.T) {
	const limit = 2560
	part := func(n int) string { return partName(mollie, 1, n) }
	for name, tear := range map[string]func(texts map[string]string){
		"a part is gone":     func(texts map[string]string) { delete(texts, part(2)) },
		"a part was cut":     func(texts map[string]string) { texts[part(2)] = texts[part(2)][1:] },
		"a part was changed": func(texts map[string]string) { texts[part(2)] = strings.ToUpper(texts[part(2)]) },
		"a part has grown":   func(texts map[string]string) { texts[part(3)] += strings.Repeat("x", 1000) },
		"parts are swapped":  func(texts map[string]string) { texts[part(1)], texts[part(2)] = texts[part(2)], texts[part(1)] },
		"head of another": func(texts map[string]string) {
			texts["mollie"] = strings.Replace(texts["mollie"], "mollie", "monta", 1)
		},
		"head cut":             func(texts map[string]string) { texts["mollie"] = texts["mollie"][:40] },
		"head of a newer form": func(texts map[string]string) { texts["mollie"] = strings.Replace(texts["mollie"], ":1,", ":2,", 1) },
		"head counts too far": func(texts map[string]string) {
			texts["mollie"] = strings.Replace(texts["mollie"], `"parts":3`, `"parts":2000000000`, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDrawer(0) // so that a part can grow
			k := keychainOver(t, d, limit)
			mustPut(t, k, sized(t, 1, 2*limit+100))
			tear(d.texts)
			torn := maps.Clone(d.texts)

			c, err := k.Get(t.Context(), mollie)
			if c != nil || !fail.Is(err, fail.Store) || errors.Is(err, ErrNotFound) || fail.Advice(err) == nil {
				t.Errorf("Get = %v, %v; want a failure of the store with a hint", c, err)
			}
			checkError(t, err)
			if err := put(t.Context(), k, sample(mollie, 2)); !fail.Is(err, fail.Store) {
				t.Errorf("Put = %v, want a failure of the store", err)
			}
			if !maps.Equal(d.texts, torn) {
				t.Error("Put changed the damaged record")
			}
			if err := k.Delete(t.Context(), mollie); err != nil {
				t.Errorf("Delete: %v", err)
			}
			mustPut(t, k, sample(mollie, 3))
			mustGet(t, k, sample(mollie, 3))
		})
	}
}

func TestParseManifest(t *testing.T) {
	const whole = `{"tokencli_parts":1,"account":"mollie","generation":3,"parts":2,"length":900,"sha256":"00"}`
	if m, err := parseManifest(mollie, whole); err != nil || m.Parts != 2 || m.set() != 1 {
		t.Fatalf("parseManifest = %+v, %v", m, err)
	}
	for name, change := range map[string][2]string{
		"no JSON":            {"}", ""},
		"another account":    {"mollie", "monta"},
		"form 0":             {`"tokencli_parts":1`, `"tokencli_parts":0`},
		"newer form":         {`"tokencli_parts":1`, `"tokencli_parts":2`},
		"no generation":      {`"generation":3`, `"generation":0`},
		"negative":           {`"generation":3`, `"generation":-3`},
		"no parts":           {`"parts":2`, `"parts":0`},
		"negative parts":     {`"parts":2`, `"parts":-2`},
		"too many parts":     {`"parts":2,"length":900`, `"parts":1001,"length":9000`},
		"parts without text": {`"length":900`, `"length":1`},
		"negative length":    {`"length":900`, `"length":-900`},
		"overflow":           {`"length":900`, `"length":99999999999999999999`},
	} {
		m, err := parseManifest(mollie, strings.Replace(whole, change[0], change[1], 1))
		if m != nil || err == nil {
			t.Errorf("%s: %+v, %v; want a refusal", name, m, err)
		}
	}
}

// forgetful is a keychain that keeps another text than it was given.
type forgetful struct {
	*drawer
	keep func(user, text string) string
}

func (f *forgetful) set(ctx context.Context, user, label, text string) error {
	return f.drawer.set(ctx, user, label, f.keep(user, text))
}

func TestKeychainPutReadsBack(t *testing.T) {
	const limit = 2560
	for name, keep := range map[string]func(user, text string) string{
		"keeps nothing": func(string, string) string { return "" },
		"cuts":          func(_, text string) string { return text[:len(text)/2] },
		"cuts parts": func(user, text string) string {
			if strings.Contains(user, "#") {
				return text[1:]
			}
			return text
		},
	} {
		for _, length := range []int{1000, 3 * limit} {
			if name == "cuts parts" && length < limit {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d bytes", name, length), func(t *testing.T) {
				d := newDrawer(0)
				healthy, lying := keychainOver(t, d, limit), keychainOver(t, nil, limit)
				bad := &forgetful{d, keep}
				lying.open = func(KeychainOptions, *patience) items { return bad }

				if err := put(t.Context(), lying, sized(t, 1, length)); !fail.Is(err, fail.Store) {
					t.Errorf("Put = %v, want a failure of the store", err)
				}
				mustBeAbsent(t, healthy, mollie)

				old := sized(t, 2, 900)
				mustPut(t, healthy, old)
				bad.keep = func(user, text string) string {
					if user == "mollie" && text == d.texts["old"] {
						return text
					}
					return keep(user, text)
				}
				d.texts["old"] = d.texts["mollie"] // what is put back is kept, as it was before
				if err := put(t.Context(), lying, sized(t, 3, length)); !fail.Is(err, fail.Store) {
					t.Errorf("Put = %v, want a failure of the store", err)
				}
				mustGet(t, healthy, old)
			})
		}
	}
}

// Writers are to hold the account's lock. One that does not is not written over in the name of repair.
func TestKeychainPutBesideAnotherWriter(t *testing.T) {
	d := newDrawer(0)
	other, err := credential.Encode(sample(mollie, 2))
	if err != nil {
		t.Fatal(err)
	}
	k := keychainOver(t, &forgetful{d, func(string, string) string { return string(other) }}, 0)
	if err := put(t.Context(), k, sample(mollie, 1)); !fail.Is(err, fail.Store) || !strings.Contains(err.Error(), "at the same time") {
		t.Errorf("Put = %v, want it to speak of another writer", err)
	}
	mustGet(t, k, sample(mollie, 2))
}

func TestKeychainReadsAcrossWrites(t *testing.T) {
	const limit = 400 // some parts even for short records
	d := newDrawer(0)
	k := keychainOver(t, d, limit)
	first, second := sized(t, 1, 3*limit), sized(t, 2, 6*limit)
	mustPut(t, k, first)
	// A writer that replaces the record between the reader's look at the head and at the parts.
	reader := keychainOver(t, nil, limit)
	wrote := false
	reader.open = func(KeychainOptions, *patience) items {
		return &hooked{drawer: d, before: func(user string) {
			if strings.Contains(user, "#") && !wrote {
				wrote = true
				mustPut(t, k, second)
			}
		}}
	}
	mustGet(t, reader, second)
	if !wrote {
		t.Error("the writer did not run")
	}
}

type hooked struct {
	*drawer
	before func(user string)
}

func (h *hooked) get(ctx context.Context, user string) (string, error) {
	h.before(user)
	return h.drawer.get(ctx, user)
}

func TestKeychainSurvivesTheLossOfTheList(t *testing.T) {
	d := newDrawer(0)
	var remarks []string
	k := d.keychain(t)
	k.options.Notify = func(text string) { remarks = append(remarks, text) }
	k.options.StateDir = filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(k.options.StateDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustPut(t, k, sample(mollie, 1))
	mustGet(t, k, sample(mollie, 1))
	if len(remarks) != 1 || !strings.Contains(remarks[0], "mollie") {
		t.Errorf("remarks %q, want one about the list", remarks)
	}
	if err := k.Delete(t.Context(), mollie); err != nil {
		t.Errorf("Delete: %v", err)
	}
	mustBeAbsent(t, k, mollie)
}

// Through the goroutines that bound go-keyring's calls, the store keeps its contract.
func TestLibraryContract(t *testing.T) {
	testContract(t, func(t *testing.T) Store {
		d := newDrawer(2560)
		k := d.keychain(t)
		ctx := context.Background() // go-keyring takes none
		k.open = func(o KeychainOptions, p *patience) items {
			return &library{
				options: o, patience: p,
				getItem:    func(_, user string) (string, error) { return d.get(ctx, user) },
				setItem:    func(_, user, text string) error { return d.set(ctx, user, "", text) },
				deleteItem: func(_, user string) error { return d.remove(ctx, user) },
				isAbsent:   func(err error) bool { return errors.Is(err, errNoItem) },
				explain:    func(err error) error { return err },
			}
		}
		return keychainUnderTest{k}
	})
}

// slow gives a store calls that last until the test ends.
func slow(t *testing.T, k *Keychain, asks bool) {
	t.Helper()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	k.open = func(o KeychainOptions, p *patience) items {
		return &library{
			options: o, patience: p, asks: asks,
			getItem:    func(string, string) (string, error) { <-release; return "", nil },
			setItem:    func(string, string, string) error { <-release; return nil },
			deleteItem: func(string, string) error { <-release; return nil },
			isAbsent:   func(error) bool { return false },
			explain:    func(err error) error { return err },
		}
	}
}

func TestLibraryIsBounded(t *testing.T) {
	k := keychainOver(t, nil, 0)
	k.bounds.silence = 50 * time.Millisecond
	slow(t, k, true)
	for call, do := range map[string]func() error{
		"Get":    func() error { _, err := k.Get(t.Context(), mollie); return err },
		"Put":    func() error { return put(t.Context(), k, sample(mollie, 1)) },
		"Delete": func() error { return k.Delete(t.Context(), mollie) },
	} {
		start := time.Now()
		err := do()
		if !fail.Is(err, fail.Store) || fail.Advice(err) == nil || time.Since(start) > 30*time.Second {
			t.Errorf("%s = %v after %v, want a failure of the store within the bound", call, err, time.Since(start))
		}
	}
}

func TestLibraryWaitsForAPerson(t *testing.T) {
	k := keychainOver(t, nil, 0)
	k.bounds = bounds{silence: 10 * time.Millisecond, total: 10 * time.Millisecond, notice: 20 * time.Millisecond}
	k.options.CanPrompt = func() bool { return true }
	slow(t, k, true)
	noticed := make(chan string, 1)
	k.options.Notify = func(text string) { noticed <- text }
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-noticed
		time.Sleep(50 * time.Millisecond) // well over the bounds without a person
		cancel()
	}()
	if _, err := k.Get(ctx, mollie); !fail.Is(err, fail.Interrupted) {
		t.Errorf("Get = %v, want an interruption", err)
	}
}

func TestLibraryErrors(t *testing.T) {
	absent, broken := errors.New("absent"), errors.New("broken")
	var answer error
	k := keychainOver(t, nil, 0)
	k.open = func(o KeychainOptions, p *patience) items {
		return &library{
			options: o, patience: p,
			getItem:    func(string, string) (string, error) { return "", answer },
			setItem:    func(string, string, string) error { return answer },
			deleteItem: func(string, string) error { return answer },
			isAbsent:   func(err error) bool { return errors.Is(err, absent) },
			explain:    func(err error) error { return unusable(err, "explained") },
		}
	}
	answer = absent
	mustBeAbsent(t, k, mollie)
	if err := k.Delete(t.Context(), mollie); err != nil {
		t.Errorf("Delete: %v", err)
	}
	answer = broken
	for call, err := range map[string]error{
		"Get":    func() error { _, err := k.Get(t.Context(), mollie); return err }(),
		"Put":    put(t.Context(), k, sample(mollie, 1)),
		"Delete": k.Delete(t.Context(), mollie),
	} {
		if !fail.Is(err, fail.Store) || !errors.Is(err, broken) || !strings.Contains(err.Error(), "explained") {
			t.Errorf("%s = %v, want the explained failure", call, err)
		}
	}
}

// FuzzKeychainRecord feeds heads and parts that tokencli did not write to the reader.
func FuzzKeychainRecord(f *testing.F) {
	d := newDrawer(0)
	long := sample(mollie, 1)
	text, err := credential.Encode(long)
	if err != nil {
		f.Fatal(err)
	}
	r, err := newRecord(mollie, string(text), 300, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text), "", "")
	f.Add(r.head, r.parts[0], r.parts[1])
	f.Add(`{"tokencli_parts":1,"account":"mollie","generation":1,"parts":2,"length":2,"sha256":"fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"}`, "a", "b")
	f.Add(`{"tokencli_parts":1,"account":"mollie","generation":-1,"parts":-2,"length":-2}`, "", "")
	f.Add(`{"tokencli_parts":1e9}`, "", "")
	f.Fuzz(func(t *testing.T, head, part1, part2 string) {
		d.texts = map[string]string{"mollie": head}
		for set := range int64(2) {
			d.texts[partName(mollie, set, 1)], d.texts[partName(mollie, set, 2)] = part1, part2
		}
		r, err := readOnce(t.Context(), d, mollie)
		if err != nil {
			return
		}
		// What is read must be what was written: whole, and of this account.
		if r.credential.Account != mollie {
			t.Errorf("read a credential of %v", r.credential.Account)
		}
		if r.manifest != nil && (r.manifest.SHA256 != checksum(part1+part2) && r.manifest.SHA256 != checksum(part1)) {
			t.Error("read parts that the head does not describe")
		}
	})
}
