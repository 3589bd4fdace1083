package session

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/sandbox"
	"github.com/tokencli/tokencli/internal/store"
)

// command is what the test binary does when it stands in for on_rotate: it appends what it reads to a file
// and then does as it is told.
const command = "TEST_ON_ROTATE"

func TestMain(m *testing.M) {
	do := os.Getenv(command)
	if do == "" {
		os.Exit(m.Run())
	}
	input, _ := io.ReadAll(os.Stdin)
	f, err := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(input)
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if account.IsSecretVar(name) {
			err = fmt.Errorf("%s is in the environment", name)
		}
	}
	switch {
	case err != nil:
		fmt.Println(err)
		os.Exit(9)
	case do == "fail":
		os.Exit(3)
	case do == "hang":
		time.Sleep(time.Minute)
	case do == "talk":
		fmt.Printf("handed: %s\n", input)
		fmt.Fprintf(os.Stderr, "%s\n\x1b[31mlast words", strings.Repeat("x", 64<<10+1))
	case do == "wait":
		for range 6000 {
			if _, err := os.Stat(os.Args[1] + ".go"); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	os.Exit(0)
}

// ci is a world in which a refresh token lives in the environment.
type ci struct {
	*world
	name account.Name
	file string // what on_rotate received, a line a call
}

func newCI(t *testing.T, name account.Name, change ...func(*sandbox.Config)) *ci {
	t.Helper()
	w := &ci{world: newWorld(t, change...), name: name, file: filepath.Join(t.TempDir(), "received")}
	pair, err := w.server.Mint(name.Provider, "", "")
	if err != nil {
		t.Fatal(err)
	}
	w.hold(pair.RefreshToken)
	w.does("take")
	return w
}

func (w *ci) hold(refreshToken string) {
	w.setenv(w.name.Var(account.RefreshToken), refreshToken)
}

func (w *ci) held() string { return w.getenv(w.name.Var(account.RefreshToken)) }

func (w *ci) does(what string) { w.setenv(command, what) }

// session is a new process on the env store, with the environment as it is now.
func (w *ci) session() *Session {
	s := w.world.session()
	held := w.held()
	getenv := func(name string) string {
		if name == w.name.Var(account.RefreshToken) {
			return held
		}
		return w.getenv(name)
	}
	s.Getenv = getenv
	s.Store = store.Env{
		Getenv: getenv,
		Known:  func(string) error { return nil },
		Describe: func(ctx context.Context, name account.Name) (*store.EnvProvider, error) {
			d, err := s.definitionOf(ctx, &credential.Credential{Account: name})
			if err != nil {
				return nil, err
			}
			return &store.EnvProvider{Grants: d.Grants, Origin: d.Origin()}, nil
		},
		Providers: func() []string { return []string{w.name.Provider} },
	}
	s.OnRotate = []string{os.Args[0], w.file}
	return s
}

// received returns what on_rotate received so far.
func (w *ci) received() []map[string]any {
	w.t.Helper()
	f, err := os.Open(w.file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	var all []map[string]any
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var one map[string]any
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			w.t.Fatalf("on_rotate received no line of JSON: %v", err)
		}
		all = append(all, one)
	}
	return all
}

