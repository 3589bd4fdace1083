package store

import (
	"errors"

	"golang.org/x/sys/windows"

	"github.com/tokencli/tokencli/internal/account"
)

// CRED_MAX_CREDENTIAL_BLOB_SIZE of wincred.h, in bytes: go-keyring stores a text as it is, not in UTF-16.
const itemLimit = 2560

// mayAsk says that no call waits for the user.
const mayAsk = false

func explainKeychain(err error) error {
	if errors.Is(err, windows.ERROR_NO_SUCH_LOGON_SESSION) {
		return unusable(err, "this logon session has no Credential Manager, as over SSH or in a service")
	}
	return unusable(err, "%s", quoted(err.Error()))
}

// inspectItem returns the commands that show and delete an account's item, for fail.DoInspectItem.
func inspectItem(name account.Name) []any {
	which := service + ":" + name.String()
	return []any{"cmdkey /list:" + which, "cmdkey /delete:" + which}
}
