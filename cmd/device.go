package cmd

import (
	"fmt"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/session"
)

// showDevice tells the user how to approve a login on another device. The QR code comes first, so that a short
// terminal still shows the lines below it.
func (a *app) showDevice(name account.Name, d session.Device, o loginOptions) {
	if !o.quiet && d.Complete != "" && a.coloured() {
		fmt.Fprint(a.stderr, qrCode(d.Complete, o.Receive.Columns))
	}
	fmt.Fprintf(a.stderr, "to log in to %s, open this address on any device and enter the code %s\n%s\n", name, d.UserCode, d.VerificationURI)
	if o.quiet {
		return
	}
	wait := o.Timeout
	if !d.ExpiresAt.IsZero() {
		wait = min(wait, time.Until(d.ExpiresAt))
	}
	fmt.Fprintf(a.stderr, "waiting up to %s for your approval\n", span(wait.Round(time.Second)))
}

// qrMargin is the empty border of a QR code, in modules. ISO/IEC 18004 asks for 4; phones read it with 2.
const qrMargin = 2

// qrCode draws an address as a QR code of half-block characters, or returns nothing if the screen is narrower than
// that. The colours make it dark on light, whatever those of the terminal are.
func qrCode(address string, columns int) string {
	const darkOnLight, reset = "\x1b[30;107m", "\x1b[0m"
	code, err := qr.Encode(address, qr.L)
	if err != nil || code.Size+2*qrMargin > columns {
		return ""
	}
	var b strings.Builder
	for y := -qrMargin; y < code.Size+qrMargin; y += 2 {
		b.WriteString(darkOnLight)
		for x := -qrMargin; x < code.Size+qrMargin; x++ {
			switch upper, lower := code.Black(x, y), code.Black(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		b.WriteString(reset + "\n")
	}
	return b.String()
}
