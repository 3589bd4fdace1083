package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/sandbox"
)

const deviceDefinition = `
name: tv
scopes: {default: [read]}
device_authorization: {url: https://tv.example/device}
token:
  device_code: {url: https://tv.example/token}
  refresh: {url: https://tv.example/token}
`

func deviceCalls() (begin call, poll func(code string) call) {
	id, secret := "client-of-tv", "secret-for-tv-in-the-sandbox"
	begin = call{method: "POST", path: "/tv/device", user: id, pass: secret, form: vals("client_id", id, "scope", "read")}
	return begin, func(code string) call {
		return call{
			method: "POST", path: "/tv/token", user: id, pass: secret,
			form: vals("grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", code),
		}
	}
}

// TestDevice: a device login waits for its user, in the pace of RFC 8628 3.5.
func TestDevice(t *testing.T) {
	b := start(t, sandbox.Config{Consent: sandbox.ConsentAsk, Definitions: [][]byte{[]byte(deviceDefinition)}})
	begin, poll := deviceCalls()
	a := b.send(begin)
	code, userCode := a.str("device_code"), a.str("user_code")
	if page := a.str("verification_uri"); a.str("verification_uri_complete") != page+"?user_code="+userCode || !strings.HasSuffix(page, "/tv/_device") {
		t.Errorf("%s", a.body)
	}
	b.want(a, 200, `"interval":5`, `"expires_in":600`)
	b.want(b.send(poll(code)), 400, "authorization_pending")
	b.clock.move(4 * time.Second)
	b.want(b.send(poll(code)), 400, "slow_down", "wait 10s")
	b.clock.move(9 * time.Second)
	b.want(b.send(poll(code)), 400, "slow_down", "wait 15s")
	b.clock.move(15 * time.Second)
	b.want(b.send(poll(code)), 400, "authorization_pending")

	b.want(b.send(call{path: "/tv/_device", query: vals("user_code", userCode)}), 200, `value="`+userCode+`"`)
	decide := call{method: "POST", path: "/tv/_device", form: vals("user_code", "BBBB-BBBB", "decision", "allow")}
	b.want(b.send(decide), 400, "no device waits")
	decide.form = vals("user_code", strings.ToLower(strings.ReplaceAll(userCode, "-", "")), "decision", "maybe")
	b.want(b.send(decide), 400, "neither allow nor deny")
	decide.form.Set("decision", "allow")
	b.want(b.send(decide), 200, "The device has access")
	b.want(b.send(decide), 400, "no device waits")

	b.clock.move(15 * time.Second)
	for name, wrong := range map[string]call{
		"another secret": with2(poll(code), func(c *call) { c.pass = "wrong" }),
		"another grant":  changed(poll(code), "grant_type", "device_code"),
		"another code":   poll("unknown"),
		"more":           changed(poll(code), "more", "1"),
	} {
		if b.send(wrong); !b.last().Refused {
			t.Errorf("%s: accepted", name)
		}
	}
	granted := b.send(poll(code))
	b.want(granted, 200, `"scope":"read"`)
	if granted.str("refresh_token") == "" {
		t.Errorf("%s", granted.body)
	}
	b.clock.move(time.Minute)
	b.want(b.send(poll(code)), 400, "invalid_grant", "used before")
}

func TestDeviceIsSteered(t *testing.T) {
	b := start(t, sandbox.Config{Consent: sandbox.ConsentAsk, Definitions: [][]byte{[]byte(deviceDefinition)}})
	begin, poll := deviceCalls()
	one := 1
	steer := func(v sandbox.DeviceControl, want int) {
		t.Helper()
		if n, err := b.s.SteerDevice(v); err != nil || n != want {
			t.Errorf("%+v decided %d: %v", v, n, err)
		}
	}
	steer(sandbox.DeviceControl{Provider: "tv", Interval: &one}, 0)
	for decision, word := range map[string]string{"deny": "access_denied", "expire": "expired_token", "allow": "access_token"} {
		first, second := b.send(begin), b.send(begin)
		b.want(first, 200, `"interval":1`)
		steer(sandbox.DeviceControl{Decision: decision, UserCode: first.str("user_code")}, 1)
		if a := b.send(poll(first.str("device_code"))); !strings.Contains(a.body, word) {
			t.Errorf("%s: %s", decision, a.body)
		}
		b.want(b.send(poll(second.str("device_code"))), 400, "authorization_pending")
		steer(sandbox.DeviceControl{Provider: "tv", Decision: "deny"}, 1)
	}
	for _, wrong := range []sandbox.DeviceControl{
		{Provider: "unknown"}, {Decision: "maybe"}, {Decision: "allow", UserCode: "BBBB-BBBB"}, {Interval: new(-1)},
	} {
		if _, err := b.s.SteerDevice(wrong); err == nil {
			t.Errorf("%+v: accepted", wrong)
		}
	}
}

// TestDeviceWithoutAsking: where consent asks nobody, a device login is decided at once.
func TestDeviceWithoutAsking(t *testing.T) {
	for consent, word := range map[string]string{sandbox.ConsentAllow: "access_token", sandbox.ConsentDeny: "access_denied"} {
		b := start(t, sandbox.Config{Consent: consent, Definitions: [][]byte{[]byte(deviceDefinition)}})
		begin, poll := deviceCalls()
		if a := b.send(poll(b.send(begin).str("device_code"))); !strings.Contains(a.body, word) {
			t.Errorf("%s: %s", consent, a.body)
		}
	}
}
