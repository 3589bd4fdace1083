//go:build unix && !darwin

package store

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/tokencli/tokencli/internal/redact"
)

// The Secret Service has no limit that a credential could reach: 64 MiB were kept when it was tried.
const itemLimit = 0

// The names of the Secret Service API, version 0.2 (https://specifications.freedesktop.org/secret-service).
const (
	secretsName       = "org.freedesktop.secrets"
	secretsPath       = dbus.ObjectPath("/org/freedesktop/secrets")
	loginCollection   = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	nothing           = dbus.ObjectPath("/") // stands for no object
	secretsIface      = "org.freedesktop.Secret.Service"
	collectionIface   = "org.freedesktop.Secret.Collection"
	itemIface         = "org.freedesktop.Secret.Item"
	promptIface       = "org.freedesktop.Secret.Prompt"
	propertiesIface   = "org.freedesktop.DBus.Properties"
	dbusName          = "org.freedesktop.DBus"
	dbusPath          = dbus.ObjectPath("/org/freedesktop/DBus")
	errorIsLocked     = "org.freedesktop.Secret.Error.IsLocked"
	errorNoSuchObject = "org.freedesktop.Secret.Error.NoSuchObject"
	errorNoSession    = "org.freedesktop.Secret.Error.NoSession"
)

// The peers that may not answer, in the words of a failure.
const (
	sessionBus      = "session bus"
	keychainService = "keychain service"
)

var (
	errLocked       = errors.New("the keychain is locked")
	errDismissed    = errors.New("the unlock prompt was dismissed or could not be shown")
	errNoCollection = errors.New("the keychain has no collection")
	errDoubled      = errors.New("there is more than one item of that name")
)

// secretService keeps items in the Secret Service, with the attributes and the form of go-keyring, which
// sees the same items. go-keyring itself is not used here: its calls have no deadline and leave a goroutine
// when they time out, they prompt from scripts, and without a "login" collection they use the alias path
// that crashes GNOME Keyring.
//
// What GNOME Keyring 42 needs to survive parallel callers (GNOME/gnome-keyring work items 190, 196, 199,
// and thousands of parallel reads in each order): the first call of a connection is a property read, and
// its answer is awaited before OpenSession is sent; the path of the default alias is never used; prompts
// are shown one at a time.
type secretService struct {
	options  KeychainOptions
	patience *patience
	address  func() (string, error)

	bus         *bus
	awaited     string            // the peer that must answer next
	label       string            // of the collection that is locked
	session     dbus.ObjectPath   // empty before the first search
	collections []dbus.ObjectPath // as the first call returned them
}

func openItems(options KeychainOptions, p *patience) items {
	return &secretService{
		options:  options,
		patience: p,
		address:  func() (string, error) { return busAddress(os.Getenv) },
	}
}

func (s *secretService) close() {
	if s.bus != nil {
		s.bus.close()
	}
	s.bus, s.session, s.collections = nil, "", nil
}

func (s *secretService) get(ctx context.Context, user string) (text string, err error) {
	err = s.do(ctx, func() error {
		item, err := s.find(ctx, user)
		if err != nil {
			return err
		}
		text, err = s.text(ctx, item)
		return err
	})
	return text, err
}

func (s *secretService) set(ctx context.Context, user, label, text string) error {
	return s.do(ctx, func() error {
		item, err := s.find(ctx, user)
		switch {
		case err == nil:
			// The item that was read: CreateItem would search one collection, by all attributes, and might
			// create a second item.
			_, err = s.callUnlocked(ctx, item, itemIface, "SetSecret", s.secret(text))
			return err
		case !errors.Is(err, errNoItem):
			return err
		}
		collection, err := s.collection()
		if err != nil {
			return err
		}
		return s.create(ctx, collection, user, label, text)
	})
}

