package session

import (
	"context"
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
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/refresh"
	"github.com/tokencli/tokencli/internal/sandbox"
	"github.com/tokencli/tokencli/internal/store"
)

// fileKey opens nothing but the stores of these tests.
const fileKey = "AGE-SECRET-KEY-19T88G3THP6AP757MJXXJEQC8U7UWT28XWWLN5RMLW9VEH6F07SPQTL9G2C"

var (
	moloniOn  = account.Name{Provider: "moloni-on"} // always replaces the refresh token
	moneybird = account.Name{Provider: "moneybird"} // can end a login
	monta     = account.Name{Provider: "monta"}     // mints
)

// world is a sandbox, a clock and a state folder, in which several sessions live as processes would.
type world struct {
	t      *testing.T
	server *sandbox.Server
	dir    string

	mu      sync.Mutex
	env     map[string]string
	time    time.Time
	said    []string
	arrived func(sandbox.Event) // called for each request at a provider, before its answer leaves
}

func newWorld(t *testing.T, change ...func(*sandbox.Config)) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "state"), time: time.Now()}
	config := sandbox.Config{Now: w.now, Event: func(e sandbox.Event) {
		w.mu.Lock()
		arrived := w.arrived
		w.mu.Unlock()
		if arrived != nil {
			arrived(e)
		}
	}}
	for _, f := range change {
		f(&config)
	}
	var err error
	if w.server, err = sandbox.New(config); err != nil {
		t.Fatal(err)
	}
	listener, err := w.server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	w.env = map[string]string{}
	for _, v := range w.server.Variables(listener.URL) {
		w.env[v.Name] = v.Value
	}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func (w *world) getenv(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.env[name]
}

func (w *world) setenv(name, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.env[name] = value
}

func (w *world) environ() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := os.Environ()
	for name, value := range w.env {
		list = append(list, name+"="+value)
	}
	return list
}

// onArrival calls f for the requests of an operation.
func (w *world) onArrival(operation string, f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived = func(e sandbox.Event) {
		if e.Operation == operation {
			f()
		}
	}
}

func (w *world) tell(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func (w *world) hasSaid(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.said, func(s string) bool { return strings.Contains(s, text) })
}

func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = nil
}

// session is a new process on the file store.
func (w *world) session() *Session {
	return &Session{
		Store:   &store.File{Dir: w.dir, Key: fileKey},
		Options: Options{StateDir: w.dir, Getenv: w.getenv, Environ: w.environ, Tell: w.tell, Now: w.now},
		// Nothing here takes as long as the bounds of the contract, and a test of a bound should not either.
		bounds: refresh.Bounds{Lock: 20 * time.Second, Save: time.Millisecond, Hook: 20 * time.Second},
	}
}

// locks are those of the file store.
func (w *world) locks() store.Locks { return store.Locks{Dir: w.dir, Store: "file"} }

// withStore is a new process on a store that can be made to fail.
func (w *world) withStore() (*Session, *flaky) {
	s := w.session()
	f := &flaky{Store: s.Store}
	s.Store = f
	return s, f
}

// login puts a login there as it would have been kept.
func (w *world) login(name account.Name) *credential.Credential {
	w.t.Helper()
	pair, err := w.server.Mint(name.Provider, "", "")
	if err != nil {
		w.t.Fatal(err)
	}
	s := w.session()
	d, err := s.Definition(context.Background(), name.Provider)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &credential.Credential{
		Account: name, Grant: credential.Grant(d.Grants[0]), Origin: d.Origin(),
		ClientID:     w.getenv(name.Var(account.ClientID)),
		ClientSecret: credential.Secret(w.getenv(name.Var(account.ClientSecret))),
		AccessToken:  credential.Secret(pair.AccessToken), RefreshToken: credential.Secret(pair.RefreshToken),
		ObtainedAt: w.now(), Generation: 1,
	}
	if pair.AccessExpires != nil {
		c.AccessExpiresAt = *pair.AccessExpires
	}
	if pair.RefreshExpires != nil {
		c.RefreshExpiresAt = *pair.RefreshExpires
	}
	w.put(c)
	return c
}

func (w *world) put(c *credential.Credential) {
	w.t.Helper()
	s := w.session().Store
	held, _ := s.Get(context.Background(), c.Account) // where Get fails, Swap does too
	if err := s.Swap(context.Background(), held, c); err != nil {
		w.t.Fatal(err)
	}
}

// kept returns what the store holds.
func (w *world) kept(name account.Name) *credential.Credential {
	w.t.Helper()
	c, err := w.session().Store.Get(context.Background(), name)
	if err != nil {
		w.t.Fatalf("nothing is kept for %s: %v", name, err)
	}
	return c
}

