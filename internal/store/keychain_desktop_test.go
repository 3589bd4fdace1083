//go:build linux

package store

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// desktop is a private session bus, with or without a keychain service on it, for one test.
type desktop struct {
	home    string
	address string
	bus     *exec.Cmd
	keyring *exec.Cmd // nil without one
}

// bareBus is the configuration of a bus on which nothing is started on demand.
const bareBus = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>%s
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
`

// needKeychain skips a test that needs a session bus and GNOME Keyring, unless it was asked for.
func needKeychain(t *testing.T) {
	t.Helper()
	wanted := os.Getenv("TOKENCLI_TEST_KEYCHAIN")
	if wanted == "" {
		t.Skip("needs dbus-daemon, gnome-keyring-daemon and secret-tool: run with TOKENCLI_TEST_KEYCHAIN=required")
	}
	for _, program := range []string{"dbus-daemon", "gnome-keyring-daemon", "secret-tool"} {
		if _, err := exec.LookPath(program); err != nil {
			if wanted == "required" {
				t.Fatalf("TOKENCLI_TEST_KEYCHAIN=required: %v", err)
			}
			t.Skip(err)
		}
	}
}

// newDesktop starts a session bus with nothing on it. Prefix, if given, is put before dbus-daemon's
// command line; extra goes into the bus's configuration.
func newDesktop(t *testing.T, extra string, prefix ...string) *desktop {
	t.Helper()
	needKeychain(t)
	home, err := os.MkdirTemp("", "tokencli") //nolint:usetesting // a socket's path may have 107 bytes, which t.TempDir can pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	d := &desktop{home: home, address: "unix:path=" + filepath.Join(home, "bus")}
	config := filepath.Join(home, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, bareBus, filepath.Join(home, "bus"), extra), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(prefix, "dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile")
	d.bus = d.start(t, nil, args...)
	d.wait(t, "the session bus", func() bool {
		b, err := d.dial()
		if err == nil {
			b.close()
		}
		return err == nil
	})
	return d
}

// withKeyring starts GNOME Keyring. Unlocked, it has a collection "login"; else it has none, or the
// locked one of an earlier start.
func (d *desktop) withKeyring(t *testing.T, unlocked bool) *desktop {
	t.Helper()
	args := []string{"gnome-keyring-daemon", "--foreground", "--components=secrets"}
	var password *strings.Reader
	if unlocked {
		args = append(args, "--unlock")
		password = strings.NewReader("test")
	}
	d.keyring = d.start(t, password, args...)
	d.wait(t, "the keychain service", func() bool { return d.hasOwner(t) })
	return d
}

func (d *desktop) stopKeyring(t *testing.T) {
	t.Helper()
	end(d.keyring)
	d.wait(t, "the end of the keychain service", func() bool { return !d.hasOwner(t) })
}

// env is the environment of programs on this desktop.
func (d *desktop) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + d.home,
		"XDG_RUNTIME_DIR=" + d.home,
		"XDG_DATA_HOME=" + filepath.Join(d.home, "data"),
		"DBUS_SESSION_BUS_ADDRESS=" + d.address,
	}
}

func (d *desktop) start(t *testing.T, stdin *strings.Reader, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env, cmd.Dir = d.env(), d.home
	if stdin != nil {
		cmd.Stdin = stdin
	}
	// A test that panics or runs out of time must not leave daemons behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd) })
	return cmd
}

func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func (d *desktop) wait(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no sign of %s", what)
		}
	}
}

func (d *desktop) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env, cmd.Stdin = d.env(), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// dial connects to the bus and logs in.
func (d *desktop) dial() (*bus, error) {
	b, err := dialBus(context.Background(), newPatience(defaultBounds), d.address)
	if err != nil {
		return nil, err
	}
	hello, err := b.call(dbusName, dbusPath, dbusName, "Hello")
	if err == nil {
		err = b.flush()
	}
	if err == nil {
		err = b.login()
	}
	if err == nil {
		_, err = b.answer(hello)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// ask calls a method of a program on the bus.
func (d *desktop) ask(t *testing.T, destination string, path dbus.ObjectPath, iface, member string, args ...any) []any {
	t.Helper()
	b, err := d.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if destination == secretsName {
		// See secretService: a property read comes first.
		first, _ := b.call(secretsName, secretsPath, propertiesIface, "Get", secretsIface, "Collections")
		if err := b.flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.answer(first); err != nil {
			t.Fatal(err)
		}
	}
	serial, err := b.call(destination, path, iface, member, args...)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.flush(); err != nil {
		t.Fatal(err)
	}
	body, err := b.answer(serial)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func (d *desktop) hasOwner(t *testing.T) bool {
	t.Helper()
	owned, _ := d.ask(t, dbusName, dbusPath, dbusName, "NameHasOwner", secretsName)[0].(bool)
	return owned
}

// keychain returns a store on this desktop, with a state folder of its own and nobody to ask.
func (d *desktop) keychain(t *testing.T) *Keychain {
	t.Helper()
	k := NewKeychain(KeychainOptions{StateDir: filepath.Join(t.TempDir(), "state"), CanPrompt: func() bool { return false }})
	k.open = func(o KeychainOptions, p *patience) items {
		s := openItems(o, p).(*secretService)
		s.address = func() (string, error) { return d.address, nil }
		return s
	}
	return k
}
