package oauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/redact"
)

// The bounds on the traffic for one account.
const (
	totalTime  = 30 * time.Second // for all tries of one operation together
	maxRetries = 2
	maxWaiting = 10 * time.Second
	maxReply   = 1 << 20 // bytes
	maxText    = 240     // characters of a provider's words that are passed on
)

// Error is a request that failed. It has a kind (see package fail) and says what became of the
// credential that was sent.
type Error struct {
	Fail   *fail.Error
	Status int // of the reply; 0 where there was none
	Code   string
	// Ended: the provider says that the code or refresh token is dead for good.
	Ended bool
	// Unspent: what was sent is certainly as good as before, because nothing arrived or because the
	// provider said so. Without it the outcome is unknown.
	Unspent bool
	// RetryAfter is how long the provider asks to wait before the next request; 0: it does not say.
	RetryAfter time.Duration
	// Salvage is what could be read of a reply that cannot be used as a whole: a new refresh token.
	Salvage *Reply
}

func (e *Error) Error() string { return e.Fail.Error() }

// Unwrap makes the kind and the hint findable.
func (e *Error) Unwrap() error { return e.Fail }

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	asked  time.Time // when the request was made, by the local clock
	login  bool      // a code, a password or a token was sent, not only the client's own credentials
	// secrets are what the request held and what its reply must not echo into a text.
	secrets []string
}

// secretHolders are the placeholders whose values must never reach a text.
var secretHolders = []string{"client_secret", "code", "code_verifier", "refresh_token", "password", "token"}

// send builds and sends a request that carries a credential, and reads the answer. It tries again only
// where nothing was spent: the connection was refused, or the provider named a time to come back. Once
// something is on the wire it is waited for whatever happens to ctx: a reply that nobody reads may be a
// login that nobody has any more.
func (c *Client) send(ctx context.Context, r *provider.Request, values, extra map[string]string) (*answer, error) {
	bound, cancel := c.bound(ctx)
	defer cancel()
	return c.sendWithin(ctx, bound, r, values, extra)
}

// bound returns the context of one operation: it ends with the bound and not with ctx.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), c.timeout())
}

// sendWithin is send within the bound of a larger operation.
func (c *Client) sendWithin(ctx, bound context.Context, r *provider.Request, values, extra map[string]string) (*answer, error) {
	return c.try(ctx, bound, func() (*answer, error) {
		req, err := c.build(bound, r, values, extra)
		if err != nil {
			return nil, err
		}
		a, err := c.roundTrip(req, secretsIn(values))
		if a != nil {
			a.login = sendsLogin(values)
		}
		return a, err
	})
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

// sendsLogin reports whether something else than the client's own credentials is at stake.
func sendsLogin(values map[string]string) bool {
	for _, holder := range []string{"code", "refresh_token", "password", "token"} {
		if values[holder] != "" {
			return true
		}
	}
	return false
}

// try repeats a request within the bounds. It starts none once ctx is cancelled.
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
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-bound.Done():
		}
		timer.Stop()
		if (bound.Err() != nil || ctx.Err() != nil) && !errors.Is(ctx.Err(), context.Canceled) {
			return a, err
		}
	}
}

// comeBack tells whether a failed try left everything as it was, and how long to wait before the next.
func (c *Client) comeBack(a *answer, err error, retry int) (time.Duration, bool) {
	if err != nil {
		return time.Duration(retry+1) * 300 * time.Millisecond, refused(err)
	}
	if a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable {
		return 0, false
	}
	object, _ := a.object()
	if code, _ := textAt(object, c.Definition.Errors.Code); contains(c.Definition.Errors.Later, code) {
		return 0, false // an account that is locked is not unlocked by asking again
	}
	return c.retryAfter(a)
}

// The numbers of Windows for ECONNREFUSED and ECONNRESET, where package syscall has invented ones of its
// own. No other system uses them.
const (
	wsaConnReset   = syscall.Errno(10054)
	wsaConnRefused = syscall.Errno(10061)
)

func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused)
}

