package session

import (
	"context"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// discover returns the metadata of the authorization server to log in to. If only the resource names it, the user
// confirms it before anything is sent there: a resource must not choose by itself where a user logs in.
func (p *plan) discover(ctx context.Context, d *provider.Definition) (*oauth.Metadata, error) {
	if p.flags.StaticToken != "" {
		return noMetadata(ctx, d)
	}
	p.discovering.Lock()
	defer p.discovering.Unlock()
	if d.Issuer != "" {
		if d.Resource != "" && len(p.chosenScopes()) == 0 {
			p.challenge = p.discovery(d).Challenge(ctx, d.Resource)
		}
		return p.serverMetadata(ctx, d, d.Issuer)
	}
	m, validity, err := p.discovery(d).Resource(ctx, d.Resource)
	if err != nil {
		return nil, err
	}
	p.challenge = m.Challenge
	issuer, err := p.confirm(d, m.AuthorizationServers)
	if err != nil {
		return nil, err
	}
	p.resources.put(p.cacheDir("resources"), document[oauth.ResourceMetadata]{p.subject(d, d.Resource), p.now().Add(validity), m})
	return p.serverMetadata(ctx, d, issuer)
}

// confirm returns the issuer of a resource after the user has confirmed it. The one of the stored login was confirmed
// before, unless a client that the user registered could be sent to an issuer that it is not for.
func (p *plan) confirm(d *provider.Definition, issuers []string) (string, error) {
	issuer, id := issuers[0], p.givenClientID()
	if old := p.old; old != nil && old.Resource == d.Resource && slices.Contains(issuers, old.Issuer) {
		issuer = old.Issuer
		if id == "" || id == old.ClientID {
			return issuer, nil
		}
	}
	shown := redact.Printable(d.Resource + " at " + issuer)
	scopes := p.chosenScopes()
	if len(scopes) == 0 {
		scopes = p.challenge
	}
	if len(scopes) > 0 {
		shown += " with the scopes " + printable(scopes)
	}
	switch {
	case p.flags.Yes:
		p.tell("logging in to %s", shown)
		return issuer, nil
	case p.flags.Ask == nil:
		return "", fail.New(fail.Usage, "%s: the resource %s names the issuer %q, which nobody has confirmed; nothing was sent", p.name, d.Resource, issuer).
			Advise(fail.DoConfirmIssuer, issuer)
	}
	answer, err := p.flags.Ask.AskOr("Log in to "+shown+"? (yes or no)", "no")
	if err != nil {
		return "", err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return "", fail.New(fail.Usage, "%s: the issuer %q was not confirmed; nothing was sent", p.name, issuer)
	}
	return issuer, nil
}
