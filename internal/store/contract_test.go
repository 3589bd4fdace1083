package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// planter is what a store under test offers besides Store, so that the contract can put a record there
// that tokencli did not write. A store that cannot hold one does not implement it.
type planter interface {
	// plant leaves text where the account's record belongs, in the form in which a record's text is kept
	// there: the file store encrypts it to its key, a keychain keeps it as it is.
	plant(t *testing.T, name account.Name, text string)
	// raw returns what lies there now, as it lies there.
	raw(t *testing.T, name account.Name) string
}

// testContract checks everything that Store promises. Each call of open returns an empty store of its
// own; stores that can hold records of other programs also implement planter.
func testContract(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s Store)
	}{
		{"absence", contractAbsence},
		{"round trip", contractRoundTrip},
		{"awkward values", contractAwkward},
		{"names", contractNames},
		{"overwrite", contractOverwrite},
		{"swap", contractSwap},
		{"swap at the same time", contractSwapRace},
		{"delete", contractDelete},
		{"list", contractList},
		{"alien records", contractAlien},
		{"sealed texts", contractSealer},
		{"cancelled context", contractCancelled},
		{"readers beside a writer", contractConcurrent},
		{"many accounts at once", contractManyAccounts},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

const (
	contractAccess  = "access-7f3a91c2-planted"
	contractRefresh = "refresh-5b8d20e4-planted"
	contractSecret  = "client-secret-c6e1-planted"
)

var (
	mollie = account.Name{Provider: "mollie"}
	shopB  = account.Name{Provider: "mollie", Label: "shop-b"}
)

// sample returns a credential with every field set; n tells one from another.
func sample(name account.Name, n int) *credential.Credential {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	return &credential.Credential{
		Account:          name,
		Grant:            credential.AuthorizationCode,
		Origin:           "https://api.example.test",
		ClientID:         "app_123",
		ClientSecret:     contractSecret,
		RedirectURI:      "https://localhost:8976/callback",
		Scopes:           []string{"organizations.read", "payments.read"},
		AccessToken:      credential.Secret(fmt.Sprintf("%s-%d", contractAccess, n)),
		TokenType:        "bearer",
		RefreshToken:     credential.Secret(fmt.Sprintf("%s-%d", contractRefresh, n)),
		ObtainedAt:       at,
		AccessExpiresAt:  at.Add(time.Hour),
		RefreshExpiresAt: at.Add(14 * 24 * time.Hour),
		Generation:       int64(n),
		Presented:        at.Add(time.Minute),
		Ended:            at.Add(2 * time.Minute),
		EndedReason:      "invalid_grant",
	}
}

// put saves a credential over whatever the account has. Where Get fails, Swap does too.
func put(ctx context.Context, s Store, c *credential.Credential) error {
	for {
		held, _ := s.Get(ctx, c.Account)
		if err := s.Swap(ctx, held, c); !errors.Is(err, ErrChanged) {
			return err
		}
	}
}

func mustPut(t *testing.T, s Store, c *credential.Credential) {
	t.Helper()
	if err := put(t.Context(), s, c); err != nil {
		t.Fatalf("Put(%v): %v", c.Account, err)
	}
}

func mustGet(t *testing.T, s Store, want *credential.Credential) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Account)
	if err != nil {
		t.Fatalf("Get(%v): %v", want.Account, err)
	}
	if !got.Equal(want) {
		t.Errorf("Get(%v) returned another credential than was put", want.Account)
	}
}

func mustBeAbsent(t *testing.T, s Store, name account.Name) {
	t.Helper()
	c, err := s.Get(t.Context(), name)
	if !errors.Is(err, ErrNotFound) || c != nil {
		t.Errorf("Get(%v) of an absent account = %v, %v; want nil and ErrNotFound", name, c, err)
	}
	if err != nil {
		checkError(t, err)
	}
}

func mustList(t *testing.T, s Store, want ...account.Name) {
	t.Helper()
	got, err := s.List(t.Context())
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("List = %v, want %v", got, want)
	}
}

// advises reports whether a failure advises this.
func advises(err error, do fail.Action) bool {
	advice := fail.Advice(err)
	return advice != nil && advice.Do == do
}

// checkError fails for an error that shows one of the planted secrets, spans lines, or carries such a
// hint.
func checkError(t *testing.T, err error, secrets ...string) {
	t.Helper()
	secrets = append(secrets, "planted")
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, text := range []string{e.Error(), fmt.Sprintf("%+v", e), fmt.Sprintf("%+v", fail.Advice(e))} {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("a secret is in the error %q", text)
				}
			}
		}
	}
	if text := err.Error(); strings.Contains(text, "\n") || strings.HasSuffix(text, ".") {
		t.Errorf("error text %q is not one line without a full stop", text)
	}
}

