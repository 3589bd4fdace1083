package store

import (
	"errors"

	"github.com/zalando/go-keyring"
	"golang.org/x/sys/windows"

	"github.com/tokencli/tokencli/internal/account"
)

// CRED_MAX_CREDENTIAL_BLOB_SIZE of wincred.h, in bytes: go-keyring stores a text as it is, not in UTF-16.
const itemLimit = 2560

func openItems(options KeychainOptions, p *patience) items {
	return &library{
		options:    options,
		patience:   p,
		getItem:    keyring.Get,
		setItem:    keyring.Set,
		deleteItem: keyring.Delete,
		isAbsent:   func(err error) bool { return errors.Is(err, keyring.ErrNotFound) },
		explain:    explainCredentialManager,
	}
}

func explainCredentialManager(err error) error {
	if errors.Is(err, windows.ERROR_NO_SUCH_LOGON_SESSION) {
		return unusable(err, "this logon session has no Credential Manager, as over SSH or in a service")
	}
	return unusable(err, quoted(err.Error()))
}

// itemHint tells how to see and remove an account's item by hand.
func itemHint(name account.Name) string {
	which := service + ":" + name.String()
	return "look at it in the Credential Manager or with `cmdkey /list:" + which + "`, and remove it with `cmdkey /delete:" + which + "`"
}
