package credential_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

const planted = "pl4nted-s3cret"

// leaks reports whether text holds the planted secret in any form that a verb could give it.
func leaks(text string) bool {
	for _, form := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprintf("%X", planted), strings.Trim(fmt.Sprintf("%d", []byte(planted)), "[]"), fmt.Sprintf("% x", planted)} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

type holder struct {
	Name   string
	Secret credential.Secret
	Inner  struct{ Secret credential.Secret }
	Ptr    *credential.Secret
	List   []credential.Secret
	Map    map[string]credential.Secret
	Any    any
	Cred   credential.Credential
	CredP  *credential.Credential
}

func everything() map[string]any {
	secret := credential.Secret(planted)
	cred := credential.Credential{ClientID: "id", ClientSecret: secret, AccessToken: secret, RefreshToken: secret}
	h := holder{
		Name: "n", Secret: secret, Ptr: &secret, List: []credential.Secret{secret},
		Map: map[string]credential.Secret{"k": secret}, Any: secret, Cred: cred, CredP: &cred,
	}
	h.Inner.Secret = secret
	return map[string]any{
		"secret": secret, "pointer": &secret, "slice": []credential.Secret{secret}, "array": [1]credential.Secret{secret},
		"map": map[string]credential.Secret{"k": secret},
		"any": []any{secret, &secret}, "struct": h, "pointer to struct": &h,
		"credential": cred, "pointer to credential": &cred, "credentials": []credential.Credential{cred},
	}
}

func TestSecretsAreMaskedUnderEveryVerb(t *testing.T) {
	verbs := []string{
		"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c", "%U", "%t", "%e", "%b", "%z", "%#q", "% x", "%#x", "%20s", "%-20v", "%.3s", "%[1]v", "%T",
	}
	tooMany := strings.Repeat("a", 1) // vet knows constants
	for name, v := range everything() {
		for _, verb := range verbs {
			if got := fmt.Sprintf(verb, v); leaks(got) {
				t.Errorf("%s under %s: %s", name, verb, got)
			}
		}
		for what, got := range map[string]string{
			"Sprint": fmt.Sprint(v), "Sprintln": fmt.Sprintln("a", v), "Errorf": fmt.Errorf("a: %v", v).Error(),
			"an argument too many": fmt.Sprintf(tooMany, v), "Append": string(fmt.Append(nil, v)),
			"failure": fail.New(fail.Usage, "a: %v", v).WithHint("%s", v).Error(),
			"joined":  errors.Join(fmt.Errorf("%+v", v), errors.New("b")).Error(),
		} {
			if leaks(got) {
				t.Errorf("%s by %s: %s", name, what, got)
			}
		}
	}
}

func TestSecretsAreMaskedWhenMarshalled(t *testing.T) {
	for name, v := range everything() {
		if text, err := json.Marshal(v); err != nil || leaks(string(text)) {
			t.Errorf("%s as JSON: %s, %v", name, text, err)
		}
		if text, err := yaml.Marshal(v); err != nil || leaks(string(text)) {
			t.Errorf("%s as YAML: %s, %v", name, text, err)
		}
	}
	type element struct{ Secret credential.Secret }
	if text, err := xml.Marshal(element{planted}); err != nil || leaks(string(text)) {
		t.Errorf("as XML: %s, %v", text, err)
	}
}

func TestSecretsAreMaskedInLogs(t *testing.T) {
	var out bytes.Buffer
	for _, handler := range []slog.Handler{
		slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil),
	} {
		log := slog.New(handler)
		for name, v := range everything() {
			log.Info("m", name, v)
			log.With(name, v).WithGroup("g").Info("m", slog.Any("v", v), slog.Group("h", name, v))
		}
	}
	for line := range strings.Lines(out.String()) {
		if leaks(line) {
			t.Error(line)
		}
	}
	if !strings.Contains(out.String(), redact.Mask) {
		t.Error("nothing was logged")
	}
}

func TestSecretSaysWhetherThereIsOne(t *testing.T) {
	secret := credential.Secret(planted)
	if got := fmt.Sprintf("%s,%s", secret, credential.Secret("")); got != redact.Mask+"," {
		t.Errorf("%q", got)
	}
	if secret.Reveal() != planted {
		t.Error("Reveal does not return the text")
	}
	if secret != planted {
		t.Error("secrets cannot be compared")
	}
}

// Decoding is left alone: a secret that is read from JSON is the text, not its mask.
func TestSecretIsReadAsItIs(t *testing.T) {
	var s struct{ S credential.Secret }
	if err := json.Unmarshal([]byte(`{"S":"`+planted+`"}`), &s); err != nil || s.S != planted {
		t.Errorf("%q, %v", s.S.Reveal(), err)
	}
}

func TestCredentialNamesOnlyItsAccountAsText(t *testing.T) {
	c := full()
	if got, want := c.String(), "credential of mollie/shop-b"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := fmt.Sprintf("%s %v", c, c); leaks(got) || strings.Contains(got, "secret") {
		t.Error(got)
	}
}

func TestValidKept(t *testing.T) {
	for value, want := range map[string]bool{
		"https://eu.acme.example": true, "42": true, "Ørsted & Søn 9/9": true, strings.Repeat("x", 2000): true,
		"": false, strings.Repeat("x", 2001): false, "a\nb": false, "a\x00": false, "a\u202eb": false, "\xff": false,
	} {
		if credential.ValidKept(value) != want {
			t.Errorf("%q: %t", value, !want)
		}
	}
}
