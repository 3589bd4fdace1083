package keepalive

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

type variable struct{ name, value string }

func (j *Job) add(name, value string) {
	if value != "" {
		j.environment = append(j.environment, variable{name, value})
	}
}

// addPath adds a variable that holds a path, which is relative to where tokencli is run.
func (j *Job) addPath(name, path string) {
	if abs, err := filepath.Abs(path); err == nil && path != "" {
		path = abs
	}
	j.add(name, path)
}

// addStore adds what decides where the logins are, and refuses a store that the job could not open without a secret in
// its files.
func (j *Job) addStore(store string, getenv func(string) string) error {
	j.add(account.StoreVar, getenv(account.StoreVar))
	for _, name := range []string{account.StateDir, account.ConfigDir} {
		dir, err := account.CleanVar(name, getenv(name))
		if err != nil {
			return err
		}
		j.addPath(name, dir)
	}
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
		if dir := getenv(name); filepath.IsAbs(dir) { // tokencli ignores others
			j.add(name, dir)
		}
	}
	switch store {
	case "env":
		return fail.New(fail.Usage, "the env store is read-only, so there is nothing to keep alive").Advise(fail.DoUseStore)
	case "file":
		return j.addFileKey(getenv)
	case "vault":
		return j.addVault(getenv)
	}
	return nil
}

// addVault adds how Vault is reached and logged in to. A token is not added: the job reads the one that `vault login`
// wrote.
func (j *Job) addVault(getenv func(string) string) error {
	for _, name := range []string{account.VaultSecretID, account.VaultJWT} {
		if getenv(name) != "" {
			return fail.New(fail.Usage, "%s is a secret, which is not written into a job", name).Advise(fail.DoUseVaultLogin, name)
		}
	}
	for _, name := range []string{
		account.VaultAddr, account.VaultNamespace, account.VaultMount, account.VaultPath, account.VaultAuth, account.VaultAuthMount, account.VaultRole,
		account.VaultRoleID, account.VaultJWTAudience,
	} {
		j.add(name, getenv(name))
	}
	for _, name := range []string{account.VaultCACert, account.VaultCAPath, account.VaultClientCert, account.VaultClientKey} {
		j.addPath(name, getenv(name))
	}
	return nil
}

func (j *Job) addFileKey(getenv func(string) string) error {
	key, err := account.CleanVar(account.FileKey, getenv(account.FileKey))
	if err != nil {
		return err
	}
	info, err := os.Stat(key)
	switch {
	case key == "" && getenv(account.FilePassphrase) != "":
		return fail.New(fail.Usage, "a passphrase cannot be given to a job without writing it down").Advise(fail.DoInitFile)
	case key == "":
		return fail.New(fail.Usage, "the file store has no key: %s is not set", account.FileKey).Advise(fail.DoInitFile)
	case err != nil || !info.Mode().IsRegular():
		// It may be a key, so it is not quoted.
		return fail.New(fail.Usage, "%s is not the path of a file, and a key itself is not written into a job", account.FileKey).Advise(fail.DoInitFile)
	}
	j.addPath(account.FileKey, key)
	return nil
}

// addNetwork adds the settings of the way to the providers. A proxy with a password is left out; a base URL with one is
// refused, because the job would contact the real provider without it.
func (j *Job) addNetwork(getenv func(string) string) error {
	environ := os.Environ()
	slices.Sort(environ)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if upper := strings.ToUpper(name); !strings.HasPrefix(upper, "TOKENCLI_") || !strings.HasSuffix(upper, "_"+account.BaseURL) {
			continue
		}
		if strings.Contains(value, "@") {
			return fail.New(fail.Usage, "%s holds a user name or password, which is not written into a job", name).Advise(fail.DoOmitPassword, name)
		}
		j.add(name, value)
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		value := getenv(name)
		switch {
		case slices.ContainsFunc(j.environment, func(v variable) bool { return strings.EqualFold(v.name, name) }):
		case strings.Contains(value, "@"):
			j.LeftOut = append(j.LeftOut, name)
		default:
			j.add(name, value)
		}
	}
	j.addPath("SSL_CERT_FILE", getenv("SSL_CERT_FILE"))
	j.add("SSL_CERT_DIR", getenv("SSL_CERT_DIR"))
	return nil
}
