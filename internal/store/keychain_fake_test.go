//go:build linux

package store

import (
	"fmt"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// fakeService is a Secret Service that does what GNOME Keyring without a display cannot be made to do.
type fakeService struct {
	mu        sync.Mutex
	calls     []string // member and path of each call, in order
	conn      *dbus.Conn
	items     map[dbus.ObjectPath]*fakeItem
	alias     dbus.ObjectPath // what ReadAlias says
	locked    bool
	unlocking dbus.ObjectPath                        // by the last Unlock
	confirm   bool                                   // ask before an item is deleted
	confirmed func()                                 // what follows a yes to that
	prompt    func() (dismissed bool)                // what the person does
	refuse    map[string]int                         // how often a method fails before it works
	refusal   string                                 // the error's name
	answer    map[string]func() ([]any, *dbus.Error) // other answers
}

type fakeItem struct {
	attributes map[string]string
	text       []byte
	locked     bool // its use has yet to be allowed
}

const fakeCollection = dbus.ObjectPath("/org/freedesktop/secrets/collection/some_20thing")

func (d *desktop) withFake(t *testing.T) *fakeService {
	t.Helper()
	f := &fakeService{items: make(map[dbus.ObjectPath]*fakeItem), alias: fakeCollection, refuse: make(map[string]int), answer: make(map[string]func() ([]any, *dbus.Error))}
	// The handler is called from a goroutine for each call; the interceptor sees them as they come.
	conn, err := dbus.Connect(d.address, dbus.WithHandler(f), dbus.WithIncomingInterceptor(func(msg *dbus.Message) {
		if msg.Type == dbus.TypeMethodCall {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.calls = append(f.calls, fmt.Sprint(msg.Headers[dbus.FieldMember].Value(), " ", msg.Headers[dbus.FieldPath].Value()))
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f.conn = conn
	if _, err := conn.RequestName(secretsName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return f
}

// LookupObject, LookupInterface, LookupMethod and Call make fakeService the one handler of all paths,
// interfaces and methods.
func (f *fakeService) LookupObject(path dbus.ObjectPath) (dbus.ServerObject, bool) {
	return fakeObject{f, path}, true
}

type fakeObject struct {
	*fakeService
	path dbus.ObjectPath
}

func (o fakeObject) LookupInterface(string) (dbus.Interface, bool) { return o, true }

func (o fakeObject) LookupMethod(name string) (dbus.Method, bool) { return fakeMethod{o, name}, true }

type fakeMethod struct {
	fakeObject
	member string
}

func (m fakeMethod) NumArguments() int     { return 0 }
func (m fakeMethod) NumReturns() int       { return 0 }
func (m fakeMethod) ArgumentValue(int) any { return nil }
func (m fakeMethod) ReturnValue(int) any   { return nil }
func (m fakeMethod) DecodeArguments(_ *dbus.Conn, _ string, msg *dbus.Message, _ []any) ([]any, error) {
	return []any{msg.Body}, nil
}

func (m fakeMethod) Call(args ...any) ([]any, error) {
	body, _ := args[0].([]any)
	return m.handle(m.path, m.member, body)
}

func (f *fakeService) handle(path dbus.ObjectPath, member string, body []any) ([]any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse[member] > 0 {
		f.refuse[member]--
		return nil, dbus.NewError(f.refusal, []any{"refused"})
	}
	if answer, ok := f.answer[member]; ok {
		out, err := answer()
		if err != nil {
			return nil, err
		}
		return out, nil
	}
	switch member {
	case "Get":
		if body[1] == "Locked" {
			return []any{dbus.MakeVariant(f.locked)}, nil
		}
		return []any{dbus.MakeVariant([]dbus.ObjectPath{fakeCollection})}, nil
	case "OpenSession":
		return []any{dbus.MakeVariant(""), dbus.ObjectPath("/session/1")}, nil
	case "SearchItems":
		found := []dbus.ObjectPath{}
		if f.locked { // as KeePassXC: what is locked is not searched
			return []any{found, found}, nil
		}
		wanted, _ := body[0].(map[string]string)
		for item, it := range f.items {
			if it.attributes["service"] == wanted["service"] && it.attributes["username"] == wanted["username"] {
				found = append(found, item)
			}
		}
		return []any{found, []dbus.ObjectPath{}}, nil
	case "ReadAlias":
		return []any{f.alias}, nil
	case "Unlock":
		objects, _ := body[0].([]dbus.ObjectPath)
		if it := f.items[objects[0]]; !f.locked && (it == nil || !it.locked) {
			return []any{objects, nothing}, nil
		}
		f.unlocking = objects[0]
		return []any{[]dbus.ObjectPath{}, dbus.ObjectPath("/prompt/1")}, nil
	case "Prompt":
		answer, unlocking := f.prompt, f.unlocking
		go func() {
			dismissed := answer()
			f.mu.Lock()
			if !dismissed && f.confirmed != nil {
				f.confirmed()
			} else if !dismissed {
				if item := f.items[unlocking]; item != nil {
					item.locked = false
				} else {
					f.locked = false
				}
			}
			f.mu.Unlock()
			_ = f.conn.Emit(path, promptIface+".Completed", dismissed, dbus.MakeVariant([]dbus.ObjectPath{}))
		}()
		return nil, nil
	case "GetSecret":
		item := f.items[path]
		if item.locked {
			return nil, dbus.NewError(errorIsLocked, nil)
		}
		return []any{secretText{"/session/1", []byte{}, item.text, "text/plain"}}, nil
	case "CreateItem":
		properties, _ := body[0].(map[string]dbus.Variant)
		attributes, _ := properties[itemIface+".Attributes"].Value().(map[string]string)
		secret, _ := body[1].([]any)
		text, _ := secret[2].([]byte)
		item := path + "/" + dbus.ObjectPath(fmt.Sprint(len(f.items)))
		for other, it := range f.items {
			if it.attributes["username"] == attributes["username"] {
				item = other
			}
		}
		f.items[item] = &fakeItem{attributes: attributes, text: text}
		return []any{item, nothing}, nil
	case "SetSecret":
		secret, _ := body[0].([]any)
		text, _ := secret[2].([]byte)
		f.items[path].text = text
		return nil, nil
	case "Delete":
		if f.confirm {
			f.confirmed = func() { delete(f.items, path) }
			return []any{dbus.ObjectPath("/prompt/1")}, nil
		}
		delete(f.items, path)
		return []any{nothing}, nil
	}
	return nil, dbus.NewError("org.freedesktop.DBus.Error.UnknownMethod", []any{"no such method"})
}

func (f *fakeService) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// with changes what the service does.
func (f *fakeService) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeService) lock() { f.with(func() { f.locked = true }) }
