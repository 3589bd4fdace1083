package refresh

import (
	"os"
	"path/filepath"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/jwt"
	"github.com/tokencli/tokencli/internal/oauth"
	"github.com/tokencli/tokencli/internal/provider"
	"github.com/tokencli/tokencli/internal/safefile"
)

// Registration returns what the client of a credential authenticates with: the account's own variables, else what is
// kept. A fallback to the variables of the provider would send one client's secret for another's. The definition may
// be nil; the key is then not read.
func (r *Refresher) Registration(c *credential.Credential, d *provider.Definition) (oauth.Registration, error) {
	by := oauth.Registration{ID: c.ClientID, Secret: c.ClientSecret.Reveal()}
	if c.ClientID == "" { // the login was made without a client
		return by, nil
	}
	if secret := c.Account.Own(r.Getenv, account.ClientSecret); secret != "" {
		by.Secret = secret
	}
	if d == nil || !d.UsesClientKey() {
		return by, nil
	}
	setting := r.clientKey(c)
	if setting == "" {
		return by, MissingClient(c.Account, d, account.ClientKey)
	}
	var err error
	by.Key, err = ReadKey(c.Account.Var(account.ClientKey), setting)
	return by, err
}

// clientKey returns the key of a credential's client, or the path of a file with it: the account's own variable, else
// what is kept.
func (r *Refresher) clientKey(c *credential.Credential) credential.Secret {
	if own := c.Account.Own(r.Getenv, account.ClientKey); own != "" && c.ClientID != "" {
		return KeySetting(own)
	}
	return c.ClientKey
}

// KeySetting returns the value of a client key's setting as it is kept: a path does not depend on where tokencli is
// run.
func KeySetting(value string) credential.Secret {
	if value != "" && !account.HoldsKey(value) {
		if path, err := filepath.Abs(value); err == nil {
			return credential.Secret(path)
		}
	}
	return credential.Secret(value)
}

// maxKeyFile bounds the file of a client key, in bytes.
const maxKeyFile = 64 << 10

// ReadKey returns the text of a client key: the setting itself, or the content of the file that it names. A text that
// is no key is a fail.Usage that names the variable; a file that others may read is a fail.Store.
func ReadKey(variable string, setting credential.Secret) (string, error) {
	text := setting.Reveal()
	wanted := variable + " to a private key or the path of its file"
	if !account.HoldsKey(text) {
		// The setting is not quoted unless it is the path of a file: it may be a damaged key.
		if info, err := os.Stat(text); err != nil || !info.Mode().IsRegular() {
			return "", fail.New(fail.Usage, "%s does not name a file with a private key", variable).Advise(fail.DoSetVariable, wanted)
		}
		content, err := safefile.Read(text, maxKeyFile, safefile.Key)
		if err != nil {
			return "", err
		}
		text = string(content)
	}
	if _, err := jwt.ParseKey(text); err != nil {
		return "", fail.New(fail.Usage, "%s: %w", variable, err).Advise(fail.DoSetVariable, wanted)
	}
	return text, nil
}

// missingClient names the client setting that a refresh needs and the environment lacks.
func missingClient(c *credential.Credential, d *provider.Definition) error {
	var setting string
	switch {
	case c.ClientID == "" && c.Grant.Asserts() && !d.SecretRequired():
		return nil // the assertion identifies the caller (RFC 7521 4.1, RFC 8693 2.1)
	case c.ClientID == "":
		setting = account.ClientID
	case c.ClientSecret == "" && d.SecretRequired():
		setting = account.ClientSecret
	default:
		return nil
	}
	return MissingClient(c.Account, d, setting)
}

// MissingClient is the failure of an account without a setting of its client.
func MissingClient(name account.Name, d *provider.Definition, setting string) *fail.Error {
	variables := name.Var(setting)
	switch {
	case setting != account.ClientID:
	case d.SecretRequired():
		variables += " and " + name.Var(account.ClientSecret)
	case d.UsesClientKey():
		variables += " and " + name.Var(account.ClientKey)
	}
	return fail.New(fail.Usage, "%s: %s is not set", name, name.Var(setting)).
		Advise(fail.DoSetClient, variables, d.ClientPlace())
}
