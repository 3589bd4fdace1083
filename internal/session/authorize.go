package session

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/apiclient"
	"github.com/tokencli/tokencli/internal/callback"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/loopback"
	"github.com/tokencli/tokencli/internal/oauth"
)

// authorize sends the user to the provider, exchanges the code that comes back (RFC 6749 4.1) and keeps the
// login. The browser's page shows how all of it went.
func (p *plan) authorize(ctx context.Context) (*credential.Credential, error) {
	redirectURI, err := p.askRedirectURI()
	if err != nil {
		return nil, err
	}
	if err := p.findClient(); err != nil {
		return nil, err
	}
	p.warnAbout(redirectURI)
	scopes := p.scopes()
	if len(scopes) == 0 && p.definition.Scopes.Note != "" {
		p.tell("%s", p.definition.Scopes.Note)
	}
	authorization := p.client.NewAuthorization(redirectURI, scopes)
	receiver, err := p.listen(authorization)
	if err != nil {
		return nil, err
	}
	defer func() { _ = receiver.Close() }()
	authorization.RedirectURI = receiver.RedirectURI()
	if err := p.registerClient(ctx, authorization.RedirectURI, scopes); err != nil {
		return nil, err
	}
	address, validFor, err := p.client.URL(ctx, p.registration, authorization)
	if err != nil {
		return nil, err
	}
	waiting, cancel := p.waiting(ctx)
	defer cancel()
	answer, err := receiver.Receive(waiting, address, validFor)
	if err != nil {
		return nil, err
	}
	c, err := p.exchange(ctx, authorization, answer, redirectURI)
	if err == nil {
		err = p.keep(ctx, c)
	}
	answer.Finish(err)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// listen prepares for the answer. Not every server takes a client's redirect URI with any port (RFC 8252 7.3), so a
// client that was registered for an earlier login is used only with its own: if its port is in use, another client is
// registered.
func (p *plan) listen(a *oauth.Authorization) (*callback.Receiver, error) {
	own := p.registered.RedirectURI
	if own == "" || own == a.RedirectURI || p.client.RegistrationEndpoint == "" {
		return callback.Listen(p.callbackOptions(a))
	}
	if pickedPort(a.RedirectURI, own) {
		again := *a
		again.RedirectURI = own
		if receiver, err := callback.Listen(p.callbackOptions(&again)); err == nil {
			return receiver, nil
		}
	}
	p.registration, p.registered = oauth.Registration{}, credential.Registration{}
	return callback.Listen(p.callbackOptions(a))
}

// askRedirectURI finds the redirect URI. If the definition has none, only the user knows which one is
// registered.
func (p *plan) askRedirectURI() (uri string, err error) {
	if uri = p.redirectURI(); uri == "" && p.flags.Ask != nil {
		p.tell("Enter the redirect URI that you registered with %s. Where to register one: %s",
			p.definition.Title, p.definition.ClientPlace())
		if uri, err = p.flags.Ask.Ask("Redirect URI"); err != nil {
			return "", err
		}
	}
	if uri == "" {
		do := fail.DoSetRedirectURI
		if p.definition.Has(string(credential.Password)) {
			do = fail.DoSetRedirectURIOrPassword
		}
		return "", fail.New(fail.Usage, "%s: %s is not set", p.name, p.name.Var(account.RedirectURI)).Advise(do)
	}
	return uri, nil
}

func (p *plan) callbackOptions(a *oauth.Authorization) callback.Options {
	options := p.flags.Receive
	options.RedirectURI = a.RedirectURI
	options.State = a.State
	options.StateOptional = p.definition.Authorize.StateOptional
	options.Title = p.definition.Title
	options.Account = p.name.String()
	options.CodeLife = p.definition.Authorize.CodeLife
	options.StateDir = p.StateDir
	options.ExactPort = p.definition.Redirect.ExactPort
	options.Issuer, options.IssuerRequired = p.definition.Issuer, p.client.SendsIssuer
	return options
}

func (p *plan) exchange(ctx context.Context, a *oauth.Authorization, answer *callback.Answer, redirectURI string) (*credential.Credential, error) {
	c := p.credential()
	// It is kept for the next login; a refresh that repeats it has to repeat the one that was sent.
	c.RedirectURI = redirectURI
	if p.client.SendsRedirectURI() {
		c.RedirectURI = a.RedirectURI
	}
	if err := p.keepParams(&c, answer); err != nil {
		return nil, err
	}
	reply, err := p.client.Exchange(ctx, p.registration, a, answer.Code)
	if err != nil {
		var e *oauth.Error
		if errors.As(err, &e) && e.Ended && fail.Advice(e.Fail) == nil {
			e.Fail.Advise(fail.DoStartAgain, p.name)
			if life := p.definition.Authorize.CodeLife; life > 0 {
				e.Fail.Advise(fail.DoStartAgainWithin, p.name, lasting(life))
			}
		}
		return nil, p.salvage(ctx, c, err)
	}
	granted := p.granted(c, reply, a.Scopes)
	if answer.StateMissing {
		// Only the user can tell whether this reply belongs to this login, so its owner is named first.
		owner, err := apiclient.New(p.client, oauth.OneToken(granted.AccessToken.Reveal())).WhoAmI(ctx)
		if err != nil {
			return nil, fail.New(fail.KindOf(err), "%s sent no state, and the owner of the login could not be determined: %w", p.definition.Title, err).
				Advise(fail.DoTryAgain)
		}
		answer.SetOwner(describe(owner))
		p.tell("warning: %s sent no state, so check whose login this is: %s", p.definition.Title, describe(owner))
	}
	return granted, nil
}

// keepParams keeps the parameters of the redirect that the definition names. What cannot be kept is found before the
// code is spent.
func (p *plan) keepParams(c *credential.Credential, answer *callback.Answer) error {
	kept := map[string]string{}
	for _, name := range p.definition.Callback.Keep {
		value := answer.Params.Get(name)
		switch {
		case value == "":
			p.tell("warning: the redirect contained no %s, which requests of this login may need; if they fail, log in again and paste the whole address", name)
			continue
		case !credential.ValidKept(value):
			return fail.New(fail.Unavailable, "%s: the redirect contained a %s that cannot be kept", p.name, name).Advise(fail.DoStartAgain, p.name)
		}
		kept[name] = value
	}
	if err := p.keepFields(c, kept); err != nil {
		return fail.New(fail.Unavailable, "%w", err).Advise(fail.DoStartAgain, p.name)
	}
	return nil
}

func describe(details []apiclient.Detail) string {
	if parts := known(details); len(parts) > 0 {
		return strings.Join(parts, "; ")
	}
	return "the provider does not say"
}

func known(details []apiclient.Detail) []string {
	var parts []string
	for _, d := range details {
		if len(d.Values) > 0 {
			parts = append(parts, d.Name+" "+strings.Join(d.Values, ", "))
		}
	}
	return parts
}

// warnAbout says what speaks against a redirect URI. It is used all the same: the user may know better than a
// definition.
func (p *plan) warnAbout(redirectURI string) {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Host == "" {
		return
	}
	d := p.definition
	if d.Redirect.HTTPS && u.Scheme == "http" {
		p.tell("warning: according to its definition, %s accepts only https redirect URIs", d.Title)
	}
	if d.Redirect.NoLoopback && loopback.Is(u.Hostname()) {
		p.tell("warning: %s is reported to refuse redirect URIs on this machine; if it does, register a public https address and paste the address your browser ends up on", d.Title)
	}
}
