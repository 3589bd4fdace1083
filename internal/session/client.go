package session

import (
	"context"
	"errors"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/refresh"
)

// register finds the client, or registers one. redirectURI is empty for a grant without one.
func (p *plan) register(ctx context.Context, redirectURI string, scopes []string) error {
	if err := p.findClient(); err != nil {
		return err
	}
	return p.registerClient(ctx, redirectURI, scopes)
}

// findClient finds the client: the user's own or that of the stored login, else a metadata document, else one that
// the server registers. If there is none of them it asks the user.
func (p *plan) findClient() (err error) {
	r := &p.registration
	r.ID = p.clientID()
	if old := p.old; p.givenClientID() == "" && old != nil && old.Registration != (credential.Registration{}) && old.Grant != p.grant {
		r.ID = "" // it was registered for that grant only
	}
	if r.ID == "" && p.client.ClientIDMetadataDocuments {
		r.ID = p.definition.Client.MetadataURL
	}
	if r.ID == "" && (p.client.RegistrationEndpoint != "" || p.clientOptional()) {
		return nil
	}
	if r.ID == "" && p.flags.Ask != nil {
		p.explainRegistration()
		if r.ID, err = p.flags.Ask.Ask("Client id"); err != nil {
			return err
		}
	}
	if r.ID == "" {
		return p.missingClient()
	}
	if p.keepsClient() && p.old.ClientID == r.ID {
		p.registered = p.old.Registration
	}
	return p.findSecret()
}

// findSecret finds what the client authenticates with: its key, or its secret, for which it asks the user.
func (p *plan) findSecret() (err error) {
	r := &p.registration
	if p.definition.UsesClientKey() {
		if p.keySetting = p.clientKey(r.ID); p.keySetting == "" {
			return refresh.MissingClient(p.name, p.definition, account.ClientKey)
		}
		if r.Key, err = refresh.ReadKey(p.name.Var(account.ClientKey), p.keySetting); err != nil {
			return err
		}
	}
	r.Secret = p.clientSecret(r.ID)
	if r.Secret != "" || !p.definition.SecretRequired() {
		return nil
	}
	if p.flags.Ask != nil {
		const label = "Client secret"
		secret, err := p.flags.Ask.AskSecret(label + " (not shown)")
		if err != nil {
			return err
		}
		if r.Secret, err = account.Clean("what was entered for "+label, secret); err != nil {
			return err
		}
	}
	if r.Secret == "" {
		return refresh.MissingClient(p.name, p.definition, account.ClientSecret)
	}
	return nil
}

// clientOptional reports whether the grant needs no client, because an assertion identifies the caller (RFC 7521 4.1,
// RFC 8693 2.1).
func (p *plan) clientOptional() bool { return p.grant.Asserts() && !p.definition.SecretRequired() }

// registerClient registers a client for this login (RFC 7591) if none was found.
func (p *plan) registerClient(ctx context.Context, redirectURI string, scopes []string) (err error) {
	if p.registration.ID != "" || p.clientOptional() {
		return nil
	}
	p.registration, p.registered, err = p.client.Register(ctx, string(p.grant), redirectURI, scopes)
	var refused *oauth.Error
	if errors.As(err, &refused) && fail.Is(err, fail.Refused) {
		return fail.New(fail.Refused, "%s: no client could be registered: %w", p.name, err).
			Advise(fail.DoSetClient, p.name.Var(account.ClientID), p.definition.ClientPlace())
	}
	return err
}

// withdraw deletes the client that was registered for a login that failed. It does its best, within a few seconds.
func (p *plan) withdraw(ctx context.Context) {
	reused := p.old != nil && p.old.ClientID == p.registration.ID
	if p.kept || reused || p.registered.URI == "" {
		return
	}
	client := *p.client
	client.Timeout = withdrawTime
	_, _ = client.Unregister(context.WithoutCancel(ctx), p.registered)
}

// withdrawTime bounds the deletion of a client that nothing needs.
const withdrawTime = 5 * time.Second

// explainRegistration tells the user how to register a client, step by step.
func (p *plan) explainRegistration() {
	p.tell("Register an OAuth client with %s first: %s", p.definition.Title, p.definition.ClientPlace())
	if uri := p.uriToRegister(); uri != "" {
		p.tell("Register this redirect URI exactly as shown: %s", uri)
	}
	if p.definition.SecretRequired() {
		p.tell("Then enter its id and secret here. They are kept with the login.")
	} else {
		p.tell("Then enter its id here. It is kept with the login.")
	}
}

// missingClient says in one error what explainRegistration says step by step.
func (p *plan) missingClient() error {
	e := refresh.MissingClient(p.name, p.definition, account.ClientID)
	if uri := p.uriToRegister(); uri != "" {
		e.Advise(fail.DoSetClientAndURI, e.About[0], e.About[1], uri)
	}
	return e
}

func (p *plan) uriToRegister() string {
	if p.grant != credential.AuthorizationCode {
		return ""
	}
	return p.redirectURI()
}