// build makes the HTTP request that a definition describes.
func (c *Client) build(ctx context.Context, r *provider.Request, values, extra map[string]string) (*http.Request, error) {
	params := r.Send.Expand(values)
	maps.Copy(params, extra)
	basic := r.ClientAuth == "basic" && values["client_secret"] != ""
	if r.ClientAuth == "basic" && !basic {
		// A public client names itself in the body (RFC 6749 3.2.1).
		params["client_id"] = values["client_id"]
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fail.New(fail.Usage, "an endpoint of %s is not an address", c.Definition.Name)
	}
	var body io.Reader
	var contentType string
	switch r.Encoding {
	case "query":
		query := u.Query()
		for name, value := range params {
			query.Set(name, value)
		}
		u.RawQuery = encodeQuery(query)
	case "json":
		text, err := json.Marshal(params)
		if err != nil {
			return nil, err
		}
		body, contentType = bytes.NewReader(text), "application/json"
	default:
		form := make(url.Values, len(params))
		for name, value := range params {
			form.Set(name, value)
		}
		body, contentType = strings.NewReader(form.Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, fail.New(fail.Usage, "a request of %s cannot be made", c.Definition.Name)
	}
	c.dress(req)
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if basic {
		// Both parts are form-encoded first (RFC 6749 2.3.1), so that a colon in the id cannot shift the
		// border between them.
		req.SetBasicAuth(url.QueryEscape(values["client_id"]), url.QueryEscape(values["client_secret"]))
	}
	return req, nil
}

func (c *Client) dress(req *http.Request) {
	req.Header.Set("Accept", "application/json")
	agent := c.UserAgent
	if agent == "" {
		agent = "tokencli"
	}
	req.Header.Set("User-Agent", agent)
}

// encodeQuery encodes a space as %20, which every server reads, where url.Values writes a plus sign,
// which is only right for forms.
func encodeQuery(query url.Values) string { return strings.ReplaceAll(query.Encode(), "+", "%20") }

// roundTrip sends one request and reads the answer up to the bound. Its errors hold no address: that of
// a GET holds secrets, and url.Error prints it.
func (c *Client) roundTrip(req *http.Request, secrets []string) (*answer, error) {
	asked := c.now()
	if err := provider.CheckURL(req.URL.String()); err != nil {
		return nil, &Error{Fail: fail.New(fail.Usage, "%s: %w", c.Definition.Name, err), Unspent: true}
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, c.unreachable(req, err, secrets)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return nil, c.unreachable(req, err, secrets)
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: body, asked: asked, secrets: secrets}
	if len(body) > maxReply {
		return nil, c.nonsense(a, "more than 1 MiB")
	}
	return a, nil
}

// unreachable puts a transport failure into words. Errors of the transport are told apart by type,
// because their texts hold addresses and whatever a proxy setting holds.
func (c *Client) unreachable(req *http.Request, err error, secrets []string) *Error {
	host := req.URL.Host
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		op      *net.OpError
		urlErr  *url.Error
	)
	// The cause stays findable, but without the address.
	cause := err
	if errors.As(err, &urlErr) {
		cause = urlErr.Err
	}
	var f *fail.Error
	unspent := errors.As(err, &op) && op.Op == "dial"
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		f = fail.New(fail.Unavailable, "%s cannot be reached: the proxy does not answer", c.Definition.Title).
			WithHint("check HTTPS_PROXY and HTTP_PROXY")
		unspent = true
	case errors.As(err, &dns):
		f = fail.New(fail.Unavailable, "%s cannot be reached: no address is known for %s", c.Definition.Title, dns.Name).
			WithHint("check the network connection, and HTTPS_PROXY where a proxy is needed")
		unspent = true
	case errors.As(err, &unknown), errors.As(err, &invalid):
		f = fail.New(fail.Unavailable, "%s cannot be reached: the certificate of %s is not trusted", c.Definition.Title, host).
			WithHint("where a proxy inspects TLS, set SSL_CERT_FILE to a file that holds its certificate")
		unspent = true
	case errors.As(err, &name):
		f = fail.New(fail.Unavailable, "%s cannot be reached: the certificate is not for %s", c.Definition.Title, host)
		unspent = true
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		f = fail.New(fail.Unavailable, "%s cannot be reached: %s does not speak TLS", c.Definition.Title, host)
		unspent = true
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &urlErr) && urlErr.Timeout():
		f = fail.New(fail.Unavailable, "%s did not answer in time (%s)", c.Definition.Title, host)
	case refused(err):
		f = fail.New(fail.Unavailable, "%s cannot be reached: %s refuses the connection", c.Definition.Title, host)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, wsaConnReset),
		// net/http has no name for a peer that hangs up before the request is written.
		strings.Contains(err.Error(), "server closed idle connection"):
		f = fail.New(fail.Unavailable, "%s closed the connection without an answer (%s)", c.Definition.Title, host)
	case errors.Is(err, context.Canceled):
		f = fail.New(fail.Interrupted, "interrupted")
	default:
		text := cause.Error()
		if strings.Contains(strings.ToLower(text), "proxy") {
			// The text may quote the setting, password and all.
			f = fail.New(fail.Unavailable, "%s cannot be reached: the proxy does not work", c.Definition.Title).
				WithHint("check HTTPS_PROXY and HTTP_PROXY")
			cause = nil
			break
		}
		if strings.Contains(text, "malformed") || strings.Contains(text, "connection broken") {
			// The text quotes what came, which may be anything.
			f = fail.New(fail.Unavailable, "%s answered with something that is not HTTP (%s)", c.Definition.Title, host)
			cause = nil
			break
		}
		f = fail.New(fail.Unavailable, "%s cannot be reached: %s", c.Definition.Title, redact.Scrub(text, maxText, secrets...))
	}
	f.Err = cause
	return &Error{Fail: f, Unspent: unspent}
}

