//go:build darwin || windows

package store

import (
	"errors"

	"github.com/zalando/go-keyring"
)

func openItems(options KeychainOptions, p *patience) items {
	return &library{
		options:    options,
		patience:   p,
		asks:       mayAsk,
		getItem:    keyring.Get,
		setItem:    keyring.Set,
		deleteItem: keyring.Delete,
		isAbsent:   func(err error) bool { return errors.Is(err, keyring.ErrNotFound) },
		explain:    explainKeychain,
	}
}
