// Package vaultfake serves the few requests of a Vault server that the vault store sends, in memory, for
// tests. A test holds it and the real server to the same answers.
package vaultfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is a fake Vault with a KV engine of version 2 at secret/ and one of version 1 at old/. The zero
// value is ready to be started. Fields are set before it is.
type Server struct {
	Token string // the root token
	// Intercept sees each request first, and answers it itself if it returns true.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
	// After sees each request after it was handled, before its answer is sent; if it returns true, the
	// connection is closed without the answer.
	After func(r *http.Request) bool
	// Index makes the server behave as Vault Enterprise: it sends X-Vault-Index, and demands it back.
	Index bool

	mu       sync.Mutex
	records  map[string]*record
	requests []string
	writes   int
}

type record struct {
	version int64
	data    json.RawMessage // nil: deleted
	created time.Time
}

// Start serves on loopback until the test ends.
func (s *Server) Start(t interface{ Cleanup(func()) }) *httptest.Server {
	if s.Token == "" {
		s.Token = "root"
	}
	s.records = make(map[string]*record)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h
}

// Requests returns the requests so far, as "METHOD PATH".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	if s.Intercept != nil && s.Intercept(w, r) {
		return
	}
	recorder := httptest.NewRecorder()
	s.handle(recorder, r)
	if s.After != nil && s.After(r) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
		return
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	if s.Index {
		w.Header().Set("X-Vault-Index", fmt.Sprint(s.writes))
		if got := r.Header.Get("X-Vault-Index"); got != "" && got < fmt.Sprint(s.writes) {
			refuse(w, http.StatusPreconditionFailed, "required index state not present")
			return
		}
	}
	if path == "sys/health" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"initialized":true,"sealed":false,"version":"1.21.4"}`))
		return
	}
	if r.Header.Get("X-Vault-Token") != s.Token {
		refuse(w, http.StatusForbidden, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
		return
	}
	switch {
	case path == "auth/token/lookup-self":
		answer(w, map[string]any{"ttl": 0, "policies": []string{"root"}})
	case path == "sys/capabilities-self":
		var body struct{ Paths []string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		has := make(map[string]any)
		for _, p := range body.Paths {
			has[p] = []string{"root"}
		}
		answer(w, has)
	case path == "sys/internal/ui/mounts/secret":
		answer(w, map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	case path == "sys/internal/ui/mounts/old":
		answer(w, map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	case strings.HasPrefix(path, "secret/data/"):
		s.data(w, r, strings.TrimPrefix(path, "secret/data/"))
	case strings.HasPrefix(path, "secret/metadata/"):
		s.metadata(w, r, strings.TrimPrefix(path, "secret/metadata/"))
	case strings.HasPrefix(path, "old/"):
		s.version1(w, r, path)
	case strings.HasPrefix(path, "sys/"):
		refuse(w, http.StatusForbidden, "preflight capability check returned 403, please ensure client's policies grant access to path")
	default:
		refuse(w, http.StatusNotFound, "no handler for route \""+path+"\". route entry not found.")
	}
}

func (s *Server) data(w http.ResponseWriter, r *http.Request, key string) {
	rec := s.records[key]
	switch r.Method {
	case http.MethodGet:
		switch {
		case rec == nil:
			refuse(w, http.StatusNotFound)
		case rec.data == nil:
			w.WriteHeader(http.StatusNotFound)
			reply(w, map[string]any{"data": nil, "metadata": rec.metadata()})
		default:
			answer(w, map[string]any{"data": rec.data, "metadata": rec.metadata()})
		}
	case http.MethodPost, http.MethodPut:
		var body struct {
			Options struct{ CAS *int64 }
			Data    json.RawMessage
		}
		if json.NewDecoder(r.Body).Decode(&body) != nil {
			refuse(w, http.StatusBadRequest, "error parsing JSON")
			return
		}
		if rec == nil {
			rec = &record{}
		}
		if body.Options.CAS != nil && *body.Options.CAS != rec.version {
			refuse(w, http.StatusBadRequest, "check-and-set parameter did not match the current version")
			return
		}
		s.writes++
		s.records[key] = &record{version: rec.version + 1, data: body.Data, created: time.Now()}
		answer(w, s.records[key].metadata())
	case http.MethodDelete:
		if rec != nil {
			rec.data = nil
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (r *record) metadata() map[string]any {
	return map[string]any{"version": r.version, "created_time": r.created.UTC().Format(time.RFC3339Nano), "deletion_time": "", "destroyed": false}
}

func (s *Server) metadata(w http.ResponseWriter, r *http.Request, key string) {
	if r.Method == http.MethodDelete {
		delete(s.records, key)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var keys []string
	for name := range s.records {
		rest, ok := strings.CutPrefix(name, key)
		if !ok {
			continue
		}
		if first, _, nested := strings.Cut(rest, "/"); nested {
			rest = first + "/"
		}
		keys = append(keys, rest)
	}
	if len(keys) == 0 {
		refuse(w, http.StatusNotFound)
		return
	}
	slices.Sort(keys)
	answer(w, map[string]any{"keys": slices.Compact(keys)})
}

// version1 is an engine of version 1, to which data/ is a part of the key.
func (s *Server) version1(w http.ResponseWriter, r *http.Request, key string) {
	switch rec := s.records[key]; {
	case r.Method == http.MethodPost:
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body)
		s.records[key] = &record{data: body}
		w.WriteHeader(http.StatusNoContent)
	case rec == nil:
		refuse(w, http.StatusNotFound)
	default:
		reply(w, rec.data)
	}
}

func answer(w http.ResponseWriter, data any) { reply(w, data) }

func reply(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

func refuse(w http.ResponseWriter, status int, errors ...string) {
	if errors == nil {
		errors = []string{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": errors})
}
