package credential_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
)

func TestEncodeAndDecode(t *testing.T) {
	odd := full()
	odd.ClientID = "api:a b+c/é\"\\<>&"
	odd.ClientSecret = "\u2028🔑\n\x00"
	odd.RefreshToken = "a refresh token"
	minimal := &credential.Credential{Account: account.Name{Provider: "monta"}, Grant: credential.Static}
	for name, c := range map[string]*credential.Credential{"full": full(), "odd characters": odd, "minimal": minimal} {
		t.Run(name, func(t *testing.T) {
			text, err := credential.Encode(c)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.ContainsAny(text, "\n\r") {
				t.Error("more than one line, which some keychains damage")
			}
			got, err := credential.Decode(c.Account, text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c) {
				t.Error("what was stored does not come back as it was")
			}
			if !got.Equal(c) {
				t.Error("Equal says no")
			}
		})
	}
}

// A field that Encode forgets would be lost with the first refresh.
func TestEncodeKeepsEveryField(t *testing.T) {
	v := reflect.ValueOf(*full())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set in the test's credential", v.Type().Field(i).Name)
		}
		c := full()
		reflect.ValueOf(c).Elem().Field(i).SetZero()
		if c.Equal(full()) {
			t.Errorf("%s is not stored", v.Type().Field(i).Name)
		}
	}
}

func TestInstantsAreStoredInUTCWithoutTheMonotonicClock(t *testing.T) {
	c := full()
	c.ObtainedAt = time.Now().In(time.FixedZone("x", -7*3600))
	text, err := credential.Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := credential.Decode(c.Account, text)
	if err != nil {
		t.Fatal(err)
	}
	if !got.ObtainedAt.Equal(c.ObtainedAt) || got.ObtainedAt.Location() != time.UTC {
		t.Errorf("%v, want %v", got.ObtainedAt, c.ObtainedAt)
	}
}

func TestDecodeRefusesWhatItDidNotWrite(t *testing.T) {
	whole, err := credential.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	change := func(key string, value any) string {
		var m map[string]any
		if err := json.Unmarshal(whole, &m); err != nil {
			t.Fatal(err)
		}
		m[key] = value
		if value == nil {
			delete(m, key)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tests := map[string]string{
		"empty":                       "",
		"white space":                 " \n",
		"another program's password":  "hunter22-secret",
		"null":                        "null",
		"a list":                      `["refresh-token"]`,
		"a number":                    "1",
		"an empty object":             "{}",
		"another program's JSON":      `{"access_token":"hunter22-secret"}`,
		"half written":                string(whole[:len(whole)/2]),
		"one byte short":              string(whole[:len(whole)-1]),
		"something after it":          string(whole) + "x",
		"twice":                       string(whole) + string(whole),
		"a NUL after it":              string(whole) + "\x00",
		"no version":                  change("tokencli", nil),
		"version 0":                   change("tokencli", 0),
		"a negative version":          change("tokencli", -1),
		"a version that is no number": change("tokencli", "1"),
		"no account":                  change("account", nil),
		"another account":             change("account", "mollie/shop-c"),
		"another provider":            change("account", "monta/shop-b"),
		"the default account":         change("account", "mollie"),
		"no grant":                    change("grant", nil),
		"a token of another type":     change("access_token", 12),
		"a list for a token":          change("refresh_token", []string{"refresh-token"}),
		"an unknown field":            change("totp_secret", "hunter22-secret"),
		"no instant":                  change("obtained_at", "refresh-token"),
		"an instant out of range":     change("obtained_at", "0000-01-01T00:00:00+23:59"),
		"a generation out of range":   change("generation", 1e300),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := credential.Decode(full().Account, []byte(text))
			if !errors.Is(err, credential.ErrForeign) || got != nil {
				t.Fatalf("%v, %v", got != nil, err)
			}
			noQuote(t, err)
		})
	}
}

// A record of commit c7b8bdc.
func TestDecodeReadsTheFirstForm(t *testing.T) {
	text := `{"tokencli":1,"account":"mollie/shop-b","grant":"authorization_code","origin":"https://api.example.com",` +
		`"client_id":"app_1","client_secret":"client-secret","redirect_uri":"https://localhost:8976/callback",` +
		`"scopes":["a.read","b.write"],"access_token":"access-token","token_type":"bearer","refresh_token":"refresh-token",` +
		`"obtained_at":"2026-11-22T12:00:00Z","access_expires_at":"2026-11-22T13:00:00Z",` +
		`"refresh_expires_at":"2026-11-23T12:00:00Z","generation":7,"presented":"2026-11-22T12:01:00Z",` +
		`"ended":"2026-11-22T12:02:00Z","ended_reason":"invalid_grant"}`
	got, err := credential.Decode(full().Account, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := full()
	want.ClientKey, want.Origins, want.Issuer, want.Resource, want.Registration = "", nil, "", "", credential.Registration{}
	want.Inputs, want.Kept, want.AccessLifetime, want.RefreshLifetime, want.RefusedAt, want.MovedTo = nil, nil, 0, 0, time.Time{}, ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%#v", got)
	}
}

