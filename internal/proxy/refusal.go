package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/tokencli/tokencli/internal/redact"
)

// refusal is an answer of the proxy itself. Its code begins with tokencli_, so that a program can tell it
// from an answer of the API.
type refusal struct {
	status  int
	code    string
	message string
}

func forbidden(format string, args ...any) *refusal {
	return &refusal{http.StatusForbidden, "tokencli_forbidden", fmt.Sprintf(format, args...)}
}

func (r *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"error": r.code, "error_description": redact.Printable(r.message),
	})
}
