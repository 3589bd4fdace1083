package cmd

import (
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
	Store         string
	Output        string
	MinTTL        time.Duration
	OnRotate      []string
	StateDir      string
	ConfigFile    string
	DefinitionDir string
	accounts      map[account.Name]session.Defaults
}

func (s *settings) defaults(name account.Name) session.Defaults { return s.accounts[name] }

// configFile is the form of config.yaml. It holds no secret and is never written by tokencli.
type configFile struct {
	Store    string          `yaml:"store"`
	Output   string          `yaml:"output"`
	MinTTL   string          `yaml:"min_ttl"`
	OnRotate []string        `yaml:"on_rotate"`
	Accounts []configAccount `yaml:"accounts"`
}

type configAccount struct {
	Name        string   `yaml:"name"`
	ClientID    string   `yaml:"client_id"`
	RedirectURI string   `yaml:"redirect_uri"`
	Scopes      []string `yaml:"scopes"`
	Grant       string   `yaml:"grant"`
}

// stores are the values of TOKENCLI_STORE.
var stores = []string{"keychain", "file", "vault", "env"}

func readSettings(getenv func(string) string) (*settings, error) {
	s := &settings{StateDir: stateDir(getenv)}
	if dir := configDir(getenv); dir != "" {
		s.ConfigFile = filepath.Join(dir, "config.yaml")
		s.DefinitionDir = filepath.Join(dir, "providers")
	}
	file, err := readConfig(s.ConfigFile)
	if err != nil {
		return nil, err
	}
	// Scalars only: viper folds the case of its keys and splits them at dots, so names of accounts must
	// never become keys.
	v := viper.New()
	v.SetDefault("store", "keychain")
	v.SetDefault("min_ttl", "60s")
	for key, value := range map[string]string{"store": file.Store, "output": file.Output, "min_ttl": file.MinTTL} {
		if value != "" {
			v.SetDefault(key, value)
		}
	}
	for key, variable := range map[string]string{"store": "TOKENCLI_STORE", "output": "TOKENCLI_OUTPUT"} {
		if value := getenv(variable); value != "" {
			v.Set(key, value)
		}
	}
	s.Store, s.Output, s.OnRotate = v.GetString("store"), v.GetString("output"), file.OnRotate
	if text := getenv("TOKENCLI_ON_ROTATE"); text != "" {
		if s.OnRotate, err = parseArgv(text); err != nil {
			return nil, usage("TOKENCLI_ON_ROTATE: %w", err)
		}
	} else if checkArgv(s.OnRotate) != nil {
		return nil, usage("%s: on_rotate: the first word is the program", s.ConfigFile)
	}
	if !slices.Contains(stores, s.Store) {
		return nil, usage("there is no store %q", redact.Scrub(s.Store, 40)).WithHint("TOKENCLI_STORE is %s", strings.Join(stores, ", "))
	}
	if s.Output != "" && !slices.Contains(outputs, s.Output) {
		return nil, badOutput(s.Output)
	}
	if s.MinTTL, err = parseDuration(v.GetString("min_ttl")); err != nil {
		return nil, usage("min_ttl: %w", err)
	}
	s.accounts, err = accountsOf(file, s.ConfigFile)
	return s, err
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
			WithHint("its keys are store, output, min_ttl, on_rotate and accounts (name, client_id, redirect_uri, scopes, grant); secrets do not belong there")
	}
	return file, nil
}

func accountsOf(file *configFile, path string) (map[account.Name]session.Defaults, error) {
	accounts := make(map[account.Name]session.Defaults, len(file.Accounts))
	for _, entry := range file.Accounts {
		name, err := account.Parse(entry.Name)
		if err != nil {
			return nil, usage("%s: accounts: %w", path, err).WithHint("%s", fail.HintOf(err))
		}
		if _, twice := accounts[name]; twice {
			return nil, usage("%s: accounts: %s is there twice", path, name)
		}
		accounts[name] = session.Defaults{
			ClientID: entry.ClientID, RedirectURI: entry.RedirectURI, Scopes: entry.Scopes, Grant: entry.Grant,
		}
	}
	return accounts, nil
}

// configDir is the folder of config.yaml; empty where there is no home.
func configDir(getenv func(string) string) string {
	if dir := getenv("TOKENCLI_CONFIG_DIR"); dir != "" {
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

// stateDir is the folder of everything that tokencli writes; empty where there is no home.
func stateDir(getenv func(string) string) string {
	if dir := getenv("TOKENCLI_STATE_DIR"); dir != "" {
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
