package acceptance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/sandbox"
)

// The commands of the scripts, beside those of testscript. Those that end in [!] may be preceded by `!`.
//
//	sandbox [SETTING=VALUE...]     starts a sandbox and sets its variables; settings: consent, access,
//	                               refresh, code (lives), providers, format, digits, omitstate, norotate,
//	                               skew (how far its clock is ahead),
//	                               granted=PROVIDER:SCOPES, redirect=PROVIDER:URI, id=PROVIDER:ID,
//	                               secret=PROVIDER:SECRET. SANDBOX is its address,
//	                               SANDBOX_PORT the port in it.
//	fault JSON                     makes the next request go wrong, see sandbox.Fault
//	expire PROVIDER WHAT           ends tokens now: access, refresh or all
//	device JSON                    decides device logins or sets their pace, see sandbox.DeviceControl
//	lives PROVIDER WHAT LIFE       what is granted from now on lives so long; WHAT is access, refresh or
//	                               code, LIFE a duration or `documented`
//	stats PROVIDER FIELD N         the sandbox counted N: exchanges, refreshes, mints, revokes, reused,
//	                               refused, faults, api, or requests.OPERATION
//	events PATTERN [!]             a request at the sandbox matches
//	mint PROVIDER VARIABLE         makes a token pair and sets VARIABLE_ACCESS and VARIABLE_REFRESH, as after
//	                               an exchange that sent the redirect URI in MINT_REDIRECT, or none
//	exits N COMMAND ARG...         runs a command that must end with exit code N
//	exec herd N COMMAND ARG...     runs N processes at once; all must succeed with the same stdout
//	fails N COMMAND ARG...         like exits, of a failure as all should be: nothing on stdout, one line
//	                               "tokencli: ..." on stderr with at most one "hint: ..." after it, and
//	                               none of the secrets in the environment anywhere
//	exec person LIST COMMAND ARG...  runs a command and does what a person does with the address that it
//	                               prints; person (in browser_test.go) tells what LIST may hold
//	nosecret TEXT...               none of these texts, raw, URL-encoded or in base64, is in stdout,
//	                               stderr or any file below $WORK but those named *.age or key.txt
//	stored ACCOUNT                 what the file store holds for the account becomes stdout
//	capture VARIABLE FILE [PATTERN]  sets VARIABLE to the content of FILE (or stdout, stderr) without the
//	                               last newline, or to what the group in PATTERN matches there
//	await FILE                     waits until the file is there
//	arrives PATTERN                waits until a request at the sandbox matches
//	down, up                       the sandbox cannot be reached any more; it can again
//	deep VARIABLE LENGTH           sets VARIABLE to a path of that length, to be made
//	freeze FILE, thaw FILE         stops the process whose id the file holds; lets it go on
//	silentbus VARIABLE             the address of a message bus that takes calls and never answers
//	exec interrupt SIGNAL TRIGGER COMMAND ARG...  runs a command and sends it INT or TERM when the trigger
//	                               is seen: PROVIDER:OPERATION (at the sandbox) or stderr:TEXT
//	forget                         forgets the requests at the sandbox so far, as far as `events` goes
//	certificate CERT KEY           writes a certificate for localhost and its key
//	port VARIABLE                  sets VARIABLE to a port that is free
//	listen VARIABLE KIND           a server that behaves badly: accept (and never answer), close
//	vault                          starts a Vault server and makes it the store: VAULT_ADDR, VAULT_TOKEN
//	toolserver KIND VARIABLE ...   a server that asks for a credential, see cmdToolServer
//	authserver VARIABLE [SETTING=VALUE...]  starts an authorization server that describes itself, see
//	                               authserver_test.go; VARIABLE is its address, and $VARIABLE/mcp a resource
//	authset VARIABLE SETTING=VALUE...  changes settings of it: wants (the resource that requests must
//	                               name), iss (of the callback), sendsiss, challenge, registration, document
//	                               (a client id), management, metadata.MEMBER, resource.MEMBER,
//	                               redirect.REQUEST, status.REQUEST
//	authcount VARIABLE WHAT N      it counted N: exchanges, refreshes, reused, refused, deleted, or requests:
//	                               metadata, resource, mcp, register, authorize, token, revoke, userinfo, and
//	                               `delete register`
//	jsonfield NAME VALUE           stdout is a JSON object with that field
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"sandbox":   cmdSandbox,
	"fault":     cmdFault,
	"expire":    cmdExpire,
	"device":    cmdDevice,
	"lives":     cmdLives,
	"stats":     cmdStats,
	"events":    cmdEvents,
	"mint":      cmdMint,
	"exits":     cmdExits,
	"fails":     cmdFails,
	"nosecret":  cmdNoSecret,
	"stored":    cmdStored,
	"capture":   cmdCapture,
	"await":     cmdAwait,
	"forget":    cmdForget,
	"arrives":   cmdArrives,
	"down":      cmdDown,
	"up":        cmdUp,
	"deep":      cmdDeep,
	"silentbus": cmdSilentBus,
	"freeze":    cmdFreeze,
	"thaw":      cmdThaw,
	"port":      cmdPort,
	"listen":    cmdListen,
	"jsonfield": cmdJSONField,

	"authserver": cmdAuthServer,
	"authset":    cmdAuthSet,
	"authcount":  cmdAuthCount,
	"toolserver": cmdToolServer,

	"certificate": cmdCertificate,
	"vault":       cmdVault,
}

