package callback

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestJudgePeer(t *testing.T) {
	at := netip.MustParseAddrPort
	ours, theirs := at("127.0.0.1:8976"), at("127.0.0.1:40000")
	listening := socket{local: ours, remote: at("0.0.0.0:0"), state: socketListening, uid: 1000, inode: 1}
	alive := socket{local: ours, remote: theirs, state: socketEstablished, uid: 1000, inode: 2}
	dead := socket{local: ours, remote: theirs, state: 8, uid: 1000, inode: 2}
	peer := func(uid int, inode uint64) socket {
		return socket{local: theirs, remote: ours, state: socketEstablished, uid: uid, inode: inode}
	}
	for name, c := range map[string]struct {
		rows []socket
		uid  int
		want bool
	}{
		"own":                        {[]socket{listening, alive, peer(1000, 3)}, 1000, false},
		"root's":                     {[]socket{listening, alive, peer(0, 3)}, 0, false},
		"another user's":             {[]socket{listening, alive, peer(1001, 3)}, 1001, true},
		"closed by its process":      {[]socket{listening, dead, peer(0, 0)}, unknownUser, true},
		"gone":                       {[]socket{listening}, unknownUser, true},
		"gone, ours half closed":     {[]socket{listening, dead}, unknownUser, true},
		"of another system":          {[]socket{listening, alive}, unknownUser, false},
		"of a system without a list": {nil, unknownUser, false},
	} {
		if uid, other := judgePeer(c.rows, ours, theirs, 1000); other != c.want || uid != c.uid {
			t.Errorf("%s: %d, %v", name, uid, other)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:2310":                         "127.0.0.1:8976",
		"00000000000000000000000001000000:2310": "[::1]:8976",
		"0000000000000000FFFF00000100007F:0001": "127.0.0.1:1",
		"0100007F":                              "",
		"01007F:0001":                           "",
	} {
		got, ok := parseEndpoint(text)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
}

// Another user of the machine may have read the address of the authorization page, and hands over a login
// of their own.
func TestConnectionOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user for a moment")
	}
	l := begin(t, Options{})
	for name, script := range map[string]string{
		"waits":  `printf 'GET /callback?code=the-code&state=%s HTTP/1.1\r\nHost: %s\r\n\r\n' >&3; cat <&3`,
		"leaves": `printf 'GET /callback?code=the-code&state=%s HTTP/1.1\r\nHost: %s\r\n\r\n' >&3`,
	} {
		address := l.listeners[0].Addr().String()
		host, port, _ := net.SplitHostPort(address)
		script = fmt.Sprintf("exec 3<>/dev/tcp/%s/%s; "+script, host, port, testState, address)
		cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, _ := cmd.CombinedOutput(); strings.Contains(string(out), "HTTP/1.1") {
			t.Errorf("%s: another user was answered: %s", name, out)
		}
		l.waits()
	}
	l.hears("warning: refused a connection")
	page := l.later("?code=the-code&state=" + testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	a.Finish(nil)
	soon(t, page).page(t, 200, "You are logged in")
}

// Connections that send nothing must not keep out the browser.
func TestSilentConnections(t *testing.T) {
	l := begin(t, Options{})
	for range 600 {
		c := l.dial()
		defer c.Close()
	}
	start := time.Now()
	page := l.later("?code=the-code&state=" + testState)
	a, err := l.end()
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("answered after %v", d)
	}
	a.Finish(nil)
	soon(t, page).page(t, 200, "You are logged in")
}

func TestFirstByteIsDueInASecond(t *testing.T) {
	l := begin(t, Options{})
	l.hears("provider.example")
	c := l.dial()
	defer c.Close()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		_, _ = io.ReadAll(c)
		close(closed)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
	}
	if d := time.Since(start); d < firstByteTimeout/2 || d > 30*firstByteTimeout {
		t.Errorf("closed after %v", d)
	}
}
