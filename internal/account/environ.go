package account

import (
	"slices"
	"strings"
)

const prefix = "TOKENCLI_"

// The settings of an account, as the suffixes of its environment variables. An input of the definition is
// Input followed by its name (see InputSetting).
const (
	ClientID     = "CLIENT_ID"
	ClientSecret = "CLIENT_SECRET"
	ClientKey    = "CLIENT_KEY"
	RedirectURI  = "REDIRECT_URI"
	Scopes       = "SCOPES"
	Username     = "USERNAME"
	Password     = "PASSWORD"
	AccessToken  = "ACCESS_TOKEN"
	RefreshToken = "REFRESH_TOKEN"
	Assertion    = "ASSERTION"
	Input        = "INPUT_"
)

// The settings that a provider has as a whole.
const (
	BaseURL = "BASE_URL"
	Chosen  = "ACCOUNT" // the name of the account that the bare provider name means
)

// The variables that belong to no account.
const (
	StoreVar       = prefix + "STORE"
	ConfigDir      = prefix + "CONFIG_DIR"
	StateDir       = prefix + "STATE_DIR"
	Output         = prefix + "OUTPUT"
	OnRotate       = prefix + "ON_ROTATE"
	Debug          = prefix + "DEBUG"
	Sandbox        = prefix + "SANDBOX"
	FileKey        = prefix + "FILE_KEY"
	FilePassphrase = prefix + "FILE_PASSPHRASE"

	VaultMount       = prefix + "VAULT_MOUNT"
	VaultPath        = prefix + "VAULT_PATH"
	VaultAuth        = prefix + "VAULT_AUTH"
	VaultAuthMount   = prefix + "VAULT_AUTH_MOUNT"
	VaultRole        = prefix + "VAULT_ROLE"
	VaultRoleID      = prefix + "VAULT_ROLE_ID"
	VaultSecretID    = prefix + "VAULT_SECRET_ID"
	VaultJWT         = prefix + "VAULT_JWT"
	VaultJWTAudience = prefix + "VAULT_JWT_AUDIENCE"
)

// The variables of Vault itself, as its users know them.
const (
	VaultAddr       = "VAULT_ADDR"
	VaultToken      = "VAULT_TOKEN"
	VaultNamespace  = "VAULT_NAMESPACE"
	VaultCACert     = "VAULT_CACERT"
	VaultCAPath     = "VAULT_CAPATH"
	VaultClientCert = "VAULT_CLIENT_CERT"
	VaultClientKey  = "VAULT_CLIENT_KEY"
	VaultSkipVerify = "VAULT_SKIP_VERIFY"
)

// General returns the variables that belong to no account.
func General() []string {
	return []string{
		StoreVar, ConfigDir, StateDir, Output, OnRotate, Debug, Sandbox, FileKey, FilePassphrase, VaultMount, VaultPath,
		VaultAuth, VaultAuthMount, VaultRole, VaultRoleID, VaultSecretID, VaultJWT, VaultJWTAudience,
	}
}

// Settings returns the settings that every account can have in the environment, inputs apart.
func Settings() []string {
	return []string{
		ClientID, ClientSecret, ClientKey, RedirectURI, Scopes, Username, Password, AccessToken, RefreshToken, Assertion,
	}
}

// InputSetting returns the setting of an input of the definition.
func InputSetting(input string) string { return Input + upper(input) }

// Own returns the account's own setting in the environment, cleaned; empty if it cannot be, which CheckSettings
// reports.
func (n Name) Own(getenv func(string) string, setting string) string {
	value, _ := n.Setting(getenv, setting)
	return value
}

// CheckSettings returns the failure of the first setting of the account, or of its provider, that cannot be cleaned.
// It is asked before anything is sent.
func (n Name) CheckSettings(getenv func(string) string) error {
	for _, setting := range append(Settings(), BaseURL) {
		for _, name := range []Name{n, n.Default()} {
			if _, err := name.Setting(getenv, setting); err != nil {
				return err
			}
		}
	}
	return nil
}

// Lookup is LoginSetting; empty if the value cannot be cleaned.
func (n Name) Lookup(getenv func(string) string, setting string) string {
	value, _ := n.LoginSetting(getenv, setting)
	return value
}