// rescues returns the rescue files.
func (w *ci) rescues() []string {
	w.t.Helper()
	paths, err := filepath.Glob(filepath.Join(w.dir, "rescue", "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return paths
}

func (w *ci) token() (*credential.Credential, error) {
	return usable(w.session().Token(context.Background(), w.name, time.Minute))
}

func (w *ci) mustToken() *credential.Credential {
	w.t.Helper()
	c, err := w.token()
	if err != nil {
		w.t.Fatalf("Token: %v", err)
	}
	return c
}

func TestOnRotateReceivesTheNewToken(t *testing.T) {
	w := newCI(t, moloniOn)
	old := w.held()
	c := w.mustToken()
	all := w.received()
	if len(all) != 1 {
		t.Fatalf("on_rotate was called %d times", len(all))
	}
	for field, want := range map[string]any{
		"account": "moloni-on", "provider": "moloni-on", "variable": "TOKENCLI_MOLONI_ON_REFRESH_TOKEN",
		"refresh_token": c.RefreshToken.Reveal(), "access_token": c.AccessToken.Reveal(),
		"access_expires_at":  c.AccessExpiresAt.UTC().Format(time.RFC3339),
		"refresh_expires_at": c.RefreshExpiresAt.UTC().Format(time.RFC3339),
		"client_id":          w.getenv(moloniOn.Var(account.ClientID)),
	} {
		if all[0][field] != want {
			t.Errorf("%s is %v, want %v", field, all[0][field], want)
		}
	}
	if len(all[0]) != 8 || c.RefreshToken.Reveal() == old {
		t.Errorf("received %v", all[0])
	}
	if len(w.rescues()) > 0 {
		t.Errorf("left behind: %v", w.rescues())
	}
	w.hold(c.RefreshToken.Reveal())
	w.mustToken()
	w.asked(moloniOn, 2)
}

// The second one has the old token, and must not burn the login with it.
func TestOnRotateTwoAtOnce(t *testing.T) {
	w := newCI(t, moloniOn)
	errs := make([]error, 5)
	var wg sync.WaitGroup
	for i := range errs {
		s := w.session()
		wg.Go(func() { _, errs[i] = s.Token(context.Background(), moloniOn, time.Minute) })
	}
	wg.Wait()
	worked := 0
	for _, err := range errs {
		if err == nil {
			worked++
			continue
		}
		mustFail(t, err, fail.LoginNeeded, "was replaced on")
		if !advises(err, fail.DoUseRotated, "") {
			t.Errorf("advice: %v", fail.Advice(err))
		}
	}
	if worked != 1 || len(w.received()) != 1 {
		t.Errorf("%d worked, on_rotate was called %d times", worked, len(w.received()))
	}
	w.asked(moloniOn, 1)
	// Neither does a later one, or one that is told to refresh.
	_, err := w.session().Refresh(t.Context(), moloniOn)
	mustFail(t, err, fail.LoginNeeded, "was replaced on")
	w.asked(moloniOn, 1)
	record, err := os.ReadFile(filepath.Join(w.dir, "rotated", "env-acct-moloni-on.json"))
	if err != nil || strings.Contains(string(record), w.held()) {
		t.Errorf("the record holds the token: %v", err)
	}
}

func TestOnRotateIsNotCalledForTheSameToken(t *testing.T) {
	w := newCI(t, moneybird, func(c *sandbox.Config) { c.Rotate = map[string]bool{"moneybird": false} })
	for range 3 {
		w.mustToken()
	}
	if len(w.received()) > 0 {
		t.Error("on_rotate was called though the refresh token stayed the same")
	}
	w.asked(moneybird, 3)
}

func TestOnRotateIsForTheEnvStore(t *testing.T) {
	w := newCI(t, moloniOn)
	w.login(moloniOn)
	s := w.world.session()
	s.OnRotate = []string{os.Args[0], w.file}
	if _, err := s.Refresh(t.Context(), moloniOn); err != nil || len(w.received()) > 0 {
		t.Errorf("called %d times: %v", len(w.received()), err)
	}
	// A client that mints needs nothing kept.
	m := newCI(t, monta)
	m.mustToken()
	m.mustToken()
	if len(m.received()) > 0 {
		t.Error("on_rotate was called for a minted token")
	}
}

func TestWithoutOnRotateNothingIsSpent(t *testing.T) {
	w := newCI(t, moloniOn)
	s := w.session()
	s.OnRotate = nil
	_, err := s.Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.LoginNeeded, "nothing was sent")
	w.asked(moloniOn, 0)
	if _, err := os.Stat(w.dir); err == nil {
		t.Error("something was written")
	}
	s.DiscardRotated = true
	if _, err := s.Token(t.Context(), moloniOn, 0); err != nil {
		t.Error(err)
	}
	w.asked(moloniOn, 1)
	w.setenv(moloniOn.Var(account.ClientSecret), "")
	_, err = s.Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.Usage, "CLIENT_SECRET is not set")
	w.setenv(moloniOn.Var(account.ClientID), "")
	_, err = s.Token(t.Context(), moloniOn, 0)
	mustFail(t, err, fail.Usage, "CLIENT_ID is not set")
}

