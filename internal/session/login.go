package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/apiclient"
	"github.com/tokencli/tokencli/internal/callback"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// Login is what a user asks for with a login. Empty fields are looked up in the environment, the
// configuration, the stored credential and the definition, in this order.
type Login struct {
	ClientID    string
	Scopes      []string // or lists of them, with spaces or commas between
	RedirectURI string
	Grant       string
	// StaticToken is a token to be kept as it is; the provider is asked nothing.
	StaticToken credential.Secret
	// Ask asks a person for something that is missing; nil: nobody is there.
	Ask Asker
	// Receive are the settings of the receiver; what the login itself decides is filled in.
	Receive callback.Options
	// Timeout bounds the wait for the person.
	Timeout time.Duration
}

// Asker asks a person.
type Asker interface {
	// Ask shows the label and reads a line.
	Ask(label string) (string, error)
	// AskSecret does the same without showing what is typed.
	AskSecret(label string) (string, error)
}

// plan is a login with everything looked up.
type plan struct {
	Login
	name         account.Name
	client       *oauth.Client
	definition   *provider.Definition
	grant        credential.Grant
	registration oauth.Registration
	redirectURI  string                 // of the authorization code grant
	old          *credential.Credential // nil: there is none
}

// Login logs in and keeps the credential. The store is proved usable before the provider is asked, and
// nothing is kept after a failure.
func (s *Session) Login(ctx context.Context, name account.Name, l Login) (*credential.Credential, error) {
	if !s.keeps() {
		return nil, fail.New(fail.Usage, "the env store keeps nothing: there is no login to it").
			WithHint("choose another store: TOKENCLI_STORE=keychain or TOKENCLI_STORE=file")
	}
	client, err := s.client(name)
	if err != nil {
		return nil, err
	}
	p := &plan{Login: l, name: name, client: client, definition: client.Definition}
	if err := s.prepare(ctx, p); err != nil {
		return nil, err
	}
	if err := s.prove(ctx); err != nil {
		return nil, err
	}
	var c *credential.Credential
	finish := func(error) {}
	switch p.grant {
	case credential.Static:
		c, err = s.static(p)
	case credential.ClientCredentials:
		c, err = s.mint(ctx, p)
	case credential.Password:
		c, err = s.password(ctx, p)
	default:
		c, finish, err = s.authorize(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	err = s.keep(ctx, p, c)
	finish(err)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fail.New(fail.Interrupted, "%s: interrupted; the login was saved first", name)
	}
	return c, nil
}

// prepare looks everything up and refuses what cannot work, before anybody is asked anything.
func (s *Session) prepare(ctx context.Context, p *plan) error {
	names, err := s.Store.List(ctx)
	if err != nil {
		return err
	}
	for _, other := range names {
		if p.name.Collides(other) {
			return fail.New(fail.Usage, "%s would have the environment variables of %s, which is logged in", p.name, other).
				WithHint("choose another name, or `tokencli revoke %s` first", other)
		}
	}
	if p.old, err = s.get(ctx, p.name); err != nil && s.rescueWaits(p.name) {
		// Only a rescue file that cannot be read gives way to the new login.
		if _, unreadable := readRescue(s.rescuePath(p.name), p.name); unreadable == nil {
			return err
		}
		s.tell("warning: %v; the new login replaces it", err)
		p.old, err = s.stored(ctx, p.name)
	}
	switch {
	case absent(err):
		p.old = nil
	case err != nil:
		return err
	case p.old.Origin != p.definition.Origin():
		return fail.New(fail.Usage, "%s is logged in at %s; a login at %s would replace that", p.name, p.old.Origin, p.definition.Origin()).
			WithHint("use another account name, such as %s/NAME, or `tokencli revoke --local %s` first", p.name.Provider, p.name)
	}
	return s.chooseGrant(p)
}

func (s *Session) defaults(name account.Name) Defaults {
	if s.Defaults == nil {
		return Defaults{}
	}
	return s.Defaults(name)
}

func (s *Session) chooseGrant(p *plan) error {
	if p.StaticToken != "" {
		p.grant = credential.Static
		return nil
	}
	grant := cmp.Or(p.Grant, s.defaults(p.name).Grant, p.definition.Grants[0])
	if grant == string(credential.Static) {
		return fail.New(fail.Usage, "a static token is read from stdin").
			WithHint("tokencli login %s --with-token < FILE", p.name)
	}
	if !p.definition.Has(grant) {
		return fail.New(fail.Usage, "%s has no grant %q", p.definition.Title, redact.Scrub(grant, 40)).
			WithHint("its grants are %s", strings.Join(p.definition.Grants, ", "))
	}
	p.grant = credential.Grant(grant)
	return nil
}

// prove writes, reads and deletes a record of no account, so that a store that cannot be used is found
// out before a person goes to a browser and a code is spent.
func (s *Session) prove(ctx context.Context) error {
	probe := account.Name{Provider: "tokencli-check", Label: strings.ToLower(rand.Text())}
	err := s.Store.Put(ctx, &credential.Credential{Account: probe, Grant: credential.Static})
	if deleteErr := s.Store.Delete(context.WithoutCancel(ctx), probe); err == nil {
		err = deleteErr
	}
	return err
}

// register looks up the client id and secret. A stored secret belongs to the stored id.
func (s *Session) register(p *plan) error {
	d := p.definition
	r := &p.registration
	r.ID = cmp.Or(p.ClientID, p.name.Lookup(s.Getenv, account.ClientID), s.defaults(p.name).ClientID)
	if r.ID == "" && p.old != nil {
		r.ID = p.old.ClientID
	}
	if r.ID == "" && p.Ask != nil {
		s.tell("%s has to know this program. Create a client: %s", d.Title, d.Client.Create)
		if p.grant == credential.AuthorizationCode {
			if uri := s.lookupRedirectURI(p); uri != "" {
				s.tell("Register this redirect URI there, character by character: %s", uri)
			}
		}
		if d.SecretRequired() {
			s.tell("Then enter its id and its secret here. They are kept with the login: you are asked once.")
		} else {
			s.tell("Then enter its id here. It is kept with the login: you are asked once.")
		}
		id, err := p.Ask.Ask("Client id")
		if err != nil {
			return err
		}
		r.ID = id
	}
	if r.ID == "" {
		return s.missingClient(p)
	}
	r.Secret = p.name.Lookup(s.Getenv, account.ClientSecret)
	if r.Secret == "" && p.old != nil && p.old.ClientID == r.ID {
		r.Secret = p.old.ClientSecret.Reveal()
	}
	if r.Secret == "" && d.SecretRequired() && p.Ask != nil {
		secret, err := p.Ask.AskSecret("Client secret (not shown)")
		if err != nil {
			return err
		}
		if r.Secret, err = account.Clean("what was entered for Client secret", secret); err != nil {
			return err
		}
	}
	if r.Secret == "" && d.SecretRequired() {
		return missing(d, p.name, account.ClientSecret)
	}
	return nil
}

// missingClient says in one error what a person would be told step by step.
func (s *Session) missingClient(p *plan) error {
	e := missing(p.definition, p.name, account.ClientID)
	if p.grant == credential.AuthorizationCode {
		if uri := s.lookupRedirectURI(p); uri != "" {
			e.Hint += "; redirect URI to register: " + uri
		}
	}
	return e
}

func missing(d *provider.Definition, name account.Name, setting string) *fail.Error {
	variables := name.Var(setting)
	if setting == account.ClientID && d.SecretRequired() {
		variables += " and " + name.Var(account.ClientSecret)
	}
	return fail.New(fail.Usage, "%s: %s is not set", name, name.Var(setting)).
		WithHint("set %s; the client is made at: %s", variables, d.Client.Create)
}

func (s *Session) lookupRedirectURI(p *plan) string {
	uri := cmp.Or(p.RedirectURI, p.name.Lookup(s.Getenv, account.RedirectURI), s.defaults(p.name).RedirectURI)
	standard := p.definition.Redirect.Default
	if uri == "" && p.old != nil && !pickedPort(standard, p.old.RedirectURI) {
		uri = p.old.RedirectURI
	}
	return cmp.Or(uri, standard)
}

// pickedPort reports whether uri is standard with a free port in place of its port 0. That port was
// picked for one login, and somebody else may have it at the next.
func pickedPort(standard, uri string) bool {
	a, errA := url.Parse(standard)
	b, errB := url.Parse(uri)
	return errA == nil && errB == nil && a.Port() == "0" && b.Port() != "" &&
		a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && a.RequestURI() == b.RequestURI()
}

func (s *Session) scopes(p *plan) []string {
	for _, list := range [][]string{
		credential.SplitScopes(strings.Join(p.Scopes, " ")), credential.SplitScopes(p.name.Lookup(s.Getenv, account.Scopes)), s.defaults(p.name).Scopes,
	} {
		if len(list) > 0 {
			return list
		}
	}
	if p.old != nil && len(p.old.Scopes) > 0 {
		return p.old.Scopes
	}
	return p.definition.Scopes.Default
}

// credential returns what all grants have in common.
func (p *plan) credential() credential.Credential {
	c := credential.Credential{
		Account:      p.name,
		Grant:        p.grant,
		Origin:       p.definition.Origin(),
		ClientID:     p.registration.ID,
		ClientSecret: credential.Secret(p.registration.Secret),
	}
	if p.old != nil {
		c.Generation = p.old.Generation
	}
	return c
}

func (s *Session) static(p *plan) (*credential.Credential, error) {
	c := p.credential()
	c.AccessToken = p.StaticToken
	c.ObtainedAt = s.now()
	c.Generation++
	return &c, nil
}

func (s *Session) mint(ctx context.Context, p *plan) (*credential.Credential, error) {
	if err := s.register(p); err != nil {
		return nil, err
	}
	scopes := s.scopes(p)
	reply, err := p.client.ClientCredentials(ctx, p.registration, scopes)
	if err != nil {
		return nil, err
	}
	return s.granted(p, p.credential(), reply, scopes), nil
}

// password trades a name and a password for tokens. The password is forgotten with the return.
func (s *Session) password(ctx context.Context, p *plan) (*credential.Credential, error) {
	if err := s.register(p); err != nil {
		return nil, err
	}
	username := p.name.Own(s.Getenv, account.Username)
	password := p.name.Own(s.Getenv, account.Password)
	var err error
	if username == "" && p.Ask != nil {
		if username, err = p.Ask.Ask(p.definition.Title + " user name"); err != nil {
			return nil, err
		}
	}
	if password == "" && p.Ask != nil {
		if password, err = p.Ask.AskSecret(p.definition.Title + " password (not shown, not kept)"); err != nil {
			return nil, err
		}
	}
	if username == "" || password == "" {
		return nil, fail.New(fail.Usage, "%s: the password grant needs a user name and a password", p.name).
			WithHint("set %s and %s, or log in at a terminal", p.name.Var(account.Username), p.name.Var(account.Password))
	}
	scopes := s.scopes(p)
	reply, err := p.client.Password(ctx, p.registration, username, password, scopes)
	if err != nil {
		var e *oauth.Error
		if errors.As(err, &e) && e.Ended && e.Fail.Hint == "" {
			e.Fail.Hint = "check the user name and the password"
		}
		return nil, err
	}
	return s.granted(p, p.credential(), reply, scopes), nil
}

// authorize sends the user to the provider and trades the code that comes back (RFC 6749 4.1). finish
// tells the browser's page how it ended; it is never nil.
func (s *Session) authorize(ctx context.Context, p *plan) (c *credential.Credential, finish func(error), err error) {
	finish = func(error) {}
	p.redirectURI = s.lookupRedirectURI(p)
	if p.redirectURI == "" && p.Ask != nil {
		// Nobody but the person knows what can be registered here.
		s.tell("%s sends you to an address of your own, the redirect URI, which is registered with the client: %s",
			p.definition.Title, p.definition.Client.Create)
		if p.redirectURI, err = p.Ask.Ask("Redirect URI"); err != nil {
			return nil, finish, err
		}
	}
	if p.redirectURI == "" {
		e := fail.New(fail.Usage, "%s: %s is not set", p.name, p.name.Var(account.RedirectURI)).
			WithHint("set it, or --redirect-uri, to the redirect URI that is registered with the client")
		if p.definition.Has("password") {
			e.Hint += "; or use --grant password"
		}
		return nil, finish, e
	}
	if err := s.register(p); err != nil {
		return nil, finish, err
	}
	s.warnAbout(p.definition, p.redirectURI)
	scopes := s.scopes(p)
	if len(scopes) == 0 && p.definition.Scopes.Note != "" {
		s.tell("%s", p.definition.Scopes.Note)
	}
	waiting := ctx
	if p.Timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, p.Timeout)
		defer cancel()
	}
	authorization := p.client.NewAuthorization(p.redirectURI, scopes)
	options := p.Receive
	options.RedirectURI = p.redirectURI
	options.State = authorization.State
	options.StateOptional = p.definition.Authorize.StateOptional
	options.Title = p.definition.Title
	options.Account = p.name.String()
	options.CodeLife = p.definition.Authorize.CodeLife
	options.ExactPort = p.definition.Redirect.ExactPort
	options.StateDir = s.StateDir
	receiver, err := callback.Listen(options)
	if err != nil {
		return nil, finish, err
	}
	closing := func() { _ = receiver.Close() }
	authorization.RedirectURI = receiver.RedirectURI()
	address, err := p.client.URL(p.registration, authorization)
	if err != nil {
		closing()
		return nil, finish, err
	}
	answer, err := receiver.Receive(waiting, address)
	if err != nil {
		closing()
		return nil, finish, err
	}
	finish = func(err error) { answer.Finish(err); closing() }
	c, err = s.exchange(ctx, p, authorization, answer, scopes)
	if err != nil {
		finish(err)
	}
	return c, finish, err
}

