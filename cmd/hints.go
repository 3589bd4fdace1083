package cmd

import (
	"fmt"

	"github.com/tokencli/tokencli/internal/fail"
)

// hints render what the user can do about a failure (fail.Action). The verbs take the subjects of the
// action in their order.
var hints = [fail.Actions]string{
	fail.DoLogIn:            "tokencli login %s",
	fail.DoNameAccount:      "an account is PROVIDER or PROVIDER/NAME, such as mollie or mollie/shop-b: lower-case letters, digits, '.', '_' and '-', at most 64 characters each",
	fail.DoSetVariable:      "set %s",
	fail.DoCopyAgain:        "copy the value of %s again, without anything before or after it",
	fail.DoRemoveCharacter:  "remove that character from %s",
	fail.DoLint:             "tokencli provider lint %s",
	fail.DoRenameFile:       "rename %s, and change the name in it",
	fail.DoUseProvider:      "did you mean %s?",
	fail.DoChooseProvider:   "the providers are %s; a definition of your own is a file %s",
	fail.DoShowProvider:     "tokencli provider show %s",
	fail.DoCheckBaseURL:     "a redirect is never followed with a secret; if a base URL is set, check it",
	fail.DoCheckClient:      "check the client id and secret; create or view them at: %s",
	fail.DoCheckNetwork:     "check the network connection, and HTTPS_PROXY if a proxy is needed",
	fail.DoCheckProxy:       "check HTTPS_PROXY and HTTP_PROXY",
	fail.DoSetCertificates:  "set %s to a PEM file with the certificates to trust, or unset it",
	fail.DoSetProxy:         "set %s to an address such as http://proxy.example:3128, or unset it",
	fail.DoTrustCertificate: "if a proxy inspects TLS, set SSL_CERT_FILE to a file with its certificate",
	fail.DoWait:             "try again in %s",
}

// hintOf returns the hint of the outermost failure in the chain of err that has one, or "".
func hintOf(err error) string {
	e := fail.Advice(err)
	switch {
	case e == nil:
		return ""
	case e.Do == 0:
		return e.Hint
	}
	subjects := make([]any, len(e.About))
	for i, subject := range e.About {
		subjects[i] = subject
	}
	return fmt.Sprintf(hints[e.Do], subjects...)
}
