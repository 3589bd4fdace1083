package callback

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
)

func own(t *testing.T, dir string, now time.Time) *certificate {
	t.Helper()
	c, err := ownCertificate(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The certificate is kept, so that the exception that a browser made for it keeps working.
func TestOwnCertificateIsKept(t *testing.T) {
	dir, now := filepath.Join(t.TempDir(), "state"), time.Now()
	first := own(t, dir, now)
	if len(first.fingerprint()) != 95 {
		t.Error(first.fingerprint())
	}
	if again := own(t, dir, now.Add(700*24*time.Hour)); again.fingerprint() != first.fingerprint() {
		t.Error("another certificate at the second login")
	}
	if later := own(t, dir, now.Add(certificateLife-certificateSpare)); later.fingerprint() == first.fingerprint() {
		t.Error("a certificate that is about to expire was used")
	}
	leaf, err := x509.ParseCertificate(first.pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if d := leaf.NotAfter.Sub(leaf.NotBefore); d > 825*24*time.Hour || leaf.IsCA || len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("valid for %v, CA %v, for %v", d, leaf.IsCA, leaf.ExtKeyUsage)
	}
	if err := leaf.VerifyHostname("example.com"); err == nil {
		t.Error("it is valid for another host")
	}
	if info, err := os.Stat(filepath.Join(dir, certificateFile)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestOwnCertificateIsReplaced(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	path := filepath.Join(dir, certificateFile)
	for name, text := range map[string]string{"empty": "", "damaged": "-----BEGIN CERTIFICATE-----\nx"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		first := own(t, dir, now)
		if own(t, dir, now).fingerprint() != first.fingerprint() {
			t.Errorf("%s: not replaced for good", name)
		}
	}
	if first, second := own(t, "", now), own(t, "", now); first.fingerprint() == second.fingerprint() {
		t.Error("without a folder, two logins have one certificate")
	}
}

func TestOwnCertificateThatOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	own(t, dir, time.Now())
	if err := os.Chmod(filepath.Join(dir, certificateFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ownCertificate(dir, time.Now()); !fail.Is(err, fail.Store) {
		t.Errorf("got %v", err)
	}
}