func (s *Session) exchange(ctx context.Context, p *plan, a *oauth.Authorization, answer *callback.Answer, scopes []string) (*credential.Credential, error) {
	reply, err := p.client.Exchange(ctx, p.registration, a, answer.Code)
	if err != nil {
		var e *oauth.Error
		if errors.As(err, &e) && e.Ended && e.Fail.Hint == "" {
			e.Fail.Hint = fmt.Sprintf("start again: tokencli login %s", p.name)
			if life := p.definition.Authorize.CodeLife; life > 0 {
				e.Fail.Hint += fmt.Sprintf(" (the code lives %s)", lasting(life))
			}
		}
		return nil, err
	}
	c := p.credential()
	// It is kept for the next login; a renewal that repeats it has to repeat the one that was sent.
	c.RedirectURI = p.redirectURI
	if sendsRedirectURI(p.client) {
		c.RedirectURI = a.RedirectURI
	}
	kept := s.granted(p, c, reply, scopes)
	if answer.StateMissing {
		// Nothing ties this reply to this login but the user's own eyes: say whose it is.
		owner, err := apiclient.New(p.client, oauth.OneToken(kept.AccessToken.Reveal())).WhoAmI(ctx)
		if err != nil {
			return nil, fail.New(fail.KindOf(err), "%s sent no state and its owner could not be asked for: %w", p.definition.Title, err).
				WithHint("nothing was kept; try again")
		}
		answer.SetOwner(describe(owner))
		s.tell("warning: %s sent no state, so the login cannot be tied to this one by itself; it belongs to %s", p.definition.Title, describe(owner))
	}
	return kept, nil
}

