//go:build unix && !darwin

package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// bus is a connection to the D-Bus session bus for one goroutine. Messages are encoded and decoded by
// godbus. Its connection is not used because of what it would cost each token: four round trips to log in,
// and so seven to read an item where this one needs three, and a goroutine that reads, which is also what
// it takes to bound the time of a call there. Here deadlines of the socket bound every read and write.
type bus struct {
	conn   net.Conn
	in     *bufio.Reader
	out    bytes.Buffer    // what flush sends, so that several messages travel together
	serial uint32          // of the last message
	inbox  []*dbus.Message // answers and signals that have not been asked for yet
}

// busError is an error reply of the bus or of a program on it.
type busError struct {
	name string // such as org.freedesktop.DBus.Error.ServiceUnknown
	text string
}

func (e *busError) Error() string { return e.name + ": " + e.text }

var (
	errNoBus      = errors.New("no session bus")
	errBusAddress = errors.New("not the address of a local session bus")
	errBusLogin   = errors.New("the session bus refused the login")
	errBusOwner   = errors.New("the session bus belongs to another user")
	errBusGarbled = errors.New("the answer does not follow the D-Bus protocol")
)

// maxLine bounds a line of the login (the D-Bus specification has lines of a few dozen bytes).
const maxLine = 1 << 10

// busAddress returns the address of the session bus by the rules of the D-Bus specification ("Well-known
// Message Bus Instances") except the last one: a bus is never started.
func busAddress(getenv func(string) string) (string, error) {
	address := getenv("DBUS_SESSION_BUS_ADDRESS")
	if address != "" && address != "autolaunch:" {
		return address, nil
	}
	folder := getenv("XDG_RUNTIME_DIR")
	if folder == "" {
		folder = "/run/user/" + strconv.Itoa(os.Getuid())
	}
	path := folder + "/bus"
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeSocket == 0 {
		return "", errNoBus
	}
	return "unix:path=" + dbus.EscapeBusAddressValue(path), nil
}

// sockets returns the unix sockets in a bus address, which may list several to be tried in turn; names
// of abstract ones start with @, as package net wants them. Other kinds of address (tcp, unixexec) are
// skipped.
func sockets(address string) ([]string, error) {
	var found []string
	for entry := range strings.SplitSeq(address, ";") {
		settings, ok := strings.CutPrefix(entry, "unix:")
		if !ok {
			continue
		}
		for setting := range strings.SplitSeq(settings, ",") {
			key, value, _ := strings.Cut(setting, "=")
			value, err := dbus.UnescapeBusAddressValue(value)
			switch {
			case err != nil || value == "":
			case key == "path" && value[0] == '/': // package net would take @ for an abstract socket
				found = append(found, value)
			case key == "abstract":
				found = append(found, "@"+value)
			}
		}
	}
	if found == nil {
		return nil, errBusAddress
	}
	return found, nil
}

// dialBus connects to the first socket of the address that answers. Waits end with ctx.
func dialBus(ctx context.Context, p *patience, address string) (*bus, error) {
	paths, err := sockets(address)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		// A socket on this machine connects at once or not at all, so this needs no interruption.
		var conn *net.UnixConn
		if conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
			continue
		}
		if err := checkPeer(conn); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return newBus(&boundedConn{Conn: conn, ctx: ctx, patience: p}), nil
	}
	return nil, err
}

// checkPeer refuses a bus that another user serves, before anything is sent: the address in the environment
// may be stale, and a socket in /tmp another's by now.
func checkPeer(conn *net.UnixConn) error {
	uid, known, err := peerUID(conn)
	if err == nil && known && uid != os.Geteuid() && uid != 0 {
		return errBusOwner
	}
	return err
}

// newBus returns a bus over a connection, with the login queued; it travels with the first messages.
func newBus(conn net.Conn) *bus {
	b := &bus{conn: conn, in: bufio.NewReader(conn)}
	// The mechanism in which the bus learns from the socket who its peer is. The null byte is part of it.
	uid := hex.EncodeToString([]byte(strconv.Itoa(os.Geteuid())))
	b.out.WriteString("\x00AUTH EXTERNAL " + uid + "\r\nBEGIN\r\n")
	return b
}

// close ends the connection, and with it everything that the service keeps for it.
func (b *bus) close() {
	_ = b.conn.Close()
}

