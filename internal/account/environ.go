package account

import "strings"

const prefix = "TOKENCLI_"

// The settings an account can have in the environment, as suffixes of its variables.
const (
	ClientID     = "CLIENT_ID"
	ClientSecret = "CLIENT_SECRET"
	RedirectURI  = "REDIRECT_URI"
	Scopes       = "SCOPES"
	Username     = "USERNAME"
	Password     = "PASSWORD"
	AccessToken  = "ACCESS_TOKEN"
	RefreshToken = "REFRESH_TOKEN"
	BaseURL      = "BASE_URL"
)

// The variables that hold the key of the encrypted file.
const (
	FileKey        = "TOKENCLI_FILE_KEY"
	FilePassphrase = "TOKENCLI_FILE_PASSPHRASE"
)

// Own returns the account's own setting in the environment, as getenv knows it.
func (n Name) Own(getenv func(string) string, setting string) string { return getenv(n.Var(setting)) }

// Lookup returns a setting for a login: the account's own or, for what describes the client, the one of
// the provider's default account. User names, passwords and tokens belong to one account alone.
func (n Name) Lookup(getenv func(string) string, setting string) string {
	if own := n.Own(getenv, setting); own != "" {
		return own
	}
	switch setting {
	case ClientID, ClientSecret, RedirectURI, Scopes:
		return n.Default().Own(getenv, setting)
	}
	return ""
}

// IsSecretVar reports whether the environment variable of that name holds a secret of tokencli: a
// client secret, a password, a token, or the key or passphrase of the encrypted file.
func IsSecretVar(name string) bool {
	// Windows does not tell upper from lower case in variable names.
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, prefix) {
		return false
	}
	if name == FileKey || name == FilePassphrase {
		return true
	}
	for _, setting := range []string{ClientSecret, Password, AccessToken, RefreshToken} {
		if strings.HasSuffix(name, "_"+setting) {
			return true
		}
	}
	return false
}

// Environ returns environ, a list of NAME=VALUE, without the variables that hold a secret: what a
// process that tokencli starts may see.
func Environ(environ []string) []string {
	kept := make([]string, 0, len(environ))
	for _, entry := range environ {
		// Windows keeps entries such as "=C:=C:\dir", whose name starts with the separator.
		name, _, _ := strings.Cut(strings.TrimPrefix(entry, "="), "=")
		if !IsSecretVar(name) {
			kept = append(kept, entry)
		}
	}
	return kept
}

// SecretValues returns the values of the secret variables in environ, for masking them in texts. The path
// of a key file is no secret: a message about that file has to name it.
func SecretValues(environ []string) []string {
	var values []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		isPath := strings.EqualFold(name, FileKey) && strings.ContainsAny(value, `/\`) && !strings.Contains(value, "AGE-SECRET-KEY-")
		if value != "" && IsSecretVar(name) && !isPath {
			values = append(values, value)
		}
	}
	return values
}
