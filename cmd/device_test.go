package cmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"rsc.io/qr"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/session"
)

const completeAddress = "https://acme.example/activate?user_code=WDJB-MJHT"

// The drawing is compared module by module with the code that it is of.
func TestQRCode(t *testing.T) {
	code, err := qr.Encode(completeAddress, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	wide := code.Size + 2*qrMargin
	drawn := qrCode(completeAddress, wide)
	for y, line := range strings.Split(strings.TrimSuffix(drawn, "\n"), "\n") {
		line, ok := strings.CutPrefix(line, "\x1b[30;107m")
		line, reset := strings.CutSuffix(line, "\x1b[0m")
		if cells := []rune(line); !ok || !reset || len(cells) != wide {
			t.Fatalf("line %d: %q", y, line)
		}
		for x, cell := range []rune(line) {
			upper, lower := code.Black(x-qrMargin, 2*y-qrMargin), code.Black(x-qrMargin, 2*y+1-qrMargin)
			want := map[[2]bool]rune{{true, true}: '█', {true, false}: '▀', {false, true}: '▄', {false, false}: ' '}[[2]bool{upper, lower}]
			if cell != want {
				t.Fatalf("%d, %d: %c, want %c", x, y, cell, want)
			}
		}
	}
	for _, columns := range []int{0, wide - 1} {
		if qrCode(completeAddress, columns) != "" {
			t.Errorf("a QR code on %d columns", columns)
		}
	}
	if qrCode(strings.Repeat("a", 5000), 1000) != "" {
		t.Error("a QR code of 5000 characters")
	}
}

func TestShowDevice(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	name := account.Name{Provider: "acme"}
	d := session.Device{UserCode: "WDJB-MJHT", VerificationURI: "https://acme.example/activate", Complete: completeAddress, ExpiresAt: time.Now().Add(15*time.Minute + 30*time.Second)}
	show := func(change func(*session.Device, *loginOptions)) string {
		var out bytes.Buffer
		a, device := newApp(""), d
		a.stderr = &out
		o := loginOptions{}
		o.Timeout, o.Receive.Columns = time.Hour, 80
		change(&device, &o)
		a.showDevice(name, device, o)
		return out.String()
	}
	all := show(func(*session.Device, *loginOptions) {})
	code, lines, _ := strings.Cut(all, "to log in")
	want := " to acme, open this address on any device and enter the code WDJB-MJHT\nhttps://acme.example/activate\nwaiting up to 15 min for your approval\n"
	if code != qrCode(completeAddress, 80) || lines != want {
		t.Errorf("%q", all)
	}
	for about, change := range map[string]func(*session.Device, *loginOptions){
		"quiet":                   func(_ *session.Device, o *loginOptions) { o.quiet = true },
		"no terminal":             func(_ *session.Device, o *loginOptions) { o.Receive.Columns = 0 },
		"a narrow terminal":       func(_ *session.Device, o *loginOptions) { o.Receive.Columns = 20 },
		"no complete address":     func(d *session.Device, _ *loginOptions) { d.Complete = "" },
		"a shorter time to wait ": func(d *session.Device, o *loginOptions) { d.Complete, o.Timeout = "", 5*time.Minute },
	} {
		text := show(change)
		if strings.Contains(text, "\x1b") || !strings.Contains(text, "enter the code WDJB-MJHT\nhttps://acme.example/activate\n") {
			t.Errorf("%s: %q", about, text)
		}
		if (about == "quiet") == strings.Contains(text, "waiting") || strings.Contains(about, "shorter") && !strings.Contains(text, "up to 5 min") {
			t.Errorf("%s: %q", about, text)
		}
	}
	t.Setenv("NO_COLOR", "1")
	if text := show(func(*session.Device, *loginOptions) {}); strings.Contains(text, "\x1b") {
		t.Errorf("coloured in spite of NO_COLOR: %q", text)
	}
}
