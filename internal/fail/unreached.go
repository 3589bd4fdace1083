package fail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"syscall"
)

// The numbers of ECONNRESET and ECONNREFUSED on Windows, where package syscall has invented others. No
// other system uses them.
const (
	wsaConnReset   = syscall.Errno(10054)
	wsaConnRefused = syscall.Errno(10061)
)

// ConnectionRefused reports whether nothing listens at the address of a connection.
func ConnectionRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused)
}

// ConnectionReset reports whether the other side broke off the connection.
func ConnectionReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, wsaConnReset)
}

// Unreached says why there is no connection to a host, with what the user can do; nil: for another reason than those it
// knows. It goes by types: the texts of packages net and x509 are about addresses and system calls.
func Unreached(host string, err error) *Error {
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &dns):
		return New(Unavailable, "no address found for %s", dns.Name).Advise(DoCheckNetwork)
	case errors.As(err, &unknown), errors.As(err, &invalid):
		return New(Unavailable, "the certificate of %s is not trusted", host).Advise(DoTrustCertificate)
	case errors.As(err, &name):
		return New(Unavailable, "the certificate is not for %s", name.Host)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return New(Unavailable, "%s does not speak TLS", host)
	case ConnectionRefused(err):
		return New(Unavailable, "%s refuses the connection", host).Advise(DoCheckServer, host)
	}
	return nil
}
