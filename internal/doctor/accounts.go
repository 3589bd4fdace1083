package doctor

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/callback"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/session"
)

// store tries whether the store takes a record and gives it back. It does so beside a throw-away state
// folder, so that no other run meets the name of the record in the list of accounts.
func (e *run) store(ctx context.Context) []Finding {
	const check = "store"
	defer close(e.proved)
	kind := e.Session.Store
	from := kind + ", by " + e.StoreFrom
	switch kind {
	case "":
		return []Finding{warn(check, "fix what is wrong with the settings first", "not looked at: which store is meant cannot be read")}
	case "vault":
		return e.vault(ctx, from)
	case "env":
		e.storeOK = true
		return []Finding{ok(check, "%s; accounts with a token or a client in the environment: %s", fail.Word(from), e.inEnvironment())}
	}
	if e.tempErr != nil {
		return []Finding{wrong(check, fail.Store, "make room in the folder for temporary files, or set TMPDIR", "not looked at: no temporary folder can be made: %s", reason(e.tempErr))}
	}
	options := e.options()
	options.StateDir = e.temp
	probe, err := session.Open(options)
	if err != nil {
		return []Finding{Failed(check, err)}
	}
	began := time.Now()
	if err := probe.Prove(ctx, account.Name{Provider: "tokencli-check"}); err != nil {
		e.storeErr = err.Error()
		f := Failed(check, err)
		f.Text = from + ": " + f.Text
		return []Finding{f}
	}
	took := time.Since(began)
	e.storeOK = true
	if err := e.otherStoreHasLogins(ctx); err != nil {
		return []Finding{Failed(check, err)}
	}
	tried := ok(check, "%s; a record was written, read and deleted in %s%s", fail.Word(from), took.Round(time.Millisecond), e.keyring(ctx))
	if took > slow {
		do := fail.DoSpeedUpKeychain
		if kind == "file" {
			do = fail.DoUseKey
		}
		tried.State = Warning
		tried = advise(tried, do)
	}
	return []Finding{tried}
}

// otherStoreHasLogins is a store that is empty beside one with logins: probably the wrong one was chosen.
func (e *run) otherStoreHasLogins(ctx context.Context) error {
	if stored, err := e.session.Accounts(ctx); err != nil || len(stored) > 0 {
		return nil //nolint:nilerr // a list that cannot be read is a finding of its own
	}
	return e.session.CheckEmpty(ctx)
}

// keyring names the keyring that the record was in, on a system that can have several.
func (e *run) keyring(ctx context.Context) string {
	if k, ok := e.session.Store.(interface{ Keyring(context.Context) string }); ok {
		if label := k.Keyring(ctx); label != "" {
			return ", in the keyring " + strconv.Quote(label)
		}
	}
	return ""
}

// slow is what nobody wants to wait for with every call.
const slow = 3 * time.Second

