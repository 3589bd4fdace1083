package session

import (
	"context"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/callback"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/refresh"
)

// Login is what a user asks for with a login. Empty fields are looked up in the environment, the
// configuration, the stored credential and the definition, in this order.
type Login struct {
	ClientID    string
	Scopes      []string // or lists of them, with spaces or commas between
	AddScopes   []string // the same, in addition to those of the stored login
	RedirectURI string
	Grant       string
	// Inputs are values of the definition's inputs, by name.
	Inputs map[string]string
	// StaticToken is a token to keep as it is; the provider is not contacted.
	StaticToken Secret
	// RefreshToken is that of a login made by another tool, which is refreshed once and kept.
	RefreshToken Secret
	// HandOver is a command, as an argument vector, that receives the new login on its stdin; then nothing
	// is kept here.
	HandOver []string
	// Yes confirms the authorization server that a resource names.
	Yes bool
	// Ask asks the user for something that is missing; nil: nobody can be asked.
	Ask Asker
	// ShowDevice shows the user how to approve a login on another device; nil: Tell gets it.
	ShowDevice func(Device)
	// Receive are the settings of the callback; what the login itself decides is filled in.
	Receive callback.Options
	// Timeout bounds the wait for the user.
	Timeout time.Duration
}

// Asker asks the user.
type Asker interface {
	// Ask shows the label and reads a line.
	Ask(label string) (string, error)
	// AskOr does the same and offers standard, which an empty line means.
	AskOr(label, standard string) (string, error)
	// AskSecret does the same without showing what is typed.
	AskSecret(label string) (string, error)
}

// plan is a login with everything looked up.
type plan struct {
	*lookup
	client       *oauth.Client
	inputs       map[string]string // of the definition
	grant        credential.Grant
	registration oauth.Registration
	keySetting   credential.Secret // where registration.Key comes from
	// registered is the management access to a client that was registered for this login.
	registered credential.Registration
	kept       bool // the login was saved or handed over, as far as that was possible
}

// Login logs in and keeps the credential. The store is proved usable before the provider is contacted, and
// nothing is kept after a failure.
func (s *Session) Login(ctx context.Context, name account.Name, l Login) (*credential.Credential, error) {
	p, err := s.plan(ctx, name, l)
	if err != nil {
		return nil, err
	}
	if len(l.HandOver) == 0 {
		if err := s.Prove(ctx, name); err != nil {
			return nil, err
		}
	}
	c, err := p.run(ctx)
	if err != nil {
		p.withdraw(ctx)
		return nil, err
	}
	replaced := p.old != nil && len(l.HandOver) == 0
	if replaced && p.old.Registration.URI != "" && p.old.ClientID != c.ClientID { // a login ends nothing at the provider
		s.tellRemains(p.client, p.old)
	}
	if ctx.Err() != nil {
		return nil, fail.New(fail.Interrupted, "%s: interrupted; the login was saved first", name)
	}
	return c, nil
}

