// Package refresh gets new access tokens. It holds the one sequence in which a refresh token is sent, as an
// attempt that begins and is then committed, aborted, found ended, or left unknown; the places where the
// outcome is kept; and the one decision whether a credential can be refreshed at all.
package refresh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/store"
)

// Refresher refreshes the credentials of one store. It is safe for concurrent use.
type Refresher struct {
	Store store.Store
	// StateDir is the folder of locks, rescue files and journals. A read-only store without OnRotate needs
	// none.
	StateDir string
	Getenv   func(string) string
	// Environ is the environment that OnRotate gets, less its secrets.
	Environ func() []string
	// Tell receives messages for the user, one line each.
	Tell func(text string)
	Now  func() time.Time
	// Client returns what sends the requests for a credential.
	Client func(context.Context, *credential.Credential) (*oauth.Client, error)
	// DiscardRotated allows a refresh whose new refresh token cannot be kept.
	DiscardRotated bool
	// OnRotate is the command, as an argument vector, that receives a new refresh token if the store is
	// read-only.
	OnRotate []string
	Bounds   Bounds
}

// Bounds limit how long parts of a refresh may take. A zero field is the bound of the contract.
type Bounds struct {
	Lock, // waiting for the account's lock: 60 s
	Save, // retrying a save that fails: 5 s
	Hook, // running OnRotate: 60 s
	Traffic, // all requests of one refresh together: 30 s
	Mark time.Duration // the age of a mark from which its process counts as dead: 75 s
}

const (
	lockTime    = 60 * time.Second
	saveTime    = 5 * time.Second
	hookTime    = 60 * time.Second
	trafficTime = 30 * time.Second
)

// Want says what a refresh is for.
type Want struct {
	// MinTTL: a token that is valid for this long needs no refresh.
	MinTTL time.Duration
	// Force contacts the provider even if the token is fresh or the login is marked as ended.
	Force bool
	// Since is when a run over many accounts began: what another machine refreshed since then need not be
	// refreshed again. The zero time: it must be.
	Since time.Time
	// Refused: an API refused the access token although it had not expired.
	Refused bool
}

// UnsavedError reports that the newest credential of an account is not where it belongs: a refresh could not
// be saved, now or earlier. The access token of Credential can be used.
type UnsavedError struct {
	Credential *credential.Credential
	Err        error
}

func (e *UnsavedError) Error() string { return e.Err.Error() }

// Unwrap returns the failure, without the credential.
func (e *UnsavedError) Unwrap() error { return e.Err }

// An attempt is one refresh of one account in progress. Callers begin it, mark the credential before its
// refresh token is sent, and then either commit, abort or declare the login ended. If none of these happens,
// the outcome is unknown and the mark stays. Whatever happens, they end it.
type attempt interface {
	// begin keeps other processes from refreshing the account, and returns its credential as it is then.
	// If another process refreshed it meanwhile, that one is returned as soon as it is known.
	begin(ctx context.Context) (*credential.Credential, error)
	// mark proves that the outcome can be kept, and records that the refresh token of c is about to be
	// sent.
	mark(ctx context.Context, c *credential.Credential) error
	// commit keeps what the provider issued. It returns what is kept, which may be newer, or an
	// UnsavedError.
	commit(ctx context.Context, next *credential.Credential) (*credential.Credential, error)
	// abort takes back the mark: the provider left the refresh token as it was.
	abort(ctx context.Context)
	// reread returns the account's credential as it is now.
	reread(ctx context.Context) (*credential.Credential, error)
	// ended records that the provider refused the refresh token for good, and returns the failure.
	ended(ctx context.Context, refusal *oauth.Error) error
	// kept completes the sentence "interrupted; ..." after a commit.
	kept() string
	// end releases everything.
	end()
}

type flight struct {
	*Refresher
	want   Want
	seen   *credential.Credential
	client *oauth.Client
	until  time.Time // when the time for requests has passed
}

// Refresh refreshes the credential seen, which the caller has read from the store. It returns the refreshed
// credential, or that of another process that refreshed it meanwhile. There is one refresh per call, however
// soon the new token expires. A refresh that cannot be saved is an UnsavedError.
func (r *Refresher) Refresh(ctx context.Context, seen *credential.Credential, want Want) (*credential.Credential, error) {
	// The program listens for signals only while something waits for the end of a context. From here on
	// a signal must not end the process.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &flight{Refresher: r, want: want, seen: seen}
	a, err := f.attempt(ctx)
	if err != nil {
		return nil, err
	}
	defer a.end()
	for {
		c, err := a.begin(ctx)
		if err != nil {
			return nil, err
		}
		if f.satisfied(c) {
			return c, nil
		}
		if err := f.connect(ctx, c); err != nil {
			return nil, err
		}
		next, err := f.run(ctx, a, c)
		if errors.Is(err, errContended) {
			continue
		}
		if err == nil && ctx.Err() != nil {
			return nil, fail.New(fail.Interrupted, "%s: interrupted; %s", seen.Account, a.kept())
		}
		return next, err
	}
}