func contractAbsence(t *testing.T, s Store) {
	if s.Kind() == "" {
		t.Error("Kind is empty")
	}
	mustBeAbsent(t, s, mollie)
	mustBeAbsent(t, s, shopB)
	mustList(t, s)
	if err := s.Delete(t.Context(), mollie); err != nil {
		t.Errorf("Delete of what is not there: %v", err)
	}
}

func contractRoundTrip(t *testing.T, s Store) {
	full, bare := sample(mollie, 1), &credential.Credential{Account: shopB, Grant: credential.Static, AccessToken: "live_x"}
	mustPut(t, s, full)
	mustPut(t, s, bare)
	mustGet(t, s, full)
	mustGet(t, s, bare)
	mustBeAbsent(t, s, account.Name{Provider: "mollie", Label: "shop"})
}

func contractAwkward(t *testing.T, s Store) {
	for name, value := range map[string]string{
		"unicode":        "tökén-日本語-🔑-\u202e\u200b",
		"quotes":         `a'b"c` + "`d`" + `\e$(f)%g%%h&<i>|;j`,
		"line breaks":    "a\nb\r\nc\td\x00e\x7f",
		"spaces":         "  lead and trail  ",
		"JSON":           `{"tokencli":1,"account":"mollie"}`,
		"base64 prefix":  "go-keyring-base64:QUJD",
		"encoded prefix": "go-keyring-encoded:414243",
		"1 byte":         "x",
		"3 kB":           strings.Repeat("k3", 1500),
		"100 kB":         strings.Repeat("0123456789abcdef", 6250),
	} {
		t.Run(name, func(t *testing.T) {
			c := sample(mollie, 7)
			if credential.Printable(value) { // no provider could have issued another
				c.AccessToken, c.RefreshToken = credential.Secret(value), credential.Secret(value+value[:1])
			}
			c.ClientSecret, c.EndedReason = credential.Secret(value), value[:1]
			c.Scopes = []string{value[:min(len(value), 64)], "", "b\nc"}
			mustPut(t, s, c)
			mustGet(t, s, c)
		})
	}
}

func contractNames(t *testing.T, s Store) {
	long := strings.Repeat("l", 64)
	names := []account.Name{
		{Provider: "a.b-c_d", Label: "x.y"},
		{Provider: "moloni-on"},
		{Provider: "moloni", Label: "on"},
		{Provider: "moloni.on"},
		{Provider: "moloni_on"},
		{Provider: "con"},
		{Provider: "nul.txt"},
		{Provider: "0", Label: "age"},
		{Provider: "x.age"},
		{Provider: long, Label: long},
	}
	for i, name := range names {
		mustPut(t, s, sample(name, i))
	}
	for i, name := range names {
		mustGet(t, s, sample(name, i))
	}
	want := slices.Clone(names)
	account.Sort(want)
	mustList(t, s, want...)

	for _, name := range []account.Name{{}, {Provider: "../up"}, {Provider: "a/b"}, {Provider: "mollie", Label: "../../x"}, {Provider: "A"}} {
		if err := put(t.Context(), s, sample(name, 1)); err == nil {
			t.Errorf("Put accepted the account name %q", name)
		}
		if c, err := s.Get(t.Context(), name); err == nil || c != nil {
			t.Errorf("Get accepted the account name %q", name)
		}
	}
	mustList(t, s, want...)
}

func contractOverwrite(t *testing.T, s Store) {
	long := sample(mollie, 1)
	long.AccessToken = credential.Secret(strings.Repeat("long", 3000))
	mustPut(t, s, sample(mollie, 0))
	mustPut(t, s, long)
	mustGet(t, s, long)
	mustPut(t, s, sample(mollie, 2))
	mustPut(t, s, sample(shopB, 3))
	mustGet(t, s, sample(mollie, 2))
	mustPut(t, s, sample(mollie, 2))
	mustGet(t, s, sample(mollie, 2))
	mustList(t, s, mollie, shopB)
}

