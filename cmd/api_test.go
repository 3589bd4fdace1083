package cmd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tokencli/tokencli/internal/fail"
	"github.com/tokencli/tokencli/internal/session"
)

// onTerminal returns what a terminal gets of a text that arrives in pieces of that size.
func onTerminal(t *testing.T, text string, piece int, asJSON bool) string {
	t.Helper()
	var b bytes.Buffer
	shown := &plain{to: &b}
	var to io.Writer = shown
	if asJSON {
		to = &layout{to: shown}
	}
	for chunk := range slices.Chunk([]byte(text), piece) {
		if n, err := to.Write(chunk); err != nil || n != len(chunk) {
			t.Fatal(n, err)
		}
	}
	shown.flush()
	return b.String()
}

func TestPlain(t *testing.T) {
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
			if got := onTerminal(t, test.text, piece, false); got != test.want {
				t.Errorf("%q in pieces of %d: %q instead of %q", test.text, piece, got, test.want)
			}
		}
	}
}

func TestLayout(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{}`, `{}`},
		{` [ ] `, `[]`},
		{`{"a":1,"b":[true,null],"c":{}}`, "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ],\n  \"c\": {}\n}"},
		{"[\n1 ,\t2\n]\n", "[\n  1,\n  2\n]\n"},
		{`{"a":"{[,:]} \" \\"}`, "{\n  \"a\": \"{[,:]} \\\" \\\\\"\n}"},
		{`"text"`, `"text"`},
		{"1\n2\n", "1\n2\n"},
		{"{\"a\":1}\n{\"a\":2}\n", "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n"},
		{"{\"a\":\"\x1b[31m\"}", "{\n  \"a\": \"\\x1b[31m\"\n}"},
		{"{\"a\":\"\u202e\"}", "{\n  \"a\": \"\\u202e\"\n}"},
		{`]]]`, "\n]\n]\n]"},
	} {
		for piece := 1; piece <= 3; piece++ {
			if got := onTerminal(t, test.text, piece, true); got != test.want {
				t.Errorf("%q in pieces of %d:\n%q instead of\n%q", test.text, piece, got, test.want)
			}
		}
	}
	// Brackets alone do not grow without bounds.
	if got := onTerminal(t, strings.Repeat("[", 1<<16), 1<<12, true); len(got) > 80<<16 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestIsJSON(t *testing.T) {
	for _, test := range []struct {
		kind, body string
		want       bool
	}{
		{"application/json", "", true},
		{"Application/HAL+JSON; charset=utf-8", "", true},
		{"application/problem+json", "x", true},
		{"text/html; charset=utf-8", `{"a":1}`, true},
		{"", " [1]", true},
		{"text/plain", "\xef\xbb\xbf{}", true},
		{"text/html", "<html>", false},
		{"", "", false},
		{"application/pdf", "{}", false},
		{"application/octet-stream", "[", false},
	} {
		if got := isJSON(test.kind, bufio.NewReader(strings.NewReader(test.body))); got != test.want {
			t.Errorf("%q, %q: %t", test.kind, test.body, got)
		}
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	now := time.Now()
	p := &progress{to: &b, size: 4 << 20, now: func() time.Time { return now }}
	_, _ = p.Write(make([]byte, 1<<20))
	if b.Len() > 0 {
		t.Errorf("at once: %q", b.String())
	}
	now = now.Add(2 * time.Second)
	_, _ = p.Write(make([]byte, 1<<20))
	const half = "[###############---------------]  50 %  2.0 MiB of 4.0 MiB"
	if got := b.String(); got != "\r\x1b[K"+half || len(half) > 79 {
		t.Errorf("%q", got)
	}
	_, _ = p.Write(make([]byte, 1))
	if got := b.String(); strings.Count(got, "\r") != 1 {
		t.Errorf("too often: %q", got)
	}
	p.size, p.done = -1, 5<<20
	if got := p.line(); got != "5.0 MiB" {
		t.Errorf("%q", got)
	}
	p.clear()
	if got := b.String(); !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("%q", got)
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
		body, err := (&app{stdin: test.stdin}).body(test.data)
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
		if _, err := (&app{}).body(data); !fail.Is(err, fail.Usage) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

func TestContentType(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`: "application/json", ` [1] `: "application/json", "a=1": "application/x-www-form-urlencoded",
		"": "application/x-www-form-urlencoded", "{": "application/x-www-form-urlencoded",
	} {
		if got := contentType(session.TextBody([]byte(text))); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestDownload(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	names := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names
	}
	// What breaks off leaves nothing, and what was there as it was.
	if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := newDownload(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken off")
	if err := d.append(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	d.abandon()
	if text, err := os.ReadFile(path); err != nil || string(text) != "before" || len(names()) != 1 {
		t.Errorf("%q, %v, %q", text, err, names())
	}
	// Pages are joined by line ends; the mode stays.
	if d, err = newDownload(path); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"[1]", "[2]\n", "[3]"} {
		if err := d.append(strings.NewReader(page)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.finish(); err != nil {
		t.Fatal(err)
	}
	d.abandon()
	info, err := os.Stat(path)
	if text, readErr := os.ReadFile(path); err != nil || readErr != nil || string(text) != "[1]\n[2]\n[3]" || len(names()) != 1 {
		t.Errorf("%q, %v, %q", text, err, names())
	} else if runtime.GOOS != "windows" && info.Mode().Perm() != 0o644 {
		t.Errorf("%s", info.Mode())
	}
}
