package callback

import (
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tokencli/tokencli/internal/fail"
)

const (
	elsewhereURI = "https://myapp.example/callback"
	loopbackURI  = "http://127.0.0.1:8976/callback"
)

// idleReceiver judges pasted lines without a socket.
func idleReceiver(uri string, opts Options) *Receiver {
	opts.RedirectURI = uri
	t, err := parseRedirect(uri)
	if err != nil {
		panic(err)
	}
	u, _ := url.Parse(authorize)
	r := &Receiver{opts: opts.forTest(io.Discard), redirect: t, uri: uri, authorize: u, console: newConsole(Options{})}
	r.finished, r.closed, r.result = make(chan struct{}), make(chan struct{}), make(chan result, 1)
	return r
}

// parseLast returns what a paste came to in the end.
func (r *Receiver) parseLast(p paste) result {
	results := r.parsePasted(p)
	if len(results) == 0 {
		return result{}
	}
	return results[len(results)-1]
}

func TestPasted(t *testing.T) {
	const tail = "?code=the-code&state=" + testState
	for _, c := range []struct {
		name, uri, text string
		code            string    // accepted with it
		rejection       rejection // otherwise refused for this
	}{
		{"address", elsewhereURI, elsewhereURI + tail, "the-code", 0},
		{"address of the listener", loopbackURI, loopbackURI + tail, "the-code", 0},
		{"parameters in another order", elsewhereURI, elsewhereURI + "?x=1&state=" + testState + "&code=the-code", "the-code", 0},
		{"encoded code", elsewhereURI, elsewhereURI + "?code=a%2Fb%2B%3D&state=" + testState, "a/b+=", 0},
		{"spaces around", elsewhereURI, " \t" + elsewhereURI + tail + " \r", "the-code", 0},
		{"double quotes", elsewhereURI, `"` + elsewhereURI + tail + `"`, "the-code", 0},
		{"single quotes", elsewhereURI, "'" + elsewhereURI + tail + "'", "the-code", 0},
		{"angle brackets", elsewhereURI, "< " + elsewhereURI + tail + " >", "the-code", 0},
		{"curly quotes", elsewhereURI, "“" + elsewhereURI + tail + "”", "the-code", 0},
		{"nested", elsewhereURI, `("` + elsewhereURI + tail + `")`, "the-code", 0},
		{"zero width", elsewhereURI, "\ufeff" + elsewhereURI + tail + "\u200b", "the-code", 0},
		{"marks of direction", elsewhereURI, "\u200e" + elsewhereURI + tail + "\u200f\u2060", "the-code", 0},
		{"space in the code", elsewhereURI, elsewhereURI + "?state=" + testState + "&code=the- code", "the-code", 0},
		{"no-break space in the state", elsewhereURI, elsewhereURI + "?code=the-code&state=st\u00a0" + testState[2:], "the-code", 0},
		{"soft hyphen in the path", elsewhereURI, "https://myapp.example/call\u00adback" + tail, "the-code", 0},
		{"zero width in a name", elsewhereURI, elsewhereURI + "?co\u200bde=the-code&state=" + testState, "the-code", 0},
		{"address that is encoded", elsewhereURI, url.QueryEscape(elsewhereURI + tail), "the-code", 0},
		{"bracketed paste", elsewhereURI, "\x1b[200~" + elsewhereURI + tail + "\x1b[201~", "the-code", 0},
		{"fragment", elsewhereURI, elsewhereURI + "#code=the-code&state=" + testState, "the-code", 0},
		{"fragment that means nothing", elsewhereURI, elsewhereURI + tail + "#_=_", "the-code", 0},
		{"upper case scheme and host", elsewhereURI, "HTTPS://MyApp.Example/callback" + tail, "the-code", 0},
		{"default port", elsewhereURI, "https://myapp.example:443/callback" + tail, "the-code", 0},
		{"no scheme", loopbackURI, "127.0.0.1:8976/callback" + tail, "the-code", 0},
		{"own query kept", elsewhereURI + "?tenant=7", elsewhereURI + "?tenant=7&code=the-code&state=" + testState, "the-code", 0},
		{"no path", "http://127.0.0.1:8976", "http://127.0.0.1:8976/" + tail, "the-code", 0},
		{"scheme of an app", "com.example.app:/cb", "com.example.app:/cb" + tail, "the-code", 0},
		{"parameters alone", elsewhereURI, "code=the-code&state=" + testState, "the-code", 0},
		{"with question mark", elsewhereURI, tail, "the-code", 0},
		{"with hash", elsewhereURI, "#code=the-code&state=" + testState, "the-code", 0},
		{"bare code", elsewhereURI, "the-code", "the-code", 0},
		{"bare code for the listener", loopbackURI, "the-code", "the-code", 0},
		{"bare code with slash and padding", elsewhereURI, "4/0Ab+c_~.==", "4/0Ab+c_~.==", 0},
		{"bare code with colon", elsewhereURI, "abc:def", "abc:def", 0},
		{"bare code as in the address bar", elsewhereURI, "4%2F0Ab%3D", "4/0Ab=", 0},
		{"bare code with a percent sign", elsewhereURI, "ab%zz", "ab%zz", 0},
		{"shown code", oobURN, "the-code", "the-code", 0},
		{"shown code is not decoded", oobURN, "a%2Fbc", "a%2Fbc", 0},
		{"address of the page that shows it", oobURN, "https://provider.example/oauth/authorize/native?code=the-code", "the-code", 0},
		{"shown page with state", oobURN, "https://provider.example/show" + tail, "the-code", 0},
		{"parameters of the page that shows it", oobURN, "code=the-code", "the-code", 0},

		{"ampersands of HTML", elsewhereURI, elsewhereURI + "?code=the-code&amp;state=" + testState, "the-code", 0},
		{"query appended to a query", elsewhereURI + "?shop=1", elsewhereURI + "?shop=1?code=the-code&state=" + testState, "the-code", 0},
		{"query appended, state first", elsewhereURI + "?shop=1", elsewhereURI + "?shop=1?state=" + testState + "&code=the-code", "the-code", 0},
		{"plus sign", elsewhereURI, elsewhereURI + "?code=the+code&state=" + testState, "the+code", 0},
		{"plus sign in a bare code", elsewhereURI, "the+code", "the+code", 0},
		{"very long", elsewhereURI, elsewhereURI + "?x=" + strings.Repeat("x", 40_000) + "&code=the-code&state=" + testState, "the-code", 0},

		{"empty", elsewhereURI, "", "", blank},
		{"only spaces", elsewhereURI, " \t\r", "", blank},
		{"only quotes", elsewhereURI, `""`, "", blank},
		{"wrong state", elsewhereURI, elsewhereURI + "?code=the-code&state=wrong", "", wrongState},
		{"state cut off", elsewhereURI, elsewhereURI + tail[:len(tail)-1], "", wrongState},
		{"no state", elsewhereURI, elsewhereURI + "?code=the-code", "", noState},
		{"parameters without a state", elsewhereURI, "code=the-code", "", noState},
		{"parameters with a wrong state", elsewhereURI, "code=the-code&state=x", "", wrongState},
		{"wrong state of a shown page", oobURN, "https://provider.example/show?code=the-code&state=x", "", wrongState},
		{"wrong state in the fragment", elsewhereURI, elsewhereURI + "#code=the-code&state=x", "", wrongState},
		{"code twice", elsewhereURI, elsewhereURI + tail + "&code=b", "", repeated},
		{"no code", elsewhereURI, elsewhereURI + "?state=" + testState, "", noCode},
		{"no parameters", elsewhereURI, elsewhereURI, "", nothing},
		{"broken escape", elsewhereURI, elsewhereURI + "?code=%zz&state=" + testState, "", broken},
		{"quoted mail", elsewhereURI, "> " + elsewhereURI + "?state=" + testState + "&code=the-\n> code", "", broken},
		{"another address that is encoded", elsewhereURI, url.QueryEscape("https://evil.example/callback" + tail), "", elsewhere},
		{"broken address", elsewhereURI, "https://myapp.example:x/callback" + tail, "", broken},
		{"other host", elsewhereURI, "https://evil.example/callback" + tail, "", elsewhere},
		{"other path", elsewhereURI, "https://myapp.example/callback/" + tail, "", elsewhere},
		{"other scheme", elsewhereURI, "http://myapp.example/callback" + tail, "", elsewhere},
		{"other port", loopbackURI, "http://127.0.0.1:8977/callback" + tail, "", elsewhere},
		{"other spelling", loopbackURI, "http://localhost:8976/callback" + tail, "", elsewhere},
		{"user name before another host", elsewhereURI, "https://myapp.example@evil.example/callback" + tail, "", elsewhere},
		{"shown page elsewhere", oobURN, "https://evil.example/show?code=the-code", "", elsewhere},
		{"page of the provider without a code", oobURN, "https://provider.example/login", "", elsewhere},
		{"authorize address", elsewhereURI, authorize, "", authorizing},
		{"authorize address for a shown code", oobURN, authorize + "&response_type=code", "", authorizing},
		{"control character", elsewhereURI, "the\x00code", "", control},
		{"escape sequence", elsewhereURI, "\x1b[31mthe-code", "", control},
		{"not UTF-8", elsewhereURI, "the-code\xff", "", control},
		{"not ASCII", elsewhereURI, "thé-code", "", oddCode},
		{"decoded control character", elsewhereURI, "abc%00def", "", oddCode},
		{"words", elsewhereURI, "what now", "", unclear},
		{"slip", elsewhereURI, "y", "", unclear},
		{"second half of an address", elsewhereURI, "te=" + testState, "", unclear},
		{"end of the state", elsewhereURI, testState[5:], "", fragment},
		{"middle of an address", elsewhereURI, "the-code&x", "", unclear},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := idleReceiver(c.uri, Options{})
			v := r.parseLast(paste{text: c.text})
			switch {
			case c.code != "" && (v.answer == nil || v.answer.Code != c.code):
				t.Fatalf("got %+v (rejection %d), want code %q", v.answer, v.rejection, c.code)
			case c.code == "" && (v.answer != nil || v.err != nil || v.rejection != c.rejection):
				t.Fatalf("got %+v, %v, rejection %d, want %d", v.answer, v.err, v.rejection, c.rejection)
			case c.code != "" && (!v.answer.Pasted || v.answer.StateMissing || v.answer.Finish == nil || v.answer.Params.Get("code") != c.code):
				t.Errorf("answer %v %v %v", v.answer.Pasted, v.answer.StateMissing, v.answer.Params)
			case c.code == "" && c.rejection != blank && strings.Contains(v.rejection.ofPaste(r.shownURI()), "the-code"):
				t.Error("the message quotes what was pasted")
			}
		})
	}
}

