package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

// skew is how far a provider's clock is ahead of this machine's.
type skew struct {
	provider string
	ahead    time.Duration
}

// maxSkew is what a login bears: a credential obtained further in the future is not believed.
const maxSkew = time.Minute

// reach asks every provider in use for its front page, all at once.
func (e *run) reach(ctx context.Context) []Finding {
	const check = "reach"
	defer close(e.asked)
	if e.Offline {
		return nil
	}
	var providers []string
	for _, name := range e.names {
		if !slices.Contains(providers, name.Provider) {
			providers = append(providers, name.Provider)
		}
	}
	if len(providers) == 0 {
		return []Finding{ok(check, "not checked: no provider is in use")}
	}
	slices.Sort(providers)
	findings := make([]Finding, len(providers))
	skews := make([]*skew, len(providers))
	var askers sync.WaitGroup
	for i, name := range providers {
		askers.Go(func() { findings[i], skews[i] = e.ask(ctx, name) })
	}
	askers.Wait()
	for _, s := range skews {
		if s != nil {
			e.skews = append(e.skews, *s)
		}
	}
	// A definition that cannot be used is a finding of the account already.
	return slices.DeleteFunc(findings, func(f Finding) bool { return f.State == Problem && f.Kind == fail.Usage })
}

func (e *run) ask(ctx context.Context, name string) (Finding, *skew) {
	const check = "reach"
	r, err := e.session.Reach(ctx, name)
	if err != nil {
		return e.unreached(name, err), nil
	}
	issuer := ""
	if r.Issuer != "" {
		issuer = ", certificate by " + r.Issuer
	}
	f := ok(check, "%s: %s answers in %s (status %d)%s", fail.Word(name), r.Origin, r.Took.Round(time.Millisecond), r.Status, issuer)
	if r.Status == 407 || r.Status >= 502 && r.Status <= 504 {
		f.State, f.Fix = Warning, "wait and try again; if it lasts, look at the proxy and the provider's status page"
	}
	if !r.Dated {
		return f, nil
	}
	return f, &skew{name, r.Skew}
}

// unreached explains why a provider cannot be reached, and what to do.
func (e *run) unreached(name string, err error) Finding {
	const check = "reach"
	setting := account.Name{Provider: name}.Var(account.BaseURL)
	f := Failed(check, err)
	f.Text = name + ": " + f.Text
	var (
		invalid  x509.CertificateInvalidError
		hostname x509.HostnameError
		record   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		f.Text = name + ": its certificate is out of date, or this machine's clock is wrong (" + moment(e.Now()) + ")"
		f.advice, f.Fix = nil, "set the clock right; where it is right, the server's certificate has to be replaced"
	case errors.As(err, &hostname), errors.As(err, &record):
		f.advice, f.Fix = nil, "something else answers there: look at HTTPS_PROXY, at the login page of the network, and at "+setting
	case e.Getenv(setting) != "" && (fail.Advice(err) == nil || fail.ConnectionRefused(err)):
		f.advice, f.Fix = nil, "check that "+setting+" is right and that its server runs"
	case fail.Advice(err) == nil:
		f = advise(f, fail.DoCheckNetwork)
	}
	return f
}

// clock compares this machine's clock with those of the providers that answered. The one that is nearest
// counts: a single provider whose clock is wrong says nothing about this one.
func (e *run) clock(ctx context.Context) []Finding {
	const check = "clock"
	if e.Offline {
		return nil
	}
	select {
	case <-e.asked:
	case <-ctx.Done():
		return []Finding{warn(check, "see what is said about reach", "not compared: no provider answered in time")}
	}
	if len(e.skews) == 0 {
		return []Finding{ok(check, "not compared: no reply had a date")}
	}
	nearest := slices.MinFunc(e.skews, func(a, b skew) int { return int(a.ahead.Abs() - b.ahead.Abs()) })
	if nearest.ahead.Abs() <= maxSkew {
		var off []Finding
		for _, s := range e.skews {
			if s.ahead.Abs() > maxSkew {
				off = append(off, warn(check, "nothing has to be done here: expiry is counted by this machine's clock", "%s's clock is %s, the others agree with this machine", s.provider, apart(s.ahead)))
			}
		}
		if off != nil {
			return off
		}
		return []Finding{ok(check, "accurate to %s, compared with %s", max(nearest.ahead.Abs(), time.Second), nearest.provider)}
	}
	names := make([]string, len(e.skews))
	for i, s := range e.skews {
		names[i] = s.provider
	}
	return []Finding{wrong(check, fail.Usage, setClock,
		"this machine's clock is wrong: it is %s the clock of %s", fail.Word(against(nearest.ahead)), strings.Join(names, ", "))}
}

const setClock = "set the clock: timedatectl set-ntp true (Linux), sntp -sS time.apple.com (macOS), w32tm /resync (Windows)"

func apart(ahead time.Duration) string {
	if ahead < 0 {
		return ahead.Abs().String() + " slow"
	}
	return ahead.String() + " fast"
}

// against says how far this machine's clock is from one that is ahead of it by this much.
func against(ahead time.Duration) string {
	if ahead < 0 {
		return ahead.Abs().String() + " ahead of"
	}
	return ahead.String() + " behind"
}
