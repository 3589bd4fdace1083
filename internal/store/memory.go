package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
)

// Memory keeps credentials until the process ends: for `demo` and for tests. The zero value is an
// empty store. It is safe for use by several goroutines.
type Memory struct {
	mu      sync.RWMutex
	records map[account.Name][]byte // encoded, so that nothing is shared with callers
}

// Kind returns "memory".
func (m *Memory) Kind() string { return "memory" }

// Traits returns Volatile.
func (m *Memory) Traits() Traits { return Traits{Volatile: true} }

// Get returns the account's credential, or an error that wraps ErrNotFound.
func (m *Memory) Get(ctx context.Context, name account.Name) (*credential.Credential, error) {
	if err := usable(ctx, name); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.get(name)
}

func (m *Memory) get(name account.Name) (*credential.Credential, error) {
	record, ok := m.records[name]
	if !ok {
		return nil, absent(name)
	}
	c, err := credential.Decode(name, record)
	if err != nil {
		return nil, fail.New(fail.Store, "the record of %s in memory: %w", name, err).Advise(fail.DoTryAgain)
	}
	return c, nil
}

// Swap keeps next in place of old.
func (m *Memory) Swap(ctx context.Context, old, next *credential.Credential) error {
	if err := usable(ctx, next.Account); err != nil {
		return err
	}
	record, err := credential.Encode(next)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	held, err := m.get(next.Account)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := checkOld(next.Account, old, held); err != nil {
		return err
	}
	if m.records == nil {
		m.records = make(map[account.Name][]byte)
	}
	m.records[next.Account] = record
	return nil
}

// Delete removes the account.
func (m *Memory) Delete(ctx context.Context, name account.Name) error {
	if err := usable(ctx, name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, name)
	return nil
}

// List returns the names of the accounts, sorted.
func (m *Memory) List(ctx context.Context) ([]account.Name, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	names := slices.Collect(maps.Keys(m.records))
	account.Sort(names)
	return names, nil
}