type scriptKeyType struct{}

// script is what a script has beside its environment.
type script struct {
	sandbox     *harness.Sandbox
	authServers map[string]*authServer // by the variable that has their address
}

func of(ts *testscript.TestScript) *script { return ts.Value(scriptKeyType{}).(*script) }

func errUnknownCondition(name string) error { return fmt.Errorf("unknown condition %q", name) }

func cmdSandbox(ts *testscript.TestScript, neg bool, args []string) {
	config := sandbox.Config{
		Consent:      sandbox.ConsentAllow,
		RedirectURIs: map[string][]string{},
		ClientID:     map[string]string{},
		ClientSecret: map[string]string{},
		GrantScopes:  map[string][]string{},
		OmitState:    map[string]bool{},
		Rotate:       map[string]bool{},
	}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		provider, rest, _ := strings.Cut(value, ":")
		switch name {
		case "consent":
			config.Consent = value
		case "access":
			config.AccessLife = mustDuration(ts, value)
		case "refresh":
			config.RefreshLife = mustDuration(ts, value)
		case "code":
			config.CodeLife = mustDuration(ts, value)
		case "definition":
			text, err := os.ReadFile(ts.MkAbs(value))
			ts.Check(err)
			config.Definitions = append(config.Definitions, text)
		case "providers":
			config.Providers = strings.Split(value, ",")
		case "format":
			config.ExpiracyFormat = value
		case "skew":
			ahead := mustDuration(ts, value)
			config.Now = func() time.Time { return time.Now().Add(ahead) }
		case "digits":
			n, err := strconv.Atoi(value)
			ts.Check(err)
			config.FractionDigits = &n
		case "omitstate":
			config.OmitState[value] = true
		case "norotate":
			config.Rotate[value] = false
		case "granted":
			config.GrantScopes[provider] = strings.Fields(rest)
		case "redirect":
			config.RedirectURIs[provider] = append(config.RedirectURIs[provider], rest)
		case "id":
			config.ClientID[provider] = rest
		case "secret":
			config.ClientSecret[provider] = rest
		default:
			ts.Fatalf("sandbox has no setting %q", name)
		}
	}
	served, err := harness.Start(config)
	ts.Check(err)
	ts.Defer(func() { _ = served.Stop() })
	of(ts).sandbox = served
	vars := harness.Environment{"SANDBOX": served.URL, "SANDBOX_PORT": served.URL[strings.LastIndex(served.URL, ":")+1:]}
	ts.Check(served.Variables(vars))
	for name, value := range vars {
		ts.Setenv(name, value)
	}
}

func mustDuration(ts *testscript.TestScript, text string) time.Duration {
	d, err := time.ParseDuration(text)
	ts.Check(err)
	return d
}

func (s *script) need(ts *testscript.TestScript) *harness.Sandbox {
	if s.sandbox == nil {
		ts.Fatalf("no sandbox was started")
	}
	return s.sandbox
}

func cmdFault(ts *testscript.TestScript, neg bool, args []string) {
	var f sandbox.Fault
	ts.Check(json.Unmarshal([]byte(strings.Join(args, " ")), &f))
	ts.Check(of(ts).need(ts).Inject(f))
}

func cmdDevice(ts *testscript.TestScript, neg bool, args []string) {
	var v sandbox.DeviceControl
	ts.Check(json.Unmarshal([]byte(strings.Join(args, " ")), &v))
	_, err := of(ts).need(ts).SteerDevice(v)
	ts.Check(err)
}