// A provider that is known to keep the token, and does not.
func TestUnexpectedRotation(t *testing.T) {
	mollie := account.Name{Provider: "mollie"}
	w := newCI(t, mollie, func(c *sandbox.Config) { c.Rotate = map[string]bool{"mollie": true} })
	s := w.session()
	s.OnRotate = nil
	if _, err := s.Token(t.Context(), mollie, 0); err != nil {
		t.Fatal(err)
	}
	if !w.hasSaid("the new one is lost") {
		t.Error("no warning")
	}
	w = newCI(t, mollie, func(c *sandbox.Config) { c.Rotate = map[string]bool{"mollie": true} })
	w.mustToken()
	if len(w.received()) != 1 {
		t.Error("on_rotate was not called")
	}
}

// Everything that can be known beforehand is known before anything is sent.
func TestOnRotateProvesFirst(t *testing.T) {
	for _, test := range []struct {
		what   string
		change func(w *ci, s *Session)
		kind   fail.Kind
		text   string
	}{
		{"program", func(_ *ci, s *Session) { s.OnRotate[0] = "no-such-program" }, fail.Usage, "no-such-program cannot be run: executable file not found"},
		{"no state folder", func(_ *ci, s *Session) { s.StateDir = "" }, fail.Store, "no place for the state folder"},
		{"state folder", func(w *ci, s *Session) { s.StateDir = w.plant("state-file") }, fail.Store, "is not a folder"},
		{"rescue folder", func(w *ci, _ *Session) { w.plant("state/rescue") }, fail.Store, "rescue is not a folder"},
		{"record", func(w *ci, _ *Session) { w.plant("state/rotated") }, fail.Store, "cannot be read"},
		{"damaged record", func(w *ci, _ *Session) { w.plant("state/rotated/env-acct-moloni-on.json") }, fail.Store, "not a journal"},
		{"another's lock", func(w *ci, s *Session) {
			release, _, err := store.Locks{Dir: w.dir, Store: "env"}.Try(context.Background(), moloniOn)
			if err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(release)
			s.bounds.Lock = 50 * time.Millisecond
		}, fail.Store, "could not acquire the lock for moloni-on"},
	} {
		t.Run(test.what, func(t *testing.T) {
			w := newCI(t, moloniOn)
			t.Chdir(t.TempDir())
			s := w.session()
			test.change(w, s)
			c, err := usable(s.Token(t.Context(), moloniOn, 0))
			if c != nil {
				t.Error("a token is handed out")
			}
			mustFail(t, err, test.kind, test.text)
			w.asked(moloniOn, 0)
			if entries, _ := os.ReadDir("."); len(entries) > 0 {
				t.Errorf("%s was made in the current folder", entries[0].Name())
			}
		})
	}
}

