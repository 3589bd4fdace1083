package sandbox

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func (c *request) access() (*token, *problem) {
	value, p := c.bearer()
	if p != nil {
		return nil, p
	}
	return c.st.usable(c.now, value)
}

func (c *request) bearerOnly() *problem {
	_, p := c.access()
	return p
}

// number reads a parameter that is a number between low and high.
func (p params) number(name string, otherwise, low, high int) (int, *problem) {
	raw, ok := p[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < low || n > high {
		return 0, bad(badRequest, "%s has to be a number from %d to %d", name, low, high)
	}
	return n, nil
}

// paging reads the number and the size of a page; pages are counted from first.
func (c *request) paging(sizeName string, first, size int) (page, per int, p *problem) {
	q, p := c.query()
	if p != nil {
		return 0, 0, p
	}
	if page, p = q.number("page", first, first, 1_000_000); p != nil {
		return 0, 0, p
	}
	per, p = q.number(sizeName, size, 1, 100)
	return page, per, p
}

// fileLife is how long the address of a download is good.
const fileLife = 10 * time.Minute

// fileURL makes the address of a download on another host than the one that was asked: the other name of loopback.
func (s *Server) fileURL(c *request) string {
	for key, end := range s.files {
		if over(c.now, end) {
			delete(s.files, key)
		}
	}
	key := random(32, alnum)
	s.files[key] = c.now.Add(fileLife)
	return c.scheme + "://" + otherLoopback(c.host) + "/_files/" + key + ".pdf"
}

func otherLoopback(host string) string {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, ""
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	switch {
	case name == "localhost":
		name = "127.0.0.1"
	case ip != nil && ip.IsLoopback():
		name = "localhost"
	default:
		return host // no other name is known
	}
	if port == "" {
		return name
	}
	return net.JoinHostPort(name, port)
}

// download serves a file by the key in its address. A token that arrives here has leaked: it is counted.
func (s *Server) download(c *request) *reply {
	st := s.providers["moneybird"]
	key := strings.TrimSuffix(strings.TrimPrefix(c.full, "/_files/"), ".pdf")
	end, ok := s.files[key]
	if st == nil || !ok || over(c.now, end) || c.method != http.MethodGet {
		return textReply(http.StatusNotFound, "file not found").refusal("the address of the file is unknown or old")
	}
	st.stats.Downloads++
	reason := "served the file"
	if c.header.Get("Authorization") != "" {
		st.stats.DownloadsWithAuthorization++
		reason = "served the file; an Authorization header arrived that has no business here"
	}
	return (&reply{status: http.StatusOK, body: samplePDF()}).set("Content-Type", "application/pdf").why(reason)
}

// samplePDF is a page of A4 with one line on it.
func samplePDF() []byte {
	text := "BT /F1 24 Tf 72 720 Td (Sandbox invoice) Tj ET"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}