func TestPastedStateOptional(t *testing.T) {
	r := idleReceiver(elsewhereURI, Options{StateOptional: true})
	if v := r.parseLast(paste{text: elsewhereURI + "?code=the-code"}); v.answer == nil || !v.answer.StateMissing || !v.answer.Pasted {
		t.Errorf("missing state: %+v", v)
	}
	if v := r.parseLast(paste{text: elsewhereURI + "?code=the-code&state=x"}); v.rejection != wrongState {
		t.Errorf("different state: %+v", v)
	}
	if v := r.parseLast(paste{text: "the-code"}); v.answer == nil || v.answer.StateMissing {
		t.Errorf("bare code: %+v", v)
	}
}

func TestPastedIssuer(t *testing.T) {
	opts := Options{Issuer: "https://a", IssuerRequired: true}
	r := idleReceiver(elsewhereURI, opts)
	address := elsewhereURI + "?code=the-code&state=" + testState
	if v := r.parseLast(paste{text: address + "&iss=https%3A%2F%2Fa"}); v.answer == nil {
		t.Errorf("right issuer: %+v", v)
	}
	if v := r.parseLast(paste{text: address}); !fail.Is(v.err, fail.Refused) {
		t.Errorf("no issuer: %+v", v)
	}
	if v := r.parseLast(paste{text: address + "&iss=https%3A%2F%2Fb"}); !fail.Is(v.err, fail.Refused) {
		t.Errorf("wrong issuer: %+v", v)
	}
	if v := r.parseLast(paste{text: "the-code"}); v.rejection != needsAddress {
		t.Errorf("bare code: %+v", v)
	}
	if v := idleReceiver(oobURN, opts).parseLast(paste{text: "the-code"}); v.answer == nil {
		t.Errorf("shown code: %+v", v)
	}
}

