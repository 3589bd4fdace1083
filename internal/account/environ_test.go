package account_test

import (
	"slices"
	"testing"

	"github.com/tokencli/tokencli/internal/account"
)

func TestVariables(t *testing.T) {
	tests := []struct{ name, setting, variable, tokenVar string }{
		{"mollie", account.ClientID, "TOKENCLI_MOLLIE_CLIENT_ID", "MOLLIE_ACCESS_TOKEN"},
		{"moloni-on", account.ClientID, "TOKENCLI_MOLONI_ON_CLIENT_ID", "MOLONI_ON_ACCESS_TOKEN"},
		{"moloni-on", account.BaseURL, "TOKENCLI_MOLONI_ON_BASE_URL", "MOLONI_ON_ACCESS_TOKEN"},
		{"mollie/shop-b", account.ClientID, "TOKENCLI_MOLLIE__SHOP_B_CLIENT_ID", "MOLLIE_SHOP_B_ACCESS_TOKEN"},
		{"mollie/shop-b", account.RefreshToken, "TOKENCLI_MOLLIE__SHOP_B_REFRESH_TOKEN", "MOLLIE_SHOP_B_ACCESS_TOKEN"},
		{"a.b_c-d/e.f_g-h", account.Scopes, "TOKENCLI_A_B_C_D__E_F_G_H_SCOPES", "A_B_C_D_E_F_G_H_ACCESS_TOKEN"},
	}
	for _, tt := range tests {
		name, err := account.Parse(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := name.Var(tt.setting); got != tt.variable {
			t.Errorf("%s %s: %s, want %s", tt.name, tt.setting, got, tt.variable)
		}
		if got := name.TokenVar(); got != tt.tokenVar {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.tokenVar)
		}
	}
}

// What describes the client falls back to the provider's own setting; what belongs to a person never
// does, and neither does a base URL, which is the provider's alone.
func TestLookupFallsBackForTheClientOnly(t *testing.T) {
	named := account.Name{Provider: "mollie", Label: "shop"}
	settings := []struct {
		setting   string
		fallsBack bool
	}{
		{account.ClientID, true},
		{account.ClientSecret, true},
		{account.RedirectURI, true},
		{account.Scopes, true},
		{account.Username, false},
		{account.Password, false},
		{account.AccessToken, false},
		{account.RefreshToken, false},
		{account.BaseURL, false},
	}
	for _, tt := range settings {
		t.Run(tt.setting, func(t *testing.T) {
			env := map[string]string{"TOKENCLI_MOLLIE_" + tt.setting: "provider's"}
			getenv := func(name string) string { return env[name] }
			want := ""
			if tt.fallsBack {
				want = "provider's"
			}
			if got := named.Lookup(getenv, tt.setting); got != want {
				t.Errorf("falls back to %q, want %q", got, want)
			}
			if got := named.Own(getenv, tt.setting); got != "" {
				t.Errorf("own is %q", got)
			}
			if got := named.Default().Lookup(getenv, tt.setting); got != "provider's" {
				t.Errorf("the default account has %q", got)
			}
			env["TOKENCLI_MOLLIE__SHOP_"+tt.setting] = "own"
			if got := named.Lookup(getenv, tt.setting); got != "own" {
				t.Errorf("%q, want the account's own", got)
			}
			if got := named.Own(getenv, tt.setting); got != "own" {
				t.Errorf("own is %q", got)
			}
		})
	}
}

