package callback

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// certificate is what an https listener shows.
type certificate struct {
	pair tls.Certificate
	made bool // for the occasion: no browser knows it
}

// loadCertificate reads the user's certificate, or makes one when none is named.
func loadCertificate(certFile, keyFile string) (*certificate, error) {
	switch {
	case certFile == "" && keyFile == "":
		return makeCertificate(time.Now())
	case certFile == "" || keyFile == "":
		return nil, fail.New(fail.Usage, "a certificate needs its key, and a key its certificate").
			WithHint("give both --tls-cert and --tls-key, or neither: then a certificate is made for the occasion")
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		failure := fail.New(fail.Usage, "certificate %q with key %q cannot be used: %s", redact.Scrub(certFile, 200), redact.Scrub(keyFile, 200), redact.Scrub(err.Error(), 200)).
			WithHint("both are PEM files, the key without a passphrase; with neither a certificate is made for the occasion")
		failure.Err = err
		return nil, failure
	}
	return &certificate{pair: pair}, nil
}

// makeCertificate makes a certificate for the names of loopback that lives a day and only in memory, so
// there is no key that could be stolen later. It signs nothing else: trusting it opens no other door.
func makeCertificate(now time.Time) (*certificate, error) {
	unforeseen := func(err error) error { return fail.New(fail.Internal, "no certificate could be made: %w", err) }
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, unforeseen(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, unforeseen(err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "tokencli login"},
		NotBefore:             now.Add(-time.Hour), // for clocks that differ a little
		NotAfter:              now.Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, unforeseen(err)
	}
	return &certificate{pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, made: true}, nil
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
