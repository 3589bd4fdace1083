package proxy

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tokencli/tokencli/internal/redact"
)

// Audit writes a JSON line for each request. It is safe for concurrent use.
type Audit struct {
	mu sync.Mutex
	to io.Writer
	// failed is called with the error of the first line that could not be written.
	failed func(error)
}

// NewAudit returns an audit that writes to to; failed is told once if that fails.
func NewAudit(to io.Writer, failed func(error)) *Audit {
	var once sync.Once
	return &Audit{to: to, failed: func(err error) { once.Do(func() { failed(err) }) }}
}

type auditLine struct {
	Time       string `json:"time"`
	Account    string `json:"account"`
	Method     string `json:"method"`
	Path       string `json:"path"`
	Status     int    `json:"status"`
	DurationMS int64  `json:"duration_ms"`
	Bytes      int64  `json:"bytes"`
}

func (a *Audit) wrap(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		line := auditLine{
			Time: began.UTC().Format(time.RFC3339Nano), Account: name,
			Method: redact.Printable(r.Method), Path: r.URL.EscapedPath(),
		}
		counted := &counter{ResponseWriter: w}
		// The reverse proxy ends a broken answer with a panic.
		defer func() {
			line.Status, line.Bytes, line.DurationMS = counted.status, counted.bytes, time.Since(began).Milliseconds()
			a.write(line)
		}()
		next.ServeHTTP(counted, r)
	})
}

func (a *Audit) write(line auditLine) {
	text, err := json.Marshal(line)
	if err == nil {
		a.mu.Lock()
		_, err = a.to.Write(append(text, '\n'))
		a.mu.Unlock()
	}
	if err != nil {
		a.failed(err)
	}
}

// counter notes the status and the size of an answer.
type counter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (c *counter) WriteHeader(status int) {
	if c.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Unwrap lets the reverse proxy flush and take over connections (http.ResponseController).
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
