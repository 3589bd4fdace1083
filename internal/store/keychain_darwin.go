package store

import (
	"errors"
	"os/exec"

	"github.com/zalando/go-keyring"

	"github.com/tokencli/tokencli/internal/account"
)

// go-keyring hands an item to /usr/bin/security as one line of at most 4,096 bytes, in base64. With the
// longest account name that leaves 2,919 bytes.
const itemLimit = 2900

func openItems(options KeychainOptions, p *patience) items {
	return &library{
		options:    options,
		patience:   p,
		asks:       true,
		getItem:    keyring.Get,
		setItem:    keyring.Set,
		deleteItem: keyring.Delete,
		isAbsent:   func(err error) bool { return errors.Is(err, keyring.ErrNotFound) },
		explain:    explainSecurity,
	}
}

// explainSecurity says what an exit code of security(1) means: the low byte of an OSStatus of the
// Security framework (SecBase.h).
func explainSecurity(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		switch exit.ExitCode() {
		case 36: // errSecInteractionNotAllowed
			return locked(err, "the keychain is locked and nobody can be asked, as over SSH (`security unlock-keychain` unlocks it)")
		case 128, 51: // userCanceledErr, errSecAuthFailed
			return locked(err, "the keychain is locked: the prompt was dismissed or the password was wrong")
		case 37: // errSecNoDefaultKeychain
			return unusable(err, "this user has no default keychain")
		}
	}
	return unusable(err, quoted(err.Error()))
}

// itemHint tells how to see and remove an account's item by hand.
func itemHint(name account.Name) string {
	which := "-s " + service + " -a " + name.String()
	return "look at it in Keychain Access or with `security find-generic-password " + which + "`, and remove it with `security delete-generic-password " + which + "`"
}
