package cmd

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokencli/tokencli/internal/apiclient"
	"github.com/tokencli/tokencli/internal/fail"
)

// onTerminal returns what a terminal gets of a text that arrives in pieces of that size.
func onTerminal(t *testing.T, text string, piece int) string {
	t.Helper()
	var b bytes.Buffer
	shown := &escaper{to: &b}
	for chunk := range slices.Chunk([]byte(text), piece) {
		if n, err := shown.Write(chunk); err != nil || n != len(chunk) {
			t.Fatal(n, err)
		}
	}
	shown.flush()
	return b.String()
}

func TestTheTerminalGetsControlCharactersEscaped(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"a\nb\n", "a\nb\n"},
		{"no end", "no end"},
		{"\x1b[31mred\x1b[0m\x1b]0;title\x07", `\x1b[31mred\x1b[0m\x1b]0;title\x07`},
		{"back\rover\bx\x7f", `back over\x08x\x7f`},
		{"\u009b31m \u202eright \u200b", `\u009b31m \u202eright \u200b`},
		{"ação €😀", "ação €😀"},
		{"a\xffb\xe2\x82", `a\xffb\xe2\x82`},
	} {
		for piece := 1; piece <= 4; piece++ {
			if got := onTerminal(t, test.text, piece); got != test.want {
				t.Errorf("%q in pieces of %d: %q instead of %q", test.text, piece, got, test.want)
			}
		}
	}
}

func TestParseHeaders(t *testing.T) {
	header, err := parseHeaders([]string{"accept: text/xml", "X-A: 1", "X-A:  2 : 3 ", "X-Empty:"})
	if err != nil || header.Get("Accept") != "text/xml" || !slices.Equal(header["X-A"], []string{"1", "2 : 3"}) || len(header["X-Empty"]) != 1 {
		t.Errorf("%v, %v", header, err)
	}
	for _, entry := range []string{
		"", "no colon", ": value", "a b: c", "Ä: b", "Authorization: Bearer hunter2", "authorization:hunter2", "AUTHORIZATION : hunter2",
		"Proxy-Authorization: hunter2", "Host: evil.example", "Content-Length: 5", "transfer-encoding: chunked", "Connection: close",
		"X: a\r\nHost: evil.example", "X: hunter2\x00", "X: a\x7f",
	} {
		if header, err := parseHeaders([]string{entry}); !fail.Is(err, fail.Usage) || strings.Contains(err.Error()+fail.HintOf(err), "hunter2") {
			t.Errorf("%q: %v, %v", entry, header, err)
		}
	}
}

func TestBody(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	small, large := write("small", maxHeld), write("large", maxHeld+1)
	stdin, err := os.Open(large)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = w.Write(bytes.Repeat([]byte("x"), maxHeld+5))
		_ = w.Close()
	}()
	for _, test := range []struct {
		name   string
		data   []string
		stdin  *os.File
		size   int64 // as it is told
		length int64 // as it is read
		once   bool
	}{
		{"text", []string{"a=1"}, nil, 3, 3, false},
		{"texts", []string{"a=1", "b=2"}, nil, 7, 7, false},
		{"a short file", []string{"@" + small}, nil, maxHeld, maxHeld, false},
		{"a long file", []string{"@" + large}, nil, maxHeld + 1, maxHeld + 1, false},
		{"a redirected file", []string{"@-"}, stdin, maxHeld + 1, maxHeld + 1, true},
		{"a pipe", []string{"@-"}, r, -1, maxHeld + 5, true},
	} {
		body, err := (&app{stdin: test.stdin}).body(t.Context(), test.data)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		from, err := body.Open()
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		n, err := io.Copy(io.Discard, from)
		if err != nil || n != test.length || body.Size != test.size || body.Once != test.once {
			t.Errorf("%s: %d of %d bytes, once %t, %v", test.name, n, body.Size, body.Once, err)
		}
		_ = from.Close()
	}
	for _, data := range [][]string{{"@" + dir}, {"@" + dir + "/missing"}, {"a=1", "@" + small}, {"@" + small, "a=1"}} {
		if _, err := (&app{}).body(t.Context(), data); !fail.Is(err, fail.Usage) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func TestContentType(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`: "application/json", ` [1] `: "application/json", "a=1": "application/x-www-form-urlencoded",
		"": "application/x-www-form-urlencoded", "{": "application/x-www-form-urlencoded",
	} {
		if got := contentType(apiclient.TextBody([]byte(text))); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// A signal ends the wait for data from a pipe that nobody writes to.
func TestReadingDataIsInterrupted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := (&app{stdin: r}).body(ctx, []string{"@-"}); !fail.Is(err, fail.Interrupted) {
		t.Errorf("%v", err)
	}
}