func (e *run) inEnvironment() string {
	var names []string
	for _, name := range e.names {
		if _, err := e.session.Store.Get(context.Background(), name); err == nil {
			names = append(names, name.String())
		}
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// rescue lists the logins that could not be saved.
func (e *run) rescue(context.Context) []Finding {
	const check = "rescue"
	waiting, err := e.session.Rescues()
	if err != nil {
		return []Finding{Failed(check, err)}
	}
	var findings []Finding
	for _, r := range waiting {
		setting := ""
		if r.Store != e.Session.Store {
			setting = "TOKENCLI_STORE=" + r.Store + " "
		}
		form := "unencrypted"
		if strings.HasSuffix(r.Path, ".age") {
			form = "encrypted"
		}
		findings = append(findings, about(r.Account, advise(warn(check, "",
			"a refreshed login could not be saved; it is kept %s in %s", fail.Word(form), redact.Printable(r.Path)), fail.DoRetryImport, setting, r.Account))...)
	}
	if findings == nil {
		return []Finding{ok(check, "no unsaved login")}
	}
	return findings
}

// readersAtOnce is how many accounts are read at the same time.
const readersAtOnce = 4

// failedNames is the finding about a list of accounts that cannot be read. What is wrong with the store is a finding of
// that check alone.
func (e *run) failedNames(ctx context.Context) []Finding {
	const check = "account"
	if e.namesErr == nil {
		return nil
	}
	select {
	case <-ctx.Done():
	case <-e.proved:
		switch {
		case e.storeErr != e.namesErr.Error():
		case len(e.names) > 0: // each is looked at all the same
			return nil
		default:
			return []Finding{warn(check, "fix the store first", "not looked at, because the store cannot be used")}
		}
	}
	return []Finding{Failed(check, e.namesErr)}
}

// accounts looks at each account: its login, its client, its redirect URI.
func (e *run) accounts(ctx context.Context) []Finding {
	const check = "account"
	findings := e.failedNames(ctx)
	if len(e.names) == 0 && e.namesErr == nil {
		return []Finding{ok(check, "none")}
	}
	if e.Session.Store == "" {
		return findings
	}
	select {
	case <-e.proved:
	case <-ctx.Done():
		return append(findings, warn(check, "fix the store first", "not looked at, because the store takes too long: %s", joined(e.names)))
	}
	names := e.names
	seen := make([]accountView, len(names))
	if !e.storeOK && len(names) > 0 {
		// What cannot be written may still be read; but each try at a store that does not answer takes
		// its time.
		seen[0].Inspection, seen[0].err = e.session.Inspect(ctx, names[0])
		if err := seen[0].err; err != nil && (err.Error() == e.storeErr || fail.Is(err, fail.Store)) {
			return append(findings, warn(check, "fix the store first", "not looked at, because the store cannot be used: %s", joined(names)))
		}
	}
	var readers errgroup.Group
	readers.SetLimit(readersAtOnce)
	for i := range names {
		readers.Go(func() error {
			seen[i].Inspection, seen[i].err = e.session.Inspect(ctx, names[i])
			return nil
		})
	}
	_ = readers.Wait() // each account has its own error
	ports := make(map[string]port)
	for i, name := range names {
		if c := seen[i].Inspection; c != nil && c.Kept != nil {
			e.addSecrets(c.Kept.Secrets()...)
		}
		findings = append(findings, about(name, e.account(name, seen[i], ports)...)...)
	}
	return findings
}

func joined(names []account.Name) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = name.String()
	}
	return strings.Join(words, ", ")
}

// accountView is what was seen of an account.
type accountView struct {
	*session.Inspection
	err error
}

// account judges one account. Ports that were tried before are remembered: several accounts share one.
func (e *run) account(name account.Name, s accountView, ports map[string]port) []Finding {
	const check = "account"
	if s.err != nil {
		return []Finding{Failed(check, s.err)}
	}
	findings := []Finding{e.login(name, s)}
	findings = append(findings, e.marks(name, s)...)
	if s.Grant == "" || s.Grant == credential.Static {
		return findings
	}
	findings = append(findings, e.client(name, s))
	if s.Grant == credential.AuthorizationCode && e.Session.Store != "env" {
		findings = append(findings, e.redirect(name, s, ports))
	}
	return findings
}

// login judges whether the account can be used.
func (e *run) login(name account.Name, s accountView) Finding {
	const check = "account"
	c := s.Kept
	switch {
	case c == nil && s.Blocked != nil:
		return Failed(check, s.Blocked)
	case c == nil && len(e.Accounts) > 0:
		return advise(wrong(check, fail.NotLoggedIn, "", "not logged in"), fail.DoLogIn, name)
	case c == nil:
		return ok(check, "set up, and not logged in yet")
	case s.Problem() != nil && !c.Ended.IsZero():
		return advise(wrong(check, fail.LoginNeeded, "", "the provider ended this login on %s: %s", day(c.Ended), redact.Scrub(c.EndedReason, 80)), fail.DoLogIn, name)
	case e.Session.Store != "env" && c.Origin != s.Definition.Origin(): // variables name no origin
		setting := account.Name{Provider: name.Provider}.Var(account.BaseURL)
		fix := "set " + setting + " to where it came from"
		if e.Getenv(setting) != "" {
			fix = "unset " + setting + " or set it back"
		}
		return advise(wrong(check, fail.LoginNeeded, "", "this login belongs to %s, but the settings point to %s", c.Origin, s.Definition.Origin()),
			fail.DoSetBackOrDelete, fix, name)
	case s.Problem() != nil:
		return Failed(check, s.Problem())
	}
	return ok(check, "%s by %s%s", fail.Word(s.State), fail.Word(c.Grant), fail.Word(e.ends(c)))
}

