package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// maxKept is the size of the largest body that is kept, to be sent again with another token.
const maxKept = 1 << 20

// keepBody lets a small body be sent again. One of known length is read first, any other is kept while it is sent.
func keepBody(w http.ResponseWriter, r *http.Request) *refusal {
	switch {
	case r.ContentLength < 0:
		body := &recorded{ReadCloser: r.Body}
		r.Body, r.GetBody = body, body.again
		return nil
	case r.ContentLength == 0 || r.ContentLength > maxKept:
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxKept))
	if err != nil {
		return &refusal{http.StatusBadRequest, "tokencli_incomplete", "the body of the request did not arrive"}
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	return nil
}

// recorded is a body that is kept while it is sent.
type recorded struct {
	io.ReadCloser

	mu    sync.Mutex
	kept  []byte
	large bool // more than maxKept
	whole bool
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.large = r.large || len(r.kept)+n > maxKept; r.large {
		r.kept = nil
	} else {
		r.kept = append(r.kept, p[:n]...)
	}
	r.whole = r.whole || errors.Is(err, io.EOF)
	return n, err
}

// again returns the body once more, if all of it was sent and it is small.
func (r *recorded) again() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.large || !r.whole {
		return nil, errors.New("the body cannot be sent again")
	}
	return io.NopCloser(bytes.NewReader(r.kept)), nil
}
