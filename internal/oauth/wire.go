package oauth

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

// The bounds on the traffic for one account.
const (
	totalTime  = 30 * time.Second // for all tries of one operation together
	maxRetries = 2
	maxWaiting = 10 * time.Second
	maxReply   = 1 << 20 // bytes
	maxText    = 240     // characters of a provider's words that are quoted
)

// secretHolders are the placeholders whose values must never reach a message.
var secretHolders = []string{
	"client_secret", "client_key", "client_assertion", "code", "code_verifier", "device_code", "refresh_token", "password", "token", "assertion",
}

// send builds and sends a request that carries a credential, and reads the answer. It tries again only if
// nothing was spent: the connection was refused, or the provider stated when to retry. An answer is waited for
// even if ctx is cancelled, because it may bring the only valid refresh token.
func (c *Client) send(ctx context.Context, path string, r *provider.Request, values map[string]string) (*answer, error) {
	bound, cancel := c.bound(ctx)
	defer cancel()
	return c.sendWithin(ctx, bound, path, r, values)
}

// bound returns the context of one operation: it ends with the bound and not with ctx.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(c.Timeout, totalTime))
}

// sendWithin is send within the bound of a larger operation.
func (c *Client) sendWithin(ctx, bound context.Context, path string, r *provider.Request, values map[string]string) (*answer, error) {
	return c.try(ctx, bound, func() (*answer, error) { return c.once(bound, path, r, values) })
}

// once builds and sends a request and reads the answer, without another try.
func (c *Client) once(bound context.Context, path string, r *provider.Request, values map[string]string) (*answer, error) {
	values, err := c.signed(path, r, values)
	if err != nil {
		return nil, err
	}
	req, err := c.build(bound, path, r, values)
	if err != nil {
		return nil, err
	}
	a, err := c.roundTrip(req, secretsIn(values))
	if a != nil {
		a.login = sendsLogin(values)
	}
	return a, err
}

func secretsIn(values map[string]string) []string {
	var secrets []string
	for _, holder := range secretHolders {
		if values[holder] != "" {
			secrets = append(secrets, values[holder])
		}
	}
	return secrets
}

// sendsLogin reports whether more than the client's own credentials is sent.
func sendsLogin(values map[string]string) bool {
	return slices.ContainsFunc([]string{"code", "device_code", "refresh_token", "password", "token"}, func(holder string) bool {
		return values[holder] != ""
	})
}

// try repeats a request within the bounds. It starts none after ctx is cancelled.
func (c *Client) try(ctx, bound context.Context, once func() (*answer, error)) (*answer, error) {
	left := maxWaiting
	for retry := 0; ; retry++ {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, &Error{Fail: fail.New(fail.Interrupted, "interrupted"), Unspent: true}
		}
		a, err := once()
		wait, again := c.comeBack(a, err, retry)
		if !again || retry == maxRetries || wait > left {
			return a, err
		}
		left -= wait
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		case <-bound.Done():
		}
		if (bound.Err() != nil || ctx.Err() != nil) && !errors.Is(ctx.Err(), context.Canceled) {
			return a, err
		}
	}
}

// comeBack reports whether a failed try left everything as it was, and how long to wait before the next.
func (c *Client) comeBack(a *answer, err error, retry int) (time.Duration, bool) {
	if err != nil {
		return time.Duration(retry+1) * 300 * time.Millisecond, fail.ConnectionRefused(err)
	}
	if a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable {
		return 0, false
	}
	object, _ := c.object(a)
	if c.matches(c.Definition.Errors.Retry, a, object) {
		return 0, false // an account that is locked is not unlocked by asking again
	}
	return c.retryAfter(a)
}

// roundTrip sends one request and reads the answer up to the bound. If the answer breaks off, it is used as
// long as its JSON object is complete. Errors contain no address: that of a GET may hold secrets.
func (c *Client) roundTrip(req *http.Request, secrets []string) (*answer, error) {
	a := &answer{asked: c.now(), secrets: secrets}
	req.Header.Set("Accept-Encoding", "identity") // net/http leaves the body packed, see unpack
	ctx, recording := record(req.Context())
	resp, err := c.do(req.WithContext(ctx), secrets)
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		a.status, a.header = resp.StatusCode, resp.Header
		a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
		a.cut = err != nil
		traceOf(ctx, secrets).body(unpack(a.body))
	}
	a.raw = recording.body()
	switch {
	case len(a.body) > maxReply, len(unpack(a.body)) > maxReply:
		return nil, c.unusable(a, "more than 1 MiB")
	case err == nil:
		return a, nil
	case a.status == 0 && recording.ok():
		a.status = http.StatusOK // net/http refused the header
	}
	if object, _ := c.object(a); object != nil && (a.header != nil || c.grants(object)) && a.status != 0 {
		return a, nil
	}
	if a.status != 0 && errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, c.unusable(a, "only part of an answer")
	}
	e := c.unreachable(req, err, secrets)
	e.Salvage = c.salvage(a)
	return nil, e
}

// do is the one door to the wire: every request of tokencli to a provider passes through it. It follows no
// redirect and refuses what is neither https nor loopback.
func (c *Client) do(req *http.Request, secrets []string) (*http.Response, error) {
	if err := provider.CheckURL(req.URL.String()); err != nil {
		return nil, fail.New(fail.Usage, "%s: %w", c.Definition.Name, err)
	}
	trace := traceOf(req.Context(), secrets)
	trace.request(req)
	resp, err := c.HTTP.Transport.RoundTrip(req)
	trace.response(resp, err)
	return resp, err
}
