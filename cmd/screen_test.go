package cmd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/account"
	"github.com/tokencli/tokencli/internal/session"
	"github.com/tokencli/tokencli/internal/terminal"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestRelative(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"in 59 s": 59 * time.Second, "in 1 min": time.Minute, "in 52 min": 52*time.Minute + 59*time.Second,
		"in 119 min": 119 * time.Minute, "in 2 h": 2 * time.Hour, "in 47 h": 47*time.Hour + 59*time.Minute,
		"in 13 days": 14*24*time.Hour - time.Second, "0 s ago": 0, "3 h ago": -3*time.Hour - time.Minute,
		"90 min ago": -90 * time.Minute, "400 days ago": -400 * 24 * time.Hour,
	} {
		if got := relative(noon.Add(d), noon); got != want {
			t.Errorf("%s: %q instead of %q", d, got, want)
		}
	}
	if got := relative(time.Time{}, noon); got != "no expiry" {
		t.Errorf("no time at all: %q", got)
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"mollie", 6, "mollie"},
		{"mollie/shop-b", 12, "mollie…hop-b"},
		{"mollie/shop-b", 13, "mollie/shop-b"},
		{"ééééééé", 4, "éé…é"},
		{"東京東京東京", 7, "東…京"}, // wide characters take two cells each
	} {
		if got := shorten(c.text, c.width); got != c.want {
			t.Errorf("%q in %d: %q instead of %q", c.text, c.width, got, c.want)
		}
	}
}

func row(name string, change func(*session.Status)) accountStatus {
	n, err := account.Parse(name)
	if err != nil {
		panic(err)
	}
	st := &session.Status{Grant: "authorization_code", State: "valid", Store: "keychain"}
	st.AccessExpiresAt, st.RefreshExpiresAt = noon.Add(time.Hour), noon.Add(14*24*time.Hour)
	change(st)
	return accountStatus{Status: st, Account: n}
}

func TestStatusTable(t *testing.T) {
	found := []accountStatus{
		row("mollie", func(st *session.Status) { st.RefreshExpiresAt = time.Time{} }),
		row("moloni", func(*session.Status) {}),
		row("moloni/soon", func(st *session.Status) { st.RefreshExpiresAt = noon.Add(30 * time.Hour) }),
		row("monta", func(st *session.Status) {
			st.State, st.Grant = "refreshable", "client_credentials"
			st.AccessExpiresAt = noon.Add(-3 * time.Hour)
		}),
		row("mollie/gone", func(st *session.Status) {
			st.State, st.Blocked, st.Ended = "login_needed", errors.New("the login ended"), true
		}),
	}
	const want = `ACCOUNT      STATE         TOKEN EXPIRES  LOGIN EXPIRES  GRANT   STORE
mollie/gone  login_needed  in 60 min      ended          code    keychain
moloni/soon  valid         in 60 min      in 30 h        code    keychain
moloni       valid         in 60 min      in 14 days     code    keychain
mollie       valid         in 60 min      no expiry      code    keychain
monta        refreshable   3 h ago        in 14 days     client  keychain
`
	if got := statusTable(found, noon, screen{width: 80}); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}

	// The colours are on the right words, and do not change the text.
	coloured := statusTable(found, noon, screen{width: 80, coloured: true})
	for _, part := range []string{"\x1b[31mlogin_needed\x1b[0m", "\x1b[32mvalid\x1b[0m", "\x1b[33mrefreshable\x1b[0m"} {
		if !strings.Contains(coloured, part) {
			t.Errorf("%q is not in %q", part, coloured)
		}
	}
	plain := coloured
	for _, c := range []colour{red, green, yellow, faint} {
		plain = strings.ReplaceAll(plain, "\x1b["+string(c)+"m", "")
	}
	if plain = strings.ReplaceAll(plain, "\x1b[0m", ""); plain != want {
		t.Errorf("without its colours it reads:\n%s", plain)
	}
}

// Whatever the names and scopes are, no line is wider than the screen, down to the four columns that are
// always shown.
func TestStatusTableFits(t *testing.T) {
	long := strings.Repeat("abcdefgh", 8)
	found := []accountStatus{
		row(long+"/"+long, func(st *session.Status) { st.State, st.Grant = "login_needed", "client_credentials" }),
		row(long+"/"+long[1:], func(st *session.Status) { st.AccessExpiresAt = noon.Add(-36500 * 24 * time.Hour) }),
		row("valid", func(st *session.Status) { st.Scopes = []string{"s", "t"} }),
		row("valid/x", func(st *session.Status) {
			st.Grant, st.Scopes = "password", strings.Fields(strings.Repeat("payments.read 東京 ", 40))
		}),
	}
	for _, width := range []int{40, 60, 80, 120} {
		for line := range strings.Lines(statusTable(found, noon, screen{width: width})) {
			if n := terminal.Cells(strings.TrimSuffix(line, "\n")); n > max(width, 60) {
				t.Errorf("%d of %d columns: %s", n, width, line)
			}
		}
	}
}

func TestReflow(t *testing.T) {
	const text = `A paragraph that is longer than
the line, and goes on.

Usage:
  tokencli an example --that is longer than the line

Flags:
      --flag string   what it is for, at length
   -h, --help   short
                what goes on from above

  2  one
     two three four five six seven eight
  3  nine
`
	const want = `A paragraph that is longer
than the line, and goes on.

Usage:
  tokencli an example --that is longer than the line

Flags:
      --flag string   what it is for,
                      at length
   -h, --help   short what goes
                on from above

  2  one two three four five
     six seven eight
  3  nine
`
	if got := reflow(text, 30); got != want {
		t.Errorf("got:\n%s", got)
	}
}

// A finding is broken by the cells that it takes, of which a wide character has two.
func TestFindingsFitTheScreen(t *testing.T) {
	const width = 60
	var out strings.Builder
	out.WriteString("warning ")
	(&app{}).hang(&out, screen{terminal: true, width: width}, strings.Repeat("文字 ", 14))
	for line := range strings.Lines(out.String()) {
		if n := terminal.Cells(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("%d cells: %q", n, line)
		}
	}
	if !strings.Contains(out.String(), "文字") {
		t.Errorf("the text is missing: %q", out.String())
	}
}