// Anyone can encrypt a record to the public key of the file store.
func TestUnsafeTextIsNeitherReadNorWritten(t *testing.T) {
	for name, record := range map[string]string{
		"a line break in the access token":    `"access_token":"x\nurl = http://attacker"`,
		"a space in the access token":         `"access_token":"x y"`,
		"a line break in a static token":      `"grant":"static","access_token":"x\r"`,
		"an escape in the refresh token":      `"refresh_token":"x\u001b"`,
		"a refresh token of spaces":           `"refresh_token":"  "`,
		"a line break in the token type":      `"token_type":"Bearer\n"`,
		"a line separator in an origin":       `"origins":{"api":"https://a\u2028"}`,
		"a NUL in an input":                   `"inputs":{"shop":"a\u0000"}`,
		"a line break in a kept field":        `"kept":{"realm":"a\n"}`,
		"a line break in a registration":      `"registration_access_token":"a\n"`,
		"a line break in the client id":       `"client_id":"a\n"`,
		"a directional override in an issuer": `"issuer":"https://a\u202e"`,
	} {
		t.Run(name, func(t *testing.T) {
			text := `{"tokencli":2,"account":"mollie/shop-b","grant":"authorization_code",` + record + "}"
			if got, err := credential.Decode(full().Account, []byte(text)); !errors.Is(err, credential.ErrUnsafe) || got != nil {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	c := full()
	c.AccessToken = "x\ny"
	if _, err := credential.Encode(c); !errors.Is(err, credential.ErrUnsafe) {
		t.Errorf("written: %v", err)
	}
}

func TestDecodeNamesANewerVersion(t *testing.T) {
	for _, text := range []string{
		`{"tokencli":3,"account":"mollie/shop-b","grant":"static","access_token":"access-token"}`,
		`{"tokencli":99,"account":["of","another","shape"],"refresh_token":"refresh-token","new":{}}`,
	} {
		got, err := credential.Decode(full().Account, []byte(text))
		if err == nil || got != nil || errors.Is(err, credential.ErrForeign) || !strings.Contains(err.Error(), "newer") {
			t.Errorf("%v, %v", got, err)
			continue
		}
		noQuote(t, err)
	}
}

func noQuote(t *testing.T, err error) {
	t.Helper()
	for _, part := range []string{"hunter22", "access-token", "refresh-token", "client-secret", "app_1"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("the error quotes the text: %v", err)
		}
	}
}

func TestEncodeFailsForWhatCannotBeReadAgain(t *testing.T) {
	c := full()
	c.AccessExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := credential.Encode(c); err == nil {
		t.Error("a year that RFC 3339 does not know is written")
	}
	if c.Equal(c) {
		t.Error("what cannot be stored is equal to something stored")
	}
}

func FuzzDecode(f *testing.F) {
	name := full().Account
	whole, err := credential.Encode(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"tokencli":1,"account":"mollie/shop-b","grant":"static"}`))
	f.Add([]byte(`{"tokencli":1,"account":"mollie/shop-b","grant":"x","obtained_at":"0000-01-01T00:00:00+23:59"}`))
	f.Add([]byte(`{"tokencli":3}`))
	f.Add([]byte(`{"TOKENCLI":1,"Account":"mollie/shop-b","GRANT":"static","account":null}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := credential.Decode(name, text)
		if err != nil {
			if c != nil {
				t.Error("a credential together with an error")
			}
			// No error may depend on more of the text than its version.
			if !errors.Is(err, credential.ErrForeign) && !errors.Is(err, credential.ErrUnsafe) && !strings.HasPrefix(err.Error(), "written by a newer tokencli") {
				t.Errorf("%v", err)
			}
			return
		}
		if c.Account != name {
			t.Errorf("the credential of %s", c.Account)
		}
		again, err := credential.Encode(c)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := credential.Decode(name, again)
		if err != nil || !back.Equal(c) {
			t.Errorf("what was written is read differently: %v", err)
		}
	})
}
