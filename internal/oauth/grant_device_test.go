package oauth

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/provider"
)

const deviceDefinition = `
name: acme
grants: [device_code]
device_authorization: {url: https://acme.example/device}
token: {device_code: {url: https://acme.example/token}}
`

const deviceReply = `{"device_code":"the-device-code-0123456789","user_code":"WDJB-MJHT","verification_uri":"https://acme.example/activate",` +
	`"verification_uri_complete":"https://acme.example/activate?user_code=WDJB-MJHT","expires_in":600,"interval":5}`

// deviceServer answers in place of the network, so that its time is that of synctest.
type deviceServer struct {
	start string   // the answer to the device authorization request
	polls []string // the answers to the polls, the last one from then on: a JSON object, also with an access token, `granted`, `unreachable` or `hang`
	sent  []url.Values
	at    []time.Time
}

func (s *deviceServer) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	s.sent = append(s.sent, form)
	text, status := s.start, http.StatusOK
	if strings.HasSuffix(req.URL.Path, "/token") {
		text, status = s.polls[min(len(s.at), len(s.polls)-1)], http.StatusBadRequest
		s.at = append(s.at, time.Now())
	}
	switch text {
	case "unreachable":
		return nil, syscall.ECONNREFUSED
	case "hang":
		<-req.Context().Done()
		return nil, req.Context().Err()
	case "granted":
		text = granted
	}
	if strings.Contains(text, `"access_token"`) {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(text)), Header: http.Header{}}, nil
}

func (s *deviceServer) client(t *testing.T) *Client {
	t.Helper()
	return &Client{Config: written(t, "", deviceDefinition), HTTP: &http.Client{Transport: s}}
}

// pauses are the seconds between the polls, the first of which is counted from the start.
func (s *deviceServer) pauses(start time.Time) []int {
	var list []int
	for _, at := range s.at {
		list = append(list, int(at.Sub(start)/time.Second))
		start = at
	}
	return list
}

