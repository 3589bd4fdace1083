package oauth

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// CheckEnvironment checks the proxy and certificate settings of the environment. net/http and crypto/x509
// ignore a value that they cannot use, so that requests would bypass the proxy. The error is fail.Usage and
// names the variable, never its value, which may hold a password.
func CheckEnvironment() error {
	return cmp.Or(CheckCertificates(), CheckProxies())
}

// CheckProxies checks HTTPS_PROXY and HTTP_PROXY. The error names the variable only.
func CheckProxies() error {
	for _, pair := range [][2]string{{"HTTPS_PROXY", "https_proxy"}, {"HTTP_PROXY", "http_proxy"}} {
		for _, name := range pair {
			value := os.Getenv(name)
			if value == "" {
				continue
			}
			if !usableProxy(value) {
				return fail.New(fail.Usage, "%s is not the address of a proxy; nothing was sent", name).Advise(fail.DoSetProxy, name)
			}
			break // the upper case has precedence, as in net/http
		}
	}
	return nil
}

// usableProxy reports whether net/http can use a proxy setting: an address, or HOST:PORT.
func usableProxy(value string) bool {
	u, err := url.Parse(value)
	if err != nil || u.Scheme == "" || u.Host == "" {
		if u, err = url.Parse("http://" + value); err != nil {
			return false
		}
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return false
	}
	host := u.Hostname()
	isName := host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return r < 0x80 && !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._", r)
	})
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	goodPort := err == nil && port > 0 || u.Port() == "" && !strings.HasSuffix(u.Host, ":")
	return goodPort && (isName || net.ParseIP(host) != nil) && (u.Path == "" || u.Path == "/") && u.RawQuery == ""
}

// CheckCertificates checks the file that SSL_CERT_FILE names and the folders that SSL_CERT_DIR names.
func CheckCertificates() error {
	_, err := certificates()
	return err
}

// checkFolders checks that SSL_CERT_DIR names a folder. It may name several, and crypto/x509 ignores those that do not
// exist.
func checkFolders() error {
	const name = "SSL_CERT_DIR"
	list := os.Getenv(name)
	if list == "" || runtime.GOOS == "windows" || runtime.GOOS == "darwin" { // where it has no effect
		return nil
	}
	for _, path := range filepath.SplitList(list) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return nil
		}
	}
	return fail.New(fail.Usage, "%s names no folder that exists: %s", name, redact.Scrub(list, 200)).Advise(fail.DoSetCertificateFolder, name)
}

// certificates reads the file that SSL_CERT_FILE names. The pool is nil if crypto/x509 reads that file
// itself, or if the variable is not set.
func certificates() (*x509.CertPool, error) {
	const name = "SSL_CERT_FILE"
	path := os.Getenv(name)
	if err := checkFolders(); err != nil || path == "" {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fail.New(fail.Usage, "%s: %w", name, err).Advise(fail.DoSetCertificates, name)
	}
	if !holdsCertificate(text) {
		return nil, fail.New(fail.Usage, "%s: %s contains no certificate", name, path).Advise(fail.DoSetCertificates, name)
	}
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(text)
	return pool, nil
}

func holdsCertificate(text []byte) bool {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return false
		}
		if _, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			return true
		}
	}
}
