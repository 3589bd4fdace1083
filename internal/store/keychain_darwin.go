package store

import (
	"errors"
	"os/exec"

	"github.com/tokencli/tokencli/internal/account"
)

// go-keyring passes an item to /usr/bin/security as one line of at most 4,096 bytes, in base64. With the
// longest account name that leaves 2,919 bytes.
const itemLimit = 2900

// mayAsk says that the system may stop a call to ask the user for a password or for consent.
const mayAsk = true

// explainKeychain says what an exit code of security(1) means: the low byte of an OSStatus of the
// Security framework (SecBase.h).
func explainKeychain(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		switch exit.ExitCode() {
		case 36: // errSecInteractionNotAllowed
			return locked(err, "the keychain is locked and no prompt can be shown, as over SSH (`security unlock-keychain` unlocks it)")
		case 128, 51: // userCanceledErr, errSecAuthFailed
			return locked(err, "the keychain is locked: the prompt was dismissed or the password was wrong")
		case 37: // errSecNoDefaultKeychain
			return unusable(err, "this user has no default keychain")
		}
	}
	return unusable(err, "%s", quoted(err.Error()))
}

// inspectItem returns the commands that show and delete an account's item, for fail.DoInspectItem.
func inspectItem(name account.Name) []any {
	which := "-s " + service + " -a " + name.String()
	return []any{"security find-generic-password " + which, "security delete-generic-password " + which}
}
