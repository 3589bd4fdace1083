package store

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/credential"
	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/redact"
)

// Keychain keeps credentials in the operating system's keychain: the Secret Service on Linux (GNOME
// Keyring, KWallet, KeePassXC), the keychain of macOS, the Credential Manager of Windows. An account is
// one item, service "tokencli" and user the account's name, in the form that go-keyring uses, so that
// both see the same items. A credential longer than the platform's limit is split over several items (see
// keychain_parts.go).
//
// Every call is bounded: it fails after 3 s without any answer and after 15 s in all. If the user can be
// asked to unlock the keychain, it waits for as long as they need, or until the context ends. A call
// leaves no goroutine and no process behind on Linux; on macOS and Windows a call that timed out may
// leave one goroutine, because go-keyring cannot be interrupted.
//
// A Keychain is safe for use by several goroutines and processes at once.
type Keychain struct {
	options KeychainOptions
	limit   int // bytes an item's text may have; 0: any number
	bounds  bounds
	// open returns the items for the time of one operation. It does no work yet.
	open func(KeychainOptions, *patience) items
}

// KeychainOptions connect a Keychain to the process. The zero value works as far as it can without a state
// folder: no account is listed, and a locked keychain is not unlocked.
type KeychainOptions struct {
	// StateDir is the state folder. It keeps the names of accounts, because a keychain cannot be listed
	// portably, and the lock under which unlock prompts are shown. A read does not touch it.
	StateDir string
	// CanPrompt reports whether somebody can answer a prompt. By default it is whether stdin or stderr is
	// a terminal. On Linux it is called only if the keychain is locked.
	CanPrompt func() bool
	// Notify receives messages for the user, one line each without a full stop: that tokencli waits for an
	// unlock prompt, that the list of names could not be written. It may be called from another goroutine.
	// By default messages are dropped.
	Notify func(text string)
}

// NewKeychain returns a store over the platform's keychain. It does not touch the keychain.
func NewKeychain(options KeychainOptions) *Keychain {
	if options.CanPrompt == nil {
		options.CanPrompt = func() bool {
			return term.IsTerminal(int(os.Stdin.Fd())) || term.IsTerminal(int(os.Stderr.Fd()))
		}
	}
	if options.Notify == nil {
		options.Notify = func(string) {}
	}
	return &Keychain{options: options, limit: itemLimit, bounds: defaultBounds, open: openItems}
}

// service is the first half of an item's name; the account's name is the second.
const service = "tokencli"

// items is the keychain as the platform offers it: texts under names. Texts are valid UTF-8 on one line.
// Failures are of kind fail.Store, apart from errNoItem and those of a context that has ended.
type items interface {
	// get returns the text stored under the name, or errNoItem.
	get(ctx context.Context, user string) (string, error)
	// set stores the text under the name, replacing any other. Keychain apps show the label.
	set(ctx context.Context, user, label, text string) error
	// remove deletes the item, or returns errNoItem if there is none.
	remove(ctx context.Context, user string) error
	close()
}

var errNoItem = errors.New("item not found in the keychain")

// bounds are the time limits of one operation.
type bounds struct {
	silence time.Duration // without any answer
	total   time.Duration // in all, while answers arrive
	notice  time.Duration // of waiting for the user, before a message says so
}

var defaultBounds = bounds{silence: 3 * time.Second, total: 15 * time.Second, notice: time.Second}

// patience is how long one operation still waits.
type patience struct {
	bounds
	until  time.Time
	person bool // the operation waits for the user, so there is no limit
}

func newPatience(b bounds) *patience { return &patience{bounds: b, until: time.Now().Add(b.total)} }

// deadline returns until when to wait for the next answer; the zero time means no limit.
func (p *patience) deadline() time.Time {
	if p.person {
		return time.Time{}
	}
	if d := time.Now().Add(p.silence); d.Before(p.until) {
		return d
	}
	return p.until
}

// forPerson runs wait without a limit, and tells the user what it waits for if that takes a while. The
// time does not count afterwards.
func (p *patience) forPerson(notify func(string), text string, wait func() error) error {
	began := time.Now()
	p.person = true
	reminder := time.AfterFunc(p.notice, func() { notify(text) })
	defer func() {
		reminder.Stop()
		p.person = false
		p.until = p.until.Add(time.Since(began))
	}()
	return wait()
}

// Kind returns "keychain".
func (k *Keychain) Kind() string { return "keychain" }

// Traits returns none.
func (k *Keychain) Traits() Traits { return Traits{} }

