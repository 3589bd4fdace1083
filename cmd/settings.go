package cmd

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/viper"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
	"github.com/tokencli/tokencli/internal/session"
	"github.com/tokencli/tokencli/internal/yamlfile"
)

const maxConfig = 1 << 20

// settings are what the environment and config.yaml say, before any flag.
type settings struct {
	Store           string
	StoreFrom       string // the setting that names it
	FileKey         string // from config.yaml; the environment has precedence
	Output          string
	MinTTL          time.Duration
	OnRotate        []string
	TLSCert, TLSKey string
	StateDir        string
	ConfigFile      string
	DefinitionDir   string
	vault           map[string]string       // from config.yaml, by environment variable, which has precedence
	Registries      map[string]account.Name // docker registries by host
	accounts        map[account.Name]session.Defaults
}

func (s *settings) defaults(name account.Name) session.Defaults { return s.accounts[name] }

// getenv reads the environment, with the values of config.yaml for the variables of stores that it lacks.
func (s *settings) getenv(environment func(string) string) func(string) string {
	return func(name string) string {
		value := environment(name)
		if value == "" && name == account.FileKey && environment(account.FilePassphrase) == "" {
			return s.FileKey
		}
		return cmp.Or(value, s.vault[name])
	}
}

// configFile is the form of config.yaml. It holds no secret, and tokencli writes it only on request.
type configFile struct {
	Store    string                       `yaml:"store"`
	FileKey  string                       `yaml:"file_key"`
	Output   string                       `yaml:"output"`
	MinTTL   string                       `yaml:"min_ttl"`
	OnRotate []string                     `yaml:"on_rotate"`
	TLSCert  string                       `yaml:"tls_cert"`
	TLSKey   string                       `yaml:"tls_key"`
	Vault    configVault                  `yaml:"vault"`
	Helpers  map[string]map[string]string `yaml:"helpers"`
	Accounts []configAccount              `yaml:"accounts"`
}

// configVault has no field for a secret: those come from the environment.
type configVault struct {
	Address   string `yaml:"address"`
	Mount     string `yaml:"mount"`
	Path      string `yaml:"path"`
	Auth      string `yaml:"auth"`
	AuthMount string `yaml:"auth_mount"`
	Role      string `yaml:"role"`
}

type configAccount struct {
	Name        string            `yaml:"name"`
	ClientID    string            `yaml:"client_id"`
	RedirectURI string            `yaml:"redirect_uri"`
	Scopes      []string          `yaml:"scopes"`
	Grant       string            `yaml:"grant"`
	Inputs      map[string]string `yaml:"inputs"`
}

// stores are the values of TOKENCLI_STORE.
var stores = []string{"keychain", "file", "vault", "env"}

func readSettings(getenv func(string) string) (*settings, error) {
	return settingsIn(configDir(getenv), getenv)
}

// settingsIn reads the settings with the config.yaml of a folder; "": with none.
func settingsIn(dir string, getenv func(string) string) (*settings, error) {
	for _, variable := range []string{account.ConfigDir, account.StateDir} {
		dir, err := account.CleanVar(variable, getenv(variable))
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(dir, "~") || strings.HasPrefix(dir, `"`) || strings.HasPrefix(dir, "'") {
			return nil, fail.New(fail.Usage, "%s begins with %s, which only a shell would replace", variable, dir[:1]).
				Advise(fail.DoSetVariable, variable+" to the whole path of the folder")
		}
	}
	s := &settings{StateDir: stateDir(getenv)}
	if dir != "" {
		s.ConfigFile = filepath.Join(dir, "config.yaml")
		s.DefinitionDir = filepath.Join(dir, "providers")
	}
	file, err := readConfig(s.ConfigFile)
	if err != nil {
		return nil, err
	}
	v, err := scalars(file, s.ConfigFile, getenv)
	if err != nil {
		return nil, err
	}
	s.Store, s.Output = v.GetString("store"), v.GetString("output")
	s.StoreFrom = storeFrom(getenv, file)
	s.FileKey, s.TLSCert, s.TLSKey = v.GetString("file_key"), v.GetString("tls_cert"), v.GetString("tls_key")
	if !slices.Contains(stores, s.Store) {
		return nil, usage("unknown store %q", redact.Scrub(s.Store, 40)).WithHint("TOKENCLI_STORE is one of %s", strings.Join(stores, ", "))
	}
	if s.Output != "" && !validOutput(s.Output) {
		return nil, badOutput(s.Output)
	}
	if s.MinTTL, err = parseDuration(v.GetString("min_ttl")); err != nil {
		return nil, usage("%s: min_ttl: %w", s.ConfigFile, err)
	}
	if s.OnRotate, err = onRotate(v.GetString("on_rotate"), file.OnRotate, s.ConfigFile); err != nil {
		return nil, err
	}
	if s.vault, err = file.Vault.variables(s.ConfigFile); err != nil {
		return nil, err
	}
	if s.Registries, err = registriesOf(file.Helpers, s.ConfigFile); err != nil {
		return nil, err
	}
	s.accounts, err = accountsOf(file, s.ConfigFile)
	return s, err
}

func storeFrom(getenv func(string) string, file *configFile) string {
	switch {
	case getenv(account.StoreVar) != "":
		return account.StoreVar
	case file.Store != "":
		return "config.yaml"
	}
	return "default"
}

// variables returns the settings of Vault by the environment variable that each stands for.
func (v configVault) variables(path string) (map[string]string, error) {
	variables := map[string]string{
		account.VaultAddr: v.Address, account.VaultMount: v.Mount, account.VaultPath: v.Path,
		account.VaultAuth: v.Auth, account.VaultAuthMount: v.AuthMount, account.VaultRole: v.Role,
	}
	for variable, value := range variables {
		clean, err := account.Clean(path+": vault ("+variable+")", value)
		if err != nil {
			return nil, err
		}
		variables[variable] = clean
	}
	return variables, nil
}