// call queues a method call and returns its serial, for answer.
func (b *bus) call(destination string, path dbus.ObjectPath, iface, member string, args ...any) (uint32, error) {
	headers := map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(destination),
		dbus.FieldPath:        dbus.MakeVariant(path),
		dbus.FieldInterface:   dbus.MakeVariant(iface),
		dbus.FieldMember:      dbus.MakeVariant(member),
	}
	if len(args) > 0 {
		headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(args...))
	}
	var text bytes.Buffer
	msg := dbus.Message{Type: dbus.TypeMethodCall, Headers: headers, Body: args}
	if err := msg.EncodeTo(&text, binary.LittleEndian); err != nil {
		return 0, err
	}
	b.serial++
	// godbus keeps the serial to itself; its place in the header is fixed (bytes 8 to 11).
	binary.LittleEndian.PutUint32(text.Bytes()[8:], b.serial)
	b.out.Write(text.Bytes())
	return b.serial, nil
}

func (b *bus) flush() error {
	defer b.out.Reset()
	_, err := b.conn.Write(b.out.Bytes())
	return err
}

// login reads the bus's answer to the login, which flush has sent.
func (b *bus) login() error {
	var line []byte
	for !bytes.HasSuffix(line, []byte("\n")) {
		c, err := b.in.ReadByte()
		if err != nil {
			return err
		}
		if line = append(line, c); len(line) > maxLine {
			return errBusGarbled
		}
	}
	switch {
	case bytes.HasPrefix(line, []byte("OK ")):
		return nil
	case bytes.HasPrefix(line, []byte("REJECTED")):
		return errBusLogin
	}
	return errBusGarbled
}

// answer waits for the answer to a call and returns its body.
func (b *bus) answer(serial uint32) ([]any, error) {
	msg, err := b.await(func(msg *dbus.Message) bool {
		to, _ := msg.Headers[dbus.FieldReplySerial].Value().(uint32)
		return to == serial && (msg.Type == dbus.TypeMethodReply || msg.Type == dbus.TypeError)
	})
	if err != nil {
		return nil, err
	}
	if msg.Type == dbus.TypeError {
		e := new(busError)
		e.name, _ = msg.Headers[dbus.FieldErrorName].Value().(string)
		if len(msg.Body) > 0 {
			e.text, _ = msg.Body[0].(string)
		}
		return nil, e
	}
	return msg.Body, nil
}

// signal waits for a signal of an object and returns its body.
func (b *bus) signal(path dbus.ObjectPath, iface, member string) ([]any, error) {
	msg, err := b.await(func(msg *dbus.Message) bool {
		return msg.Type == dbus.TypeSignal && msg.Headers[dbus.FieldPath].Value() == path &&
			msg.Headers[dbus.FieldInterface].Value() == iface && msg.Headers[dbus.FieldMember].Value() == member
	})
	if err != nil {
		return nil, err
	}
	return msg.Body, nil
}

// await returns the first wanted message. Others are kept for a later call: an answer or a signal may
// come before it is asked for.
func (b *bus) await(wanted func(*dbus.Message) bool) (*dbus.Message, error) {
	for i, msg := range b.inbox {
		if wanted(msg) {
			b.inbox = slices.Delete(b.inbox, i, i+1)
			return msg, nil
		}
	}
	for {
		msg, err := dbus.DecodeMessage(b.in)
		var invalid dbus.InvalidMessageError
		var format dbus.FormatError
		switch {
		case errors.As(err, &invalid), errors.As(err, &format):
			return nil, fmt.Errorf("%w (%w)", errBusGarbled, err)
		case err != nil:
			return nil, err
		case wanted(msg):
			return msg, nil
		}
		b.inbox = append(b.inbox, msg)
	}
}

// value returns one value of an answer's body.
func value[T any](body []any, i int) (T, error) {
	var v T
	if i >= len(body) {
		return v, errBusGarbled
	}
	inner := body[i]
	if variant, ok := inner.(dbus.Variant); ok {
		inner = variant.Value()
	}
	v, ok := inner.(T)
	if !ok {
		return v, errBusGarbled
	}
	return v, nil
}

// soon is how long an answer may take before the context is watched. Most take a hundredth of that, and
// then the process need not listen to signals.
const soon = 20 * time.Millisecond

// boundedConn is a connection whose every use is bounded by a patience, and which closes with ctx.
type boundedConn struct {
	net.Conn
	ctx      context.Context
	patience *patience
	detach   func() bool // nil until ctx is watched
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.detach == nil {
		deadline := c.patience.deadline()
		if first := time.Now().Add(soon); deadline.IsZero() || first.Before(deadline) {
			deadline = first
		}
		n, err := c.read(p, deadline)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		c.detach = context.AfterFunc(c.ctx, func() { _ = c.Conn.Close() })
	}
	return c.read(p, c.patience.deadline())
}

func (c *boundedConn) read(p []byte, deadline time.Time) (int, error) {
	if err := c.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(c.patience.deadline()); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *boundedConn) Close() error {
	if c.detach != nil {
		c.detach()
	}
	return c.Conn.Close()
}