func TestPoll(t *testing.T) {
	const pending, slower = `{"error":"authorization_pending"}`, `{"error":"slow_down"}`
	for _, tt := range []struct {
		name    string
		start   string
		polls   []string
		timeout time.Duration
		pauses  []int
		kind    fail.Kind // 0: tokens
		text    string
	}{
		{"approved", deviceReply, []string{pending, pending, "granted"}, 0, []int{5, 5, 5}, 0, ""},
		{"no interval", strings.Replace(deviceReply, `,"interval":5`, "", 1), []string{pending, "granted"}, 0, []int{5, 5}, 0, ""},
		{"an interval of 2 as a text", strings.Replace(deviceReply, `"interval":5`, `"interval":"2"`, 1), []string{pending, "granted"}, 0, []int{2, 2}, 0, ""},
		{"an interval of 0", strings.Replace(deviceReply, `"interval":5`, `"interval":0`, 1), []string{pending, "granted"}, 0, []int{1, 1}, 0, ""},
		{"an interval that is none", strings.Replace(deviceReply, `"interval":5`, `"interval":"soon"`, 1), []string{pending, "granted"}, 0, []int{5, 5}, 0, ""},
		{"slow_down lasts", deviceReply, []string{slower, pending, slower, pending, "granted"}, 0, []int{5, 10, 10, 15, 15}, 0, ""},
		{"denied", deviceReply, []string{pending, `{"error":"access_denied"}`}, 0, []int{5, 5}, fail.Refused, "access was denied at acme"},
		{"expired at the server", deviceReply, []string{`{"error":"expired_token"}`}, 0, []int{5}, fail.LoginNeeded, "the code expired before the login was approved at acme"},
		{"expired here", strings.Replace(deviceReply, "600", "12", 1), []string{pending}, 0, []int{5, 5}, fail.LoginNeeded, "the code expired before"},
		{"no expiry", strings.Replace(deviceReply, `"expires_in":600,`, "", 1), []string{pending}, 12 * time.Second, []int{5, 5}, fail.LoginNeeded, "login timed out"},
		{"timed out", deviceReply, []string{pending}, 12 * time.Second, []int{5, 5}, fail.LoginNeeded, "login timed out: it was not approved at acme"},
		{"unreachable for a while", deviceReply, []string{"unreachable", "unreachable", pending, "granted"}, 0, []int{5, 10, 20, 5}, 0, ""},
		{"no answer", deviceReply, []string{"hang", "granted"}, 0, []int{5, 40}, 0, ""},
		{"unreachable to the end", deviceReply, []string{"unreachable"}, 2 * time.Minute, []int{5, 10, 20, 40}, fail.Unavailable, "cannot be reached"},
		{"a page instead of JSON", deviceReply, []string{"<html>", "granted"}, 0, []int{5, 10}, 0, ""},
		{"another client", deviceReply, []string{`{"error":"invalid_client"}`}, 0, []int{5}, fail.Refused, "invalid_client"},
		{"an unknown code", deviceReply, []string{`{"error":"invalid_grant","error_description":"the-device-code-0123456789"}`}, 0, []int{5}, fail.LoginNeeded, "invalid_grant: [redacted]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &deviceServer{start: tt.start, polls: tt.polls}
				c := s.client(t)
				ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(tt.timeout, time.Hour))
				defer cancel()
				d, err := c.AuthorizeDevice(ctx, registration, []string{"read", "write"})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				reply, err := c.Poll(ctx, registration, d)
				if got := s.pauses(start); !slices.Equal(got, tt.pauses) {
					t.Errorf("pauses %v, want %v", got, tt.pauses)
				}
				switch {
				case tt.kind == 0 && err != nil:
					t.Fatal(err)
				case tt.kind == 0 && reply.AccessToken.Reveal() == "":
					t.Error("no token")
				case tt.kind != 0 && (!fail.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text)):
					t.Errorf("%v, want kind %d with %q", err, tt.kind, tt.text)
				}
				if err != nil && strings.Contains(err.Error(), "the-device-code") {
					t.Errorf("the device code is in %q", err)
				}
				want := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {"the-device-code-0123456789"}}
				if got := s.sent[1]; got.Encode() != want.Encode() {
					t.Errorf("sent %v", got)
				}
			})
		})
	}
}

func TestPollIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &deviceServer{start: deviceReply, polls: []string{`{"error":"authorization_pending"}`}}
		c := s.client(t)
		d, err := c.AuthorizeDevice(t.Context(), registration, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(7*time.Second, cancel)
		start := time.Now()
		if _, err := c.Poll(ctx, registration, d); !fail.Is(err, fail.Interrupted) || time.Since(start) != 7*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestAuthorizeDevice(t *testing.T) {
	change := func(from, to string) string {
		if !strings.Contains(deviceReply, from) {
			t.Fatalf("the reply has no %s", from)
		}
		return strings.Replace(deviceReply, from, to, 1)
	}
	for name, tt := range map[string]struct {
		start    string
		complete bool
		kind     fail.Kind // 0: it works
		text     string
	}{
		"a good answer":                  {deviceReply, true, 0, ""},
		"the name of a draft":            {change("verification_uri", "verification_url"), true, 0, ""},
		"a form":                         {"device_code=the-device-code-0123456789&user_code=WDJB-MJHT&verification_uri=https%3A%2F%2Facme.example%2Factivate&interval=5", false, 0, ""},
		"complete at another host":       {change("acme.example/activate?", "evil.example/activate?"), false, 0, ""},
		"complete at another port":       {change("acme.example/activate?", "acme.example:444/activate?"), false, 0, ""},
		"complete with a user":           {change("acme.example/activate?", "x@acme.example/activate?"), false, 0, ""},
		"complete with control bytes":    {change("?user_code=", `?user_code=\u001b[2J`), false, 0, ""},
		"complete with the device code":  {change("?user_code=WDJB-MJHT", "?c=the-device-code-0123456789"), false, 0, ""},
		"plain http":                     {change("https://acme.example/activate\"", "http://acme.example/activate\""), false, fail.Refused, "verification address"},
		"an address of this machine":     {change("https://acme.example/activate\"", "https://localhost/activate\""), false, fail.Refused, "only a server on this machine"},
		"no web address":                 {change("https://acme.example/activate\"", "javascript:alert(1)\""), false, fail.Refused, "verification address"},
		"no address":                     {change(`"verification_uri":"https://acme.example/activate",`, ""), false, fail.Unavailable, "no usable verification address"},
		"no user code":                   {change("WDJB-MJHT", ""), false, fail.Unavailable, "no usable user code"},
		"a user code with control bytes": {change("WDJB-MJHT", `\u001b[31mWDJB`), false, fail.Unavailable, "no usable user code"},
		"no device code":                 {change("the-device-code-0123456789", ""), false, fail.Unavailable, "no usable device code"},
		"the device code as user code":   {change("WDJB-MJHT", "the-device-code-0123456789"), false, fail.Unavailable, "no usable user code"},
		"a page":                         {"<html>", false, fail.Unavailable, "HTML instead of JSON"},
		"an error in a 200":              {`{"error":"unauthorized_client"}`, false, fail.Refused, "unauthorized_client"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &deviceServer{start: tt.start}
			d, err := s.client(t).AuthorizeDevice(t.Context(), registration, []string{"read", "write"})
			if tt.kind != 0 {
				if !fail.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "the-device-code") {
					t.Errorf("%v, want kind %d with %q", err, tt.kind, tt.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.UserCode != "WDJB-MJHT" || d.VerificationURI != "https://acme.example/activate" || (d.Complete != "") != tt.complete {
				t.Errorf("%+v", d)
			}
			want := url.Values{"client_id": {registration.ID}, "scope": {"read write"}}
			if got := s.sent[0].Encode(); got != want.Encode() {
				t.Errorf("sent %s", got)
			}
			if text := fmt.Sprintf("%v %+v %#v", d, *d, d); strings.Contains(text, "the-device-code") {
				t.Errorf("the device code is in %s", text)
			}
		})
	}
}

func TestOnlyHTTPSCompletes(t *testing.T) {
	if completes("http://127.0.0.1:1/device", "http://127.0.0.1:1/device?user_code=x") {
		t.Error("an address that another device cannot open")
	}
}

// An issuer alone is enough for a device login if its metadata has the endpoint.
func TestMetadataOffersDeviceLogins(t *testing.T) {
	for _, tt := range []struct {
		text, authorize, device string
		want                    []string
	}{
		{"issuer: https://as.example", "https://as.example/authorize", "https://as.example/device", []string{"authorization_code", "device_code"}},
		{"issuer: https://as.example", "https://as.example/authorize", "", []string{"authorization_code"}},
		{"issuer: https://as.example", "", "https://as.example/device", []string{"device_code"}},
		{"issuer: https://as.example\ngrants: [authorization_code]", "https://as.example/authorize", "https://as.example/device", []string{"authorization_code"}},
		{"issuer: https://as.example\ngrants: [device_code]", "https://as.example/authorize", "https://as.example/device", []string{"device_code"}},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/acme.yaml", []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := provider.Catalog{Dir: dir}.Find("acme")
		if err != nil {
			t.Fatal(err)
		}
		c, err := Resolve(t.Context(), d, nil, func(context.Context, *provider.Definition) (*Metadata, error) {
			return &Metadata{Issuer: "https://as.example", AuthorizationEndpoint: tt.authorize, DeviceEndpoint: tt.device, TokenEndpoint: "https://as.example/token"}, nil
		}, Base{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.Definition.Grants, tt.want) {
			t.Errorf("%s: %v, want %v", tt.text, c.Definition.Grants, tt.want)
		}
		if r := c.Definition.DeviceAuthorization; c.Definition.Has(provider.DeviceCode) && (r == nil || r.URL != tt.device || c.Definition.Token[provider.DeviceCode].URL == "") {
			t.Errorf("%s: no addresses", tt.text)
		}
	}
}