// scalars returns the settings that are a single text, each from the environment, else config.yaml, else the
// default. viper gets no others: it folds the case of keys and splits them at dots, which names of accounts
// must survive. It gets values instead of names of variables and of a file, because it can neither clean a
// value nor refuse an unknown key with its line.
func scalars(file *configFile, path string, getenv func(string) string) (*viper.Viper, error) {
	v := viper.New()
	v.SetDefault("store", "keychain")
	v.SetDefault("min_ttl", "60s")
	config := make(map[string]any)
	for key, value := range map[string]string{
		"store": file.Store, "file_key": file.FileKey, "output": file.Output, "min_ttl": file.MinTTL, "tls_cert": file.TLSCert, "tls_key": file.TLSKey,
	} {
		clean, err := account.Clean(path+": "+key, value)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(key, "_key") || key == "tls_cert" {
			clean = besideConfig(path, clean)
		}
		if clean != "" {
			config[key] = clean
		}
	}
	if err := v.MergeConfigMap(config); err != nil {
		return nil, usage("%s: %w", path, err)
	}
	for key, variable := range map[string]string{"store": account.StoreVar, "output": account.Output, "on_rotate": account.OnRotate} {
		clean, err := account.CleanVar(variable, getenv(variable))
		if err != nil {
			return nil, err
		}
		if clean != "" {
			v.Set(key, clean)
		}
	}
	return v, nil
}

// besideConfig resolves a path in config.yaml against the file's folder: a relative one would depend on
// where tokencli is run.
func besideConfig(config, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(config), path)
}

// onRotate is the command of the environment, as one text, or else of config.yaml, as a list.
func onRotate(text string, list []string, config string) ([]string, error) {
	if text != "" {
		words, err := parseArgv(text)
		if err != nil {
			return nil, usage("%s: %w", account.OnRotate, err)
		}
		return words, nil
	}
	if err := checkArgv(list); err != nil {
		return nil, usage("%s: on_rotate: %w", config, err)
	}
	return list, nil
}

func readConfig(path string) (*configFile, error) {
	file := &configFile{}
	if path == "" {
		return file, nil
	}
	text, err := safefile.Read(path, maxConfig, safefile.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err == nil {
		err = safefile.CheckTrusted(filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	if err := yamlfile.Decode(text, file); err != nil && !errors.Is(err, yamlfile.ErrEmpty) {
		return nil, usage("%s: %w", path, err).
			WithHint("its keys are store, file_key, output, min_ttl, on_rotate, tls_cert, tls_key, vault, helpers and accounts (name, client_id, redirect_uri, scopes, grant, inputs); it holds no secrets")
	}
	return file, nil
}

func accountsOf(file *configFile, path string) (map[account.Name]session.Defaults, error) {
	accounts := make(map[account.Name]session.Defaults, len(file.Accounts))
	for _, entry := range file.Accounts {
		text, err := account.Clean(path+": accounts: name", entry.Name)
		if err != nil {
			return nil, err
		}
		name, err := account.Parse(text)
		if err != nil {
			return nil, usage("%s: accounts: %w", path, err)
		}
		if _, twice := accounts[name]; twice {
			return nil, usage("%s: accounts: %s is listed twice", path, name)
		}
		defaults := session.Defaults{Scopes: slices.Clone(entry.Scopes)}
		for key, field := range map[string]struct {
			into *string
			text string
		}{
			"client_id": {&defaults.ClientID, entry.ClientID}, "redirect_uri": {&defaults.RedirectURI, entry.RedirectURI},
			"grant": {&defaults.Grant, entry.Grant},
		} {
			if *field.into, err = account.Clean(path+": "+name.String()+": "+key, field.text); err != nil {
				return nil, err
			}
		}
		for i, scope := range defaults.Scopes {
			if defaults.Scopes[i], err = account.Clean(path+": "+name.String()+": scopes", scope); err != nil {
				return nil, err
			}
		}
		if defaults.Inputs, err = cleanInputs(entry.Inputs, path+": "+name.String()+": inputs."); err != nil {
			return nil, err
		}
		accounts[name] = defaults
	}
	return accounts, nil
}

// cleanInputs cleans the values of inputs at a place of the file.
func cleanInputs(inputs map[string]string, place string) (map[string]string, error) {
	clean := make(map[string]string, len(inputs))
	for name, value := range inputs {
		var err error
		if clean[name], err = account.Clean(place+redact.Scrub(name, 40), value); err != nil {
			return nil, err
		}
	}
	return clean, nil
}

// configDir is the folder of config.yaml; empty without a home folder.
func configDir(getenv func(string) string) string {
	if dir, _ := account.CleanVar(account.ConfigDir, getenv(account.ConfigDir)); dir != "" { // settingsIn reports the failure
		return absolute(dir)
	}
	if dir := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tokencli")
	}
	if dir, err := os.UserConfigDir(); err == nil {
		return filepath.Join(dir, "tokencli")
	}
	return ""
}

// stateDir is the folder of everything that tokencli writes; empty without a home folder.
func stateDir(getenv func(string) string) string {
	if dir, _ := account.CleanVar(account.StateDir, getenv(account.StateDir)); dir != "" {
		return absolute(dir)
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tokencli")
	}
	switch runtime.GOOS {
	case "windows":
		if dir := getenv("LocalAppData"); dir != "" {
			return filepath.Join(dir, "tokencli", "state")
		}
	case "darwin":
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, "Library", "Application Support", "tokencli", "state")
		}
	default:
		if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
			return filepath.Join(home, ".local", "state", "tokencli")
		}
	}
	return ""
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}