func TestEveryFlawHasItsWords(t *testing.T) {
	for f := nothing; f <= needsAddress; f++ {
		if p := f.page(true); p.Heading == "" || p.Lead == "" || p.Next == "" {
			t.Errorf("rejection %d: page %+v", f, p)
		}
		if s := f.ofPaste(elsewhereURI); !strings.Contains(s, "still waiting") || strings.HasSuffix(s, ".") {
			t.Errorf("rejection %d: %q", f, s)
		}
	}
}

// asked is a terminal or a stdin that a test types into.
type asked struct {
	*io.PipeReader
	w *io.PipeWriter
}

func typing() *asked {
	r, w := io.Pipe()
	return &asked{r, w}
}

func (a *asked) terminal() (io.ReadCloser, error) { return a, nil }

func (a *asked) enter(t *testing.T, text string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := io.WriteString(a.w, text+"\n")
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody reads")
	}
}

func TestPasteWhileListening(t *testing.T) {
	tty := typing()
	l := begin(t, Options{OpenTerminal: tty.terminal, StdinIsTerminal: true, CodeLife: 30 * time.Second})
	l.hears("the code expires after 30 s")
	tty.enter(t, "")
	tty.enter(t, l.RedirectURI()+"?code=the-code&state=wrong")
	l.hears("belongs to another login")
	tty.enter(t, authorize)
	l.hears("that is the address to open in the browser")
	tty.enter(t, "https://evil.example/?code=x&state="+testState)
	l.hears("starts with " + l.RedirectURI())
	tty.enter(t, strings.Repeat("x", maxPaste+1))
	l.hears("too long")
	l.waits()
	tty.enter(t, l.RedirectURI()+"?code=the-code&state="+testState)
	a, err := l.end()
	if err != nil || a.Code != "the-code" || !a.Pasted {
		t.Fatalf("got %v, %v", a, err)
	}
	if strings.Contains(l.said.String(), "the-code") {
		t.Errorf("the code was repeated:\n%s", l.said)
	}
	a.Finish(nil)
	// The browser arrives late; the code is taken already.
	soon(t, l.later("?code=the-code&state="+testState)).page(t, 200, "You are already logged in")
	// The terminal was let go of.
	if _, err := tty.w.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the terminal is still open: %v", err)
	}
}