// plan looks everything up and refuses what cannot work, before the user is asked anything but the inputs.
func (s *Session) plan(ctx context.Context, name account.Name, l Login) (*plan, error) {
	if len(l.HandOver) == 0 && s.Store.Traits().ReadOnly {
		return nil, fail.New(fail.Usage, "the env store is read-only, so a login cannot be kept in it").Advise(fail.DoUseStore)
	}
	if err := name.CheckSettings(s.Getenv); err != nil {
		return nil, err
	}
	written, err := s.Catalog.Find(name.Provider)
	if err != nil {
		return nil, err
	}
	varies := written.Diverted || written.InputsInHosts()
	p := &plan{lookup: &lookup{Session: s, flags: l, name: name, definition: written}}
	if !s.Store.Traits().ReadOnly {
		if err := p.findStored(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.resolve(ctx); err != nil {
		return nil, err
	}
	if p.grant, err = p.lookup.grant(); err != nil {
		return nil, err
	}
	if varies {
		p.nameHosts()
	}
	switch {
	case len(l.HandOver) > 0:
		return p, p.checkHandOver()
	case l.RefreshToken != "" && p.definition.Token[provider.Refresh] == nil:
		return nil, fail.New(fail.Usage, "%s has no refresh tokens", p.definition.Title)
	}
	return p, nil
}

// findStored looks for the login that a new one would replace.
func (p *plan) findStored(ctx context.Context) error {
	names, err := p.Store.List(ctx)
	if err != nil {
		return err
	}
	for _, other := range names {
		if p.name.Collides(other) {
			return fail.New(fail.Usage, "%s would have the same environment variables as %s, which is logged in", p.name, other).
				Advise(fail.DoRevokeOther, other)
		}
	}
	p.old, err = p.load(ctx, p.name)
	if err != nil {
		if unreadable := p.refresher().UnreadableRescue(p.name); unreadable != nil {
			p.tell("warning: %v; the new login replaces it", unreadable)
			p.old, err = p.Store.Get(ctx, p.name)
		}
	}
	if absent(err) {
		return nil
	}
	return err
}

// resolve finds the inputs, and with them the client. It refuses a login elsewhere that would take the place of the
// stored one by mistake.
func (p *plan) resolve(ctx context.Context) (err error) {
	if p.inputs, err = p.lookup.inputs(); err != nil {
		return err
	}
	if p.client, err = p.Session.client(ctx, p.name, p.definition, p.inputs, p.discover); err != nil {
		return err
	}
	p.definition = p.client.Definition
	if len(p.definition.Scopes.Default) == 0 {
		p.definition.Scopes.Default = p.challenge
	}
	if p.old != nil && !p.changesKind() && refresh.CheckOrigins(p.old, p.definition) != nil {
		return fail.New(fail.Usage, "%s is logged in at %s; a login at %s would replace that one", p.name, p.old.Origin, p.definition.Origin()).
			Advise(fail.DoUseOtherName, p.name.Provider, p.name)
	}
	return nil
}

// changesKind reports whether a static token replaces another login at the same issuer, or the reverse: only one of the
// two knows the endpoints that the metadata names.
func (p *plan) changesKind() bool {
	return p.definition.Discovers() && (p.old.Grant == credential.Static) != (p.flags.StaticToken != "") &&
		p.refresher().CheckIssuer(p.old, p.definition) == nil
}

// nameHosts tells where the login goes: to other hosts than those of the provider that the definition extends, or to
// hosts that an input decides.
func (p *plan) nameHosts() {
	host := func(address string) string {
		_, host, _ := strings.Cut(address, "://")
		host, _, _ = strings.Cut(host, "/")
		return redact.Printable(host)
	}
	token := host(p.definition.Origin())
	browser := ""
	if p.grant == credential.AuthorizationCode && p.flags.RefreshToken == "" && p.definition.Authorize != nil {
		browser = host(p.definition.Authorize.URL)
	}
	switch {
	case p.grant == credential.Static:
	case browser == token:
		p.tell("%s: the browser and the secrets of this login go to %s", p.name, token)
	case browser != "":
		p.tell("%s: the browser goes to %s, and the secrets of this login go to %s", p.name, browser, token)
	default:
		p.tell("%s: the secrets of this login go to %s", p.name, token)
	}
}

func (p *plan) run(ctx context.Context) (*credential.Credential, error) {
	if p.grant == credential.AuthorizationCode && p.flags.RefreshToken == "" {
		return p.authorize(ctx) // the browser's page waits until it is kept
	}
	var c *credential.Credential
	var err error
	switch {
	case p.flags.RefreshToken != "":
		c, err = p.importRefreshToken(ctx)
	case p.grant == credential.Static:
		c = p.static()
	case p.grant.Mints():
		c, err = p.mint(ctx)
	case p.grant == credential.DeviceCode:
		c, err = p.device(ctx)
	case p.grant == credential.Password:
		c, err = p.password(ctx)
	}
	if err != nil {
		return nil, err
	}
	return c, p.keep(ctx, c)
}

func (p *plan) keep(ctx context.Context, c *credential.Credential) error {
	p.kept = true
	if len(p.flags.HandOver) > 0 {
		return p.handOver(ctx, c)
	}
	return p.refresher().Keep(ctx, c)
}

// credential returns what all grants have in common.
func (p *plan) credential() credential.Credential {
	c := credential.Credential{
		Account:      p.name,
		Grant:        p.grant,
		Origin:       p.definition.Origin(),
		Origins:      refresh.Origins(p.definition),
		Issuer:       p.definition.Issuer,
		Resource:     p.definition.Resource,
		Inputs:       p.inputs,
		ClientID:     p.registration.ID,
		ClientSecret: credential.Secret(p.registration.Secret),
		ClientKey:    p.keySetting,
		Registration: p.registered,
	}
	if p.old != nil {
		c.Generation = p.old.Generation
	}
	return c
}

// keepFields keeps fields of a reply or a redirect with the login.
func (p *plan) keepFields(c *credential.Credential, fields map[string]string) error {
	if len(fields) == 0 {
		return nil
	}
	if err := refresh.Keep(c, p.client, fields); err != nil {
		return err
	}
	p.definition = p.client.Definition
	return nil
}

// granted makes the credential of a reply and reports what differs from what was asked for.
func (p *plan) granted(c credential.Credential, reply *oauth.Reply, asked []string) *credential.Credential {
	for _, note := range reply.Notes {
		p.tell("%s: %s", p.name, note)
	}
	c.Scopes = asked
	c = refresh.Apply(c, reply)
	if err := p.keepFields(&c, reply.Kept); err != nil {
		p.tell("warning: %v", err)
	}
	if reply.Scopes != nil {
		lacking := without(asked, reply.Scopes)
		if reply.RefreshToken != "" {
			// This scope asks for a refresh token (OpenID Connect Core 11). The reply may list only the scopes
			// of the access token.
			lacking = without(lacking, []string{"offline_access"})
		}
		if len(lacking) > 0 {
			p.tell("warning: %s did not grant %s", p.definition.Title, printable(lacking))
		}
	}
	return &c
}
