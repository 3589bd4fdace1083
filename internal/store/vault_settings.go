package store

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/loopback"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

// vaultSettings are the settings of the vault store, cleaned and checked.
type vaultSettings struct {
	getenv                      func(string) string
	address, namespace          string
	mount, path                 string
	auth, authMount             string
	role, roleID, secretID, jwt string
	audience                    string
}

// readVaultSettings reads the environment. Where it is silent, getenv may answer with what config.yaml says.
func readVaultSettings(getenv func(string) string) (*vaultSettings, error) {
	s := &vaultSettings{getenv: getenv}
	for _, setting := range []struct {
		variable, standard string
		to                 *string
	}{
		{account.VaultAddr, "", &s.address},
		{account.VaultNamespace, "", &s.namespace},
		{account.VaultMount, "secret", &s.mount},
		{account.VaultPath, "tokencli", &s.path},
		{account.VaultAuth, "token", &s.auth},
		{account.VaultAuthMount, "", &s.authMount},
		{account.VaultRole, "", &s.role},
		{account.VaultRoleID, "", &s.roleID},
		{account.VaultSecretID, "", &s.secretID},
		{account.VaultJWT, "", &s.jwt},
		{account.VaultJWTAudience, "", &s.audience},
	} {
		value, err := account.CleanVar(setting.variable, getenv(setting.variable))
		if err != nil {
			return nil, err
		}
		*setting.to = cmp.Or(value, setting.standard)
	}
	s.authMount = cmp.Or(s.authMount, s.auth)
	return s, s.check()
}

func (s *vaultSettings) check() error {
	if skip, err := strconv.ParseBool(s.getenv(account.VaultSkipVerify)); err == nil && skip {
		return fail.New(fail.Usage, "%s is set: tokencli sends no credential to a server that it cannot verify", account.VaultSkipVerify).
			Advise(fail.DoSetInstead, account.VaultCACert, account.VaultSkipVerify)
	}
	if !slices.Contains([]string{"token", "approle", "jwt", "kubernetes"}, s.auth) {
		return fail.New(fail.Usage, "%s: unknown method %q", account.VaultAuth, redact.Scrub(s.auth, 40)).
			Advise(fail.DoChooseVaultAuth, account.VaultAuth)
	}
	for _, part := range []struct {
		variable string
		path     *string
	}{{account.VaultMount, &s.mount}, {account.VaultPath, &s.path}, {account.VaultAuthMount, &s.authMount}} {
		*part.path = strings.Trim(*part.path, "/")
		for segment := range strings.SplitSeq(*part.path, "/") {
			if segment == "" || strings.Trim(segment, ".") == "" || strings.Trim(segment, pathCharacters) != "" {
				return fail.New(fail.Usage, "%s is not a path in Vault: use letters, digits, '.', '_', '-' and '/'", part.variable).
					Advise(fail.DoCopyAgain, part.variable)
			}
		}
	}
	return s.checkAddress()
}

const pathCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// checkAddress refuses an address without TLS that is not on this machine.
func (s *vaultSettings) checkAddress() error {
	if s.address == "" {
		return fail.New(fail.Usage, "the vault store has no address: %s is not set", account.VaultAddr).Advise(fail.DoSetVariable, account.VaultAddr)
	}
	u, err := url.Parse(s.address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return fail.New(fail.Usage, "%s is not the address of a server, such as https://vault.example.com:8200", account.VaultAddr).
			Advise(fail.DoCopyAgain, account.VaultAddr)
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		return fail.New(fail.Usage, "%s is an http address of another machine: credentials would be readable on the way", account.VaultAddr).
			Advise(fail.DoUseHTTPS, account.VaultAddr)
	}
	s.address = strings.TrimRight(s.address, "/")
	return nil
}

// newVaultClient returns a client that has not contacted the server.
func newVaultClient(options VaultOptions, clock *vaultClock) (*vaultClient, error) {
	settings, err := readVaultSettings(options.Getenv)
	if err != nil {
		return nil, err
	}
	if options.CheckNetwork != nil {
		if err := options.CheckNetwork(); err != nil {
			return nil, err
		}
	}
	config, err := settings.tls()
	if err != nil {
		return nil, err
	}
	return &vaultClient{settings: settings, clock: clock, http: &http.Client{Transport: transport(config), CheckRedirect: followStandby}}, nil
}

