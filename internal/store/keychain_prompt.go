//go:build unix && !darwin

package store

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/gofrs/flock"

	"github.com/tokencli/tokencli/internal/safefile"
)

// unlock unlocks an item or a collection, if there is a person to ask.
func (s *secretService) unlock(ctx context.Context, path dbus.ObjectPath) error {
	turn, err := s.promptTurn(ctx)
	if err != nil {
		return err
	}
	defer turn.end()
	body, err := s.call(secretsPath, secretsIface, "Unlock", []dbus.ObjectPath{path})
	if err != nil {
		return err
	}
	return s.prompt(turn, body, 1)
}

// confirm shows the prompt that an answer names at position i, if there is one and a person to ask.
func (s *secretService) confirm(ctx context.Context, body []any, i int) error {
	if prompt, err := value[dbus.ObjectPath](body, i); err != nil || prompt == nothing {
		return err
	}
	turn, err := s.promptTurn(ctx)
	if err != nil {
		return err
	}
	defer turn.end()
	return s.prompt(turn, body, i)
}

// prompt shows the prompt that an answer names at position i, if there is one, and waits until the person
// has answered it.
func (s *secretService) prompt(turn *promptTurn, body []any, i int) error {
	prompt, err := value[dbus.ObjectPath](body, i)
	if err != nil || prompt == nothing {
		return err
	}
	if turn.refused() {
		return errDismissed
	}
	rule := "type='signal',interface='" + promptIface + "',member='Completed',path='" + string(prompt) + "'"
	match, err := s.bus.call(dbusName, dbusPath, dbusName, "AddMatch", rule)
	if err != nil {
		return err
	}
	show, err := s.bus.call(secretsName, prompt, promptIface, "Prompt", "") // no window of ours
	if err != nil {
		return err
	}
	if err := s.bus.flush(); err != nil {
		return err
	}
	for _, serial := range []uint32{match, show} {
		if _, err := s.bus.answer(serial); err != nil {
			return err
		}
	}
	err = s.patience.forPerson(s.options.Notify, "waiting for you to unlock the keychain", func() (err error) {
		body, err = s.bus.signal(prompt, promptIface, "Completed")
		return err
	})
	if err != nil {
		return err
	}
	dismissed, err := value[bool](body, 0)
	if err == nil && dismissed {
		turn.refuse()
		return errDismissed
	}
	return err
}

// promptTurn is the right to show a prompt, which one process has at a time: five prompts at once jam
// GNOME Keyring until it is started again. It is a lock on a file whose time of change is when a person
// last dismissed a prompt.
type promptTurn struct {
	lock  *flock.Flock
	since time.Time // when this process began to wait for its turn; zero if it had not to
}

// promptTurn waits for the right to show a prompt. Where nobody could answer one it returns errLocked at
// once.
func (s *secretService) promptTurn(ctx context.Context) (*promptTurn, error) {
	if s.options.StateDir == "" || !s.options.CanPrompt() {
		return nil, errLocked
	}
	folder, err := subfolder(s.options.StateDir, "locks", safefile.EnsureDir)
	if err != nil {
		return nil, err
	}
	turn := &promptTurn{lock: flock.New(filepath.Join(folder, "keychain-prompt.lock"),
		flock.SetFlag(os.O_CREATE|os.O_RDWR|safefile.OpenFlags), flock.SetPermissions(0o600))}
	had, err := turn.lock.TryLock()
	if err != nil || had {
		return turn, err
	}
	turn.since = time.Now()
	return turn, s.patience.forPerson(s.options.Notify, "another tokencli waits for you to unlock the keychain", func() error {
		_, err := turn.lock.TryLockContext(ctx, longestPause)
		return err
	})
}

func (p *promptTurn) end() { _ = p.lock.Unlock() }

// refuse notes that the person dismissed the prompt.
func (p *promptTurn) refuse() {
	now := time.Now()
	_ = os.Chtimes(p.lock.Path(), now, now) // if it fails, they are asked again
}

// refused reports whether the person dismissed a prompt while this process waited for its turn. They are
// not asked again for each process that waited with this one.
func (p *promptTurn) refused() bool {
	info, err := os.Stat(p.lock.Path())
	return err == nil && !p.since.IsZero() && info.ModTime().After(p.since)
}