func TestPastedErrorEndsLogin(t *testing.T) {
	tty := typing()
	l := begin(t, Options{RedirectURI: elsewhereURI, OpenTerminal: tty.terminal, StdinIsTerminal: true})
	tty.enter(t, elsewhereURI+"?error=access_denied&state=wrong")
	l.hears("belongs to another login")
	tty.enter(t, elsewhereURI+"?error=access_denied&error_description=no%1b%5b2J&state="+testState)
	_, err := l.end()
	kindAndAdvice(t, err, fail.Refused, `access_denied: no\x1b[2J`, fail.DoAllowAccess)
}

func TestEndOfInput(t *testing.T) {
	t.Run("ends a login that needs it", func(t *testing.T) {
		for _, uri := range []string{oobURN, elsewhereURI} {
			for _, input := range []string{"", "\n\n", elsewhereURI + "?code=the-code&state=wrong\n"} {
				_, err := begin(t, Options{RedirectURI: uri, Stdin: strings.NewReader(input)}).end()
				kindAndAdvice(t, err, fail.Usage, "the input ended before a code was pasted", fail.DoPaste)
			}
		}
	})
	t.Run("does not end one that listens", func(t *testing.T) {
		tty := typing()
		for name, opts := range map[string]Options{
			"stdin":    {Stdin: strings.NewReader(""), NoBrowser: true},
			"terminal": {OpenTerminal: tty.terminal, StdinIsTerminal: true},
		} {
			l := begin(t, opts)
			_ = tty.w.Close()
			l.hears("provider.example")
			l.waits()
			page := l.later("?code=the-code&state=" + testState)
			a, err := l.end()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			a.Finish(nil)
			soon(t, page)
		}
	})
	t.Run("of stdin goes on to the terminal", func(t *testing.T) {
		tty := typing()
		l := begin(t, Options{Stdin: strings.NewReader("junk one\n"), NoBrowser: true, OpenTerminal: tty.terminal})
		tty.enter(t, "the-code")
		if a, err := l.end(); err != nil || a.Code != "the-code" {
			t.Errorf("got %v, %v", a, err)
		}
	})
	t.Run("without a newline", func(t *testing.T) {
		a, err := begin(t, Options{RedirectURI: oobURN, Stdin: strings.NewReader("the-code")}).end()
		if err != nil || a.Code != "the-code" {
			t.Errorf("got %v, %v", a, err)
		}
	})
	t.Run("nothing to read from", func(t *testing.T) {
		_, err := begin(t, Options{RedirectURI: oobURN}).end()
		kindAndAdvice(t, err, fail.Usage, "no terminal", fail.DoPaste)
	})
}

