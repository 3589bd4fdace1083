package callback

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
	"github.com/tokencli/tokencli/internal/safefile"
)

const (
	// certificateFile holds the certificate of this machine and its key.
	certificateFile = "callback-certificate.pem"
	// certificateLife is the longest that Apple's systems accept (https://support.apple.com/en-us/103769).
	certificateLife = 825 * 24 * time.Hour
	// certificateSpare is how long before its expiry a certificate is replaced.
	certificateSpare = 30 * 24 * time.Hour
	maxCertificate   = 64 << 10
)

// certificate is what an https listener presents.
type certificate struct {
	pair       tls.Certificate
	selfSigned bool // by tokencli: browsers do not know it
}

// chooseCertificate loads the user's certificate, or this machine's own if none is named.
func chooseCertificate(opts Options) (*certificate, error) {
	switch {
	case opts.TLSCert == "" && opts.TLSKey == "":
		return ownCertificate(opts.StateDir, time.Now())
	case opts.TLSCert == "" || opts.TLSKey == "":
		return nil, fail.New(fail.Usage, "a certificate needs its key, and a key its certificate").Advise(fail.DoGiveCertificate)
	}
	key, err := safefile.Read(opts.TLSKey, maxCertificate, safefile.Key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = readPair(opts.TLSCert, key)
	}
	if err != nil {
		return nil, fail.New(fail.Usage, "cannot use certificate %q with key %q: %s",
			redact.Scrub(opts.TLSCert, 200), redact.Scrub(opts.TLSKey, 200), redact.Scrub(err.Error(), 200)).Advise(fail.DoGiveCertificate).Because(err)
	}
	return &certificate{pair: pair}, nil
}

func readPair(certFile string, key []byte) (tls.Certificate, error) {
	chain, err := os.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, key)
}

// ownCertificate returns the self-signed certificate of this machine. It is kept, so that the exception
// that a browser made for it keeps working, and replaced before it expires or if it is not usable.
func ownCertificate(stateDir string, now time.Time) (*certificate, error) {
	if stateDir == "" {
		pair, _, err := createCertificate(now)
		return &certificate{pair: pair, selfSigned: true}, err
	}
	path := filepath.Join(stateDir, certificateFile)
	text, err := safefile.Read(path, maxCertificate, safefile.Private)
	switch {
	case err == nil:
		if pair, err := tls.X509KeyPair(text, text); err == nil && isOwn(pair.Leaf, now) {
			return &certificate{pair: pair, selfSigned: true}, nil
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	pair, text, err := createCertificate(now)
	if err == nil {
		err = safefile.EnsureDir(stateDir)
	}
	if err == nil {
		err = safefile.WriteAtomic(path, text)
	}
	if err != nil {
		return nil, err
	}
	return &certificate{pair: pair, selfSigned: true}, nil
}

// isOwn reports whether leaf is what createCertificate returns, and not about to expire.
func isOwn(leaf *x509.Certificate, now time.Time) bool {
	template := certificateTemplate(now)
	return !leaf.IsCA && slices.Equal(leaf.DNSNames, template.DNSNames) &&
		slices.EqualFunc(leaf.IPAddresses, template.IPAddresses, net.IP.Equal) &&
		slices.Equal(leaf.ExtKeyUsage, template.ExtKeyUsage) &&
		now.After(leaf.NotBefore) && now.Add(certificateSpare).Before(leaf.NotAfter) &&
		leaf.NotAfter.Sub(leaf.NotBefore) <= certificateLife
}

// certificateTemplate names nothing but this machine, and no other certificate can be signed with it: a
// user who trusts it trusts nothing else.
func certificateTemplate(now time.Time) *x509.Certificate {
	start := now.Add(-time.Hour).Truncate(time.Second) // for clocks that differ a little
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: "tokencli login"},
		NotBefore:             start,
		NotAfter:              start.Add(certificateLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
}

// createCertificate returns a new certificate, and the same as a PEM file.
func createCertificate(now time.Time) (tls.Certificate, []byte, error) {
	internal := func(err error) (tls.Certificate, []byte, error) {
		return tls.Certificate{}, nil, fail.New(fail.Internal, "cannot create a certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return internal(err)
	}
	template := certificateTemplate(now)
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return internal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return internal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return internal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, text, nil
}

// fingerprint returns the SHA-256 fingerprint as browsers show it.
func (c *certificate) fingerprint() string {
	sum := sha256.Sum256(c.pair.Certificate[0])
	hex := make([]string, len(sum))
	for i, b := range sum {
		hex[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(hex, ":")
}
