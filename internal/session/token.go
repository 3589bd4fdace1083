package session

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/store"
)

// Token returns a credential whose access token is valid for at least minTTL, renewing it first where
// that is needed and possible. A token that was just renewed is returned however short it lives: there is
// one renewal a call.
//
// A credential may come together with an error: its token can be used, and the login is not kept as it
// should be, because a renewal, now or earlier, could not be saved.
func (s *Session) Token(ctx context.Context, name account.Name, minTTL time.Duration) (*credential.Credential, error) {
	c, err := s.get(ctx, name)
	if c != nil && c.Fresh(s.now(), minTTL) {
		return c, err
	}
	if err != nil {
		return nil, err
	}
	renewed, err := s.renew(ctx, c, wish{minTTL: minTTL})
	if renewed != nil && !renewed.Fresh(s.now(), minTTL) {
		s.tell("warning: %s: a life of %s was asked for, and new tokens live %s", name, minTTL,
			renewed.AccessExpiresAt.Sub(renewed.ObtainedAt).Round(time.Second))
	}
	if err == nil || renewed != nil {
		return renewed, err
	}
	if c.Fresh(s.now(), 0) && (fail.Is(err, fail.Unavailable) || fail.Is(err, fail.Store)) {
		s.tell("warning: %v; the token at hand is valid for %s more", err, c.AccessExpiresAt.Sub(s.now()).Round(time.Second))
		return c, nil
	}
	return nil, err
}