// Keyring returns the label of the keyring that new items are added to. It is empty if the platform has one keyring only,
// or if the label cannot be read.
func (k *Keychain) Keyring(ctx context.Context) string {
	it := k.open(k.options, newPatience(k.bounds))
	defer it.close()
	if labelled, ok := it.(interface {
		keyringLabel(context.Context) (string, error)
	}); ok {
		label, _ := labelled.keyringLabel(ctx)
		return label
	}
	return ""
}

// Get returns the account's credential, or an error that wraps ErrNotFound.
func (k *Keychain) Get(ctx context.Context, name account.Name) (*credential.Credential, error) {
	if err := usable(ctx, name); err != nil {
		return nil, err
	}
	it := k.open(k.options, newPatience(k.bounds))
	defer it.close()
	r, err := readRecord(ctx, it, name)
	if err != nil {
		return nil, failure(ctx, name, err)
	}
	return r.credential, nil
}

// Swap saves next, and returns after it was read back and found equal, if the keychain holds old, or nothing if old is
// nil. An item that Get cannot read is not overwritten.
func (k *Keychain) Swap(ctx context.Context, old, next *credential.Credential) error {
	if err := usable(ctx, next.Account); err != nil {
		return err
	}
	text, err := credential.Encode(next)
	if err != nil {
		return err
	}
	it := k.open(k.options, newPatience(k.bounds))
	defer it.close()
	before, err := readRecord(ctx, it, next.Account)
	if err != nil && !errors.Is(err, errNoItem) {
		return failure(ctx, next.Account, err)
	}
	var held *credential.Credential
	if before != nil {
		held = before.credential
	}
	if err := checkOld(next.Account, old, held); err != nil {
		return err
	}
	r, err := newRecord(next.Account, string(text), k.limit, before)
	if err == nil {
		err = writeRecord(ctx, it, r, before)
	}
	if err != nil {
		return failure(ctx, next.Account, err)
	}
	// The credential is saved: failures from here on are not the caller's.
	if k.limit > 0 || before != nil && before.manifest != nil {
		if err := sweep(ctx, it, r); err != nil {
			k.options.Notify("old parts of the credential of " + next.Account.String() + " are still in the keychain: " + failure(ctx, next.Account, err).Error())
		}
	}
	if err := k.names().Add(next.Account); err != nil {
		k.options.Notify(next.Account.String() + " was saved, but could not be added to the list of accounts: " + err.Error())
	}
	return nil
}

// Delete removes the account, whatever is stored under its name.
func (k *Keychain) Delete(ctx context.Context, name account.Name) error {
	if err := usable(ctx, name); err != nil {
		return err
	}
	it := k.open(k.options, newPatience(k.bounds))
	defer it.close()
	// The head first: parts without a head are never read.
	err := it.remove(ctx, name.String())
	if err == nil || errors.Is(err, errNoItem) {
		err = sweep(ctx, it, &record{account: name})
	}
	if err != nil {
		return failure(ctx, name, err)
	}
	if err := k.names().Remove(name); err != nil {
		k.options.Notify(name.String() + " was deleted, but is still in the list of accounts: " + err.Error())
	}
	return nil
}

// List returns the names of the accounts, sorted. It does not touch the keychain.
func (k *Keychain) List(ctx context.Context) ([]account.Name, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	return k.names().List()
}

func (k *Keychain) names() Names { return Names{Dir: k.options.StateDir, Folder: "names"} }

// failure returns what Keychain's methods say about an error of the layers below.
func failure(ctx context.Context, name account.Name, err error) error {
	switch {
	case ctx.Err() != nil: // first, because the end of the context makes everything else fail too
		return ended(ctx)
	case errors.Is(err, errNoItem):
		return absent(name)
	}
	var f *fail.Error
	if !errors.As(err, &f) {
		f = fail.New(fail.Store, "the keychain item of %s cannot be used: %w", name, err).Advise(fail.DoInspectItem, inspectItem(name)...)
	}
	return f
}

// unusable is the failure of a keychain that cannot be used at all.
func unusable(err error, why string, args ...any) error {
	return fail.New(fail.Store, "the keychain cannot be used: "+why, args...).Advise(fail.DoUseAnotherStore).Because(err)
}

// locked is the failure of a keychain that works but is locked.
func locked(err error, text string, args ...any) error {
	return fail.New(fail.Store, text, args...).Advise(fail.DoUnlockKeychain).Because(err)
}

// quoted makes the words of another program fit for the end of a failure's text.
func quoted(text string) string { return strings.TrimRight(redact.Scrub(text, 200), ". ") }
