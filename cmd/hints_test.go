package cmd

import (
	"testing"

	"github.com/tokencli/tokencli/internal/fail"
)

func TestEveryActionHasAHint(t *testing.T) {
	for action := fail.Action(1); action < fail.Actions; action++ {
		if hints[action] == "" {
			t.Errorf("action %d has no hint", action)
		}
	}
}