func cmdExpire(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: expire PROVIDER WHAT")
	}
	_, err := of(ts).need(ts).Expire(args[0], args[1])
	ts.Check(err)
}

func cmdLives(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: lives PROVIDER WHAT LIFE")
	}
	l := sandbox.Lifetimes{Provider: args[0]}
	*map[string]*string{"access": &l.Access, "refresh": &l.Refresh, "code": &l.Code}[args[1]] = args[2]
	ts.Check(of(ts).need(ts).SetLifetimes(l))
}

func cmdStats(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: stats PROVIDER FIELD N")
	}
	st, ok := of(ts).need(ts).Stats()[args[0]]
	if !ok {
		ts.Fatalf("no provider %s", args[0])
	}
	counts := map[string]int{
		"exchanges": st.Exchanges, "refreshes": st.Refreshes, "mints": st.Mints, "revokes": st.Revokes,
		"reused": st.ReusedRefreshTokens, "refused": st.Refused, "faults": st.Faults, "api": st.APICalls,
	}
	got, ok := counts[args[1]]
	if operation, is := strings.CutPrefix(args[1], "requests."); is {
		got, ok = st.Requests[operation], true
	}
	if !ok {
		ts.Fatalf("stats has no field %s", args[1])
	}
	if want, err := strconv.Atoi(args[2]); err != nil || (got == want) == neg {
		ts.Fatalf("%s %s: %d", args[0], args[1], got)
	}
}

func cmdEvents(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: events PATTERN")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	requests := of(ts).need(ts).Requests()
	found := slices.ContainsFunc(requests, pattern.MatchString)
	if found && neg {
		ts.Fatalf("a request matches %s", args[0])
	}
	if !found && !neg {
		ts.Fatalf("no request matches %s; there were:\n%s", args[0], strings.Join(requests, "\n"))
	}
}

func cmdMint(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: mint PROVIDER VARIABLE")
	}
	pair, err := of(ts).need(ts).Mint(args[0], "", ts.Getenv("MINT_REDIRECT"))
	ts.Check(err)
	ts.Setenv(args[1]+"_ACCESS", pair.AccessToken)
	ts.Setenv(args[1]+"_REFRESH", pair.RefreshToken)
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: exits N COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d instead of %d", got, want)
	}
}

func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	cmdExits(ts, neg, args)
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("a failure prints an answer: %q", out)
	}
	var said []string
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		said = append(said, strings.TrimSuffix(line, "\n"))
	}
	last := len(said) - 1
	if last > 0 && strings.HasPrefix(said[last], "hint: ") {
		last--
	}
	if last < 0 || !strings.HasPrefix(said[last], "tokencli: ") || strings.HasSuffix(said[last], ".") {
		ts.Fatalf("stderr does not end in one line that says what went wrong")
	}
	for _, line := range said[:last] {
		if strings.HasPrefix(line, "hint: ") {
			ts.Fatalf("there is more than one hint")
		}
	}
	lookForSecrets(ts, environmentSecrets(ts))
}

// environmentSecrets are the secrets that a script has in its environment: those of the sandbox's clients.
// The key of the file store is none of them, because it is given as a path.
func environmentSecrets(ts *testscript.TestScript) []string {
	var secrets []string
	for _, provider := range sandbox.Providers() {
		for _, setting := range []string{account.ClientSecret, account.Password} {
			if secret := ts.Getenv(account.Name{Provider: provider}.Var(setting)); len(secret) >= shortestSecret {
				secrets = append(secrets, secret)
			}
		}
	}
	return secrets
}

const shortestSecret = 6

func cmdNoSecret(ts *testscript.TestScript, neg bool, args []string) {
	for _, secret := range args {
		if len(secret) < shortestSecret {
			ts.Fatalf("%q is too short to be looked for", secret)
		}
	}
	lookForSecrets(ts, args)
}

// formsOf returns the secrets as they are, URL-encoded and in base64.
func formsOf(secrets []string) []string {
	var forms []string
	for _, secret := range secrets {
		forms = append(forms, secret, url.QueryEscape(secret), url.PathEscape(secret))
		// In the base64 of a longer text it may begin at any of three places; the characters that hold
		// bits of its neighbours are left out.
		for shift := range 3 {
			text := []byte(strings.Repeat("-", shift) + secret)
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				form := encoding.EncodeToString(text)
				forms = append(forms, form[(shift*8+5)/6:len(form)-1])
			}
		}
	}
	return forms
}