// A stdin that is no terminal is somebody's data unless a code can come no other way.
func TestWhichInputIsRead(t *testing.T) {
	for _, c := range []struct {
		name             string
		uri              string
		isTerminal, noBr bool
		terminal         bool // there is one
		want             string
	}{
		{"listening, stdin a pipe", loopback0, false, false, false, ""},
		{"listening, stdin a pipe, a terminal", loopback0, false, false, true, "from-the-terminal"},
		{"listening, no browser, stdin a pipe", loopback0, false, true, true, "from-stdin"},
		{"listening, stdin a terminal", loopback0, true, false, true, "from-the-terminal"},
		{"shown, stdin a pipe", oobURN, false, false, true, "from-stdin"},
		{"elsewhere, stdin a pipe", elsewhereURI, false, false, true, "from-stdin"},
		{"elsewhere, stdin a terminal", elsewhereURI, true, false, true, "from-the-terminal"},
		{"elsewhere, a terminal that has no name", elsewhereURI, true, false, false, "from-stdin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			read := &countingReader{Reader: strings.NewReader("from-stdin\n")}
			opts := Options{RedirectURI: c.uri, Stdin: read, StdinIsTerminal: c.isTerminal, NoBrowser: c.noBr}
			if c.terminal {
				opts.OpenTerminal = func() (io.ReadCloser, error) {
					return io.NopCloser(io.MultiReader(strings.NewReader("from-the-terminal\n"), neverEnds{})), nil
				}
			}
			l := begin(t, opts)
			if c.want == "" {
				l.hears("provider.example")
				l.waits()
				if read.reads != 0 {
					t.Error("stdin was read")
				}
				if strings.Contains(l.said.String(), "paste") {
					t.Errorf("asked to paste into nothing:\n%s", l.said)
				}
				return
			}
			if a, err := l.end(); err != nil || a.Code != c.want {
				t.Errorf("got %#v, %v", a.Code, err)
			}
			if c.want != "from-stdin" && read.reads != 0 {
				t.Error("stdin was read too")
			}
		})
	}
}

const loopback0 = "http://127.0.0.1:0/callback"