func describe(details []apiclient.Detail) string {
	var parts []string
	for _, d := range details {
		if len(d.Values) > 0 {
			parts = append(parts, d.Name+" "+strings.Join(d.Values, ", "))
		}
	}
	if len(parts) == 0 {
		return "an owner that the provider does not name"
	}
	return strings.Join(parts, "; ")
}

// granted makes the credential of a reply and tells what differs from what was asked for.
func (s *Session) granted(p *plan, c credential.Credential, reply *oauth.Reply, asked []string) *credential.Credential {
	for _, note := range reply.Notes {
		s.tell("%s: %s", p.name, note)
	}
	c.Scopes = asked
	c = apply(c, reply)
	if reply.Scopes != nil {
		var lacking []string
		for _, scope := range asked {
			if !slices.Contains(reply.Scopes, scope) {
				lacking = append(lacking, redact.Printable(scope))
			}
		}
		if len(lacking) > 0 {
			s.tell("warning: %s did not grant %s", p.definition.Title, strings.Join(lacking, ", "))
		}
	}
	return &c
}

// keep saves a new login under the account's lock, so that a renewal of the old one cannot overwrite it.
func (s *Session) keep(ctx context.Context, p *plan, c *credential.Credential) error {
	ctx = context.WithoutCancel(ctx)
	release, _, err := s.lock(ctx, p.name, never)
	if err != nil {
		// The code is spent, so there is no second try. What is taken in later has to count as newer than
		// what the holder of the lock is about to save.
		c.Generation++
		path := s.rescuePath(p.name)
		if rescueErr := s.rescue(path, c); rescueErr != nil {
			return err
		}
		return fail.New(fail.Store, "%s is logged in but could not be saved: %w", p.name, err).
			WithHint("the new login is safe in %s and is taken in by the next call that can save it", path)
	}
	defer release()
	now, err := s.stored(ctx, p.name)
	switch {
	case err == nil && now.Generation >= c.Generation:
		c.Generation = now.Generation + 1
	case err != nil && !absent(err):
		c.Generation++ // a renewal may have been saved that cannot be read now
	}
	if err := s.save(ctx, c, nil); err != nil {
		return err
	}
	s.dropRescue(p.name)
	return nil
}

// warnAbout says what speaks against a redirect URI. It is used all the same: the user may know better
// than a definition.
func (s *Session) warnAbout(d *provider.Definition, redirectURI string) {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Host == "" {
		return
	}
	if d.Redirect.HTTPS && u.Scheme == "http" {
		s.tell("warning: %s is said to accept https redirect URIs only", d.Title)
	}
	if d.Redirect.NoLoopback && provider.Loopback(u.Hostname()) {
		s.tell("warning: %s is reported to refuse redirect URIs on this machine; if it does, register a public https address and paste the address you land on", d.Title)
	}
}