func lookForSecrets(ts *testscript.TestScript, secrets []string) {
	forms := formsOf(secrets)
	look := func(where, text string) {
		for _, form := range forms {
			if strings.Contains(text, form) {
				ts.Fatalf("a secret is in %s", where)
			}
		}
	}
	look("stdout", ts.ReadFile("stdout"))
	look("stderr", ts.ReadFile("stderr"))
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a browser may still be writing
		}
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".age") || d.Name() == "key.txt" ||
			strings.HasPrefix(path, filepath.Join(ts.MkAbs("."), ".tmp")) || d.Name() == "script.txtar" {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		look(path, string(text))
		return err
	}))
}

func cmdStored(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: stored ACCOUNT")
	}
	name, err := account.Parse(args[0])
	ts.Check(err)
	identity, err := age.ParseX25519Identity(harness.Key)
	ts.Check(err)
	found := false
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != name.File()+".age" {
			return err
		}
		record, err := os.Open(path)
		if err != nil {
			return err
		}
		defer record.Close()
		text, err := age.Decrypt(record, identity)
		if err == nil {
			found = true
			_, err = io.Copy(ts.Stdout(), text)
		}
		return err
	}))
	if !found {
		ts.Fatalf("the file store holds nothing for %s", name)
	}
}

func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 || neg {
		ts.Fatalf("usage: capture VARIABLE FILE [PATTERN]")
	}
	text := strings.TrimSuffix(ts.ReadFile(args[1]), "\n")
	if len(args) == 3 {
		pattern, err := regexp.Compile("(?m)" + args[2])
		ts.Check(err)
		match := pattern.FindStringSubmatch(text)
		if len(match) != 2 {
			ts.Fatalf("%s does not match %s, or that has no group", args[1], args[2])
		}
		text = match[1]
	}
	if text == "" {
		ts.Fatalf("there is nothing in %s to capture", args[1])
	}
	ts.Setenv(args[0], text)
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: await FILE")
	}
	ts.Check(awaitFile(ts.MkAbs(args[0])))
}

func awaitFile(path string) error {
	for give := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		// On Windows a file that is being renamed is there before it can be opened.
		if f, err := os.Open(path); err == nil {
			return f.Close()
		}
		if time.Now().After(give) {
			return fmt.Errorf("%s does not appear", path)
		}
	}
}

func cmdForget(ts *testscript.TestScript, neg bool, args []string) {
	of(ts).need(ts).Forget()
}

// freePort returns a port that is free and that no other test was given.
func freePort(t interface {
	Fatalf(format string, args ...any)
},
) string {
	port, err := harness.FreePort()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return port
}

func cmdPort(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: port VARIABLE")
	}
	ts.Setenv(args[0], freePort(ts))
}

func cmdCertificate(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: certificate CERT KEY")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
		IsCA:         true, // it is trusted by itself

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for path, block := range map[string]*pem.Block{
		args[0]: {Type: "CERTIFICATE", Bytes: der},
		args[1]: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		ts.Check(os.WriteFile(ts.MkAbs(path), pem.EncodeToMemory(block), 0o600))
	}
}

func cmdListen(ts *testscript.TestScript, neg bool, args []string) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
	go func() {
		var open []net.Conn // one that nobody knows any more would be closed
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			if args[1] == "close" {
				_ = conn.Close()
				continue
			}
			open = append(open, conn)
		}
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
}

func cmdJSONField(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: jsonfield NAME VALUE")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	v, there := object[args[0]]
	got := fmt.Sprint(v)
	if v == nil {
		got = "null"
	}
	if !there {
		got = "missing"
	}
	if (got == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}

// herd runs many processes at once and prints what all of them printed.
func herd() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage: herd N COMMAND ARG...")
		os.Exit(2)
	}
	var wg sync.WaitGroup
	outputs, errs := make([]string, n), make([]error, n)
	for i := range n {
		wg.Go(func() {
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(context.Background(), os.Args[2], os.Args[3:]...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				errs[i] = fmt.Errorf("%w: %s", err, stderr.String())
			}
			outputs[i] = stdout.String()
		})
	}
	wg.Wait()
	for i := range n {
		if errs[i] != nil || outputs[i] != outputs[0] || outputs[i] == "" {
			fmt.Fprintf(os.Stderr, "process %d failed or printed something else: %v\n", i, errs[i])
			os.Exit(1)
		}
	}
	fmt.Print(outputs[0])
}
