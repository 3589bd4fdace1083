package session

import (
	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/refresh"
)

// register finds the client id and secret, and asks the user for what is missing.
func (p *plan) register() (err error) {
	r := &p.registration
	if r.ID = p.clientID(); r.ID == "" && p.flags.Ask != nil {
		p.explainRegistration()
		if r.ID, err = p.flags.Ask.Ask("Client id"); err != nil {
			return err
		}
	}
	if r.ID == "" {
		return p.missingClient()
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

// explainRegistration tells the user how to register a client, step by step.
func (p *plan) explainRegistration() {
	p.tell("Register an OAuth client with %s first: %s", p.definition.Title, p.definition.Client.Create)
	if uri := p.uriToRegister(); uri != "" {
		p.tell("Register this redirect URI exactly as shown: %s", uri)
	}
	if p.definition.SecretRequired() {
		p.tell("Then enter its id and secret here. They are kept with the login, so you are asked only once.")
	} else {
		p.tell("Then enter its id here. It is kept with the login, so you are asked only once.")
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