type countingReader struct {
	io.Reader
	reads int
}

func (c *countingReader) Read(p []byte) (int, error) {
	c.reads++
	return c.Reader.Read(p)
}

// What the caller owns is not closed: only a terminal that was opened for this.
func TestStdinStaysOpen(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	l := begin(t, Options{RedirectURI: oobURN, Stdin: r})
	_, _ = io.WriteString(w, "the-code\n")
	if a, err := l.end(); err != nil || a.Code != "the-code" {
		t.Fatalf("got %v, %v", a, err)
	}
	if _, err := r.Stat(); err != nil {
		t.Errorf("stdin was closed: %v", err)
	}
}

func TestInput(t *testing.T) {
	long := strings.Repeat("x", maxPaste)
	for input, want := range map[string]paste{
		"a\r\nb":            {text: "a\nb"},
		"a\n":               {text: "a"},
		long + "\n":         {text: long},
		long + "yy\nb\n":    {tooLong: true},
		long + "\n" + "a\n": {tooLong: true},
	} {
		in := readPastes(strings.NewReader(input), false, false)
		got, open := <-in.pastes()
		if !open || got.tooLong != want.tooLong || (!want.tooLong && got.text != want.text) {
			t.Errorf("%.20q: %v %.20q", input, got.tooLong, got.text)
		}
		if _, open := <-in.pastes(); open {
			t.Errorf("%.20q: a second paste", input)
		}
		in.stop()
		in.stop()
	}
}

// What is pasted a while later is a paste of its own.
func TestPastesApart(t *testing.T) {
	r, w := io.Pipe()
	in := readPastes(r, false, false)
	defer in.stop()
	for _, line := range []string{"first", "second"} {
		_, _ = io.WriteString(w, line+"\n")
		if p := <-in.pastes(); p.text != line {
			t.Errorf("got %q, want %q", p.text, line)
		}
	}
}

// A terminal breaks long lines where it ends, and what is copied from it is broken too.
func TestPasteInLines(t *testing.T) {
	address := elsewhereURI + "?state=" + testState + "&code=the-code-that-is-long"
	for cut := 1; cut < len(address); cut++ {
		for name, pastes := range map[string][]string{
			"one paste":              {address[:cut] + "\n" + address[cut:]},
			"one paste, padded":      {"  " + address[:cut] + " \r\n  " + address[cut:] + "\n"},
			"one paste, three lines": {address[:cut/2] + "\n" + address[cut/2:cut] + "\n" + address[cut:]},
		} {
			if cut < 2 {
				continue
			}
			r := idleReceiver(elsewhereURI, Options{})
			var last result
			for _, text := range pastes {
				last = r.parseLast(paste{text: text})
			}
			if last.answer == nil || last.answer.Code != "the-code-that-is-long" {
				t.Errorf("%s, cut at %d: %+v", name, cut, last)
			}
		}
	}
}

// A part of an address is never taken for a code, and the second part completes the first.
func TestPasteInParts(t *testing.T) {
	address := elsewhereURI + "?code=the-code&state=" + testState
	for cut := 1; cut < len(address); cut++ {
		r := idleReceiver(elsewhereURI, Options{})
		if res := r.parseLast(paste{text: address[:cut]}); res.decided() && cut > len("https://") {
			t.Errorf("cut at %d: the first part was taken: %+v", cut, res)
		} else if cut <= len("https://") {
			continue // no address yet, and no code either
		}
		res := r.parseLast(paste{text: address[cut:]})
		if res.answer == nil || res.answer.Code != "the-code" {
			t.Errorf("cut at %d: %+v", cut, res)
		}
	}
	r := idleReceiver(elsewhereURI, Options{})
	for _, step := range []struct {
		text string
		want rejection
	}{
		{elsewhereURI + "?state=" + testState[:6], wrongState},
		{"middle-of-it", fragment},
		{testState[8:], fragment},
	} {
		if res := r.parseLast(paste{text: step.text}); res.decided() || res.rejection != step.want {
			t.Errorf("%q: %+v, want rejection %d", step.text, res, step.want)
		}
	}
	r = idleReceiver(elsewhereURI, Options{})
	r.parseLast(paste{text: elsewhereURI + "?code=x"})
	if res := r.parseLast(paste{text: "the-code"}); res.rejection != fragment {
		t.Errorf("%+v", res)
	}
	if res := r.parseLast(paste{text: "the-code"}); res.answer == nil {
		t.Errorf("the code pasted again: %+v", res)
	}
	r.parseLast(paste{text: elsewhereURI + "?code=x&state=of-another-login"})
	if res := r.parseLast(paste{text: "the-code"}); res.answer == nil {
		t.Errorf("a code after a complete address: %+v", res)
	}
}