// Setting returns the account's own setting in the environment, cleaned (see CleanVar).
func (n Name) Setting(getenv func(string) string, setting string) (string, error) {
	return CleanVar(n.Var(setting), getenv(n.Var(setting)))
}

// LoginSetting returns a setting for a login, cleaned: the account's own or, for what describes the
// client, the one of the provider's default account. User names, passwords, tokens and inputs belong to
// one account alone.
func (n Name) LoginSetting(getenv func(string) string, setting string) (string, error) {
	own, err := n.Setting(getenv, setting)
	if own != "" || err != nil {
		return own, err
	}
	switch setting {
	case ClientID, ClientSecret, ClientKey, RedirectURI, Scopes:
		return n.Default().Setting(getenv, setting)
	}
	return "", nil
}

// ParseVar returns the account and the setting that an environment variable belongs to, or false if there
// is none among these providers. A variable does not distinguish '-', '_' and '.' in the name of an
// account; the name returned has '-'.
func ParseVar(variable string, providers []string) (name Name, setting string, ok bool) {
	// A setting of one provider may look like an input of another, and takes precedence.
	for _, inputs := range []bool{false, true} {
		for _, provider := range providers {
			name := Name{Provider: provider}
			rest, fits := strings.CutPrefix(variable, name.Var(""))
			if !fits {
				continue
			}
			if isSetting(rest, inputs) || !inputs && (rest == BaseURL || rest == Chosen) {
				return name, rest, true
			}
			if rest, fits = strings.CutPrefix(rest, "_"); fits {
				if name.Label, setting, ok = cutLabel(rest, inputs); ok {
					return name, setting, true
				}
			}
		}
	}
	return Name{}, "", false
}

func isSetting(s string, inputs bool) bool {
	if inputs {
		return strings.HasPrefix(s, Input) && len(s) > len(Input)
	}
	return slices.Contains(Settings(), s)
}

// cutLabel splits the end of a named account's variable.
func cutLabel(rest string, inputs bool) (label, setting string, ok bool) {
	for i := range len(rest) {
		if rest[i] != '_' || !isSetting(rest[i+1:], inputs) {
			continue
		}
		if label := strings.ToLower(strings.ReplaceAll(rest[:i], "_", "-")); ValidPart(label) {
			return label, rest[i+1:], true
		}
	}
	return "", "", false
}

// IsSecretVar reports whether the environment variable of that name holds a secret of tokencli: a client
// secret or key, a password, a token, an assertion, the key or passphrase of the file store, or what
// authenticates to Vault.
func IsSecretVar(name string) bool {
	// Windows does not distinguish upper and lower case in variable names.
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, prefix) {
		return false
	}
	switch name {
	case FileKey, FilePassphrase, VaultSecretID, VaultJWT:
		return true
	}
	for _, setting := range []string{ClientSecret, ClientKey, Password, AccessToken, RefreshToken, Assertion} {
		if strings.HasSuffix(name, "_"+setting) {
			return true
		}
	}
	return false
}

// Environ returns environ, a list of NAME=VALUE, without the variables that hold a secret: what a
// process that tokencli starts may see.
func Environ(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		// Windows keeps entries such as "=C:=C:\dir", whose name starts with the separator.
		name, _, _ := strings.Cut(strings.TrimPrefix(entry, "="), "=")
		return IsSecretVar(name)
	})
}

// SecretValues returns the values of the secret variables in environ, for masking them in texts. The path
// of a key file is no secret: a message about that file has to name it.
func SecretValues(environ []string) []string {
	var values []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if value != "" && IsSecretVar(name) && !isKeyPath(strings.ToUpper(name), value) {
			values = append(values, value)
		}
	}
	return values
}

// isKeyPath reports whether the value of a key's variable is the path of a file.
func isKeyPath(name, value string) bool {
	if name != FileKey && !strings.HasSuffix(name, "_"+ClientKey) {
		return false
	}
	return strings.ContainsAny(value, `/\`) && !HoldsKey(value) && !strings.ContainsAny(value, "{\n")
}

// HoldsKey reports whether the value of a key's variable is meant to be the key itself (an age identity, PEM or a
// JWK), and not the path of a file with one.
func HoldsKey(value string) bool {
	return strings.Contains(value, "AGE-SECRET-KEY-") || strings.Contains(value, "-----BEGIN") || strings.HasPrefix(strings.TrimSpace(value), "{")
}
