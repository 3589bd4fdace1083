package cmd

import (
	"fmt"

	"github.com/tokencli/tokencli/internal/fail"
)

// hints render what the user can do about a failure (fail.Action). The verbs take the subjects of the
// action in their order.
var hints = [fail.Actions]string{
	fail.DoLogIn:           "tokencli login %s",
	fail.DoNameAccount:     "an account is PROVIDER or PROVIDER/NAME, such as mollie or mollie/shop-b: lower-case letters, digits, '.', '_' and '-', at most 64 characters each",
	fail.DoSetVariable:     "set %s",
	fail.DoCopyAgain:       "copy the value of %s again, without anything before or after it",
	fail.DoRemoveCharacter: "remove that character from %s",
	fail.DoLint:            "tokencli provider lint %s",
	fail.DoRenameFile:      "rename %s, and change the name in it",
	fail.DoUseProvider:     "did you mean %s?",
	fail.DoChooseProvider:  "the providers are %s; a definition of your own is a file %s",
	fail.DoShowProvider:    "tokencli provider show %s",
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