// attempt chooses how the outcome is kept. What can be decided without a lock is decided first, so that
// nobody waits for a lock to be told that a login has ended.
func (f *flight) attempt(ctx context.Context) (attempt, error) {
	if !f.Store.Traits().ReadOnly {
		// Of many processes that wait for one refresh, most never need the definition.
		if _, err := f.Method(f.seen, nil, f.want.Force); err != nil {
			return nil, err
		}
		if shared, ok := f.Store.(store.Leaser); ok {
			return &leased{marked: marked{flight: f}, shared: shared}, nil
		}
		return &marked{flight: f}, nil
	}
	if err := f.connect(ctx, f.seen); err != nil {
		return nil, err
	}
	m, err := f.Method(f.seen, f.client.Definition, f.want.Force)
	if err != nil {
		return nil, err
	}
	if m.Refresh && len(f.OnRotate) > 0 {
		return &hooked{flight: f}, nil
	}
	return &unkept{flight: f}, nil
}

// connect prepares the client, once.
func (f *flight) connect(ctx context.Context, c *credential.Credential) (err error) {
	if f.client == nil {
		f.client, err = f.Client(ctx, c)
	}
	return err
}

// refusalPause is the shortest time between two refreshes of an account because an API refused its token.
const refusalPause = time.Minute

// ErrTooSoon says that no refresh was made because the last one for the same reason was less than a minute ago.
var ErrTooSoon = errors.New("the last refresh was less than a minute ago")

// satisfied reports whether c makes a refresh unnecessary: it is as fresh as wanted, or another process
// refreshed it since it was seen, so that asking again would bring nothing fresher.
func (f *flight) satisfied(c *credential.Credential) bool {
	if !f.want.Force && !f.want.Refused && c.Fresh(f.Now(), f.want.MinTTL) {
		return true
	}
	return c.Generation != f.seen.Generation && c.Ended.IsZero() && c.Fresh(f.Now(), 0)
}

// run asks the provider, a second time only if another process, without our lock, stored another refresh
// token meanwhile.
func (f *flight) run(ctx context.Context, a attempt, c *credential.Credential) (*credential.Credential, error) {
	if wait := refusalPause - f.Now().Sub(c.RefusedAt); f.want.Refused && !c.RefusedAt.IsZero() && wait > 0 {
		return nil, fail.New(fail.LoginNeeded, "%s: the API refused a token that was refreshed for this reason less than a minute ago", c.Account).
			Advise(fail.DoLogIn, c.Account).Because(ErrTooSoon)
	}
	for second := false; ; second = true {
		m, err := f.Method(c, f.client.Definition, f.want.Force || f.want.Refused)
		if err != nil {
			return nil, err
		}
		reply, err := f.request(ctx, a, c, m)
		var refusal *oauth.Error
		switch {
		case err == nil:
			return f.commit(ctx, a, c, m, reply)
		case m.Mint || !errors.As(err, &refusal) || !refusal.Ended:
			return nil, f.advise(c, err)
		}
		// A refusal is believed only after the store was read once more: a process without our lock (on
		// another machine with the same keychain) may have refreshed, logged in or revoked.
		now, err := a.reread(ctx)
		switch {
		case err != nil:
			return nil, err
		case (now.Generation != c.Generation || now.RefreshToken != c.RefreshToken) && f.satisfied(now):
			return now, nil
		case second || now.RefreshToken == c.RefreshToken:
			return nil, a.ended(ctx, refusal)
		}
		c = now
	}
}

// advise says what helps after a refusal that did not end the login: a client or a scope of the stored login that the
// provider does not accept. A new login takes both from the settings.
func (f *flight) advise(c *credential.Credential, err error) error {
	if advice := fail.Advice(err); advice != nil && !f.Store.Traits().ReadOnly && (advice.Do == fail.DoCheckClient || advice.Do == fail.DoNarrowScopes) {
		advice.Advise(fail.DoCheckClientOrLogIn, f.client.Definition.ClientPlace(), c.Account)
	}
	return err
}

