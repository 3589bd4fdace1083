//go:build unix && !darwin

package store

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

func isBusError(err error, names ...string) bool {
	var e *busError
	return errors.As(err, &e) && slices.Contains(names, e.name)
}

// turnedAway reports whether a call was refused, before it reached the service, by a limit: on sockets
// waiting for the bus, open files or connections.
func turnedAway(err error) bool {
	var e *busError
	if errors.As(err, &e) {
		return e.name == "org.freedesktop.DBus.Error.LimitsExceeded" || strings.Contains(e.text, "Too many open files")
	}
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// transient reports whether a second try may well succeed: the service stopped during the call, did not
// know the client yet, or the item was replaced between two calls.
func transient(err error) bool {
	return isBusError(err, errorNoSuchObject, errorNoSession,
		"org.freedesktop.DBus.Error.NoReply",
		"org.freedesktop.DBus.Error.Disconnected",
		"org.freedesktop.DBus.Error.UnknownMethod",
		"org.freedesktop.DBus.Error.UnknownObject") ||
		errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// explain says what an error of the bus or the service means. Keychain's own errors are returned as they
// are.
func (s *secretService) explain(err error) error {
	var known *fail.Error
	var refused *busError
	var op *net.OpError
	switch {
	case errors.As(err, &known), errors.Is(err, errDoubled):
		return err
	case errors.Is(err, errNoBus):
		return unusable(err, "this session has no D-Bus session bus")
	case errors.Is(err, errBusAddress):
		return unusable(err, "DBUS_SESSION_BUS_ADDRESS names no socket of a session bus")
	case errors.Is(err, errBusOwner):
		return unusable(err, "another user serves the session bus at the address in DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR; nothing was sent")
	case errors.Is(err, errLocked), isBusError(err, errorIsLocked):
		return locked(err, "%s is locked", s.keyring())
	case errors.Is(err, errDismissed):
		return locked(err, "%s is locked: the prompt was dismissed or could not be shown", s.keyring())
	case errors.Is(err, errNoCollection):
		return unusable(err, "it has no keyring (collection) to store items in")
	case errors.Is(err, errBusGarbled):
		return unusable(err, "the %s sent an invalid answer", fail.Word(s.awaited))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return unusable(err, "the %s does not answer", fail.Word(s.awaited))
	case errors.As(err, &refused):
		return unusable(err, "%w", refusal(refused))
	case errors.As(err, &op) && op.Op == "dial":
		return unusable(err, "%w", dialProblem(op))
	case errors.Is(err, errBusLogin), transient(err) && s.awaited == sessionBus:
		return unusable(err, "the session bus refuses the connection, as that of another user does")
	case transient(err):
		return unusable(err, "the %s closed the connection", fail.Word(s.awaited))
	}
	return unusable(err, "%s", quoted(err.Error()))
}

// keyring names the keychain, or the collection in it that is locked.
func (s *secretService) keyring() string {
	if s.label == "" {
		return "the keychain"
	}
	return "the keyring " + strconv.Quote(s.label)
}

func dialProblem(op *net.OpError) error {
	socket := quoted(op.Addr.String())
	switch {
	case errors.Is(op, fs.ErrNotExist):
		return fail.New(fail.Store, "the socket of the session bus, %s, does not exist", socket)
	case errors.Is(op, syscall.ECONNREFUSED):
		return fail.New(fail.Store, "no process listens on the socket of the session bus, %s", socket)
	case turnedAway(op):
		return fail.New(fail.Store, "the session bus accepts no more connections")
	}
	return fail.New(fail.Store, "the socket of the session bus, %s: %s", socket, quoted(op.Err.Error()))
}

func refusal(e *busError) error {
	switch name := strings.TrimPrefix(e.name, "org.freedesktop.DBus.Error."); {
	case name == "ServiceUnknown", name == "NameHasNoOwner":
		return fail.New(fail.Store, "no keychain service (Secret Service) is installed or running")
	case strings.HasPrefix(name, "Spawn."), name == "TimedOut":
		return fail.New(fail.Store, "the keychain service could not be started")
	case name == "AccessDenied":
		return fail.New(fail.Store, "this program may not talk to the keychain service (is it in a sandbox such as snap or flatpak?)")
	case turnedAway(e):
		return fail.New(fail.Store, "the session bus accepts no more connections")
	}
	return fail.New(fail.Store, "the keychain service reports: %s", quoted(e.text))
}

// inspectItem returns the commands that show and delete an account's item, for fail.DoInspectItem.
func inspectItem(name account.Name) []any {
	which := "service " + service + " username " + name.String()
	return []any{"secret-tool search --all " + which, "secret-tool clear " + which}
}
