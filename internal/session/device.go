package session

import (
	"context"
	"errors"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
)

// Device is what the user needs to approve a login on another device; see package oauth.
type Device = oauth.Device

// device lets the user approve the login on another device (RFC 8628) and waits for that.
func (p *plan) device(ctx context.Context) (*credential.Credential, error) {
	scopes := p.scopes()
	if err := p.register(ctx, "", scopes); err != nil {
		return nil, err
	}
	device, err := p.client.AuthorizeDevice(ctx, p.registration, scopes)
	if err != nil {
		return nil, err
	}
	p.showDevice(device)
	waiting, cancel := p.waiting(ctx)
	defer cancel()
	reply, err := p.client.Poll(waiting, p.registration, device)
	if err != nil {
		return nil, p.salvage(ctx, p.credential(), p.adviseDevice(err))
	}
	return p.granted(p.credential(), reply, scopes), nil
}

func (p *plan) showDevice(d *Device) {
	if p.flags.ShowDevice != nil {
		p.flags.ShowDevice(*d)
		return
	}
	p.tell("to log in to %s, open %s and enter the code %s", p.definition.Title, d.VerificationURI, d.UserCode)
}

// adviseDevice adds to a failure what the user can do about it.
func (p *plan) adviseDevice(err error) error {
	var e *fail.Error
	if !errors.As(err, &e) || fail.Advice(e) != nil {
		return err
	}
	var answer *oauth.Error
	switch {
	case errors.As(err, &answer) && answer.Code == "access_denied":
		e.Advise(fail.DoAllowAccess, p.name)
	case errors.Is(err, context.DeadlineExceeded):
		e.Advise(fail.DoLogInWithMoreTime, p.name)
	case e.Kind == fail.LoginNeeded:
		e.Advise(fail.DoStartAgain, p.name)
	}
	return err
}

func (p *plan) waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.flags.Timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, p.flags.Timeout)
}