func contractSwap(t *testing.T, s Store) {
	ctx := t.Context()
	first, second := sample(mollie, 1), sample(mollie, 2)
	changed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrChanged) || !fail.Is(err, fail.Store) || errors.Is(err, ErrNotFound) {
			t.Fatalf("%s = %v, want a failure of the store that wraps ErrChanged", what, err)
		}
		checkError(t, err)
	}
	changed("Swap of an absent credential", s.Swap(ctx, first, second))
	mustBeAbsent(t, s, mollie)
	mustList(t, s)
	if err := s.Swap(ctx, nil, first); err != nil {
		t.Fatalf("Swap of nothing: %v", err)
	}
	mustGet(t, s, first)
	mustList(t, s, mollie)
	changed("Swap of nothing over a credential", s.Swap(ctx, nil, second))
	mark := *first
	mark.Presented = mark.Presented.Add(time.Second)
	changed("Swap of a credential with another mark", s.Swap(ctx, &mark, second))
	mustGet(t, s, first)
	if err := s.Swap(ctx, first, &mark); err != nil {
		t.Fatalf("Swap: %v", err)
	}
	changed("Swap of the credential before", s.Swap(ctx, first, second))
	mustGet(t, s, &mark)
	if err := s.Swap(ctx, &mark, second); err != nil {
		t.Fatalf("Swap: %v", err)
	}
	mustGet(t, s, second)
	mustBeAbsent(t, s, shopB)
}