func TestIsSecretVar(t *testing.T) {
	for name, secret := range map[string]bool{
		"TOKENCLI_MOLLIE_CLIENT_SECRET":       true,
		"TOKENCLI_MOLLIE__SHOP_CLIENT_SECRET": true,
		"TOKENCLI_MOLONI_PASSWORD":            true,
		"TOKENCLI_MOLONI_ACCESS_TOKEN":        true,
		"TOKENCLI_MOLONI_REFRESH_TOKEN":       true,
		"TOKENCLI_FILE_KEY":                   true,
		"TOKENCLI_FILE_PASSPHRASE":            true,
		"TOKENCLI_ACME_CLIENT_KEY":            true,
		"TOKENCLI_ACME__SHOP_ASSERTION":       true,
		"TOKENCLI_VAULT_SECRET_ID":            true,
		"TOKENCLI_VAULT_JWT":                  true,
		"TOKENCLI_VAULT_JWT_AUDIENCE":         false,
		"TOKENCLI_VAULT_ROLE_ID":              false,
		"TOKENCLI_ACME_INPUT_SHOP":            false,
		"TOKENCLI_MOLLIE_ACCOUNT":             false,
		"tokencli_mollie_client_secret":       true, // Windows
		"Tokencli_File_Key":                   true,
		"TOKENCLI_MOLLIE_CLIENT_ID":           false,
		"TOKENCLI_MOLONI_USERNAME":            false,
		"TOKENCLI_MOLLIE_SCOPES":              false,
		"TOKENCLI_MOLLIE_REDIRECT_URI":        false,
		"TOKENCLI_MOLLIE_BASE_URL":            false,
		"TOKENCLI_STORE":                      false,
		"TOKENCLI_CONFIG_DIR":                 false,
		"MOLLIE_ACCESS_TOKEN":                 false, // handed out on purpose
		"MY_PASSWORD":                         false,
		"XTOKENCLI_A_PASSWORD":                false,
		"TOKENCLI_MYPASSWORD":                 false,
		"":                                    false,
	} {
		if got := account.IsSecretVar(name); got != secret {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestEnvironLosesTheSecretsAndNothingElse(t *testing.T) {
	environ := []string{
		"PATH=/bin", "TOKENCLI_STORE=file", "TOKENCLI_MOLLIE_CLIENT_ID=id", "TOKENCLI_MOLLIE_CLIENT_SECRET=s1",
		"tokencli_mollie_password=s2", "TOKENCLI_FILE_KEY=AGE-SECRET-KEY-1ABC", "TOKENCLI_FILE_PASSPHRASE=a=b",
		"MOLLIE_ACCESS_TOKEN=kept", `=C:=C:\dir`, "EMPTY=", "ODD", "=TOKENCLI_A_PASSWORD=s3",
	}
	before := slices.Clone(environ)
	want := []string{
		"PATH=/bin", "TOKENCLI_STORE=file", "TOKENCLI_MOLLIE_CLIENT_ID=id", "MOLLIE_ACCESS_TOKEN=kept", `=C:=C:\dir`, "EMPTY=", "ODD",
	}
	if got := account.Environ(environ); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if !slices.Equal(environ, before) {
		t.Error("the list that was handed in is changed")
	}
}

func TestSecretValues(t *testing.T) {
	got := account.SecretValues([]string{
		"PATH=/bin", "TOKENCLI_MOLLIE_CLIENT_SECRET=s=1", "tokencli_x_password=s2", "TOKENCLI_X_ACCESS_TOKEN=",
		"TOKENCLI_FILE_PASSPHRASE=/not/a/path", "TOKENCLI_MOLLIE_CLIENT_ID=id",
	})
	if want := []string{"s=1", "s2", "/not/a/path"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A message about a key file that others can read has to name it, so its path must not be masked.
func TestThePathOfAKeyFileIsNoSecretValue(t *testing.T) {
	for value, secret := range map[string]bool{
		"AGE-SECRET-KEY-1ABC":                        true,
		"# created: 2026/01/31\nAGE-SECRET-KEY-1ABC": true,
		"damaged-key":                                true,
		`-----BEGIN PRIVATE KEY-----\nMC4/AQ==\n`:    true,
		"-----BEGIN PRIVATE KEY-----\nMC4/AQ==\n":    true,
		`{"kty":"OKP","d":"a/b"}`:                    true,
		"/home/u/key.txt":                            false,
		`C:\Users\u\key.txt`:                         false,
		"./key.txt":                                  false,
	} {
		for _, variable := range []string{account.FileKey, "TOKENCLI_ACME_CLIENT_KEY"} {
			if got := len(account.SecretValues([]string{variable + "=" + value})) == 1; got != secret {
				t.Errorf("%s=%q: %t", variable, value, got)
			}
		}
	}
}

func TestParseVar(t *testing.T) {
	providers := []string{"mollie", "moloni", "moloni-on", "a", "a-input"}
	for variable, want := range map[string]string{
		"TOKENCLI_MOLLIE_CLIENT_ID":             "mollie CLIENT_ID",
		"TOKENCLI_MOLLIE_ACCOUNT":               "mollie ACCOUNT",
		"TOKENCLI_MOLLIE_BASE_URL":              "mollie BASE_URL",
		"TOKENCLI_MOLLIE_INPUT_SHOP":            "mollie INPUT_SHOP",
		"TOKENCLI_MOLLIE__SHOP_B_CLIENT_SECRET": "mollie/shop-b CLIENT_SECRET",
		"TOKENCLI_MOLLIE__SHOP_B_INPUT_REGION":  "mollie/shop-b INPUT_REGION",
		"TOKENCLI_MOLLIE__INPUT_CLIENT_ID":      "mollie/input CLIENT_ID",
		"TOKENCLI_MOLONI_ON_CLIENT_ID":          "moloni-on CLIENT_ID",
		"TOKENCLI_MOLONI_ON_ASSERTION":          "moloni-on ASSERTION",
		"TOKENCLI_A_INPUT_CLIENT_ID":            "a-input CLIENT_ID", // also input CLIENT_ID of a
		"TOKENCLI_MOLLIE__SHOP_BASE_URL":        "",
		"TOKENCLI_MOLLIE__SHOP_ACCOUNT":         "",
		"TOKENCLI_MOLLIE_INPUT_":                "",
		"TOKENCLI_MOLLIE__CLIENT_ID":            "",
		"TOKENCLI_MOLLIE_CLIENT":                "",
		"TOKENCLI_MOLLIE__INPUT_SHOP":           "",
		"TOKENCLI_OTHER_CLIENT_ID":              "",
		"TOKENCLI_STORE":                        "",
	} {
		name, setting, ok := account.ParseVar(variable, providers)
		got := name.String() + " " + setting
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s belongs to %q, want %q", variable, got, want)
		}
		if ok && name.Var(setting) != variable {
			t.Errorf("%s: its account has %s", variable, name.Var(setting))
		}
	}
}

func TestSettingsAreCleaned(t *testing.T) {
	env := map[string]string{"TOKENCLI_MONTA_CLIENT_SECRET": "s\r", "TOKENCLI_MONTA__SHOP_CLIENT_ID": "a\x00b"}
	getenv := func(name string) string { return env[name] }
	shop := account.Name{Provider: "monta", Label: "shop"}
	if got, err := shop.LoginSetting(getenv, account.ClientSecret); err != nil || got != "s" {
		t.Errorf("the provider's client secret: %q, %v", got, err)
	}
	if got, err := shop.Setting(getenv, account.ClientSecret); err != nil || got != "" {
		t.Errorf("the account's own client secret: %q, %v", got, err)
	}
	if got, err := shop.LoginSetting(getenv, account.ClientID); err == nil {
		t.Errorf("a client id with NUL: %q", got)
	}
}