func (e *run) ends(c *credential.Credential) string {
	var text string
	if !c.AccessExpiresAt.IsZero() {
		text += ", access until " + moment(c.AccessExpiresAt)
	}
	if c.RefreshToken != "" && !c.RefreshExpiresAt.IsZero() {
		text += ", to be refreshed before " + moment(c.RefreshExpiresAt)
	}
	return text
}

// marks tells what earlier runs left behind in the credential.
func (e *run) marks(name account.Name, s accountView) []Finding {
	const check = "account"
	// A refresh in progress has its mark too; it ends within this time.
	const underWay = 90 * time.Second
	var findings []Finding
	if s.Kept == nil {
		return nil
	}
	now := e.Now()
	if at := s.Kept.Presented; !at.IsZero() && now.Sub(at) > underWay {
		findings = append(findings, advise(warn(check, "",
			"a refresh was interrupted on %s, and whether it reached the provider is unknown", moment(at)), fail.DoRetryRefresh, name))
	}
	if s.Kept.ObtainedAt.Sub(now) > time.Minute {
		findings = append(findings, warn(check, "set the clock right; the next use refreshes this login", "obtained in the future (%s): the clock was wrong then or is now", moment(s.Kept.ObtainedAt)))
	}
	return findings
}

func day(t time.Time) string    { return t.UTC().Format(time.DateOnly) }
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// client judges whether the client's id and its secret, or its key, are there.
func (e *run) client(name account.Name, s accountView) Finding {
	const check = "client"
	made := "; clients are created at: " + s.Definition.ClientPlace()
	byKey := s.Definition.UsesClientKey()
	switch {
	case s.ClientID == "" && s.Grant.Asserts() && !s.Definition.SecretRequired():
		return ok(check, "none; the assertion identifies the caller")
	case s.ClientID == "":
		return wrong(check, fail.Usage, "set "+name.Var(account.ClientID)+made, "no client id is set")
	case byKey && !s.Secret:
		return wrong(check, fail.Usage, "set "+name.Var(account.ClientKey)+made, "%s has no key", redact.Printable(s.ClientID))
	case byKey:
		return ok(check, "%s, with its key", redact.Printable(s.ClientID))
	case !s.Secret && s.Definition.SecretRequired():
		return wrong(check, fail.Usage, "set "+name.Var(account.ClientSecret)+made, "%s has no secret", redact.Printable(s.ClientID))
	case !s.Secret:
		return ok(check, "%s, without a secret", redact.Printable(s.ClientID))
	}
	return ok(check, "%s, with its secret", redact.Printable(s.ClientID))
}

// port is what came of trying a redirect URI.
type port struct {
	probe *callback.RedirectProbe
	err   error
}

// redirect tries whether the code of a login could come back.
func (e *run) redirect(name account.Name, s accountView, ports map[string]port) Finding {
	const check = "redirect"
	if s.RedirectURI == "" {
		return warn(check, "set "+name.Var(account.RedirectURI)+" to the one that is registered at "+s.Definition.Title,
			"no redirect URI is set and this provider has no default: login asks for it")
	}
	p, tried := ports[s.RedirectURI]
	if !tried {
		p.probe, p.err = callback.ProbeRedirect(s.RedirectURI, s.Definition.Title)
		ports[s.RedirectURI] = p
	}
	shown := redact.Scrub(s.RedirectURI, 200)
	switch {
	case p.err != nil:
		return Failed(check, p.err)
	case p.probe.Listens && p.probe.Address == "":
		return ok(check, "%s, on any port that is free", shown)
	case p.probe.Listens:
		return ok(check, "%s, whose port is free", shown)
	}
	return ok(check, "%s, from where the address or the code is pasted", shown)
}
