//go:build unix && !darwin

package store

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/fail"
)

func isBusError(err error, names ...string) bool {
	var e *busError
	return errors.As(err, &e) && slices.Contains(names, e.name)
}

// turnedAway reports whether a call was refused, before it reached the service, by a limit on how many
// may come at once: of sockets waiting for the bus, of open files, of connections.
func turnedAway(err error) bool {
	var e *busError
	if errors.As(err, &e) {
		return e.name == "org.freedesktop.DBus.Error.LimitsExceeded" || strings.Contains(e.text, "Too many open files")
	}
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// transient reports whether a second try may well succeed: the service went away under the call, did not
// know the client yet, or the item was replaced between two calls.
func transient(err error) bool {
	return isBusError(err, errorNoSuchObject, errorNoSession,
		"org.freedesktop.DBus.Error.NoReply",
		"org.freedesktop.DBus.Error.Disconnected",
		"org.freedesktop.DBus.Error.UnknownMethod",
		"org.freedesktop.DBus.Error.UnknownObject") ||
		errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// explain says in a sentence what an error of the bus or the service means. What Keychain says itself is
// returned as it is.
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
	case errors.Is(err, errLocked), isBusError(err, errorIsLocked):
		return locked(err, "the keychain is locked")
	case errors.Is(err, errDismissed):
		return locked(err, "the keychain is locked: the prompt was dismissed or could not be shown")
	case errors.Is(err, errNoCollection):
		return unusable(err, "it has no collection to keep things in")
	case errors.Is(err, errBusGarbled):
		return unusable(err, "the "+s.awaited+" answers nonsense")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return unusable(err, "the "+s.awaited+" does not answer")
	case errors.As(err, &refused):
		return unusable(err, refusal(refused))
	case errors.As(err, &op) && op.Op == "dial":
		return unusable(err, dialProblem(op))
	case errors.Is(err, errBusLogin), transient(err) && s.awaited == sessionBus:
		return unusable(err, "the session bus refuses the login, as that of another user does")
	case transient(err):
		return unusable(err, "the "+s.awaited+" went away")
	}
	return unusable(err, quoted(err.Error()))
}

func dialProblem(op *net.OpError) string {
	socket := quoted(op.Addr.String())
	switch {
	case errors.Is(op, fs.ErrNotExist):
		return "the socket of the session bus, " + socket + ", is not there"
	case errors.Is(op, syscall.ECONNREFUSED):
		return "nobody listens at the socket of the session bus, " + socket
	case turnedAway(op):
		return "the session bus takes no more connections"
	}
	return "the socket of the session bus, " + socket + ": " + quoted(op.Err.Error())
}

func refusal(e *busError) string {
	switch name := strings.TrimPrefix(e.name, "org.freedesktop.DBus.Error."); {
	case name == "ServiceUnknown", name == "NameHasNoOwner":
		return "no keychain service (Secret Service) is installed or running"
	case strings.HasPrefix(name, "Spawn."), name == "TimedOut":
		return "the keychain service could not be started"
	case name == "AccessDenied":
		return "this program may not talk to the keychain service (a sandbox, such as snap or flatpak?)"
	case turnedAway(e):
		return "the session bus takes no more connections"
	}
	return "the keychain service refuses: " + quoted(e.text)
}

// itemHint tells how to see and remove an account's item by hand.
func itemHint(name account.Name) string {
	which := "service " + service + " username " + name.String()
	return "look at it in your keychain app or with `secret-tool search --all " + which + "`, and remove it with `secret-tool clear " + which + "`"
}