// Refresh renews now, whatever life is left. It asks the provider even where the login is marked as
// ended. A renewal by another process that was under way counts as this one.
func (s *Session) Refresh(ctx context.Context, name account.Name) (*credential.Credential, error) {
	c, err := s.get(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.Grant == credential.Static {
		return nil, fail.New(fail.Usage, "%s is a static token: there is nothing to renew", name).
			WithHint("make a new one at the provider and `tokencli login %s --with-token`", name)
	}
	return s.renew(ctx, c, wish{force: true})
}

// RetryAfter returns how long the provider asked to wait in the failure of a renewal that left the login
// as it was, and 0 where waiting is no use.
func RetryAfter(err error) time.Duration {
	var e *oauth.Error
	if errors.As(err, &e) && e.Unspent && fail.Is(err, fail.Unavailable) {
		return e.RetryAfter
	}
	return 0
}

// wish is what a renewal is for.
type wish struct {
	minTTL time.Duration // a token that lives this long is enough
	force  bool          // the provider is asked whatever is at hand, and where the login is marked as ended
}

// renewedSince reports whether somebody else renewed the credential after it was seen: asking again
// would bring nothing fresher.
func (s *Session) renewedSince(seen, now *credential.Credential) bool {
	return now.Generation != seen.Generation && now.Ended.IsZero() && now.Fresh(s.now(), 0)
}

// renew is the sequence of ARCHITECTURE.md: lock, look again, mark, ask, save. seen is the credential as it
// was read before the lock.
func (s *Session) renew(ctx context.Context, seen *credential.Credential, w wish) (*credential.Credential, error) {
	// From here on a signal must not end the process by itself: whoever listens to them may only begin
	// to when somebody waits for the end of the context.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := seen.Account
	r := &renewal{Session: s, wish: w, enough: func(other *credential.Credential) bool {
		return !w.force && other.Fresh(s.now(), w.minTTL) || s.renewedSince(seen, other)
	}}
	if !s.keeps() {
		if err := r.prepare(name); err != nil {
			return nil, err
		}
		return r.withoutKeeping(ctx, seen)
	}
	// What needs no lock to be known is said before one is waited for.
	if err := r.hopeless(seen); err != nil {
		return nil, err
	}
	// In a crowd most find that another has renewed: they do without what only a renewal needs.
	release, c, err := s.lock(ctx, name, r.enough)
	if err != nil || c != nil {
		return c, err
	}
	defer release()
	// The one who had the lock may have left a rescue file: the refresh token in the store is spent then.
	c, err = s.current(ctx, name)
	if c != nil && r.enough(c) {
		return c, err
	}
	if err == nil {
		err = r.prepare(name)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if r.free != nil {
			r.free()
		}
	}()
	c, err = r.run(ctx, c)
	if err == nil && ctx.Err() != nil {
		return nil, fail.New(fail.Interrupted, "%s: interrupted; the renewed login was saved first", name)
	}
	return c, err
}

// hopeless returns the failure of a renewal that only a person can help, as far as that can be told without
// the definition; where it may be so, that is looked at.
func (r *renewal) hopeless(seen *credential.Credential) error {
	if err := r.checkClient(seen); err != nil {
		return err
	}
	if seen.Mintable() || seen.RefreshToken != "" && (r.force || seen.Ended.IsZero()) {
		return nil
	}
	if err := r.prepare(seen.Account); err != nil {
		return err
	}
	_, err := r.means(seen)
	return err
}

// prepare gets what the provider is asked with, once.
func (r *renewal) prepare(name account.Name) (err error) {
	if r.client == nil {
		r.client, err = r.Session.client(name)
	}
	return err
}

// renewal is one renewal under way.
type renewal struct {
	*Session
	wish
	client *oauth.Client
	enough func(*credential.Credential) bool // whether another's renewal will do
	again  bool                              // the second try, after somebody else changed the store
	free   func()                            // gives back the space that is kept for a rescue file
}

// means says how a credential can be renewed.
type means struct {
	registration oauth.Registration
	refresh      bool // by its refresh token
	mint         bool // by the client's id and secret
}

// means checks that the credential may be sent where the settings point, and how it can be renewed.
// Only the account's own variables count here: a fallback would send a secret to whom it was not meant.
func (r *renewal) means(c *credential.Credential) (*means, error) {
	name := c.Account
	if err := checkOrigin(c, r.client.Definition); err != nil {
		return nil, err
	}
	if err := r.checkClient(c); err != nil {
		return nil, err
	}
	secret := name.Own(r.Getenv, account.ClientSecret)
	if secret == "" {
		secret = c.ClientSecret.Reveal()
	}
	m := &means{registration: oauth.Registration{ID: c.ClientID, Secret: secret}}
	m.mint = c.Grant == credential.ClientCredentials && c.ClientID != "" && secret != ""
	ended := !c.Ended.IsZero() && !r.force && secret == c.ClientSecret.Reveal()
	m.refresh = c.RefreshToken != "" && !ended && r.client.Definition.Token[provider.Refresh] != nil
	switch {
	case m.refresh || m.mint:
		return m, nil
	case ended:
		return nil, loginAgain(name, "the login ended on %s: %s", c.Ended.Format(time.DateOnly), c.EndedReason)
	}
	return nil, loginAgain(name, "the access token is over and there is nothing to renew it with")
}

// run renews a credential whose lock is held. It returns a credential together with an error where the
// renewal worked and could not be saved.
func (r *renewal) run(ctx context.Context, c *credential.Credential) (*credential.Credential, error) {
	m, err := r.means(c)
	if err != nil {
		return nil, err
	}
	var reply *oauth.Reply
	if m.refresh {
		var other *credential.Credential
		reply, other, err = r.refresh(ctx, c, m)
		if other != nil {
			return other, err
		}
	}
	if m.mint && (!m.refresh || dead(err)) {
		reply, err = r.client.ClientCredentials(ctx, m.registration, c.Scopes)
	}
	if err != nil {
		return nil, err
	}
	renewed := apply(*c, reply)
	renewed.ClientSecret = credential.Secret(m.registration.Secret)
	err = r.save(ctx, &renewed, r.free)
	for _, note := range reply.Notes {
		r.tell("%s: %s", c.Account, note)
	}
	return &renewed, err
}

// dead reports whether a refresh token is of no use to a client that can mint instead.
func dead(err error) bool {
	var e *oauth.Error
	return errors.As(err, &e) && (e.Ended || e.Status == 400 || e.Status == 401)
}

// refresh spends the refresh token. It returns another's credential where the store turns out to hold
// one that will do.
func (r *renewal) refresh(ctx context.Context, c *credential.Credential, m *means) (*oauth.Reply, *credential.Credential, error) {
	if !c.Presented.IsZero() {
		r.tell("%s: a renewal on %s was cut off, and whether it reached the provider is unknown; the refresh token is tried once more",
			c.Account, c.Presented.Local().Format("2006-01-02 15:04"))
	}
	marked := *c
	if r.client.Definition.Rotates() {
		// Both are proved while the refresh token is still good: by this the place of the rescue file, by
		// the mark the store.
		if err := r.reserve(c); err != nil {
			return nil, nil, err
		}
		marked.Presented = r.now()
		if err := r.Store.Put(ctx, &marked); err != nil {
			return nil, nil, err
		}
	}
	reply, err := r.client.Refresh(ctx, m.registration, c.RefreshToken.Reveal(), r.repeated(c))
	if err == nil {
		return reply, nil, nil
	}
	// From here on the store has to be set right, whatever happened to ctx.
	ctx = context.WithoutCancel(ctx)
	var e *oauth.Error
	if !errors.As(err, &e) {
		r.unmark(ctx, &marked, c) // no request was made
		return nil, nil, err
	}
	switch {
	case e.Salvage != nil:
		rescued := *c
		rescued.RefreshToken = e.Salvage.RefreshToken
		rescued.RefreshExpiresAt = e.Salvage.RefreshExpiresAt
		rescued.Presented = time.Time{}
		rescued.Generation++
		if saveErr := r.save(ctx, &rescued, r.free); saveErr != nil {
			return nil, nil, saveErr
		}
	case e.Ended:
		other, ended := r.believe(ctx, &marked, c, m, e)
		return nil, other, ended
	case e.Unspent:
		r.unmark(ctx, &marked, c)
	}
	return nil, nil, err
}

// repeated returns the redirect URI that a renewal repeats: that of the exchange, if it was sent there.
func (r *renewal) repeated(c *credential.Credential) string {
	if sendsRedirectURI(r.client) {
		return c.RedirectURI
	}
	return ""
}

func sendsRedirectURI(client *oauth.Client) bool {
	return client.SendsRedirectURI()
}

// believe decides what a refused grant means. It is believed only after the store was read once more:
// a process without our lock (another machine with the same keychain, an older version) may have renewed,
// logged in anew or revoked. What such a one left there is not touched. marked is what was saved before
// the refresh token was sent.
func (r *renewal) believe(ctx context.Context, marked, c *credential.Credential, m *means, e *oauth.Error) (*credential.Credential, error) {
	now, err := r.stored(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	if now.RefreshToken != c.RefreshToken || now.Generation != c.Generation {
		if r.enough(now) {
			return now, nil
		}
		if now.RefreshToken != c.RefreshToken && !r.again {
			r.again = true
			return r.run(ctx, now)
		}
	}
	if m.mint {
		r.unmark(ctx, marked, c)
		return nil, e
	}
	ended := *c
	ended.Presented = time.Time{}
	ended.Ended = r.now()
	ended.EndedReason = e.Code
	if ended.EndedReason == "" {
		ended.EndedReason = "refused by the provider"
	}
	r.replace(ctx, marked, &ended)
	again := loginAgain(c.Account, "%v", e)
	if !c.Presented.IsZero() {
		again = loginAgain(c.Account, "%v; the renewal that was cut off on %s seems to have spent the refresh token", e, c.Presented.Local().Format("2006-01-02 15:04"))
	}
	again.Err = e
	return nil, again
}

// unmark takes the mark back after an answer that left the refresh token as it was. The mark of an
// earlier renewal stays: what became of that one is still unknown.
func (r *renewal) unmark(ctx context.Context, marked, c *credential.Credential) {
	if !marked.Presented.Equal(c.Presented) {
		r.replace(ctx, marked, c)
	}
}

// replace saves next if the store still holds old: a login that somebody made meanwhile, without our lock,
// must not be overwritten with what is known of an older one.
func (r *renewal) replace(ctx context.Context, old, next *credential.Credential) {
	now, err := r.Store.Get(ctx, old.Account)
	if err == nil && now.Equal(old) {
		err = r.Store.Put(ctx, next)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.tell("warning: %v", err)
	}
}

// apply returns c with what a reply brought.
func apply(c credential.Credential, reply *oauth.Reply) credential.Credential {
	c.AccessToken = reply.AccessToken
	c.TokenType = reply.TokenType
	c.ObtainedAt = reply.RequestedAt
	c.AccessExpiresAt = reply.AccessExpiresAt
	if reply.RefreshToken != "" {
		c.RefreshToken = reply.RefreshToken
		c.RefreshExpiresAt = reply.RefreshExpiresAt
	}
	if reply.Scopes != nil {
		c.Scopes = slices.Clone(reply.Scopes)
	}
	c.Presented, c.Ended, c.EndedReason = time.Time{}, time.Time{}, ""
	c.Generation++
	return c
}

// save keeps a renewed credential, whatever happens to ctx: it tries for a while, and then writes the
// rescue file, into the space that free, which may be nil, gives back. The error of a rescued credential
// is fail.Store.
func (s *Session) save(ctx context.Context, c *credential.Credential, free func()) error {
	ctx = context.WithoutCancel(ctx)
	var err error
	for give := time.Now().Add(cmp.Or(s.bounds.save, saveTime)); ; time.Sleep(250 * time.Millisecond) {
		if err = s.Store.Put(ctx, c); err == nil {
			return nil
		}
		if time.Now().After(give) {
			break
		}
	}
	if free != nil {
		free()
	}
	path := s.rescuePath(c.Account)
	if rescueErr := s.rescue(path, c); rescueErr != nil {
		e := fail.New(fail.Store, "%s was renewed and could not be saved: %w; nor could a rescue file be written: %v", c.Account, err, rescueErr)
		return e.WithHint("the access token works until it ends; then `tokencli login %s`", c.Account)
	}
	e := fail.New(fail.Store, "%s was renewed and could not be saved: %w", c.Account, err)
	return e.WithHint("the new login is safe in %s and is taken in by the next call that can save it", path)
}
