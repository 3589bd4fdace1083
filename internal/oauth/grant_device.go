package oauth

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

const (
	// standardInterval is the pause between two polls if the server states none (RFC 8628 3.2), and
	// slowDown what a slow_down adds to it (3.5).
	standardInterval = 5 * time.Second
	slowDown         = 5 * time.Second
	// shortestInterval is for servers that state a pause of 0; longestPause bounds the growth of the pause
	// while the server cannot be reached.
	shortestInterval = time.Second
	longestPause     = time.Minute
)

// Device is a device login that waits for its user (RFC 8628 3.2). The user code and the addresses are safe to print.
type Device struct {
	UserCode        string
	VerificationURI string // https, or http on this machine
	// Complete is VerificationURI with the user code in it; empty if there is none that is https and on the same host.
	Complete string
	// ExpiresAt is when the codes expire, by the local clock; zero: the server does not say.
	ExpiresAt time.Time
	// Interval is the pause between two polls.
	Interval time.Duration
	Code     credential.Secret // what is polled with
	Scopes   []string          // those that were asked for
}

// AuthorizeDevice starts a device login (RFC 8628 3.1).
func (c *Client) AuthorizeDevice(ctx context.Context, r Registration, scopes []string) (*Device, error) {
	const path = "device_authorization"
	request, err := c.request(path)
	if err != nil {
		return nil, err
	}
	a, err := c.send(ctx, path, request, r.values(map[string]string{
		"scope": strings.Join(scopes, c.Definition.Scopes.Separator),
	}))
	if err != nil {
		return nil, err
	}
	object, err := c.accepted(a, c.refusal)
	if err != nil {
		return nil, err
	}
	return c.readDevice(a, request.URL, object, scopes)
}

// readDevice reads the answer of the device authorization endpoint.
func (c *Client) readDevice(a *answer, endpoint string, object map[string]any, scopes []string) (*Device, error) {
	field := func(names ...string) string { return stringAt(object, names) }
	d := &Device{
		UserCode: field("user_code"),
		// verification_url is the name in a draft of RFC 8628 that some servers kept.
		VerificationURI: field("verification_uri", "verification_url"),
		Interval:        standardInterval,
		Code:            credential.Secret(field("device_code")),
		Scopes:          scopes,
	}
	switch {
	case !credential.Printable(d.Code.Reveal()):
		return nil, c.nonsense(a, "no usable device code")
	case d.UserCode == "" || redact.Scrub(d.UserCode, maxText, d.Code.Reveal()) != d.UserCode:
		return nil, c.nonsense(a, "no usable user code")
	case d.VerificationURI == "" || redact.Scrub(d.VerificationURI, 0, d.Code.Reveal()) != d.VerificationURI:
		return nil, c.nonsense(a, "no usable verification address")
	}
	if err := checkNamed(endpoint, "verification address", d.VerificationURI); err != nil {
		return nil, err
	}
	complete := field("verification_uri_complete", "verification_url_complete")
	if completes(d.VerificationURI, complete) && redact.Scrub(complete, 0, d.Code.Reveal()) == complete {
		d.Complete = complete
	}
	if life := secondsAt(object, "expires_in"); life > 0 {
		d.ExpiresAt = a.asked.Add(life)
	}
	if v, ok := valueAt(object, provider.Names{"interval"}); ok {
		if _, number := number(v); number {
			d.Interval = max(seconds(v), shortestInterval)
		}
	}
	return d, nil
}

func secondsAt(object map[string]any, name string) time.Duration {
	v, _ := valueAt(object, provider.Names{name})
	return seconds(v)
}

// completes reports whether an address that holds the user code is https and on the host of the one without it. It
// goes into a picture that another device opens, so that nobody reads it first.
func completes(plain, complete string) bool {
	a, errA := url.Parse(plain)
	b, errB := url.Parse(complete)
	return errA == nil && errB == nil && b.User == nil && a.Scheme == "https" && b.Scheme == "https" && strings.EqualFold(a.Host, b.Host)
}

// Poll waits until the user has approved a device login, and returns the tokens (RFC 8628 3.4). It goes on while the
// server cannot be reached. It fails with kind LoginNeeded when the codes have expired or ctx's deadline has passed,
// Refused when the user denies, and Interrupted when ctx is cancelled. A poll under way is waited for even then,
// because it may bring the tokens.
func (c *Client) Poll(ctx context.Context, r Registration, d *Device) (*Reply, error) {
	interval, pause := d.Interval, d.Interval
	var unreachable error
	for {
		if err := c.sleep(ctx, d, pause, unreachable); err != nil {
			return nil, err
		}
		reply, err := c.pollOnce(ctx, r, d)
		var e *Error
		if err == nil || !errors.As(err, &e) {
			return reply, err
		}
		unreachable = nil
		switch {
		case e.Code == "authorization_pending":
			pause = interval
		case e.Code == "slow_down":
			interval += slowDown
			pause = interval
		case e.Code == "access_denied":
			e.Fail = fail.New(fail.Refused, "access was denied at %s", c.Definition.Title)
			return nil, e
		case e.Code == "expired_token":
			return nil, c.deviceExpired()
		case e.Salvage != nil || !fail.Is(err, fail.Unavailable):
			return nil, err
		default:
			// RFC 8628 3.5: poll less often, such as half as often after each timeout.
			unreachable = err
			pause = max(interval, min(2*pause, longestPause), min(e.RetryAfter, longestPause))
		}
	}
}

// sleep waits until the next poll. A poll that would come after the codes have expired is not made.
func (c *Client) sleep(ctx context.Context, d *Device, pause time.Duration, unreachable error) error {
	expired := false
	if !d.ExpiresAt.IsZero() {
		left := d.ExpiresAt.Sub(c.now())
		expired, pause = left <= pause, min(pause, left)
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		if unreachable != nil {
			return unreachable
		}
		return fail.New(fail.LoginNeeded, "login timed out: it was not approved at %s", c.Definition.Title).Because(ctx.Err())
	case ctx.Err() != nil:
		return fail.New(fail.Interrupted, "login interrupted")
	case expired && unreachable != nil:
		return unreachable
	case expired:
		return c.deviceExpired()
	}
	return nil
}

func (c *Client) deviceExpired() error {
	return fail.New(fail.LoginNeeded, "the code expired before the login was approved at %s", c.Definition.Title)
}

// pollOnce sends one token request. It is not repeated at once, as other requests are: the pause is Poll's.
func (c *Client) pollOnce(ctx context.Context, r Registration, d *Device) (*Reply, error) {
	const path = "token." + provider.DeviceCode
	request, err := c.request(path)
	if err != nil {
		return nil, err
	}
	bound, cancel := c.bound(ctx)
	defer cancel()
	a, err := c.once(bound, path, request, r.values(map[string]string{"device_code": d.Code.Reveal()}))
	if err != nil {
		return nil, err
	}
	reply, err := c.read(a)
	if err != nil {
		return nil, err
	}
	// An ID token is not promised here: OpenID Connect does not know this grant.
	if c.Definition.Issuer != "" && reply.IDToken != "" && slices.Contains(d.Scopes, "openid") {
		if err := c.checkClaims(reply.IDToken, r.ID, ""); err != nil {
			return nil, err
		}
	}
	return reply, nil
}
