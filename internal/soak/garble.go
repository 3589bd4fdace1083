//go:build linux

package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
)

// garbled is the answer to a refresh as it goes over the wire after something on the way has changed it.
type garbled struct {
	kind  string
	wire  []byte
	whole bool // the new refresh token arrives whole
	told  bool // nothing of the reply is missing
}

var (
	newRefreshToken = regexp.MustCompile(`"(?:refresh_token|refreshToken)"\s*:\s*"(?:[^"\\]|\\.)*"`)
	before          = []string{"\ufeff", "\n\n", "<br />\n<b>Warning</b>: session_start() in <b>/srv/a.php</b><br />\n", `{"level":"info","msg":"token issued"}` + "\n", ")]}',\n", "<!-- cached -->"}
	after           = []string{"\n", "\x00", "<br />\n<b>Notice</b>: unused {\n", "\n<!-- 0.013 s -->", `{"debug":true}`, "]"}
	types           = []string{"text/html; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", "image/png", "", "application/json; charset=utf-16"}
	codings         = []string{"gzip", "deflate", "br", "identity", "gzip, gzip", "nonsense"}
)

// garble changes a granted refresh in one to three ways at random.
func garble(random *rand.Rand, out *httptest.ResponseRecorder) garbled {
	body, status, header := out.Body.Bytes(), out.Code, out.Header().Clone()
	g := garbled{whole: true, told: true}
	end := len(body)
	if at := newRefreshToken.FindIndex(body); at != nil {
		end = at[1]
	}
	for range 1 + random.IntN(3) {
		switch random.IntN(6) {
		case 0:
			if g.told { // once, and before anything moves the token
				g.add("cut")
				n := random.IntN(len(body))
				g.told, g.whole = false, n >= end
				body = body[:n]
			}
		case 1:
			if g.told {
				text := before[random.IntN(len(before))]
				g.add("decorated")
				body, end = append([]byte(text), body...), end+len(text)
			}
		case 2:
			if g.told {
				g.add("decorated")
				body = append(bytes.Clone(body), after[random.IntN(len(after))]...)
			}
		case 3:
			g.add("mislabelled")
			header.Set("Content-Type", types[random.IntN(len(types))])
			if random.IntN(3) == 0 {
				header.Set("Content-Encoding", codings[random.IntN(len(codings))])
			}
		case 4:
			g.add("wrong status")
			status = []int{http.StatusCreated, http.StatusAccepted, http.StatusInternalServerError, http.StatusBadGateway, http.StatusFound}[random.IntN(5)]
		case 5:
			g.add("compressed")
			coding := []string{"gzip", "deflate"}[random.IntN(2)]
			body = pack(body, coding, random)
			if random.IntN(3) > 0 {
				header.Set("Content-Encoding", coding)
			}
			g.wire = onTheWire(random, status, header, body)
			return g // what is compressed is not changed any more: a byte less could be the token's
		}
	}
	g.wire = onTheWire(random, status, header, body)
	return g
}

func (g *garbled) add(kind string) {
	if g.kind == "" {
		g.kind = kind
	}
}

func pack(body []byte, coding string, random *rand.Rand) []byte {
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if coding == "deflate" {
		w = zlib.NewWriter(&b)
		if random.IntN(2) == 0 {
			w, _ = flate.NewWriter(&b, flate.DefaultCompression) // the level is one that it knows
		}
	}
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// onTheWire frames the body, mostly wrongly.
func onTheWire(random *rand.Rand, status int, header http.Header, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	header.Del("Content-Length")
	_ = header.Write(&b)
	switch random.IntN(4) {
	case 0:
		fmt.Fprintf(&b, "Content-Length: %d\r\nConnection: close\r\n\r\n", len(body))
	case 1:
		fmt.Fprintf(&b, "Content-Length: %d\r\nConnection: close\r\n\r\n", len(body)+1+random.IntN(1000))
	case 2:
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n", len(body), body)
		if random.IntN(2) == 0 {
			b.WriteString("0\r\n\r\n")
		}
		return b.Bytes()
	default:
		b.WriteString("Connection: close\r\n\r\n")
	}
	b.Write(body)
	return b.Bytes()
}

// send writes it past net/http, which would frame it correctly.
func (g *garbled) send(w http.ResponseWriter) error {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(g.wire)
	return err
}