func (s *secretService) remove(ctx context.Context, user string) error {
	return s.do(ctx, func() error {
		unlocked, locked, err := s.search(ctx, user)
		if err != nil {
			return err
		}
		for _, item := range locked {
			if err := s.unlock(ctx, item); err != nil {
				return err
			}
		}
		for _, item := range append(unlocked, locked...) {
			body, err := s.call(item, itemIface, "Delete")
			if err != nil {
				return err
			}
			if err := s.confirm(ctx, body, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// do runs f on a connection, and once more on a new one after a transient failure. So f may run twice.
func (s *secretService) do(ctx context.Context, f func() error) error {
	start, again := time.Now(), true
	for {
		err := s.connect(ctx)
		if err == nil {
			err = f()
		}
		if err == nil || errors.Is(err, errNoItem) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.close()
		switch {
		case turnedAway(err) && time.Since(start) < s.patience.silence:
			// Too many callers at once: try again.
		case transient(err) && again:
			again = false
		default:
			return s.explain(err)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// connect opens a connection on which the service knows this client, unless there is one.
func (s *secretService) connect(ctx context.Context) error {
	if s.bus != nil {
		return nil
	}
	s.awaited = sessionBus
	address, err := s.address()
	if err != nil {
		return err
	}
	if s.bus, err = dialBus(ctx, s.patience, address); err != nil {
		return err
	}
	return s.login()
}

// login logs in to the bus and makes the first call. Both travel in one write: systemd's client does not
// wait for the answer to its login either, and the specification has the messages follow BEGIN directly.
func (s *secretService) login() error {
	hello, err := s.bus.call(dbusName, dbusPath, dbusName, "Hello")
	if err != nil {
		return err
	}
	first, err := s.bus.call(secretsName, secretsPath, propertiesIface, "Get", secretsIface, "Collections")
	if err != nil {
		return err
	}
	if err := s.bus.flush(); err != nil {
		return err
	}
	if err := s.bus.login(); err != nil {
		return err
	}
	if _, err := s.bus.answer(hello); err != nil {
		return err
	}
	s.awaited = keychainService
	body, err := s.bus.answer(first)
	if err != nil {
		return err
	}
	s.collections, err = value[[]dbus.ObjectPath](body, 0)
	return err
}

// call calls a method of the service and returns the body of the answer.
func (s *secretService) call(path dbus.ObjectPath, iface, member string, args ...any) ([]any, error) {
	serial, err := s.bus.call(secretsName, path, iface, member, args...)
	if err != nil {
		return nil, err
	}
	if err := s.bus.flush(); err != nil {
		return nil, err
	}
	return s.bus.answer(serial)
}

// callUnlocked is call for an object that may be locked after all: KeePassXC lists an item as unlocked
// before its user has allowed its use, and a collection may be locked by a timer at any moment.
func (s *secretService) callUnlocked(ctx context.Context, path dbus.ObjectPath, iface, member string, args ...any) ([]any, error) {
	body, err := s.call(path, iface, member, args...)
	if isBusError(err, errorIsLocked) {
		if err := s.unlock(ctx, path); err != nil {
			return nil, err
		}
		body, err = s.call(path, iface, member, args...)
	}
	return body, err
}

func attributes(user string) map[string]string {
	return map[string]string{"service": service, "username": user}
}

// search returns the items of that name in all collections.
func (s *secretService) search(ctx context.Context, user string) (unlocked, locked []dbus.ObjectPath, err error) {
	for range 2 {
		unlocked, locked, err = s.searchOnce(user)
		if err != nil || len(unlocked)+len(locked) > 0 {
			return unlocked, locked, err
		}
		// Not every service searches locked collections.
		collection, err := s.lockedCollection()
		if err != nil {
			return nil, nil, err
		}
		if collection == "" {
			return nil, nil, errNoItem
		}
		if err := s.unlock(ctx, collection); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, errLocked
}

// searchOnce also opens the session, in the same round trip, unless it is open.
func (s *secretService) searchOnce(user string) (unlocked, locked []dbus.ObjectPath, err error) {
	search, err := s.bus.call(secretsName, secretsPath, secretsIface, "SearchItems", attributes(user))
	if err != nil {
		return nil, nil, err
	}
	var open uint32
	if s.session == "" {
		// "plain" sends secrets unencrypted: the bus is a socket of this user on this machine, and a process
		// that could read its traffic could also ask for the secrets.
		if open, err = s.bus.call(secretsName, secretsPath, secretsIface, "OpenSession", "plain", dbus.MakeVariant("")); err != nil {
			return nil, nil, err
		}
	}
	if err := s.bus.flush(); err != nil {
		return nil, nil, err
	}
	body, err := s.bus.answer(search)
	if err != nil {
		return nil, nil, err
	}
	if unlocked, err = value[[]dbus.ObjectPath](body, 0); err != nil {
		return nil, nil, err
	}
	if locked, err = value[[]dbus.ObjectPath](body, 1); err != nil {
		return nil, nil, err
	}
	if s.session == "" {
		if body, err = s.bus.answer(open); err != nil {
			return nil, nil, err
		}
		if s.session, err = value[dbus.ObjectPath](body, 1); err != nil {
			return nil, nil, err
		}
	}
	return unlocked, locked, nil
}

// find returns the one item of that name, unlocked.
func (s *secretService) find(ctx context.Context, user string) (dbus.ObjectPath, error) {
	unlocked, locked, err := s.search(ctx, user)
	switch {
	case err != nil:
		return "", err
	case len(unlocked)+len(locked) > 1:
		// One of them may hold a refresh token that was spent long ago, and nothing says which.
		return "", errDoubled
	case len(unlocked) == 1:
		return unlocked[0], nil
	}
	return locked[0], s.unlock(ctx, locked[0])
}

func (s *secretService) text(ctx context.Context, item dbus.ObjectPath) (string, error) {
	body, err := s.callUnlocked(ctx, item, itemIface, "GetSecret", s.session)
	if err != nil {
		return "", err
	}
	secret, err := value[[]any](body, 0) // session, parameters, value, content type
	if err != nil {
		return "", err
	}
	text, err := value[[]byte](secret, 2)
	return string(text), err
}

// secretText is the API's Secret structure.
type secretText struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

func (s *secretService) secret(text string) secretText {
	return secretText{Session: s.session, Parameters: []byte{}, Value: []byte(text), ContentType: "text/plain; charset=utf8"}
}

// create creates an item. One of that name that another process created meanwhile is replaced.
func (s *secretService) create(ctx context.Context, collection dbus.ObjectPath, user, label, text string) error {
	properties := map[string]dbus.Variant{
		itemIface + ".Label":      dbus.MakeVariant(label),
		itemIface + ".Attributes": dbus.MakeVariant(attributes(user)),
	}
	body, err := s.callUnlocked(ctx, collection, collectionIface, "CreateItem", properties, s.secret(text), true)
	if err != nil {
		return err
	}
	return s.confirm(ctx, body, 1)
}

// collection returns the path of the collection for new items: the default one of the user's desktop or, if
// none is set, "login", as go-keyring does.
func (s *secretService) collection() (dbus.ObjectPath, error) {
	body, err := s.call(secretsPath, secretsIface, "ReadAlias", "default")
	if err != nil {
		return "", err
	}
	switch collection, err := value[dbus.ObjectPath](body, 0); {
	case err != nil:
		return "", err
	case collection != nothing:
		return collection, nil
	case slices.Contains(s.collections, loginCollection):
		return loginCollection, nil
	}
	return "", errNoCollection
}

// keyringLabel returns the label of the collection for new items.
func (s *secretService) keyringLabel(ctx context.Context) (label string, err error) {
	err = s.do(ctx, func() error {
		collection, err := s.collection()
		if err == nil {
			label = s.labelOf(collection)
		}
		return err
	})
	return label, err
}

// labelOf returns the label of the collection at a path, or of the one that the item at the path is in. It
// is empty if the service does not say.
func (s *secretService) labelOf(object dbus.ObjectPath) string {
	for collection := string(object); strings.HasPrefix(collection, string(secretsPath)+"/collection/"); collection = path.Dir(collection) {
		body, err := s.call(dbus.ObjectPath(collection), propertiesIface, "Get", collectionIface, "Label")
		if label, badLabel := value[string](body, 0); err == nil && badLabel == nil {
			return redact.Scrub(label, 60)
		}
	}
	return ""
}

// lockedCollection returns the collection for new items if there is one and it is locked.
func (s *secretService) lockedCollection() (dbus.ObjectPath, error) {
	collection, err := s.collection()
	if errors.Is(err, errNoCollection) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	body, err := s.call(collection, propertiesIface, "Get", collectionIface, "Locked")
	if err != nil {
		return "", err
	}
	if locked, err := value[bool](body, 0); err != nil || !locked {
		return "", err
	}
	return collection, nil
}