// plant puts a file where a folder or something else belongs, beside the state folder or in it.
func (w *ci) plant(path string) string {
	w.t.Helper()
	path = filepath.Join(filepath.Dir(w.dir), path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func TestOnRotateThatFails(t *testing.T) {
	w := newCI(t, moloniOn)
	w.does("fail")
	c, err := w.token()
	if c == nil || !c.Fresh(w.now(), time.Minute) {
		t.Fatalf("the access token is lost: %v", err)
	}
	mustFail(t, err, fail.Store, "failed with exit code 3")
	files := w.rescues()
	if len(files) != 1 || !advises(err, fail.DoDeliverRescue, files[0]+" TOKENCLI_MOLONI_ON_REFRESH_TOKEN") {
		t.Fatalf("rescue files: %v, advice: %v", files, fail.Advice(err))
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(text), c.RefreshToken.Reveal()) ||
		strings.Contains(string(text), w.getenv(moloniOn.Var(account.ClientSecret))) {
		t.Errorf("the rescue file holds too little or too much: %v", err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the rescue file is open to others: %v", err)
	}

	// It fails again: nothing is asked for, and what is at hand is handed out as long as it is good.
	again, err := w.token()
	if again == nil || again.AccessToken != c.AccessToken {
		t.Errorf("Token = %v", again)
	}
	mustFail(t, err, fail.Store, "is still waiting for it")
	again, err = usable(w.session().Refresh(t.Context(), moloniOn))
	if again == nil || again.AccessToken != c.AccessToken {
		t.Errorf("Refresh = %v", again)
	}
	mustFail(t, err, fail.Store, "is still waiting for it")
	w.pass(2 * time.Hour)
	again, err = w.token()
	if again != nil {
		t.Error("a token that is over is handed out")
	}
	mustFail(t, err, fail.Store, "is still waiting for it")
	w.pass(-2 * time.Hour)
	w.asked(moloniOn, 1)

	w.does("take")
	if got := w.mustToken(); got.AccessToken != c.AccessToken {
		t.Error("another token than the rescued one")
	}
	all := w.received()
	if len(w.rescues()) > 0 || all[len(all)-1]["refresh_token"] != c.RefreshToken.Reveal() {
		t.Errorf("rescue files %v, received %v", w.rescues(), all)
	}
	w.asked(moloniOn, 1)
	_, err = w.token() // the environment still holds the old one
	mustFail(t, err, fail.LoginNeeded, "was replaced on")
	w.hold(c.RefreshToken.Reveal())
	w.mustToken()
	w.asked(moloniOn, 2)
}

// The rescued access token is over: once on_rotate works, the refresh goes on from the rescued one.
func TestOnRotateGoesOnFromTheRescuedToken(t *testing.T) {
	w := newCI(t, moloniOn)
	w.does("fail")
	first, _ := w.token()
	w.does("take")
	w.pass(2 * time.Hour)
	c := w.mustToken()
	all := w.received()
	if len(all) != 3 || all[1]["refresh_token"] != first.RefreshToken.Reveal() || all[2]["refresh_token"] != c.RefreshToken.Reveal() {
		t.Errorf("received %v", all)
	}
	w.asked(moloniOn, 2)

	// The same where it is asked for, with a token that is fresh.
	w = newCI(t, moloniOn)
	w.does("fail")
	first, _ = w.token()
	w.does("take")
	c, err := w.session().Refresh(t.Context(), moloniOn)
	if err != nil || c.AccessToken == first.AccessToken || len(w.received()) != 3 {
		t.Errorf("Refresh = %v, %v; received %v", c, err, w.received())
	}
	w.asked(moloniOn, 2)
}

// on_rotate took the first new token and not the second: the environment may hold either one.
func TestRescueFileOfALaterToken(t *testing.T) {
	w := newCI(t, moloniOn)
	old := w.held()
	first := w.mustToken()
	w.hold(first.RefreshToken.Reveal())
	w.does("fail")
	second, _ := w.token()
	w.does("take")
	w.hold(old)
	if c := w.mustToken(); c.RefreshToken != second.RefreshToken {
		t.Error("the newest token was not found")
	}
	w.asked(moloniOn, 2)
}

func TestRescueFileTakenInByHand(t *testing.T) {
	w := newCI(t, moloniOn)
	w.does("fail")
	c, _ := w.token()
	w.does("take")
	w.hold(c.RefreshToken.Reveal())
	w.mustToken()
	if len(w.rescues()) > 0 || !w.hasSaid("its refresh token has arrived in TOKENCLI_MOLONI_ON_REFRESH_TOKEN") {
		t.Errorf("rescue files %v, said %q", w.rescues(), w.said)
	}
	w.asked(moloniOn, 2)
}

// A login that was made anew has nothing to do with what was rescued of another, and neither is lost.
func TestRescueFileOfAnotherLogin(t *testing.T) {
	w := newCI(t, moloniOn)
	w.does("fail")
	if _, err := w.token(); !fail.Is(err, fail.Store) {
		t.Fatal(err)
	}
	files := w.rescues()
	w.does("take")
	pair, err := w.server.Mint("moloni-on", "", "")
	if err != nil {
		t.Fatal(err)
	}
	w.hold(pair.RefreshToken)
	w.mustToken()
	if got := w.rescues(); len(got) != 1 || got[0] != files[0] {
		t.Errorf("rescue files: %v", got)
	}
}

func TestRescueFileOfOnRotateThatCannotBeUsed(t *testing.T) {
	w := newCI(t, moloniOn)
	w.does("fail")
	if _, err := w.token(); !fail.Is(err, fail.Store) {
		t.Fatal(err)
	}
	w.does("take")
	path := w.rescues()[0]
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for damaged, kind := range map[string]fail.Kind{
		"{": fail.Store,
		strings.Replace(string(text), "http://127.0.0.1", "http://127.0.0.2", 1): fail.LoginNeeded,
	} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := w.token()
		if c != nil || !fail.Is(err, kind) {
			t.Errorf("Token = %v, %v", c, err)
		}
	}
	if n := len(w.received()); n != 1 {
		t.Errorf("on_rotate was called %d times", n)
	}
	w.asked(moloniOn, 1)
}

func TestOnRotateThatHangs(t *testing.T) {
	w := newCI(t, moloniOn)
	w.does("hang")
	s := w.session()
	s.bounds.Hook = 300 * time.Millisecond
	began := time.Now()
	c, err := usable(s.Token(t.Context(), moloniOn, 0))
	mustFail(t, err, fail.Store, "did not finish within 300ms")
	if c == nil || len(w.rescues()) != 1 || time.Since(began) > 30*time.Second {
		t.Errorf("after %s: %v, %v", time.Since(began), c, w.rescues())
	}
}

func TestOnRotateThatCannotBeStarted(t *testing.T) {
	w := newCI(t, moloniOn)
	s := w.session()
	s.OnRotate[0] = filepath.Join(t.TempDir(), "program.exe")
	if err := os.WriteFile(s.OnRotate[0], []byte("\x7fno program"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := usable(s.Token(t.Context(), moloniOn, 0))
	mustFail(t, err, fail.Store, "could not be run")
	if c == nil || len(w.rescues()) != 1 {
		t.Errorf("%v, %v", c, w.rescues())
	}
}

// Who interrupts may kill next: the new login is on the disk before the command has ended, and the signal
// waits for the command.
func TestOnRotateInterrupted(t *testing.T) {
	w := newCI(t, moloniOn)
	w.does("wait")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := w.session().Token(ctx, moloniOn, 0)
		result <- err
	}()
	eventually(t, func() bool { return len(w.received()) == 1 })
	if len(w.rescues()) != 1 || !strings.HasSuffix(w.rescues()[0], ".space") {
		t.Errorf("in the clear without need: %v", w.rescues())
	}
	cancel()
	eventually(t, func() bool { files := w.rescues(); return len(files) == 1 && strings.HasSuffix(files[0], ".json") })
	if err := os.WriteFile(w.file+".go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustFail(t, <-result, fail.Interrupted, "passed to on_rotate first")
	if len(w.rescues()) > 0 {
		t.Errorf("left behind: %v", w.rescues())
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for give := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(give) {
			t.Fatal("it does not happen")
		}
	}
}

func TestOnRotateOutputShowsNoSecret(t *testing.T) {
	w := newCI(t, moloniOn)
	w.does("talk")
	c := w.mustToken()
	if !w.hasSaid("on_rotate: handed: ") || !w.hasSaid("on_rotate: (a line that is too long to show)") || !w.hasSaid(`on_rotate: \x1b[31mlast words`) {
		t.Errorf("said: %q", w.said)
	}
	for _, secret := range []string{c.RefreshToken.Reveal(), c.AccessToken.Reveal()} {
		if w.hasSaid(secret) {
			t.Error("a secret was told")
		}
	}
}

func TestOnRotateAfterAnAnswerThatWasLost(t *testing.T) {
	w := newCI(t, moloniOn)
	w.fault(sandbox.Fault{On: "refresh", Kind: "drop"})
	_, err := w.token()
	mustFail(t, err, fail.Unavailable, "")
	w.mustToken()
	if !w.hasSaid("whether it reached the provider is unknown") || len(w.received()) != 1 {
		t.Errorf("said %q, received %v", w.said, w.received())
	}
	w.asked(moloniOn, 2)

	w = newCI(t, moloniOn)
	w.fault(sandbox.Fault{On: "refresh", Kind: "drop_reply"})
	_, err = w.token()
	mustFail(t, err, fail.Unavailable, "")
	_, err = w.token()
	mustFail(t, err, fail.LoginNeeded, "seems to have spent the refresh token")
	if !advises(err, fail.DoSetRefreshToken, "TOKENCLI_MOLONI_ON_REFRESH_TOKEN") {
		t.Errorf("advice: %v", fail.Advice(err))
	}
}

func TestOnRotateAfterAnAnswerThatSpendsNothing(t *testing.T) {
	w := newCI(t, moloniOn)
	w.fault(sandbox.Fault{On: "refresh", Kind: "429", Seconds: 3600})
	_, err := w.token()
	mustFail(t, err, fail.Unavailable, "retry later")
	w.mustToken()
	if w.hasSaid("cut off") {
		t.Error("a refresh that came to its end is called cut off")
	}
	w = newCI(t, moloniOn)
	w.hold("an-unknown-token")
	_, err = w.token()
	mustFail(t, err, fail.LoginNeeded, "refused the login")
}

func TestOnRotateReceivesWhatIsGoodOfABrokenAnswer(t *testing.T) {
	w := newCI(t, moloniOn)
	pair, err := w.server.Mint("moloni-on", "", "")
	if err != nil {
		t.Fatal(err)
	}
	w.fault(sandbox.Fault{On: "refresh", Kind: "status", Status: 200, Body: `{"refreshToken": "` + pair.RefreshToken + `"}`})
	_, err = w.token()
	mustFail(t, err, fail.Unavailable, "no usable access token")
	if all := w.received(); len(all) != 1 || all[0]["refresh_token"] != pair.RefreshToken || all[0]["access_token"] != "" || all[0]["access_expires_at"] != nil {
		t.Errorf("received %v", all)
	}
	// Nobody took it.
	w = newCI(t, moloniOn)
	if pair, err = w.server.Mint("moloni-on", "", ""); err != nil {
		t.Fatal(err)
	}
	w.does("fail")
	w.fault(sandbox.Fault{On: "refresh", Kind: "status", Status: 200, Body: `{"refreshToken": "` + pair.RefreshToken + `"}`})
	_, err = w.token()
	mustFail(t, err, fail.Store, "failed with exit code 3")
	w.does("take")
	w.mustToken() // goes on from the one that was rescued
	if all := w.received(); len(all) != 3 || all[1]["refresh_token"] != pair.RefreshToken {
		t.Errorf("received %v", all)
	}
}

func TestEnvStoreHasNothingToKeepOrForget(t *testing.T) {
	w := newCI(t, moloniOn)
	_, err := w.session().Login(t.Context(), moloniOn, Login{})
	mustFail(t, err, fail.Usage, "is read-only")
	mustFail(t, w.session().Revoke(t.Context(), moloniOn, false), fail.Usage, "is read-only")
}