// transport speaks HTTP/1.1, because GODEBUG=http2debug prints the headers of HTTP/2.
func transport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            loopback.Dial(&net.Dialer{Timeout: 5 * time.Second}),
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    5 * time.Second,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    16,
	}
}

// followStandby follows the redirect of a standby node to the active one: 307, to the same path, and as safe
// as before. Its certificate must be of the same CA (see tls).
func followStandby(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	safe := req.URL.Scheme == "https" || first.Scheme == "http" && loopback.Is(req.URL.Hostname())
	if len(via) > 2 || req.Response == nil || req.Response.StatusCode != http.StatusTemporaryRedirect || !safe || req.URL.Path != first.Path {
		return http.ErrUseLastResponse
	}
	return nil
}

// errOtherCA refuses a node of another CA than that of the first one.
var errOtherCA = errors.New("the certificate is not of the same CA")

// tls returns the configuration for TLS: Vault's own variables, and one CA for all nodes.
func (s *vaultSettings) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var mu sync.Mutex
	var first *x509.Certificate
	config.VerifyConnection = func(state tls.ConnectionState) error {
		mu.Lock()
		defer mu.Unlock()
		for _, chain := range state.VerifiedChains {
			root := chain[len(chain)-1]
			if first == nil {
				first = root
			}
			if first.Equal(root) {
				return nil
			}
		}
		return errOtherCA
	}
	files, err := s.caFiles()
	if err != nil {
		return nil, err
	}
	for variable, paths := range files {
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, fail.New(fail.Usage, "%s: %s cannot be read", variable, redact.Printable(path)).Advise(fail.DoCheckReadable, redact.Printable(path))
			}
			if config.RootCAs == nil {
				config.RootCAs = x509.NewCertPool()
			}
			if !config.RootCAs.AppendCertsFromPEM(text) {
				return nil, fail.New(fail.Usage, "%s: %s holds no certificate", variable, redact.Printable(path)).Advise(fail.DoSetCertificates, variable)
			}
		}
	}
	return config, s.clientCertificate(config)
}

// caFiles returns the files with the certificates to trust, by the variable that names them; none: those of
// the system.
func (s *vaultSettings) caFiles() (map[string][]string, error) {
	if path := s.getenv(account.VaultCACert); path != "" {
		return map[string][]string{account.VaultCACert: {path}}, nil
	}
	folder := s.getenv(account.VaultCAPath)
	if folder == "" {
		return nil, nil
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(paths) == 0 {
		return nil, fail.New(fail.Usage, "%s: no file in %s", account.VaultCAPath, redact.Printable(folder)).Advise(fail.DoSetCertificates, account.VaultCAPath)
	}
	return map[string][]string{account.VaultCAPath: paths}, nil
}

func (s *vaultSettings) clientCertificate(config *tls.Config) error {
	certFile, keyFile := s.getenv(account.VaultClientCert), s.getenv(account.VaultClientKey)
	if certFile == "" && keyFile == "" {
		return nil
	}
	if certFile == "" || keyFile == "" {
		return fail.New(fail.Usage, "%s and %s are set together or not at all", account.VaultClientCert, account.VaultClientKey).
			Advise(fail.DoSetVariable, account.VaultClientCert+" and "+account.VaultClientKey)
	}
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return fail.New(fail.Usage, "%s: %s cannot be read", account.VaultClientCert, redact.Printable(certFile)).Advise(fail.DoCheckReadable, redact.Printable(certFile))
	}
	key, err := safefile.Read(keyFile, maxKeyFile, safefile.Key)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fail.New(fail.Usage, "%s and %s do not belong together, or are not PEM files", account.VaultClientCert, account.VaultClientKey).
			Advise(fail.DoSetVariable, account.VaultClientCert+" and "+account.VaultClientKey)
	}
	config.Certificates = []tls.Certificate{pair}
	return nil
}