// nonsense is an answer that is not one.
func (c *Client) nonsense(a *answer, what string) *Error {
	f := fail.New(fail.Unavailable, "%s answered with %s (status %d)", c.Definition.Title, what, a.status)
	if a.status >= 300 && a.status < 400 {
		f = f.WithHint("a redirect is never followed with a secret; where a base URL is set, check it")
	}
	return &Error{Fail: f, Status: a.status}
}

// text returns the body without space around it. PHP services put a byte order mark before their JSON
// when a source file has one.
func (a *answer) text() []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(a.body, []byte("\xef\xbb\xbf")))
}

func (a *answer) isHTML() bool { return bytes.HasPrefix(a.text(), []byte("<")) }

// object reads the body as a JSON object. Its error names what came instead.
func (a *answer) object() (map[string]any, string) {
	text := a.text()
	switch {
	case a.status >= 300 && a.status < 400:
		return nil, "a redirect"
	case len(text) == 0:
		return nil, "nothing"
	case a.isHTML():
		return nil, "HTML instead of JSON"
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return nil, "something else than a JSON object"
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, "something else than a JSON object"
	}
	return object, ""
}

// refusal reads an answer that is no success, by the rule of what ends a login: invalid_grant,
// or, where the codes are not documented, a 400 or 401 with a JSON error that does not speak of the
// client. Never a 404, 407, 408, 429, 5xx or anything that is no JSON. Where nothing but the client's own
// credentials was sent, the error is about them, whatever it says.
func (c *Client) refusal(a *answer, object map[string]any) *Error {
	e := &Error{Status: a.status}
	rules := c.Definition.Errors
	code, _ := textAt(object, rules.Code)
	description, _ := textAt(object, rules.Description)
	e.Code = redact.Scrub(code, 80, a.secrets...)
	words := redact.Scrub(strings.Trim(code+": "+description, ": "), maxText, a.secrets...)
	if words == "" {
		words = fmt.Sprintf("status %d", a.status)
	}
	title := c.Definition.Title
	switch {
	case a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable || contains(rules.Later, code):
		wait, told := c.retryAfter(a)
		// A bare 503 may come from a gateway whose server has seen the request.
		e.Unspent = told || a.status != http.StatusServiceUnavailable
		e.Fail = fail.New(fail.Unavailable, "%s asks to come back later: %s", title, words)
		e.RetryAfter = wait
		if wait >= time.Second {
			e.Fail.Hint = fmt.Sprintf("try again in %s", wait.Round(time.Second))
		}
	case a.status >= 500 || a.status == http.StatusRequestTimeout || a.status == http.StatusProxyAuthRequired:
		e.Fail = fail.New(fail.Unavailable, "%s has a problem: %s (status %d)", title, words, a.status)
	case code == "invalid_grant" && a.status != http.StatusNotFound:
		e.Ended, e.Unspent = true, true
		e.Fail = fail.New(fail.LoginNeeded, "%s refused the login: %s", title, words)
	case rules.Undocumented && a.login && (a.status == 400 || a.status == 401) && len(object) > 0 && !speaksOfClient(object):
		e.Ended, e.Unspent = true, true
		e.Fail = fail.New(fail.LoginNeeded, "%s refused the login: %s (status %d)", title, words, a.status)
	default:
		e.Unspent = true
		e.Fail = fail.New(fail.Refused, "%s refused: %s (status %d)", title, words, a.status).
			WithHint("check the client id and secret; they are made at: %s", c.Definition.Client.Create)
	}
	return e
}

// speaksOfClient reports whether an error is about the client or its credentials, not about the login.
func speaksOfClient(v any) bool {
	switch v := v.(type) {
	case string:
		v = strings.ToLower(v)
		return strings.Contains(v, "client") || strings.Contains(v, "credential") || strings.Contains(v, "secret")
	case []any:
		for _, item := range v {
			if speaksOfClient(item) {
				return true
			}
		}
	case map[string]any:
		for name, item := range v {
			// A name alone says nothing when its value is empty: {"clientSecret": null}.
			if speaksOfClient(item) || item != nil && item != "" && speaksOfClient(name) {
				return true
			}
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if s != "" && item == s {
			return true
		}
	}
	return false
}