func TestPasteOfSeveralEntries(t *testing.T) {
	right := elsewhereURI + "?code=the-code&state=" + testState
	for text, want := range map[string]string{
		elsewhereURI + "?code=x&state=wrong\n" + right: "the-code",
		"the-code\n\n":                    "the-code",
		"half-a-\ncode":                   "half-a-code",
		right + "&iss=\nhttps://a":        "the-code",
		"https://evil.example/\nthe-code": "",
	} {
		r := idleReceiver(elsewhereURI, Options{Issuer: "https://a"})
		res := r.parseLast(paste{text: text})
		if got := ""; want == "" && res.decided() || want != "" && (res.answer == nil || res.answer.Code != want) {
			t.Errorf("%q: %+v, want %q%s", text, res, want, got)
		}
	}
}

func TestAnnouncePaste(t *testing.T) {
	for uri, want := range map[string]string{
		oobURN:       "Mollie shows a code: paste it here and press Enter (the code expires after 1 min)",
		elsewhereURI: "the browser goes to https://myapp.example/callback",
		loopbackURI:  "or paste the address your browser ends up on (the code expires after 1 min)",
	} {
		for _, life := range []time.Duration{time.Minute, 0} {
			said := new(output)
			r := idleReceiver(uri, Options{CodeLife: life})
			r.console = newConsole(Options{Stderr: said})
			r.announcePaste()
			if got := said.String(); life > 0 && !strings.Contains(got, want) || (life > 0) != strings.Contains(got, "expires after 1 min") {
				t.Errorf("%s: %q", uri, got)
			}
		}
	}
}

func FuzzPasted(f *testing.F) {
	for _, seed := range []string{
		elsewhereURI + "?code=the-code&state=" + testState, "code=a&state=" + testState, "the-code", `"<the-code>"`, authorize,
		elsewhereURI + "#code=abcd&state=" + testState, "https://evil.example/?code=x&state=" + testState, "code=a&state=" + testState + "&state=" + testState, "myapp.example/callback?code=abcd", "%2500", "code=%00",
		elsewhereURI + "?error=x%1b&state=" + testState, "\x1b[200~abcd\x1b[201~", "“”", "https://:::", "a b", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, uri := range []string{elsewhereURI, oobURN, loopbackURI} {
			v := idleReceiver(uri, Options{Issuer: "https://a"}).parseLast(paste{text: text})
			if v.answer != nil {
				if !isCode(v.answer.Code) || !v.answer.Pasted || v.answer.Finish == nil {
					t.Errorf("%q: answer %+v", text, v.answer)
				}
				if state, sent := v.answer.Params["state"]; sent && (len(state) != 1 || state[0] != testState && state[0] != "") {
					t.Errorf("%q was accepted with state %q", text, state)
				}
				if strings.Contains(text, "://evil") && strings.HasPrefix(unwrap(text), "http") {
					t.Errorf("%q was accepted", text)
				}
			}
			if v.err != nil && (!fail.Is(v.err, fail.Refused) || strings.ContainsFunc(v.err.Error(), unicode.IsControl)) {
				t.Errorf("%q: %v", text, v.err)
			}
		}
	})
}