func (w *world) fault(f sandbox.Fault) {
	w.t.Helper()
	if err := w.server.Inject(f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) expire(name account.Name, what string) {
	w.t.Helper()
	if _, err := w.server.Expire(name.Provider, what); err != nil {
		w.t.Fatal(err)
	}
}

// asked checks how many refreshes arrived, and that none of them brought a token that was spent.
func (w *world) asked(name account.Name, want int) {
	w.t.Helper()
	st := w.server.Stats()[name.Provider]
	if got := st.Requests["refresh"]; got != want {
		w.t.Errorf("%d refreshes arrived, not %d", got, want)
	}
	if st.ReusedRefreshTokens != 0 {
		w.t.Errorf("%d spent refresh tokens were sent again", st.ReusedRefreshTokens)
	}
}

func (w *world) rescuePath(name account.Name) string { return w.session().refresher().RescuePath(name) }

func (w *world) mustBeThere(path string, want bool) {
	w.t.Helper()
	if exists(path) != want {
		w.t.Errorf("%s is there: %v, want %v", filepath.Base(path), !want, want)
	}
}

// works checks that the login is alive: it can be refreshed, by what is kept.
func (w *world) works(name account.Name) {
	w.t.Helper()
	c, err := w.session().Refresh(context.Background(), name)
	if err != nil || c == nil {
		w.t.Fatalf("the login is lost: %v", err)
	}
	if n := w.server.Stats()[name.Provider].ReusedRefreshTokens; n != 0 {
		w.t.Errorf("%d spent refresh tokens were sent again", n)
	}
}

// advises reports whether a failure says what the user can do, about this.
func advises(err error, do fail.Action, about string) bool {
	e := fail.Advice(err)
	return e != nil && e.Do == do && strings.Contains(strings.Join(e.About, " "), about)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func mustFail(t *testing.T, err error, kind fail.Kind, text string) {
	t.Helper()
	if !fail.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Fatalf("error is %v (kind %v), want kind %v with %q", err, kindOf(err), kind, text)
	}
}

func kindOf(err error) any {
	if err == nil {
		return "none"
	}
	return fail.KindOf(err)
}

// usable returns the credential whose token can be used, with the failure that came with it.
func usable(c *credential.Credential, err error) (*credential.Credential, error) {
	if unsaved := Unsaved(err); unsaved != nil {
		return unsaved, err
	}
	return c, err
}

func mustToken(t *testing.T, s *Session, name account.Name, minTTL time.Duration) *credential.Credential {
	t.Helper()
	c, err := s.Token(t.Context(), name, minTTL)
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	return c
}

// flaky is a store that fails when it is told to. The hooks run before the call; an error is the answer.
type flaky struct {
	store.Store
	get  func() error
	put  func(*credential.Credential) error
	then func(*credential.Credential) error // after a Swap that worked: what was written stays
}

func (f *flaky) Get(ctx context.Context, name account.Name) (*credential.Credential, error) {
	if f.get != nil {
		if err := f.get(); err != nil {
			return nil, err
		}
	}
	return f.Store.Get(ctx, name)
}

func (f *flaky) Swap(ctx context.Context, old, next *credential.Credential) error {
	if f.put != nil {
		if err := f.put(next); err != nil {
			return err
		}
	}
	if err := f.Store.Swap(ctx, old, next); err != nil || f.then == nil {
		return err
	}
	return f.then(next)
}

func (f *flaky) Seal(text []byte) ([]byte, error) { return f.Store.(store.Sealer).Seal(text) }

func (f *flaky) Unseal(sealed []byte) ([]byte, error) { return f.Store.(store.Sealer).Unseal(sealed) }

var errFull = fail.New(fail.Store, "no space left on device")

// onlyMarks lets the mark of a refresh through and fails every other Swap.
func onlyMarks(c *credential.Credential) error {
	if c.Presented.IsZero() {
		return errFull
	}
	return nil
}

func anything(*credential.Credential) error { return errFull }

func TestTokenAsksNobodyWhileItIsFresh(t *testing.T) {
	w := newWorld(t)
	c := w.login(moloniOn)
	s := w.session()
	if got := mustToken(t, s, moloniOn, time.Minute); got.AccessToken != c.AccessToken {
		t.Error("another token than the one at hand")
	}
	w.asked(moloniOn, 0)
	_, err := s.Token(t.Context(), monta, 0)
	mustFail(t, err, fail.NotLoggedIn, "not logged in to monta")
}

func TestTokenRefreshesOnceACall(t *testing.T) {
	w := newWorld(t)
	old := w.login(moloniOn)
	w.pass(59*time.Minute + 30*time.Second)
	c := mustToken(t, w.session(), moloniOn, time.Minute)
	if c.AccessToken == old.AccessToken || c.RefreshToken == old.RefreshToken || c.Generation != 2 {
		t.Error("the token was not refreshed")
	}
	if !w.kept(moloniOn).Equal(c) {
		t.Error("something else was saved than was handed out")
	}
	w.asked(moloniOn, 1)
	// A token that lives shorter than what is asked for is refreshed once, and handed out.
	mustToken(t, w.session(), moloniOn, 48*time.Hour)
	w.asked(moloniOn, 2)
}

func TestManyAtOnceRefreshOnce(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.pass(2 * time.Hour)
	var wg sync.WaitGroup
	tokens := make([]credential.Secret, 30)
	for i := range tokens {
		wg.Go(func() {
			if c, err := w.session().Token(context.Background(), moloniOn, time.Minute); err == nil {
				tokens[i] = c.AccessToken
			}
		})
	}
	wg.Wait()
	if tokens[0] == "" || len(slices.Compact(tokens)) != 1 {
		t.Error("not everybody got the same token")
	}
	w.asked(moloniOn, 1)
}

func TestWrongClock(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.pass(-3 * time.Hour) // the login was made by a clock that was hours ahead
	mustToken(t, w.session(), moloniOn, time.Minute)
	w.asked(moloniOn, 1)
	mustToken(t, w.session(), moloniOn, time.Minute)
	w.asked(moloniOn, 1)
}

func TestStaticTokenIsNotRefreshed(t *testing.T) {
	w := newWorld(t)
	if _, err := w.session().Login(t.Context(), moneybird, Login{StaticToken: "a-static-token"}); err != nil {
		t.Fatal(err)
	}
	w.pass(1000 * time.Hour)
	if c := mustToken(t, w.session(), moneybird, time.Hour); c.AccessToken != "a-static-token" {
		t.Error("another token")
	}
	_, err := w.session().Refresh(t.Context(), moneybird)
	mustFail(t, err, fail.Usage, "static token")
	st, err := w.session().Status(t.Context(), moneybird)
	if err != nil || !st.Static() || st.Refreshes() || st.State != Valid {
		t.Errorf("status = %+v, %v", st, err)
	}
}

// Without a state folder nothing is refreshed, and none is made where tokencli happens to run.
func TestNoStateFolder(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	t.Chdir(t.TempDir())
	s := w.session()
	s.StateDir = ""
	_, err := s.Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.Store, "no place for the state folder")
	w.asked(moloniOn, 0)
	if entries, _ := os.ReadDir("."); len(entries) > 0 {
		t.Errorf("%s was made in the current folder", entries[0].Name())
	}
}

