package oauth

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

const (
	rotatedAccess  = "access_NEW.t0ken~1"
	rotatedRefresh = "refresh_NEW.t0ken~2"
	rotated        = `{"access_token":"` + rotatedAccess + `","token_type":"bearer","expires_in":3600,"refresh_token":"` + rotatedRefresh + `","x":"é"}`
)

func packed(t testing.TB, text string, pack func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	w := pack(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zipped(w io.Writer) io.WriteCloser    { return gzip.NewWriter(w) }
func deflated(w io.Writer) io.WriteCloser  { return zlib.NewWriter(w) }
func unwrapped(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 9); return f }
func chunked(text string) string           { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text) }

func wide(text string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

func head(fields ...string) string {
	return "HTTP/1.1 200 OK\r\n" + strings.Join(append(fields, "", ""), "\r\n")
}
func length(n int) string                     { return fmt.Sprintf("Content-Length: %d", n) }
func plainly(text string, h ...string) string { return head(append(h, "Connection: close")...) + text }

// A refresh token that arrived must not be thrown away for what is wrong around it.
func TestACompleteObjectIsUsedWhateverTheFraming(t *testing.T) {
	gz, zl, raw1 := packed(t, rotated, zipped), packed(t, rotated, deflated), packed(t, rotated, unwrapped)
	n := len(rotated)
	for name, answer := range map[string]string{
		"a length one too large":         head(length(n+1)) + rotated,
		"a length far too large":         head(length(n+10000)) + rotated,
		"a length in characters":         head(length(n-1)) + rotated,
		"a length of 0":                  head(length(0)) + rotated,
		"a length that is no number":     head("Content-Length: many") + rotated,
		"two lengths":                    head(length(n), length(n+1)) + rotated,
		"no last chunk":                  head("Transfer-Encoding: chunked") + strings.TrimSuffix(chunked(rotated), "0\r\n\r\n"),
		"a broken last chunk":            head("Transfer-Encoding: chunked") + strings.TrimSuffix(chunked(rotated), "0\r\n\r\n") + "zz\r\n",
		"chunked only in the header":     head("Transfer-Encoding: chunked") + rotated,
		"a header without a colon":       head("PHP Warning") + rotated,
		"gzip":                           plainly(gz, "Content-Encoding: gzip"),
		"x-gzip":                         plainly(gz, "Content-Encoding: x-gzip"),
		"gzip, not announced":            plainly(gz),
		"gzip, announced and not used":   plainly(rotated, "Content-Encoding: gzip"),
		"gzip without its trailer":       plainly(gz[:len(gz)-8], "Content-Encoding: gzip"),
		"gzip with a wrong trailer":      plainly(gz[:len(gz)-8]+"12345678", "Content-Encoding: gzip"),
		"gzip twice":                     plainly(packed(t, gz, zipped), "Content-Encoding: gzip, gzip"),
		"gzip, cut short by its length":  head(length(len(gz)-1), "Content-Encoding: gzip") + gz,
		"deflate":                        plainly(zl, "Content-Encoding: deflate"),
		"deflate, not announced":         plainly(zl),
		"deflate, not used":              plainly(rotated, "Content-Encoding: deflate"),
		"deflate without zlib":           plainly(raw1, "Content-Encoding: deflate"),
		"deflate without zlib, silently": plainly(raw1),
		"a coding that is not known":     plainly(rotated, "Content-Encoding: br"),
		"HTML before it":                 plainly("<br />\n<b>Warning</b>: x<br />\n"+rotated, "Content-Type: text/html"),
		"cut after both tokens":          plainly(rotated[:n-10]),
		"UTF-16":                         plainly("\xff\xfe" + wide(rotated, binary.LittleEndian)),
		"UTF-16, big end first":          plainly("\xfe\xff" + wide(rotated, binary.BigEndian)),
		"JSON in a JSON string":          plainly(string(mustJSON(t, rotated))),
		"a line break in a string":       plainly(`{"company":"A` + "\n" + `B, C",` + rotated[1:]),
		"a backslash in a string":        plainly(strings.Replace(rotated, `"refresh_token"`, `"path":"C:\x","refresh_token"`, 1)),
		"NaN":                            plainly(`{"score":NaN,` + rotated[1:]),
		"a number with a leading zero":   plainly(`{"user":{"id":1},"zip":01234,` + rotated[1:]),
		"a form after a notice":          plainly("Notice: Undefined index in a.php\naccess_token=" + rotatedAccess + "&refresh_token=" + rotatedRefresh),
		"a form before a comment":        plainly("access_token=" + rotatedAccess + "&refresh_token=" + rotatedRefresh + "\r\n<!-- 0.02 s -->"),
		"a form escaped for HTML":        plainly("access_token=" + rotatedAccess + "&amp;refresh_token=" + rotatedRefresh),
		"a form of one pair per line":    plainly("access_token=" + rotatedAccess + "\nrefresh_token=" + rotatedRefresh + "\n"),
		"a form":                         plainly("access_token="+rotatedAccess+"&refresh_token="+rotatedRefresh+"&expires_in=3600", "Content-Type: application/x-www-form-urlencoded"),
	} {
		t.Run(name, func(t *testing.T) {
			c := &Client{Config: standard(t, raw(t, answer)), HTTP: NewHTTP(), Timeout: time.Minute}
			got, err := refresh(c)
			if err != nil || got.AccessToken != rotatedAccess || got.RefreshToken != rotatedRefresh {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	t.Run("over TLS", func(t *testing.T) {
		_, c := secureRaw(t, head(length(n-1))+rotated)
		if got, err := refresh(c); err != nil || got.RefreshToken != rotatedRefresh {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// What cannot be used as a whole still hands the refresh token on.
func TestARefreshTokenIsSalvaged(t *testing.T) {
	only := `{"refresh_token":"` + rotatedRefresh + `","access_token":"` + rotatedAccess + `"}`
	for name, answer := range map[string]string{
		"cut within the access token": head(length(len(only))) + only[:len(only)-5],
		"larger than 1 MiB":           plainly(only[:len(only)-5] + strings.Repeat("x", 2<<20)),
		"no header":                   only,
		"status 500":                  "HTTP/1.1 500 Oops\r\n" + length(len(only)) + "\r\n\r\n" + only,
		"status 302":                  "HTTP/1.1 302 Found\r\nLocation: /x\r\n" + length(len(only)) + "\r\n\r\n" + only,
		"status 400":                  "HTTP/1.1 400 Bad\r\n" + length(len(only)) + "\r\n\r\n" + only,
		"a type that is not known":    plainly(`{"token_type":"mac",` + only[1:]),
		"a broken access token":       plainly(`{"refresh_token":"` + rotatedRefresh + `","access_token":"a\nb"}`),
		"a comment among the members": plainly(`{"access_token" /* 1 */:"` + rotatedAccess + `","refresh_token":"` + rotatedRefresh + `"}`),
		"a form that was cut":         head(length(1000)) + "refresh_token=" + rotatedRefresh + "&access_token=acc",
	} {
		t.Run(name, func(t *testing.T) {
			c := &Client{Config: standard(t, raw(t, answer)), HTTP: NewHTTP(), Timeout: time.Minute}
			_, err := refresh(c)
			if e := failure(t, err); e.Salvage == nil || e.Salvage.RefreshToken != rotatedRefresh || e.Ended {
				t.Errorf("%v, salvage %+v", err, e.Salvage)
			}
		})
	}
	// The token that was sent is no new one, and a refusal is one even if it echoes a token.
	for _, body := range []string{`{"refresh_token":` + string(mustJSON(t, oldRefresh)) + `}`} {
		c := newPeer(t, replies(500, body)).standard(t)
		_, err := refresh(c)
		if e := failure(t, err); e.Salvage != nil {
			t.Errorf("%s: %+v", body, e.Salvage)
		}
	}
}

func TestARefreshTokenMayHoldASpace(t *testing.T) {
	got, err := reader(t, "mollie").read(answered(200, `{"access_token":"a","refresh_token":"r 1"}`))
	if err != nil || got.RefreshToken != "r 1" {
		t.Errorf("%+v, %v", got, err)
	}
	// In a form a plus sign that was not encoded is one.
	got, err = reader(t, "mollie").read(answered(200, `access_token=a+b%2Bc&refresh_token=r+1%20x&scope=a+b`))
	if err != nil || got.AccessToken != "a+b+c" || got.RefreshToken != "r+1 x" || len(got.Scopes) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestARefreshTokenThatCannotBeKeptIsReported(t *testing.T) {
	for value, want := range map[string]string{
		`"r\n"`: "", `"r\tr"`: "", `"é"`: "", `["r"]`: "", `{"token":"r"}`: "", `true`: "", `1234567890123456789`: "1234567890123456789",
	} {
		got, err := reader(t, "mollie").read(answered(200, `{"access_token":"a","expires_in":60,"refresh_token":`+value+`}`))
		if err != nil || got.RefreshToken.Reveal() != want || (len(got.Notes) == 1) != (want == "") {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
	}
	for _, value := range []string{`null`, `""`, `false`} {
		got, err := reader(t, "mollie").read(answered(200, `{"access_token":"a","expires_in":60,"refresh_token":`+value+`}`))
		if err != nil || got.RefreshToken != "" || len(got.Notes) != 0 {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
	}
}

// An error is not taken for a reply because it repeats a token.
func TestAnErrorThatRepeatsATokenIsAnError(t *testing.T) {
	_, err := reader(t, "mollie").read(answered(400, `{"error":"invalid_grant","request":{"access_token":"a","refresh_token":"`+newRefresh+`"}}`))
	if e := failure(t, err); !e.Ended || e.Salvage != nil {
		t.Errorf("%v, %+v", e, e.Salvage)
	}
}

// FuzzDamagedReply cuts, decorates, packs and mislabels a good reply. No refresh token that arrived whole may
// be lost.
func FuzzDamagedReply(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	c := &Client{Config: standard(f, "")}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a repeatable sequence is the point
		a := damaged(t, r)
		got, err := c.read(a)
		var e *Error
		switch {
		case err == nil && got.RefreshToken == rotatedRefresh:
		case errors.As(err, &e) && e.Salvage != nil && e.Salvage.RefreshToken == rotatedRefresh && !e.Ended:
		default:
			t.Errorf("lost: status %d, %q: %+v, %v", a.status, a.body, got, err)
		}
	})
}

// damaged returns an answer in which the refresh token is whole.
func damaged(t *testing.T, r *rand.Rand) *answer {
	t.Helper()
	members := []string{
		`"access_token":"` + rotatedAccess + `"`, `"expires_in":3600`, `"x":{"y":[1,{"z":"}{"}]}`, `"scope":"a b"`, `"s":"\"\\{é"`, `"n":null`,
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	members = members[:r.IntN(len(members)+1)]
	at := r.IntN(len(members) + 1)
	before := strings.Join(append(append([]string{}, members[:at]...), `"refresh_token":"`+rotatedRefresh+`"`), ",")
	text := "{" + strings.Join(append([]string{before}, members[at:]...), ",") + "}"
	a := &answer{status: 200, asked: asked, login: true, secrets: []string{oldRefresh}}
	switch r.IntN(4) {
	case 0: // cut after the refresh token
		a.cut = r.IntN(2) == 0
		text = text[:len(before)+1+r.IntN(len(text)-len(before))]
	case 1:
		form := url.Values{"refresh_token": {rotatedRefresh}, "access_token": {rotatedAccess}, "z": {"{"}}
		text = form.Encode()
	case 2:
		a.status = []int{201, 302, 404, 500, 503}[r.IntN(5)]
	}
	if !strings.HasPrefix(text, "access_token") { // what is before a form makes it something else
		around := []string{
			"", "\xef\xbb\xbf", "\x00\x00", "Notice: Undefined index: {x} in a.php\n", "<br />\n<b>Warning</b>: [\"{\"]<br />\n", "/* {\"a\":1} */", "callback(", "{\"debug\":true}\n", " \r\n",
		}
		text = around[r.IntN(len(around))] + text
		if !a.cut && strings.HasSuffix(text, "}") {
			text += []string{"", "\x00", "<!-- {} -->", ");", "\n\n", "{\"time\":0.2}"}[r.IntN(6)]
		}
	}
	switch r.IntN(6) {
	case 0:
		text = packed(t, text, zipped)
		text = text[:len(text)-r.IntN(9)]
	case 1:
		text = packed(t, text, deflated)
		text = text[:len(text)-r.IntN(5)]
	case 2:
		text = packed(t, text, unwrapped)
	case 3: // only the recording has all of it
		a.raw, text = []byte(text), text[:r.IntN(len(text))]
	}
	a.body = []byte(text)
	return a
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// secureRaw is raw over TLS, with a client that trusts it.
func secureRaw(t *testing.T, answer string) (address string, c *Client) {
	t.Helper()
	p, trusting := secure(t, func(*tls.Config) {})
	l, err := tls.Listen("tcp", "127.0.0.1:0", p.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, answer)
			}()
		}
	}()
	address = "https://" + l.Addr().String()
	trusting.Config = standard(t, address)
	return address, trusting
}

// Each start of an object in a reply is tried, so that reading one has to end early (a hostile reply of 1 MiB took minutes
// of a processor otherwise).
func TestReadingEndsAtTheGreatestDepth(t *testing.T) {
	for _, level := range []string{`{"a":`, `{"a":[`, `{"a":[1,`, `{"access_token":{"a":1},"b":`} {
		if _, end := completeMembers([]byte(strings.Repeat(level, 1<<16))); end > 4*maxDepth*len(level) {
			t.Errorf("%s: %d bytes were read", level, end)
		}
	}
}