// contractSwapRace checks that of many writers one replaces a credential. Those of a store that is not
// shared hold the account's lock.
func contractSwapRace(t *testing.T, s Store) {
	mustPut(t, s, sample(mollie, 0))
	var lock sync.Mutex
	var wins atomic.Int32
	var wg sync.WaitGroup
	for n := 1; n <= 8; n++ {
		wg.Go(func() {
			if !s.Traits().Shared {
				lock.Lock()
				defer lock.Unlock()
			}
			switch err := s.Swap(t.Context(), sample(mollie, 0), sample(mollie, n)); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, ErrChanged):
				t.Errorf("Swap: %v", err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d of 8 writers replaced the same credential", wins.Load())
	}
}

func contractSealer(t *testing.T, s Store) {
	sealer, ok := s.(Sealer)
	if !ok {
		return // it has no key of its own
	}
	text := `{"refresh_token":"` + contractRefresh + `"}`
	sealed, err := sealer.Seal([]byte(text))
	if err != nil || strings.Contains(string(sealed), "planted") {
		t.Fatalf("Seal: %v, or the text is readable", err)
	}
	if opened, err := sealer.Unseal(sealed); err != nil || string(opened) != text {
		t.Errorf("Unseal does not return the text: %v", err)
	}
	for name, damaged := range map[string][]byte{
		"nothing": nil, "in the clear": []byte(text), "cut": sealed[:len(sealed)-1],
		"changed": append(slices.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1),
	} {
		if opened, err := sealer.Unseal(damaged); opened != nil || !fail.Is(err, fail.Store) {
			t.Errorf("Unseal of %s: %v, want a failure of the store and no text", name, err)
		} else {
			checkError(t, err)
		}
	}
}

func contractDelete(t *testing.T, s Store) {
	big := sample(mollie, 1)
	big.AccessToken = credential.Secret(strings.Repeat("big", 4000))
	mustPut(t, s, big)
	mustPut(t, s, sample(shopB, 2))
	for range 2 {
		if err := s.Delete(t.Context(), mollie); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		mustBeAbsent(t, s, mollie)
		mustGet(t, s, sample(shopB, 2))
		mustList(t, s, shopB)
	}
	mustPut(t, s, sample(mollie, 3))
	mustGet(t, s, sample(mollie, 3))
}

func contractList(t *testing.T, s Store) {
	a, second, monta := account.Name{Provider: "mollie", Label: "a"}, account.Name{Provider: "mollie-2"}, account.Name{Provider: "monta"}
	for i, name := range []account.Name{monta, shopB, second, a, mollie} {
		mustPut(t, s, sample(name, i))
	}
	// By provider, then by name, so that a provider's accounts stand together, the default one first.
	mustList(t, s, mollie, a, shopB, second, monta)
}

func contractAlien(t *testing.T, s Store) {
	p, ok := s.(planter)
	if !ok {
		t.Skip("this store holds no record of other programs")
	}
	mustPut(t, s, sample(shopB, 1))
	for name, text := range map[string]string{
		"text of another program": "hunter2-planted",
		"empty":                   "",
		"JSON of another program": `{"access_token":"planted","refresh_token":"planted"}`,
		"another account":         `{"tokencli":1,"account":"mollie/shop-b","grant":"static","access_token":"planted"}`,
		"no account":              `{"tokencli":1,"grant":"static","access_token":"planted"}`,
		"newer version":           `{"tokencli":99,"account":"mollie","grant":"static","access_token":"planted"}`,
		"half written":            `{"tokencli":1,"account":"mollie","grant":"static","access_token":"plan`,
	} {
		t.Run(name, func(t *testing.T) {
			p.plant(t, mollie, text)
			before := p.raw(t, mollie)

			c, err := s.Get(t.Context(), mollie)
			if err == nil || c != nil || errors.Is(err, ErrNotFound) {
				t.Fatalf("Get of an alien record = %v, %v; want a failure", c, err)
			}
			if fail.KindOf(err) != fail.Store || fail.Advice(err) == nil {
				t.Errorf("Get: kind %d, advice %+v; want kind %d and advice", fail.KindOf(err), fail.Advice(err), fail.Store)
			}
			checkError(t, err)

			err = put(t.Context(), s, sample(mollie, 2))
			if !fail.Is(err, fail.Store) {
				t.Fatalf("Put over an alien record = %v, want a failure of the store", err)
			}
			checkError(t, err)
			if p.raw(t, mollie) != before {
				t.Error("Put changed the alien record")
			}

			// A store may refuse to delete it or not; it may not do the one and say the other.
			err = s.Delete(t.Context(), mollie)
			switch {
			case err == nil:
				mustBeAbsent(t, s, mollie)
			case !fail.Is(err, fail.Store):
				t.Errorf("Delete of an alien record = %v, want a failure of the store", err)
			case p.raw(t, mollie) != before:
				t.Error("Delete was refused and changed the alien record")
			default:
				checkError(t, err)
			}
			mustGet(t, s, sample(shopB, 1))
		})
	}
}

func contractCancelled(t *testing.T, s Store) {
	mustPut(t, s, sample(mollie, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, errGet := s.Get(ctx, mollie)
	names, errList := s.List(ctx)
	if c != nil || names != nil {
		t.Errorf("answers with a cancelled context: %v, %v", c, names)
	}
	for call, err := range map[string]error{
		"Get":        errGet,
		"List":       errList,
		"Put":        put(ctx, s, sample(mollie, 2)),
		"Put of new": put(ctx, s, sample(shopB, 2)),
		"Swap":       s.Swap(ctx, sample(mollie, 1), sample(mollie, 2)),
		"Delete":     s.Delete(ctx, mollie),
	} {
		if !errors.Is(err, context.Canceled) || !fail.Is(err, fail.Interrupted) {
			t.Errorf("%s with a cancelled context = %v, want an interruption that wraps context.Canceled", call, err)
		}
		if errors.Is(err, ErrNotFound) {
			t.Errorf("%s: a cancelled call says that nothing is kept", call)
		}
	}
	mustGet(t, s, sample(mollie, 1))
	mustList(t, s, mollie)
}

func contractConcurrent(t *testing.T, s Store) {
	version := func(n int) *credential.Credential {
		c := sample(mollie, n)
		// Lengths that differ let a mixture of two records show.
		c.AccessToken = credential.Secret(strings.Repeat(fmt.Sprintf("%d-", n), 50+n%2*1500))
		return c
	}
	const writes, readers = 20, 4
	mustPut(t, s, version(0))
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			last := int64(0)
			for {
				select {
				case <-done:
					return
				default:
				}
				c, err := s.Get(t.Context(), mollie)
				if err != nil {
					t.Errorf("Get beside a writer: %v", err)
					return
				}
				if !c.Equal(version(int(c.Generation))) {
					t.Errorf("Get beside a writer: generation %d is not whole", c.Generation)
					return
				}
				if c.Generation < last {
					t.Errorf("generation %d was read after %d", c.Generation, last)
					return
				}
				last = c.Generation
				if names, err := s.List(t.Context()); err != nil || len(names) != 1 {
					t.Errorf("List beside a writer = %v, %v", names, err)
					return
				}
			}
		})
	}
	for n := 1; n <= writes; n++ {
		if err := put(t.Context(), s, version(n)); err != nil {
			t.Errorf("Put beside readers: %v", err)
			break
		}
	}
	close(done)
	wg.Wait()
}

func contractManyAccounts(t *testing.T, s Store) {
	var wg sync.WaitGroup
	var want []account.Name
	for i := range 8 {
		name := account.Name{Provider: "mollie", Label: fmt.Sprintf("n%d", i)}
		want = append(want, name)
		wg.Go(func() {
			for n := range 3 {
				if err := put(t.Context(), s, sample(name, n)); err != nil {
					t.Errorf("Put(%v): %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	for _, name := range want {
		mustGet(t, s, sample(name, 2))
	}
	mustList(t, s, want...)
}
