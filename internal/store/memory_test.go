package store

import (
	"testing"

	"github.com/tokencli/tokencli/internal/account"
)

type memoryUnderTest struct{ Memory }

func (m *memoryUnderTest) plant(_ *testing.T, name account.Name, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records[name] = []byte(text)
}

func (m *memoryUnderTest) raw(_ *testing.T, name account.Name) string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return string(m.records[name])
}

func TestMemory(t *testing.T) {
	testContract(t, func(*testing.T) Store { return new(memoryUnderTest) })
}
