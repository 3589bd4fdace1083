//go:build unix && !darwin

package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/gofrs/flock"

	"github.com/tokencli/tokencli/internal/safefile"
)

// unlock unlocks an item or a collection, if the user can be asked.
func (s *secretService) unlock(ctx context.Context, path dbus.ObjectPath) error {
	err := s.tryUnlock(ctx, path)
	if errors.Is(err, errLocked) || errors.Is(err, errDismissed) {
		s.label = s.labelOf(path)
	}
	return err
}

func (s *secretService) tryUnlock(ctx context.Context, path dbus.ObjectPath) error {
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

// confirm shows the prompt that an answer names at position i, if there is one and the user can be asked.
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

// prompt shows the prompt that an answer names at position i, if there is one, and waits until the user has
// answered it.
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

// promptTurn is the right to show a prompt, which one process has at a time: five prompts at once block
// GNOME Keyring until it is restarted. It is a lock on a file whose modification time is when the user last
// dismissed a prompt.
type promptTurn struct {
	lock  *flock.Flock
	since time.Time // when this process began to wait for its turn; zero if it did not wait
}

// promptTurn waits for the right to show a prompt. If nobody could answer one, it returns errLocked at once.
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
	return turn, s.patience.forPerson(s.options.Notify, "another tokencli process is waiting for you to unlock the keychain", func() error {
		_, err := turn.lock.TryLockContext(ctx, longestPause)
		return err
	})
}

func (p *promptTurn) end() { _ = p.lock.Unlock() }

// refuse records that the user dismissed the prompt.
func (p *promptTurn) refuse() {
	now := time.Now()
	_ = os.Chtimes(p.lock.Path(), now, now) // if it fails, they are asked again
}

// refused reports whether the user dismissed a prompt while this process waited for its turn. They are not
// asked again for each process that waited.
func (p *promptTurn) refused() bool {
	info, err := os.Stat(p.lock.Path())
	return err == nil && !p.since.IsZero() && info.ModTime().After(p.since)
}