// request sends the refresh token, or mints. After a failure that says what became of the refresh token, the
// mark is set right, except for a refusal for good, which the caller has to check.
func (f *flight) request(ctx context.Context, a attempt, c *credential.Credential, m *Method) (*oauth.Reply, error) {
	if !m.Refresh {
		return f.mintOnce(ctx, a, c, m)
	}
	if err := a.mark(ctx, c); err != nil {
		return nil, err
	}
	f.limit()
	reply, err := f.client.Refresh(ctx, m.Client, c.RefreshToken.Reveal(), c.RedirectURI)
	if err == nil {
		return reply, nil
	}
	var e *oauth.Error
	switch {
	case !errors.As(err, &e): // nothing was sent
		a.abort(ctx)
	case e.Salvage != nil:
		return nil, f.salvage(ctx, a, c, e)
	case m.Mint && refusesToken(e):
		a.abort(ctx)
		return f.mint(ctx, c, m)
	case e.Unspent && !e.Ended:
		a.abort(ctx)
	}
	return nil, err
}

func (f *flight) mint(ctx context.Context, c *credential.Credential, m *Method) (*oauth.Reply, error) {
	f.limit()
	return f.Mint(ctx, f.client, c.Account, c.Grant, m.Client, c.Scopes)
}

// mintOnce mints where no refresh token is spent. In a shared store it marks the credential as well, so that
// of many machines one mints.
func (f *flight) mintOnce(ctx context.Context, a attempt, c *credential.Credential, m *Method) (*oauth.Reply, error) {
	if !f.Store.Traits().Shared {
		return f.mint(ctx, c, m)
	}
	if err := a.mark(ctx, c); err != nil {
		return nil, err
	}
	reply, err := f.mint(ctx, c, m)
	if err != nil {
		a.abort(ctx)
	}
	return reply, err
}

// limit keeps all requests of one refresh together within the bound.
func (f *flight) limit() {
	if f.until.IsZero() {
		f.until = time.Now().Add(cmp.Or(f.Bounds.Traffic, trafficTime))
	}
	f.client.Timeout = max(time.Until(f.until), time.Millisecond)
}

// refusesToken reports whether the provider refused the refresh token, for whatever reason and with whatever status: a
// client that can mint does not need it. Answers that ask for another try later or come from a proxy refuse nothing.
func refusesToken(e *oauth.Error) bool {
	switch e.Status {
	case http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.Ended || e.Status >= 400 && e.Status < 500 || e.Status >= 200 && e.Status < 300 && fail.Is(e, fail.Refused)
}

// salvage keeps the new refresh token of a reply whose access token cannot be used.
func (f *flight) salvage(ctx context.Context, a attempt, c *credential.Credential, e *oauth.Error) error {
	next := *c
	next.RefreshToken, next.RefreshExpiresAt, next.RefreshLifetime = refreshToken(c, e.Salvage)
	next.Presented = time.Time{}
	next.Generation++
	_, err := a.commit(ctx, &next)
	var unsaved *UnsavedError
	if errors.As(err, &unsaved) {
		return unsaved.Err // without the credential, whose access token is the old one
	}
	if err != nil {
		return err
	}
	return e
}

func (f *flight) commit(ctx context.Context, a attempt, c *credential.Credential, m *Method, reply *oauth.Reply) (*credential.Credential, error) {
	next := Apply(*c, reply)
	next.ClientSecret, next.ClientKey = credential.Secret(m.Client.Secret), f.clientKey(c)
	if len(reply.Kept) > 0 {
		if err := Keep(&next, f.client, reply.Kept); err != nil {
			reply.Notes = append(reply.Notes, err.Error())
		}
	}
	if f.want.Refused {
		next.RefusedAt = f.Now()
	}
	kept, err := a.commit(ctx, &next)
	for _, note := range reply.Notes {
		f.tell("%s: %s", c.Account, note)
	}
	return kept, err
}

func (r *Refresher) tell(format string, args ...any) {
	if r.Tell != nil {
		r.Tell(fmt.Sprintf(format, args...))
	}
}

// tellCutOff explains why a refresh token that was sent already is sent again.
func (r *Refresher) tellCutOff(name account.Name, at time.Time) {
	r.tell("%s: the refresh on %s did not finish, and whether it reached the provider is unknown; trying the refresh token once more",
		name, minute(at))
}

// seemsSpent explains the refusal of a refresh token that was sent before.
func seemsSpent(refusal *oauth.Error, at time.Time) string {
	if at.IsZero() {
		return refusal.Error()
	}
	return fmt.Sprintf("%v; the refresh on %s, which did not finish, seems to have spent the refresh token", refusal, minute(at))
}

func minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