func TestMemoryStoreNeedsNoFolder(t *testing.T) {
	w := newWorld(t)
	s, err := Open(Options{Store: "memory", Getenv: w.getenv, Tell: w.tell})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Login(t.Context(), monta, Login{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Refresh(t.Context(), monta); err != nil {
		t.Fatal(err)
	}
	w.asked(monta, 1)
	if err := s.Revoke(t.Context(), monta, false); err != nil {
		t.Fatal(err)
	}
	if names, err := s.Accounts(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("Accounts = %v, %v", names, err)
	}
}

func TestOpen(t *testing.T) {
	w := newWorld(t)
	w.setenv(account.FileKey, fileKey)
	w.setenv(moneybird.Var(account.AccessToken), "a-static-token")
	for _, kind := range []string{"", "keychain", "file", "env", "memory"} {
		s, err := Open(Options{Store: kind, StateDir: w.dir, Getenv: w.getenv, Environ: w.environ, Tell: w.tell})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if want := strings.Replace("="+kind, "=", "", 1); kind != "" && s.Store.Kind() != want {
			t.Errorf("%s opens %s", kind, s.Store.Kind())
		}
		if kind == "env" {
			names, err := s.Accounts(t.Context())
			if err != nil || !slices.Contains(names, moneybird) || !slices.Contains(names, monta) {
				t.Errorf("Accounts = %v, %v", names, err)
			}
		}
	}
	_, err := Open(Options{Store: "shoe-box", Getenv: w.getenv})
	mustFail(t, err, fail.Usage, `unknown store "shoe-box"`)
}

func TestDescriptionOfEveryProvider(t *testing.T) {
	w := newWorld(t)
	s := w.session()
	names, err := s.Catalog.Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		facts, err := s.Describe(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string][]string{}
		for _, f := range facts {
			found[f.Name] = f.Values
		}
		for _, want := range []string{"provider", "documentation", "checked", "base URL", "client", "grants", "access token", "revoke by hand", "whoami", "unknown"} {
			if len(found[want]) == 0 {
				t.Errorf("%s: no %s among %v", name, want, slices.Sorted(maps.Keys(found)))
			}
		}
	}
	_, err = s.Describe(t.Context(), "nowhere")
	mustFail(t, err, fail.Usage, "nowhere")
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	status := func() *Status {
		st, err := w.session().Status(t.Context(), moloniOn)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := status()
	if st.State != Valid || !st.Refreshes() || st.Expired() || st.NeedsLogin(time.Hour, w.now()) || st.Store != "file" {
		t.Errorf("%+v", st)
	}
	if !st.EndsWithin(2*time.Hour, w.now()) || st.EndsWithin(time.Minute, w.now()) {
		t.Error("EndsWithin is wrong")
	}
	if !st.NeedsLogin(10000*time.Hour, w.now()) {
		t.Error("the refresh token ends, and no login is needed then")
	}
	w.pass(2 * time.Hour)
	if st := status(); st.State != Refreshable {
		t.Errorf("%+v", st)
	}
	w.expire(moloniOn, "refresh")
	_, err := w.session().Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.LoginNeeded, "refused")
	if st := status(); st.State != LoginNeeded || !st.Ended || !st.Expired() || !st.NeedsLogin(0, w.now()) {
		t.Errorf("%+v", st)
	}
	_, err = w.session().Status(t.Context(), monta)
	mustFail(t, err, fail.NotLoggedIn, "monta")
}

func TestWhoAmI(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	details, err := w.session().WhoAmI(t.Context(), moloniOn, time.Minute)
	if err != nil || len(details) == 0 {
		t.Fatalf("WhoAmI = %v, %v", details, err)
	}
	_, err = w.session().WhoAmI(t.Context(), monta, time.Minute)
	mustFail(t, err, fail.NotLoggedIn, "monta")
	// The token is valid by its expiry, and the provider refuses it.
	w.expire(moloniOn, "access")
	w.pass(time.Second)
	if _, err = w.session().WhoAmI(t.Context(), moloniOn, time.Minute); err != nil {
		t.Error(err)
	}
	w.asked(moloniOn, 1)
}

func TestCredentialStaysWithItsOrigin(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.setenv(moloniOn.Var(account.BaseURL), "http://127.0.0.1:1")
	for what, try := range map[string]func() error{
		"Refresh": func() error { _, err := w.session().Refresh(t.Context(), moloniOn); return err },
		"WhoAmI":  func() error { _, err := w.session().WhoAmI(t.Context(), moloniOn, 0); return err },
		"Revoke":  func() error { return w.session().Revoke(t.Context(), moloniOn, false) },
	} {
		if err := try(); !fail.Is(err, fail.LoginNeeded) || !strings.Contains(err.Error(), "nothing was sent") {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.asked(moloniOn, 0)
}

func TestAnotherClientIsNotServed(t *testing.T) {
	w := newWorld(t)
	w.login(moloniOn)
	w.setenv(moloniOn.Var(account.ClientID), "another-client")
	_, err := w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.LoginNeeded, "names another client")
	w.asked(moloniOn, 0)
}

// An input that the definition got after the login is not guessed.
func TestLoginBeforeAnInputIsNotUsed(t *testing.T) {
	w := newWorld(t)
	c := w.login(moloniOn)
	d, err := w.session().Catalog.Find(moloniOn.Provider)
	if err != nil {
		t.Fatal(err)
	}
	d = d.Clone()
	d.Inputs = append(d.Inputs, provider.Input{Name: "region", Default: "eu"})
	mustFail(t, w.session().mayUse(c, d), fail.LoginNeeded, "has an input region")
}

// What the provider has revoked is deleted, although the call was interrupted meanwhile.
func TestInterruptedRevoke(t *testing.T) {
	w := newWorld(t)
	w.login(moneybird)
	ctx, cancel := context.WithCancel(t.Context())
	w.onArrival("revoke", cancel)
	_ = w.session().Revoke(ctx, moneybird, false)
	if ctx.Err() == nil {
		t.Fatal("nothing was revoked")
	}
	if _, err := w.session().Store.Get(t.Context(), moneybird); !absent(err) {
		t.Errorf("the login is still here: %v", err)
	}
}
