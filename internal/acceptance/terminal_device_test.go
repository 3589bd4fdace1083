//go:build unix

package acceptance

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokencli/tokencli/internal/acceptance/harness"
	"github.com/tokencli/tokencli/internal/sandbox"
)

const deviceDefinition = `
name: acme
device_authorization: {url: https://acme.example/device}
token: {device_code: {url: https://acme.example/token}}
`

// TestTerminalDevice: a device login draws a QR code where it fits on the terminal, and Ctrl-C ends its wait.
func TestTerminalDevice(t *testing.T) {
	needs(t, "tmux")
	s := newStage(t)
	served, err := harness.Start(sandbox.Config{Definitions: [][]byte{[]byte(deviceDefinition)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = served.Stop() })
	if err := served.Variables(s.variable); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(s.home, "config")
	if err := os.MkdirAll(filepath.Join(config, "providers"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "providers", "acme.yaml"), []byte(deviceDefinition), 0o600); err != nil {
		t.Fatal(err)
	}
	s.variable["TOKENCLI_CONFIG_DIR"] = config
	for _, test := range []struct {
		name, address string
		before        string // what the shell does first
		drawn         bool
	}{
		{"drawn", "https://acme.example/activate?user_code=WDJB-MJHT", "", true},
		{"another host", "https://evil.example/activate?user_code=WDJB-MJHT", "", false},
		{"too long", "https://acme.example/activate?user_code=WDJB-MJHT" + strings.Repeat("&more=1", 200), "", false},
		{"no colours", "https://acme.example/activate?user_code=WDJB-MJHT", "export NO_COLOR=1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := served.Inject(sandbox.Fault{
				Provider: "acme", On: "device", Kind: "status", Status: http.StatusOK,
				Body: `{"device_code":"the-device-code-0123456789","user_code":"WDJB-MJHT","verification_uri":"https://acme.example/activate",` +
					`"verification_uri_complete":"` + test.address + `","interval":60}`,
			})
			if err != nil {
				t.Fatal(err)
			}
			screen := startTerminal(t, s)
			if test.before != "" {
				screen.enter(test.before)
			}
			screen.enter("tokencli login acme")
			said := screen.await("for your approval")
			if drawn := strings.Contains(said, "█▀▀▀▀▀█"); drawn != test.drawn {
				t.Errorf("a QR code is drawn: %v\n%s", drawn, said)
			}
			for _, line := range []string{"open this address on any device and enter the code WDJB-MJHT\n", "\nhttps://acme.example/activate\n"} {
				if !strings.Contains(said, line) {
					t.Errorf("%q is not on the screen:\n%s", line, said)
				}
			}
			screen.press("C-c")
			screen.awaitPrompt()
			screen.echoes(130)
		})
	}
}
